"""Arithmetic on ramps and broadcasts: a vector stays a ramp as long as it is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr
from ...support.dtypes import ScalableLanes, dtype_of
from .. import op as O
from ..expr import Add, Broadcast, CmpExpr, FloorDiv, FloorMod, Mul, Ramp, Sub
from .rules import MAKERS

Parts = tuple[PrimExpr, PrimExpr, int]


def affine(value: PrimExpr) -> Parts | None:
    """Base, stride and lanes of a ramp or broadcast of scalars."""
    if isinstance(value, Ramp):
        return value.base, value.stride, _lanes(value, value.base)
    if isinstance(value, Broadcast):
        return value.value, O.const(0, value.value.dtype), _lanes(value, value.value)
    return None


def _lanes(vector: PrimExpr, of: PrimExpr) -> int:
    """How often `of` is in `vector`; a multiple of what the machine has for a scalable one."""
    lanes, inner = dtype_of(vector.dtype).lanes, dtype_of(of.dtype).lanes
    return lanes if inner == 1 else lanes // inner


def rebuilt(base: PrimExpr, stride: PrimExpr, lanes: int) -> PrimExpr:
    """The ramp, or the broadcast if the stride is zero."""
    return Broadcast(base, lanes) if O.is_const_int(stride, 0) else Ramp(base, stride, lanes)


def simplify_vector(simplifier: Any, expr: Any) -> PrimExpr | None:
    """`expr`, an operation on two vectors, as a ramp or broadcast; None if it is neither."""
    a, b = affine(expr.a), affine(expr.b)
    if a is None or b is None or a[2] != b[2]:
        return None
    if isinstance(expr.a, Broadcast) and isinstance(expr.b, Broadcast):
        return Broadcast(MAKERS[type(expr)](a[0], b[0]), a[2])
    if isinstance(expr, CmpExpr):
        return None
    rule = _RULES.get(type(expr))
    if rule is None or "int" not in a[0].dtype or "x" in a[0].dtype:
        return None
    return rule(simplifier, a, b)


def _add(_: Any, a: Parts, b: Parts) -> PrimExpr:
    return rebuilt(a[0] + b[0], a[1] + b[1], a[2])


def _sub(_: Any, a: Parts, b: Parts) -> PrimExpr:
    return rebuilt(a[0] - b[0], a[1] - b[1], a[2])


def _mul(_: Any, a: Parts, b: Parts) -> PrimExpr | None:
    if O.is_const_int(a[1], 0):
        a, b = b, a
    if not O.is_const_int(b[1], 0):
        return None
    return rebuilt(a[0] * b[0], a[1] * b[0], a[2])


def _floordiv(simplifier: Any, a: Parts, b: Parts) -> PrimExpr | None:
    return _divide(simplifier, FloorDiv, a, b)


def _floormod(simplifier: Any, a: Parts, b: Parts) -> PrimExpr | None:
    return _divide(simplifier, FloorMod, a, b)


def _divide(simplifier: Any, kind: type[PrimExpr], a: Parts, b: Parts) -> PrimExpr | None:
    """A ramp divided by a constant, if its lanes stay equally spaced."""
    stride, divisor = O.const_value(a[1]), O.const_value(b[0])
    if not O.is_const_int(b[1], 0) or not isinstance(stride, int) or not isinstance(divisor, int):
        return None
    if divisor <= 0:
        return None
    make = MAKERS[kind]
    if stride % divisor == 0:
        step = stride // divisor if kind is FloorDiv else 0
        return rebuilt(make(a[0], b[0]), O.const(step, a[0].dtype), a[2])
    if isinstance(a[2], ScalableLanes):
        return None
    inside = simplifier.simplify(a[0] % divisor)
    lo, hi = simplifier.interval(inside)
    last = stride * (a[2] - 1)
    if lo + min(last, 0) >= 0 and hi + max(last, 0) < divisor:
        if kind is FloorDiv:
            return Broadcast(a[0] // divisor, a[2])
        return Ramp(inside, a[1], a[2])
    return None


_RULES: dict[type[PrimExpr], Callable[[Any, Parts, Parts], PrimExpr | None]] = {
    Add: _add,
    Sub: _sub,
    Mul: _mul,
    FloorDiv: _floordiv,
    FloorMod: _floormod,
}
