"""Choices whose sides may lie outside a buffer compute only the side they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import on, post_order_visit
from .. import op as O
from ..arith.canonical import INDEX_TYPES
from ..expr import BufferLoad, Div, FloorDiv, FloorMod, Mod, Select
from ..function import PrimFunc
from .base import factory
from .scoped import ScopedRewriter

_DIVISIONS = (Div, Mod, FloorDiv, FloorMod)


def is_total(expr: PrimExpr, is_inside: Callable[[Any], bool]) -> bool:
    """True if `expr` has a value whatever its variables are: it divides by no zero, and reads
    buffers only where they are, by what `is_inside` says of a load."""
    failing: list[Any] = []

    def look(node: Any) -> None:
        outside = isinstance(node, BufferLoad) and not is_inside(node)
        by_zero = isinstance(node, _DIVISIONS) and not O.const_value(node.b)
        if outside or by_zero:
            failing.append(node)

    post_order_visit(expr, look)
    return not failing


class _Guard(ScopedRewriter):
    @on(Select)
    def select(self, expr: Select) -> Any:
        """Select(c, A[i - 1], 0)   ->   if_then_else(c, A[i - 1], 0)"""
        new: Any = self.rewrite_children(expr)
        if new.condition.dtype != "bool":
            return new
        if all(is_total(v, self._is_inside) for v in (new.true_value, new.false_value)):
            return new
        return O.if_then_else(new.condition, new.true_value, new.false_value)

    def _is_inside(self, load: BufferLoad) -> bool:
        for index, extent in zip(load.indices, load.buffer.shape, strict=True):
            if index.dtype not in INDEX_TYPES:
                return False
            if not self.analyzer.can_prove(O.logical_and(index >= 0, index < extent)):
                return False
        return True


@factory
def RewriteUnsafeSelect(func: PrimFunc) -> PrimFunc:
    """Select(i > 0, A[i - 1], 0)   ->   if_then_else(i > 0, A[i - 1], 0)"""
    return func.replace(body=_Guard().run(func.body))
