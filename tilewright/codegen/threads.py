"""What code for a CPU refuses: iterations that are threads of a device."""

from __future__ import annotations

from ..support.errors import CompileError
from ..tir.expr import IterVar
from ..tir.stmt import AttrStmt

_BOUND = ("thread_extent", "virtual_thread")


def refuse_threads(node: AttrStmt, function: str) -> None:
    """Raises `CompileError` if `node` runs its body in threads of a device, as `bind` asks for."""
    axis = node.node
    if node.attr_key not in _BOUND or not isinstance(axis, IterVar):
        return
    raise CompileError(
        f"`{axis.var.name}` of `{function}` runs in threads of a device ({axis.thread_tag}), "
        "which targets of kind llvm and c do not have",
        node.span,
        hint="bind no loop to threads for a CPU: T.serial, T.parallel or T.vectorized, and in a "
        "schedule `parallel` instead of `bind`",
    )
