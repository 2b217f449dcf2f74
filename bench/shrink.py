"""A failing program made smaller: the smallest found that still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tilewright.ir.expr import PrimExpr
from tilewright.ir.node import Node, children
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import TVMError
from tilewright.tir import Broadcast, Buffer, BufferStore, PrimFunc, SeqStmt, Stmt, Var, const


def shrink(func: PrimFunc, fails: Callable[[PrimFunc], bool], tries: int = 2000) -> PrimFunc:
    """The smallest version of `func` found in `tries` tries for which `fails` is still true."""
    left = tries
    progress = True
    while progress and left > 0:
        progress = False
        for body in _smaller(func.body):
            left -= 1
            candidate = func.replace(body=body)
            if _holds(fails, candidate):
                func, progress = candidate, True
                break
            if left <= 0:
                break
    return func


def _holds(fails: Callable[[PrimFunc], bool], candidate: PrimFunc) -> bool:
    try:
        return fails(candidate)
    except TVMError:  # no program any more
        return False


def _smaller(node: Node) -> Iterator[Node]:
    """Versions of a statement or expression with one part less, the smallest first."""
    yield from _itself(node)
    for name in type(node).walked:
        value = getattr(node, name)
        if isinstance(value, tuple):
            for at, item in enumerate(value):
                if isinstance(item, (Stmt, PrimExpr)) and not isinstance(item, Var):
                    for other in _smaller(item):
                        yield node.replace(**{name: (*value[:at], other, *value[at + 1 :])})
        elif isinstance(value, (Stmt, PrimExpr)) and not isinstance(value, (Var, Buffer)):
            for other in _smaller(value):
                yield node.replace(**{name: other})


def _itself(node: Node) -> Iterator[Node]:
    if isinstance(node, SeqStmt):
        for at in range(len(node.seq)):
            rest = (*node.seq[:at], *node.seq[at + 1 :])
            if rest:
                yield SeqStmt(rest) if len(rest) > 1 else rest[0]
    elif isinstance(node, Stmt) and not isinstance(node, BufferStore):
        yield from (child for child in children(node) if isinstance(child, Stmt))
    elif isinstance(node, PrimExpr):
        info = dtype_of(node.dtype)
        if not list(children(node)) or info.code in ("void", "handle"):
            return
        yield from (c for c in children(node) if isinstance(c, PrimExpr) and c.dtype == node.dtype)
        one = const(1, info.element)
        if not isinstance(node, Broadcast):
            yield one if info.lanes == 1 else Broadcast(one, info.lanes)
