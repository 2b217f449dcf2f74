"""Vectors of indices whose lanes lie at known distances from each other."""

from __future__ import annotations

from collections.abc import Callable
from operator import floordiv, mod, mul

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.tir.expr import (
    Add,
    BinaryOpExpr,
    Broadcast,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mul,
    Ramp,
    Sub,
)

Spread = tuple[tuple[PrimExpr, ...], tuple[int, ...]]
"""Scalars whose sum is the start, and the distance of each lane from it."""


def spread_of(index: PrimExpr, count: int) -> Spread | None:
    """`index`, of `count` lanes, as scalars and constants; None where it is more than these.

    Opens sums of ramps and broadcasts, and divisions of constant lanes, such as `8 * i + (lane) //
    2` of an image that becomes twice as large.
    """
    if isinstance(index, Broadcast):
        return _from(index.value, (0,) * count)
    if isinstance(index, Ramp):
        if not isinstance(index.stride, IntImm):
            return None
        return _from(index.base, tuple(n * index.stride.value for n in range(count)))
    if isinstance(index, (Add, Sub)):
        return _sum(index, count)
    if isinstance(index, BinaryOpExpr) and type(index) in _OF_CONSTANTS:
        return _fixed(index, count)
    return None


def _from(base: PrimExpr, distances: tuple[int, ...]) -> Spread | None:
    if isinstance(base, (Broadcast, Ramp)):
        return None
    if isinstance(base, IntImm):
        return (), tuple(base.value + d for d in distances)
    return (base,), distances


def _sum(index: Add | Sub, count: int) -> Spread | None:
    a, b = spread_of(index.a, count), spread_of(index.b, count)
    if a is None or b is None:
        return None
    if isinstance(index, Add):
        return a[0] + b[0], tuple(x + y for x, y in zip(a[1], b[1], strict=True))
    if b[0]:
        return None
    return a[0], tuple(x - y for x, y in zip(a[1], b[1], strict=True))


_OF_CONSTANTS: dict[type[PrimExpr], Callable[[int, int], int]] = {
    Mul: mul, FloorDiv: floordiv, FloorMod: mod, Min: min, Max: max
}  # fmt: skip


def _fixed(index: BinaryOpExpr, count: int) -> Spread | None:
    """Of constants only."""
    a, b = spread_of(index.a, count), spread_of(index.b, count)
    if a is None or b is None or a[0] or b[0]:
        return None
    if isinstance(index, (FloorDiv, FloorMod)) and 0 in b[1]:
        return None
    apply = _OF_CONSTANTS[type(index)]
    return (), tuple(apply(x, y) for x, y in zip(a[1], b[1], strict=True))
