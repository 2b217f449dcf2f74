"""Whether a block runs once for each of its instances: its bindings as mixed-radix numbers.

Each binding must be a sum of digits `scale * ((loop // lower) % extent)`; no part of a loop may
serve twice, and within a binding a digit's scale must be at least what the lower digits span.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import PrimExpr
from .poly import ONE, Monomial, Poly, Space, constant, plus, times, value_of


@dataclass(frozen=True, slots=True)
class Digit:
    """`scale * ((loop // lower) % extent)`, `loop` being the number of a variable."""

    loop: int
    lower: Poly
    extent: Poly
    scale: Poly


def digits_of(space: Space, p: Poly, loops: set[int]) -> list[Digit] | None:
    """The digits of `loops` that `p` is a sum of, all else being fixed; None if it is no sum."""
    found = []
    for m, c in p.items():
        moving = [a for a in m if loops & space.atoms[a].variables]
        if not moving:
            continue
        if len(moving) != 1:
            return None
        rest: Monomial = tuple(a for a in m if a != moving[0])
        if c < 0 or len(rest) != len(m) - 1:
            return None
        digit = _digit(space, moving[0], {rest: c})
        if digit is None:
            return None
        found.append(digit)
    return found


def _digit(space: Space, a: int, scale: Poly) -> Digit | None:
    atom = space.atoms[a]
    if atom.kind == "var":
        extent = _extent(space, a)
        return None if extent is None else Digit(a, constant(1), extent, scale)
    if atom.kind not in ("//", "%"):
        return None
    inner = _plain(atom.args[0])
    if inner is None:
        return None
    x = _digit(space, inner, constant(1))
    if x is None:
        return None
    d = atom.args[1]
    if atom.kind == "%":
        return Digit(x.loop, x.lower, d, scale) if _divides(space, d, x.extent) else None
    rest = space.quotient(plus(plus(x.extent, d), constant(-1)), d)
    if space.atoms[inner].kind == "%" and not _divides(space, d, x.extent):
        return None
    return Digit(x.loop, times(x.lower, d), rest, scale)


def _plain(p: Poly) -> int | None:
    if len(p) != 1:
        return None
    ((m, c),) = p.items()
    return m[0] if c == 1 and len(m) == 1 else None


def _divides(space: Space, d: Poly, p: Poly) -> bool:
    return not space._divide(p, d)[1] or value_of(space.remainder(p, d)) == 0


def _extent(space: Space, loop: int) -> Poly | None:
    if loop not in space.ranges:
        return None
    low, high = space.ranges[loop]
    if low is None or high is None or low:
        return None
    return plus(high, constant(1))


def is_affine(space: Space, bindings: list[PrimExpr], loops: set[int]) -> bool:
    """True if the bindings are independent mixed-radix numbers of `loops` (by number)."""
    used: dict[int, list[Digit]] = {}
    for binding in bindings:
        digits = digits_of(space, space.joined(space.poly(binding)), loops)
        if digits is None or not _ordered(space, digits):
            return False
        for digit in digits:
            used.setdefault(digit.loop, []).append(digit)
    return all(_disjoint(space, digits) for digits in used.values())


def _ordered(space: Space, digits: list[Digit]) -> bool:
    """No two digits of one binding overlap: sorted by scale, each spans the lower ones."""
    wide = [d for d in digits if value_of(d.extent) != 1]
    while len(wide) > 1:
        low = next(
            (d for d in wide if all(_spans(space, o, d) for o in wide if o is not d)), None
        )
        if low is None:
            return False
        wide.remove(low)
    return True


def _spans(space: Space, high: Digit, low: Digit) -> bool:
    return space.nonneg(plus(high.scale, times(low.scale, low.extent), -1))


def _disjoint(space: Space, digits: list[Digit]) -> bool:
    if len(digits) == 1:
        return True
    for k, x in enumerate(digits):
        for y in digits[k + 1 :]:
            above = space.nonneg(plus(y.lower, times(x.lower, x.extent), -1))
            below = space.nonneg(plus(x.lower, times(y.lower, y.extent), -1))
            if not (above or below):
                return False
    return True


__all__ = ["ONE", "Digit", "digits_of", "is_affine"]
