"""Reductions of several vectors at once: lane `k` of the result is that of the k-th vector.

Neighbouring vectors are merged until one is left. A merge adds the first halves of what belongs to
one result to its second halves: for 16 vectors of 16 lanes that takes 15 additions and 30 shuffles,
one reduction after the other 64 and 64.

    a0 a1 a2 a3          a0+a2 a1+a3 b0+b2 b1+b3          a b c d
    b0 b1 b2 b3    ->                               ->
    ..                   c0+c2 c1+c3 d0+d2 d1+d3
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...ir.expr import PrimExpr
from ...support.dtypes import dtype_of
from .. import op as O
from ..accesses import as_indices
from ..expr import Add, Let, Max, Shuffle, Var

Combine = Callable[[PrimExpr, PrimExpr], PrimExpr]


def neutral_element(kind: type[PrimExpr], dtype: str) -> PrimExpr:
    """What changes nothing by an addition, a maximum or a minimum: -0 is it for the sum of floats,
    since 0 + -0 is 0."""
    is_float = dtype_of(dtype).is_float
    if kind is Add:
        return O.const(-0.0 if is_float else 0, dtype)
    if is_float:
        return O.const(-math.inf if kind is Max else math.inf, dtype)
    return O.min_value(dtype) if kind is Max else O.max_value(dtype)


def can_reduce(count: int, lanes: int) -> bool:
    """Whether so many vectors of so many lanes are reduced together: powers of two, no more
    vectors than lanes."""
    return 1 < count <= lanes and count & (count - 1) == 0 and lanes & (lanes - 1) == 0


def reduce_rows(combine: Combine, rows: Sequence[PrimExpr]) -> PrimExpr:
    """The vector of the reductions of `rows`, for which `can_reduce` holds."""
    lanes = dtype_of(rows[0].dtype).lanes
    named: list[tuple[Var, PrimExpr]] = []

    def name(value: PrimExpr) -> Var:
        named.append((Var("part", value.dtype), value))
        return named[-1][0]

    vectors = [name(row) for row in rows]
    width = lanes  # of what belongs to one result in each of the vectors
    while width > 1:
        pairs = [vectors[k : k + 2] for k in range(0, len(vectors), 2)]
        vectors = [name(_halves(combine, pair, width)) for pair in pairs]
        width //= 2
    made: PrimExpr = vectors[0]
    for var, value in reversed(named):
        made = Let(var, value, made)
    return made


def _halves(combine: Combine, vectors: Sequence[PrimExpr], width: int) -> PrimExpr:
    """Both halves of each group of `width` lanes combined, the groups of all vectors in a row."""
    count = len(vectors) * dtype_of(vectors[0].dtype).lanes
    low = [n for n in range(count) if n % width < width // 2]
    high = [n + width // 2 for n in low]
    return combine(*(Shuffle(tuple(vectors), as_indices(half)) for half in (low, high)))


__all__ = ["can_reduce", "reduce_rows"]
