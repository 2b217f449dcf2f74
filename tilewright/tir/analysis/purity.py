"""Whether a function changes anything but what it returns."""

from __future__ import annotations

from typing import Any

from ...ir.functor import post_order_visit
from ...support.errors import ImpureError
from ..arith.canonical import effect_of
from ..expr import Call, CallEffectKind, Var
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, AssertStmt, Block, BufferStore


def is_pure_function(func: PrimFunc) -> bool:
    """True if `func` writes only to memory that it allocates and calls nothing with effects."""
    return _impurity(func) is None


def assert_pure_function(func: PrimFunc) -> bool:
    """True. Raises `ImpureError` that names the first effect if `func` has one."""
    found = _impurity(func)
    if found is not None:
        raise ImpureError(f"the function is not pure: it contains {found}")
    return True


def _impurity(func: PrimFunc) -> Any:
    own: set[Var] = set()
    found: list[Any] = []

    def declare(node: Any) -> None:
        if isinstance(node, (Allocate, AllocateConst)):
            own.add(node.buffer_var)
        elif isinstance(node, Block):
            own.update(buffer.data for buffer in node.alloc_buffers)

    def look(node: Any) -> None:
        if (
            (isinstance(node, BufferStore) and node.buffer.data not in own)
            or isinstance(node, AssertStmt)
            or (isinstance(node, Call) and effect_of(node) is CallEffectKind.UpdateState)
        ):
            found.append(node)

    post_order_visit(func.body, declare)
    post_order_visit(func.body, look)
    return found[0] if found else None
