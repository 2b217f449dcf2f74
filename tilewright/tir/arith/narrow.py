"""Conditions made stronger until they no longer depend on some of their variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from ...ir.node import children
from .. import op as O
from ..expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    BufferLoad,
    FloorDiv,
    Mul,
    Not,
    Or,
    Sub,
    Var,
)  # fmt: skip
from .int_set import mentions

FALSE = IntImm("bool", 0)


class _Unknown(Exception):
    """A part of a condition has no bound that is free of the parameters."""


def narrow_predicate_expression(expr: PrimExpr, free_parameters: Mapping[Var, Range]) -> PrimExpr:
    """A condition without `free_parameters` that implies `expr` whatever these are.

    i < n (n in 0..7)   ->   i < 0

    What has no such bound becomes false; nothing is simplified.
    """
    return _Narrow(free_parameters).condition(as_scalar(expr))


class _Narrow:
    def __init__(self, ranges: Mapping[Var, Range]) -> None:
        self.ranges = ranges

    # ---- conditions -------------------------------------------------------------------------

    def condition(self, expr: PrimExpr) -> PrimExpr:
        """`expr` or something stronger."""
        handler = _CONDITIONS.get(type(expr))
        if handler is not None:
            return handler(self, expr)
        return expr if self.is_fixed(expr) else FALSE

    def is_fixed(self, expr: PrimExpr) -> bool:
        """True if `expr` reads neither parameters nor memory."""
        return not mentions(expr, self.ranges) and not _loads(expr)

    def _both(self, expr: Any) -> PrimExpr:
        return And(self.condition(expr.a), self.condition(expr.b))

    def _either(self, expr: Any) -> PrimExpr:
        return Or(self.condition(expr.a), self.condition(expr.b))

    def _not(self, expr: Any) -> PrimExpr:
        inner = expr.a
        turned = _OPPOSITE.get(type(inner))
        if turned is None:
            return expr if self.is_fixed(expr) else FALSE
        if isinstance(inner, (And, Or)):
            return self.condition(turned(Not(inner.a), Not(inner.b)))
        made = self.condition(turned(inner.a, inner.b))
        return Not(type(inner)(made.a, made.b)) if type(made) is turned else made  # type: ignore

    def _equal(self, expr: Any) -> PrimExpr:
        if self.is_fixed(expr):
            return expr  # type: ignore[no-any-return]
        sides = LE(expr.a, expr.b), LE(expr.b, expr.a)
        return O.logical_and(*(self.condition(side) for side in sides))

    def _different(self, expr: Any) -> PrimExpr:
        if self.is_fixed(expr):
            return expr  # type: ignore[no-any-return]
        sides = LT(expr.a, expr.b), LT(expr.b, expr.a)
        return O.logical_or(*(self.condition(side) for side in sides))

    def _less(self, expr: Any) -> PrimExpr:
        return self._ordered(expr, True)

    def _greater(self, expr: Any) -> PrimExpr:
        return self._ordered(expr, False)

    def _ordered(self, expr: Any, is_less: bool) -> PrimExpr:
        try:
            a, b = self.bound(expr.a, is_less), self.bound(expr.b, not is_less)
        except _Unknown:
            return FALSE
        same = a is expr.a and b is expr.b
        made: PrimExpr = expr if same else type(expr)(a, b)
        return made

    # ---- values -----------------------------------------------------------------------------

    def bound(self, expr: PrimExpr, upper: bool) -> PrimExpr:
        """An upper (or lower) bound of `expr` without parameters."""
        if isinstance(expr, Var) and expr in self.ranges:
            range_ = self.ranges[expr]
            return O.subtract(range_.end, 1) if upper else range_.min
        if self.is_fixed(expr):
            return expr
        handler = _VALUES.get(type(expr))
        if handler is None:
            raise _Unknown
        return handler(self, expr, upper)

    def _sum(self, expr: Any, upper: bool) -> PrimExpr:
        return Add(self.bound(expr.a, upper), self.bound(expr.b, upper))

    def _difference(self, expr: Any, upper: bool) -> PrimExpr:
        return Sub(self.bound(expr.a, upper), self.bound(expr.b, not upper))

    def _product(self, expr: Any, upper: bool) -> PrimExpr:
        a, b = (expr.b, expr.a) if isinstance(expr.a, IntImm) else (expr.a, expr.b)
        if not isinstance(b, IntImm):
            raise _Unknown
        return Mul(self.bound(a, upper if b.value >= 0 else not upper), b)

    def _quotient(self, expr: Any, upper: bool) -> PrimExpr:
        if not isinstance(expr.b, IntImm) or expr.b.value == 0:
            raise _Unknown
        return FloorDiv(self.bound(expr.a, upper if expr.b.value > 0 else not upper), expr.b)


def _loads(expr: Any) -> bool:
    return isinstance(expr, BufferLoad) or any(_loads(child) for child in children(expr))


_OPPOSITE: dict[type[PrimExpr], Callable[..., PrimExpr]] = {
    LT: GE, GE: LT, GT: LE, LE: GT, EQ: NE, NE: EQ, And: Or, Or: And,
}  # fmt: skip
_CONDITIONS: dict[type[PrimExpr], Callable[[_Narrow, Any], PrimExpr]] = {
    And: _Narrow._both,
    Or: _Narrow._either,
    Not: _Narrow._not,
    EQ: _Narrow._equal,
    NE: _Narrow._different,
    LT: _Narrow._less,
    LE: _Narrow._less,
    GT: _Narrow._greater,
    GE: _Narrow._greater,
}
_VALUES: dict[type[PrimExpr], Callable[[_Narrow, Any, bool], PrimExpr]] = {
    Add: _Narrow._sum,
    Sub: _Narrow._difference,
    Mul: _Narrow._product,
    FloorDiv: _Narrow._quotient,
}
