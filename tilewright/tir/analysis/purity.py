"""Whether a function changes anything but what it returns."""

from __future__ import annotations

from typing import Any

from ...ir.node import children
from ...support.errors import ImpureError
from ..arith.canonical import effect_of
from ..expr import Call, CallEffectKind, Var
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, AssertStmt, Block, BufferStore
from .arguments import looks_at


@looks_at(PrimFunc)
def is_pure_function(func: PrimFunc) -> bool:
    """True if `func` writes only to memory that it allocates and calls nothing with effects."""
    return _impurity(func) is None


@looks_at(PrimFunc)
def assert_pure_function(func: PrimFunc) -> bool:
    """True. Raises `ImpureError` that names the first effect if `func` has one."""
    found = _impurity(func)
    if found is not None:
        raise ImpureError(f"the function is not pure: it contains {found}")
    return True


def _impurity(func: PrimFunc) -> Any:
    """The first effect of `func`; None if it has none."""
    own: set[Var] = set()
    seen: set[int] = set()
    todo: list[Any] = [func.body]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, (Allocate, AllocateConst)):
            own.add(node.buffer_var)
        elif isinstance(node, Block):
            own.update(buffer.data for buffer in node.alloc_buffers)
        elif _is_effect(node, own):
            return node
        todo += reversed(list(children(node)))
    return None


def _is_effect(node: Any, own: set[Var]) -> bool:
    if isinstance(node, BufferStore):
        return node.buffer.data not in own
    if isinstance(node, Call):
        return effect_of(node) is CallEffectKind.UpdateState
    return isinstance(node, AssertStmt)
