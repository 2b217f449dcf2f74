"""Quotients and rests of joined indices taken apart again."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on
from .. import op as O
from ..arith.canonical import INDEX_TYPES
from ..expr import Add, FloorDiv, FloorMod, Mul
from ..function import PrimFunc
from .base import factory
from .scoped import ScopedRewriter


class _Renormalize(ScopedRewriter):
    @on(FloorDiv)
    def floordiv(self, expr: FloorDiv) -> PrimExpr:
        """(x * 4 + y) // 16   ->   (x + y // 4) // 4"""
        new: Any = self.rewrite_children(expr)
        parts = self._joined(new)
        if parts is None:
            return new  # type: ignore[no-any-return]
        whole, _, outer, _ = parts
        return O.floordiv(whole, outer)

    @on(FloorMod)
    def floormod(self, expr: FloorMod) -> PrimExpr:
        """(x * 4 + y) % 16   ->   (x + y // 4) % 4 * 4 + y % 4"""
        new: Any = self.rewrite_children(expr)
        parts = self._joined(new)
        if parts is None:
            return new  # type: ignore[no-any-return]
        whole, inner, outer, rest = parts
        return O.add(O.multiply(O.floormod(whole, outer), inner), rest)

    def _joined(self, expr: Any) -> tuple[PrimExpr, int, int, PrimExpr] | None:
        """`x + y // inner`, `inner`, the divisor over `inner`, and `y % inner`."""
        divisor = O.const_value(expr.b)
        if expr.dtype not in INDEX_TYPES or not isinstance(divisor, int) or divisor <= 0:
            return None
        product, rest = _product_and_rest(expr.a)
        if product is None:
            return None
        inner = O.const_value(product.b)
        if not isinstance(inner, int) or inner <= 1 or divisor % inner or divisor == inner:
            return None
        simplify = self.analyzer.simplify
        whole = O.add(product.a, simplify(O.floordiv(rest, inner)))
        return whole, inner, divisor // inner, simplify(O.floormod(rest, inner))


def _product_and_rest(expr: PrimExpr) -> tuple[Any, PrimExpr]:
    """`x * 4` and `y` of `x * 4 + y`."""
    zero = IntImm(expr.dtype, 0)
    if isinstance(expr, Mul):
        return expr, zero
    if isinstance(expr, Add):
        for one, other in ((expr.a, expr.b), (expr.b, expr.a)):
            if isinstance(one, Mul) and isinstance(one.b, IntImm):
                return one, other
    return None, zero


@factory
def RenormalizeSplitPattern(func: PrimFunc) -> PrimFunc:
    """(x * 4 + y) // 16   ->   (x + y // 4) // 4
    (x * 4 + y) % 16   ->   (x + y // 4) % 4 * 4 + y % 4

    Joined loops are told apart again, so that what is constant in the inner ones can be seen.
    """
    return func.replace(body=_Renormalize().run(func.body))
