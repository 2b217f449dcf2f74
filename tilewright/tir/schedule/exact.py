"""Whether regions, as loops run, fill the box around them: what writes cover for certain."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.expr import Range
from .bindings import Digit, digits_of, is_affine
from .poly import Poly, Space, constant, plus, times, value_of


def fills_box(space: Space, region: Sequence[Range], loops: set[int]) -> bool:
    """True if the region, taken over all iterations of `loops` (by number), leaves no hole in the
    box around it: each index moves in steps no wider than what is taken at a time, and no two
    indices move together, unless they are independent digits of loops that all run.

    A[i * 4 + j, k : k + 2] fills its box; A[i * 2], A[i, i] do not.
    """
    groups: list[tuple[set[int], list[Range]]] = []
    for r in region:
        start, extent = space.joined(space.poly(r.min)), space.poly(r.extent)
        if space.variables(extent) & loops or not _has_no_holes(space, start, extent, loops):
            return False
        used, members = set(space.variables(start) & loops), [r]
        for group in [g for g in groups if g[0] & used]:
            groups.remove(group)
            used, members = used | group[0], members + group[1]
        if used:
            groups.append((used, members))
    return all(len(members) == 1 or _are_digits(space, members, loops) for _, members in groups)


def _are_digits(space: Space, ranges: list[Range], loops: set[int]) -> bool:
    """True if indices that move together are independent digits of loops that all run."""
    indices = [r.min for r in ranges]
    for index in indices:
        moving = [space.variables({m: 1}) for m in space.joined(space.poly(index))]
        if any(inside & loops and inside & space.ranges.keys() - loops for inside in moving):
            return False
    return is_affine(space, indices, loops)


def _has_no_holes(space: Space, start: Poly, extent: Poly, loops: set[int]) -> bool:
    """True if the interval of `extent` from `start` on, moved by the loops, leaves no gap."""
    digits = digits_of(space, {m: abs(c) for m, c in start.items()}, loops)
    if digits is None:
        return False
    span = extent
    left = [d for d in digits if value_of(d.extent) != 1]
    while left:
        lowest = next((d for d in left if _reaches(space, span, d)), None)
        if lowest is None:
            return False
        left.remove(lowest)
        span = plus(span, times(lowest.scale, plus(lowest.extent, constant(-1))))
    return True


def _reaches(space: Space, span: Poly, digit: Digit) -> bool:
    return space.nonneg(plus(span, digit.scale, -1))
