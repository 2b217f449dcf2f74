"""Divisions that round down and elementary functions, in simpler operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith.canonical import INDEX_TYPES
from ..expr import Call, FloorDiv, FloorMod
from ..function import PrimFunc
from .base import factory
from .scoped import ScopedRewriter


def _one(value: PrimExpr) -> PrimExpr:
    return O.const(1.0, value.dtype)


def _shifted_product(
    x: PrimExpr,
    y: PrimExpr,
    left: PrimExpr,
    right: PrimExpr,
    q: PrimExpr,
    is_left: PrimExpr,
    is_right: PrimExpr,
) -> PrimExpr:
    """`(x << left) * y >> (q + right)` in 64 bits, rounded to nearest, halves up; not shifted to
    the left without `is_left`. `right` is 0 where there is no shift to the right, so that
    `is_right` says nothing more."""
    del is_right
    x64, y64, left64, right64, q64 = (
        O.cast(e, f"int64{e.dtype.removeprefix('int32')}") for e in (x, y, left, right, q)
    )
    product = O.multiply(O.select(is_left, O.shift_left(x64, left64), x64), y64)
    shift = O.add(q64, right64)
    half = O.shift_left(O.const(1, shift.dtype), O.subtract(shift, O.const(1, shift.dtype)))
    return O.cast(O.shift_right(O.add(product, half), shift), x.dtype)


IN_OTHER_WORDS: dict[str, Callable[..., PrimExpr]] = {
    "tir.sigmoid": lambda x: O.div(_one(x), O.add(_one(x), O.exp(O.neg(x)))),
    "tir.rsqrt": lambda x: O.div(_one(x), O.sqrt(x)),
    "tir.exp10": lambda x: O.exp(O.multiply(x, O.const(2.302585092994046, x.dtype))),
    "tir.isfinite": lambda x: O.all(O.logical_not(O.isinf(x)), O.logical_not(O.isnan(x))),
    "tir.q_multiply_shift_per_axis": _shifted_product,
    "tir.isinf": lambda x: O.equal(O.abs(x), O.infinity(dtype_of(x.dtype).element)),
}
"""Intrinsics that every target has in other words: what they become."""


class _Lower(ScopedRewriter):
    @on(FloorDiv)
    def floordiv(self, expr: FloorDiv) -> PrimExpr:
        """a // 8 -> a >> 3; a // b -> truncdiv(a, b), less one where that was rounded up"""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        shift = _power_of_two(b)
        if shift is not None and not dtype_of(a.dtype).is_bool:
            return O.shift_right(a, O.const(shift, a.dtype))
        if self._same_signs(a, b):
            return O.truncdiv(a, b)
        quotient, exact = O.truncdiv(a, b), self._needs_no_step(a, b)
        if exact is None:
            return quotient
        return O.select(exact, quotient, O.subtract(quotient, O.const(1, quotient.dtype)))

    @on(FloorMod)
    def floormod(self, expr: FloorMod) -> PrimExpr:
        """a % 8 -> a & 7; a % b -> truncmod(a, b), plus b where that has the other sign"""
        a, b = self.rewrite(expr.a), self.rewrite(expr.b)
        shift = _power_of_two(b)
        if shift is not None and not dtype_of(a.dtype).is_bool:
            return O.bitwise_and(a, O.const((1 << shift) - 1, a.dtype))
        if self._same_signs(a, b):
            return O.truncmod(a, b)
        rest, exact = O.truncmod(a, b), self._needs_no_step(a, b)
        return rest if exact is None else O.select(exact, rest, O.add(rest, b))

    def _needs_no_step(self, a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
        """Whether rounding towards zero is rounding down."""
        rest, zero = O.truncmod(a, b), O.const(0, a.dtype)
        if dtype_of(a.dtype).is_uint:
            return None
        if self._proves(b > 0):
            return O.greater_equal(rest, zero)
        upper = O.all(b >= zero, rest >= zero)
        return O.any(upper, O.all(b < zero, rest <= zero))

    def _same_signs(self, a: PrimExpr, b: PrimExpr) -> bool:
        return dtype_of(a.dtype).is_uint or (self._proves(a >= 0) and self._proves(b >= 0))

    def _proves(self, condition: PrimExpr) -> bool:
        if isinstance(condition, IntImm):
            return bool(condition.value)
        operand: Any = condition
        return operand.a.dtype in INDEX_TYPES and self.analyzer.can_prove(condition)

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """sigmoid(x) -> 1 / (1 + exp(-x)), and so on"""
        new: Call = self.rewrite_children(call)
        rule = IN_OTHER_WORDS.get(getattr(new.op, "name", ""))
        return new if rule is None else rule(*new.args)


def _power_of_two(value: PrimExpr) -> int | None:
    constant = O.const_value(value)
    if not isinstance(constant, int) or constant <= 0 or constant & (constant - 1):
        return None
    return constant.bit_length() - 1


@factory
def LowerIntrin(func: PrimFunc) -> PrimFunc:
    """a // 8 -> a >> 3; a % 8 -> a & 7; a // b -> truncdiv(a, b); sigmoid(x) -> 1 / (1 + exp(-x))

    Divisions that round down become those that round towards zero, corrected where the signs may
    differ.
    """
    return func.replace(body=_Lower().run(func.body))
