"""Whether regions, as loops run, fill the box around them: what writes cover for certain."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ...ir.expr import PrimExpr, Range
from .bindings import Digit, by_source, digits_of, is_affine
from .poly import Poly, Space, constant, plus, times, value_of


def fills_box(
    space: Space, region: Sequence[Range], loops: set[int], limits: Sequence[PrimExpr | None]
) -> bool:
    """True if the region, taken over all iterations of `loops` (by number), leaves no hole in the
    box around it, as far as that is below `limits`: each index moves in steps no wider than what
    is taken at a time, and no two indices move together, unless they are independent digits of
    loops that all run.

    A[i * 4 + j, k : k + 2] fills its box; A[i * 2], A[i, i] do not.
    """
    return is_dense(space, region, loops) and _runs_through(space, region, limits, loops)


def is_dense(space: Space, region: Sequence[Range], loops: set[int]) -> bool:
    """True if the region leaves no hole in the box around it, except for a number that is cut
    short of the last values of its digits: A[i // 4, i % 4] for i < 14."""
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


def _split_off(space: Space, p: Poly, loops: set[int]) -> tuple[Poly, Poly]:
    """The terms of `p` that move with the loops, and the others."""
    moving = {m: c for m, c in p.items() if space.variables({m: c}) & loops}
    return moving, {m: c for m, c in p.items() if m not in moving}


def _are_digits(space: Space, ranges: list[Range], loops: set[int]) -> bool:
    """True if indices that move together are independent digits of loops that all run, each added
    to what does not move."""
    indices = [r.min for r in ranges]
    others = space.ranges.keys() - loops
    moving = [_split_off(space, space.joined(space.poly(i)), loops)[0] for i in indices]
    return not any(space.variables(p) & others for p in moving) and is_affine(space, indices, loops)


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


def _runs_through(
    space: Space, region: Sequence[Range], limits: Sequence[PrimExpr | None], loops: set[int]
) -> bool:
    """True if indices that are digits of one number take all combinations of their values, as far
    as these are below `limits`: `i // 4` and `i % 4` do for `i < 12`, not for `i < 10`."""
    found: list[Digit] = []
    for r, limit in zip(region, limits, strict=True):
        start = space.joined(space.poly(r.min))
        digits = digits_of(space, start, loops) or []
        is_forward = space.nonneg(_split_off(space, start, loops)[1])
        if len(digits) == 1 and is_forward and limit is not None:
            digits = [_limited(space, digits[0], space.poly(limit))]
        found += digits
    for source, parts in by_source(space, [found]).items():
        if len(parts) == 1 and not parts[0].is_cut:
            continue
        high = space.relax(dict(source))[1]
        total = functools.reduce(plus, (times(d.lower, _last(d)) for d in parts))
        if high is None or not space.nonneg(plus(high, total, -1)):
            return False
    return True


def _limited(space: Space, digit: Digit, size: Poly) -> Digit:
    """The digit as far as it is below `size`, if it is the index as it is."""
    if value_of(digit.scale) != 1 or not space.nonneg(plus(digit.extent, size, -1)):
        return digit
    return Digit(digit.source, digit.lower, size, digit.scale, digit.is_cut)


def _last(digit: Digit) -> Poly:
    return plus(digit.extent, constant(-1))
