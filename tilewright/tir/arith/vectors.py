"""Arithmetic on ramps and broadcasts: a vector stays a ramp as long as it is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr
from ...support.dtypes import ScalableLanes, dtype_of
from ...support.errors import ArgumentError
from .. import op as O
from ..expr import (
    Add,
    Broadcast,
    CmpExpr,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Ramp,
    Sub,
)  # fmt: skip
from .canonical import INDEX_TYPES
from .divide import split_multiple
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
    if a is None and b is not None and type(expr.a) is type(expr):
        return _regrouped(expr)
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


def _regrouped(expr: Any) -> PrimExpr | None:
    """`min(min(v, broadcast(x)), broadcast(y)) -> min(v, broadcast(min(x, y)))`, of integers."""
    kind, inner, last = type(expr), expr.a.b, expr.b
    both_spread = isinstance(inner, Broadcast) and isinstance(last, Broadcast)
    if kind not in (Min, Max) or not both_spread or not dtype_of(expr.dtype).is_integral:
        return None
    return MAKERS[kind](expr.a.a, Broadcast(MAKERS[kind](inner.value, last.value), last.lanes))


def _add(_: Any, a: Parts, b: Parts) -> PrimExpr:
    return rebuilt(a[0] + b[0], a[1] + b[1], a[2])


def _sub(_: Any, a: Parts, b: Parts) -> PrimExpr:
    subtract = MAKERS[Sub]
    return rebuilt(subtract(a[0], b[0]), subtract(a[1], b[1]), a[2])


def _mul(_: Any, a: Parts, b: Parts) -> PrimExpr | None:
    if O.is_const_int(a[1], 0):
        a, b = b, a
    if not O.is_const_int(b[1], 0):
        return None
    return rebuilt(a[0] * b[0], a[1] * b[0], a[2])


def _rounding(kind: type[PrimExpr]) -> Callable[[Any, Parts, Parts], PrimExpr | None]:
    """The rule of one kind of division."""
    return lambda simplifier, a, b: _divide(simplifier, kind, a, b)


def _divide(simplifier: Any, kind: type[PrimExpr], a: Parts, b: Parts) -> PrimExpr | None:
    """A ramp divided by a constant, if its lanes stay equally spaced."""
    stride, divisor = O.const_value(a[1]), O.const_value(b[0])
    if not O.is_const_int(b[1], 0) or not isinstance(stride, int) or not isinstance(divisor, int):
        return None
    if divisor == 0 and O.const_value(a[0]):
        raise ArgumentError(f"division of {Ramp(*a)} by zero")
    if divisor <= 0 or (kind in (Div, Mod) and not _is_positive(simplifier, a, stride)):
        return None
    if a[0].dtype not in INDEX_TYPES and _may_wrap(simplifier, a, stride):
        return None
    if stride % divisor == 0:
        step = O.const(0 if kind in _RESTS else stride // divisor, a[0].dtype)
        return rebuilt(MAKERS[kind](a[0], b[0]), step, a[2])
    if not isinstance(a[2], ScalableLanes):
        inside = simplifier.simplify(a[0] % divisor)
        lo, hi = simplifier.interval(inside)
        last = stride * (a[2] - 1)
        if lo + min(last, 0) >= 0 and hi + max(last, 0) < divisor:
            return Ramp(inside, a[1], a[2]) if kind in _RESTS else Broadcast(a[0] // divisor, a[2])
    return _rest(simplifier, kind, a, stride, divisor) if kind in _RESTS else None


def _may_wrap(simplifier: Any, a: Parts, stride: int) -> bool:
    """True if a lane of a ramp may be beyond what its type holds."""
    if isinstance(a[2], ScalableLanes):
        return True
    (lo, hi), last, held = simplifier.interval(a[0]), stride * (a[2] - 1), dtype_of(a[0].dtype)
    return bool(lo + min(last, 0) < held.min_value or hi + max(last, 0) > held.max_value)


def _is_positive(simplifier: Any, a: Parts, stride: int) -> bool:
    """True if no lane is negative: division rounds down then, whatever its kind."""
    first = simplifier.interval(a[0])[0]
    if stride < 0:
        return not isinstance(a[2], ScalableLanes) and first + stride * (a[2] - 1) >= 0
    return bool(first >= 0)


def _rest(simplifier: Any, kind: type[PrimExpr], a: Parts, stride: int, by: int) -> PrimExpr | None:
    """`ramp(8 * x + 9, 15, 4) % 8 -> ramp(1, 15, 4) % 8`; None if nothing is left out."""
    if a[0].dtype not in INDEX_TYPES or (base := simplifier.sum(a[0])).may_wrap():
        return None
    rest = split_multiple(base, by)[1]
    first: Parts = (rest.expr(), a[1], a[2])
    if rest.key == base.key or (kind is Mod and not _is_positive(simplifier, first, stride)):
        return None
    return MAKERS[kind](Ramp(*first), Broadcast(O.const(by, a[0].dtype), a[2]))


_RESTS = (FloorMod, Mod)
_RULES: dict[type[PrimExpr], Callable[[Any, Parts, Parts], PrimExpr | None]] = {
    Add: _add,
    Sub: _sub,
    Mul: _mul,
    **{kind: _rounding(kind) for kind in (FloorDiv, FloorMod, Div, Mod)},
}
