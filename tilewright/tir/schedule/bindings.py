"""Whether a block runs once for each of its instances: its bindings as mixed-radix numbers.

Each binding must be a sum of digits `scale * ((source // lower) % extent)`, a source being a loop
or an injective sum of loops. No part of a source may serve twice, no loop in two sources, and
within a binding a digit's scale must be at least what the lower digits span.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...ir.expr import PrimExpr
from .poly import Monomial, Poly, Space, constant, plus, times, value_of

Source = frozenset[tuple[Monomial, int]]


@dataclass(frozen=True, slots=True)
class Digit:
    """`scale * ((source // lower) % extent)`; `is_cut` if a remainder was taken."""

    source: Source
    lower: Poly
    extent: Poly
    scale: Poly
    is_cut: bool = False

    def scaled(self, scale: Poly) -> Digit:
        """The digit with another scale."""
        return Digit(self.source, self.lower, self.extent, scale, self.is_cut)


def digits_of(space: Space, p: Poly, loops: set[int]) -> list[Digit] | None:
    """The digits of `loops` that `p` is a sum of, all else being fixed; None if it is no sum."""
    found = []
    for m, c in p.items():
        moving = [a for a in m if loops & space.atoms[a].variables]
        if not moving:
            continue
        if len(moving) != 1 or c < 0:
            return None
        digit = _digit(space, moving[0], loops)
        if digit is None:
            return None
        found.append(digit.scaled({tuple(a for a in m if a != moving[0]): c}))
    return found


def _digit(space: Space, a: int, loops: set[int]) -> Digit | None:
    """The atom as a digit of scale 1."""
    atom = space.atoms[a]
    if atom.kind == "var":
        low, high = space.ranges.get(a, (None, None))
        if low is None or high is None:
            return None
        extent = plus(plus(high, low, -1), constant(1))
        return Digit(frozenset({((a,), 1)}), constant(1), extent, constant(1))
    if atom.kind not in ("//", "%"):
        return None
    x = _inner(space, atom.args[0], loops)
    if x is None:
        return None
    d = atom.args[1]
    if x.is_cut and not _divides(space, d, x.extent):
        return None
    if atom.kind == "%":
        return Digit(x.source, x.lower, d, constant(1), True)
    rest = space.quotient(plus(plus(x.extent, d), constant(-1)), d)
    return Digit(x.source, times(x.lower, d), rest, constant(1), x.is_cut)


def _inner(space: Space, p: Poly, loops: set[int]) -> Digit | None:
    """What a quotient or remainder is taken of: one digit, or an injective sum as a source."""
    if len(p) == 1:
        ((m, c),) = p.items()
        if c == 1 and len(m) == 1:
            if space.atoms[m[0]].kind == "var" and space.ranges.get(m[0], (None,))[0]:
                return None
            return _digit(space, m[0], loops)
    digits = digits_of(space, p, loops)
    if digits is None or any(value_of(d.lower) != 1 for d in digits):
        return None
    if any(d.is_cut for d in digits):
        return _cut_sum(space, p, digits)
    low, high = space.relax(p)
    if low or low is None or high is None or not _ordered(space, digits):
        return None
    return Digit(frozenset(p.items()), constant(1), plus(high, constant(1)), constant(1))


def _cut_sum(space: Space, p: Poly, digits: list[Digit]) -> Digit | None:
    """A sum of which the highest part alone is cut, as a remainder: `i % 4 * 8 + j` of `j` below 8
    is `(i * 8 + j) % 32`."""
    (top, *more), rest = ([d for d in digits if d.is_cut], [d for d in digits if not d.is_cut])
    scale = value_of(top.scale)
    ((atom, factor), *others) = top.source
    if more or others or factor != 1 or scale is None or not _ordered(space, digits):
        return None
    if not all(_spans(space, top, d) for d in rest):
        return None
    whole = {atom: scale}
    for d in rest:
        whole = plus(whole, times(dict(d.source), d.scale))
    cut = plus(p, space.remainder({atom: 1}, top.extent), -scale)
    if plus(whole, {atom: scale}, -1) != cut or space.relax(whole)[0] != {}:
        return None
    return Digit(frozenset(whole.items()), constant(1), times(top.scale, top.extent), constant(1),
                 True)  # fmt: skip


def by_source(space: Space, found: Iterable[Iterable[Digit]]) -> dict[Source, list[Digit]]:
    """The digits of several numbers by their sources. Those of a loop are digits of the sum in
    which it is the highest part: `i // 2` is `(i * 8 + j) // 16` of `j` below 8."""
    digits = [digit for each in found for digit in each]
    wider: dict[Source, tuple[Source, int]] = {}
    for source in dict.fromkeys(d.source for d in digits if len(d.source) > 1):
        top, scale = max(source, key=lambda term: term[1])
        rest = {m: c for m, c in source if m != top}
        room = plus(constant(scale - 1), rest, -1)
        if space.nonneg(rest) and space.nonneg(room):
            wider[frozenset({(top, 1)})] = (source, scale)
    used: dict[Source, list[Digit]] = {}
    for digit in digits:
        if digit.source in wider:
            source, scale = wider[digit.source]
            lower = times(digit.lower, constant(scale))
            digit = Digit(source, lower, digit.extent, digit.scale, digit.is_cut)
        used.setdefault(digit.source, []).append(digit)
    return used


def _divides(space: Space, d: Poly, p: Poly) -> bool:
    return not space._divide(p, d)[1] or value_of(space.remainder(p, d)) == 0


def is_affine(space: Space, bindings: list[PrimExpr], loops: set[int]) -> bool:
    """True if the bindings are independent mixed-radix numbers of `loops` (by number)."""
    found = []
    for binding in bindings:
        digits = digits_of(space, space.joined(space.poly(binding)), loops)
        if digits is None or not _ordered(space, digits):
            return False
        found.append(digits)
    used = by_source(space, found)
    return _exclusive(space, used) and all(_disjoint(space, digits) for digits in used.values())


def uses_loops_up(space: Space, bindings: list[PrimExpr], loops: set[int]) -> bool:
    """True if no two iterations of `loops` have the same bindings: all digits of every loop are
    used. The bindings are affine."""
    parts = [digits_of(space, space.joined(space.poly(b)), loops) or [] for b in bindings]
    used = by_source(space, parts)
    seen: set[int] = set()
    for source, digits in used.items():
        at = constant(1)
        high = space.relax(dict(source))[1]
        left = list(digits)
        while left:
            found = next((d for d in left if d.lower == at), None)
            if found is None:
                return False
            left.remove(found)
            at = times(at, found.extent)
        if high is None or not space.nonneg(plus(plus(at, high, -1), constant(-1))):
            return False
        seen |= space.variables(dict(source))
    return all(v in seen or value_of(_size(space, v)) == 1 for v in loops)


def _size(space: Space, v: int) -> Poly:
    low, high = space.ranges.get(v, (None, None))
    return {} if low is None or high is None else plus(plus(high, low, -1), constant(1))


def _exclusive(space: Space, used: dict[Source, list[Digit]]) -> bool:
    """No loop serves in two sources."""
    seen: set[int] = set()
    for source in used:
        inside = space.variables(dict(source))
        if inside & seen:
            return False
        seen |= inside
    return True


def _ordered(space: Space, digits: list[Digit]) -> bool:
    """No two digits of one binding overlap: sorted by scale, each spans the lower ones."""
    wide = [d for d in digits if value_of(d.extent) != 1]
    while len(wide) > 1:
        low = next((d for d in wide if all(_spans(space, o, d) for o in wide if o is not d)), None)
        if low is None:
            return False
        wide.remove(low)
    return True


def _spans(space: Space, high: Digit, low: Digit) -> bool:
    return space.nonneg(plus(high.scale, times(low.scale, low.extent), -1))


def _disjoint(space: Space, digits: list[Digit]) -> bool:
    for k, x in enumerate(digits):
        for y in digits[k + 1 :]:
            above = space.nonneg(plus(y.lower, times(x.lower, x.extent), -1))
            below = space.nonneg(plus(x.lower, times(y.lower, y.extent), -1))
            if not (above or below):
                return False
    return True
