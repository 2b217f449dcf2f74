"""What a block reads: boxes around indices that differ by constants."""

from __future__ import annotations

from ..ir.expr import IntImm, PrimExpr, Range
from ..ir.structural import structural_equal
from ..tir.buffer import Buffer
from ..tir.expr import Add, Cast, Mul, Sub, Var
from ..tir.stmt import BufferRegion

Terms = dict[int, int]


def _collect(value: PrimExpr, factor: int, terms: Terms) -> int | None:
    """Adds `factor * value` to `terms` and returns the constant part; None if it is not linear."""
    if isinstance(value, IntImm):
        return factor * value.value
    if isinstance(value, Var):
        terms[id(value)] = terms.get(id(value), 0) + factor
        return 0
    if isinstance(value, Cast):
        return _collect(value.value, factor, terms)
    if isinstance(value, (Add, Sub)):
        left = _collect(value.a, factor, terms)
        right = _collect(value.b, -factor if isinstance(value, Sub) else factor, terms)
        return None if left is None or right is None else left + right
    if isinstance(value, Mul):
        for constant, other in ((value.b, value.a), (value.a, value.b)):
            if isinstance(constant, IntImm):
                return _collect(other, factor * constant.value, terms)
    terms[id(value)] = terms.get(id(value), 0) + factor
    return 0


def difference(a: PrimExpr, b: PrimExpr) -> int | None:
    """The constant `a - b`; None if they do not differ by one."""
    terms: Terms = {}
    left = _collect(a, 1, terms)
    right = _collect(b, -1, terms)
    if left is None or right is None or any(terms.values()):
        return None
    return left + right


def union(buffer: Buffer, places: list[tuple[PrimExpr, ...]]) -> BufferRegion:
    """The smallest box of constant size around `places`; whole dimensions where none is known."""
    if len(places) == 1:
        return BufferRegion(buffer, tuple([Range(i, IntImm(i.dtype, 1)) for i in places[0]]))
    ranges = []
    for axis, extent in enumerate(buffer.shape):
        ranges.append(_hull([place[axis] for place in places], extent))
    return BufferRegion(buffer, tuple(ranges))


def _hull(indices: list[PrimExpr], extent: PrimExpr) -> Range:
    first = indices[0]
    lowest, least, most = first, 0, 0
    for index in indices[1:]:
        if index is first or structural_equal(index, first):
            continue
        apart = difference(index, first)
        if apart is None:
            return Range(IntImm(extent.dtype, 0), extent)
        if apart < least:
            lowest, least = index, apart
        most = max(most, apart)
    return Range(lowest, IntImm(lowest.dtype, most - least + 1))
