"""Terms of a sum that are simpler together: halves of divisions, choices and what they choose from.

Each rule leaves fewer terms (those within choices counted), or as many and a quotient less.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ..expr import FloorDiv, FloorMod, Mod, Select
from .terms import (
    OPPOSITE,
    Atom,
    Binary,
    Choice,
    Key,
    Opaque,
    Product,
    Split,
    Sum,
    Terms,
    Truncated,
    are_extremes,
    truncated,
    without_factors,
)


class Merging(Terms):
    """Terms that are put together where they meet. Its functions are the simplifier's."""

    floordiv: Callable[[Sum, int], Sum]
    floormod: Callable[[Sum, int], Sum]
    truncmod: Callable[[Sum, int], Sum]
    extremum: Callable[[type[PrimExpr], Sum, Sum], Sum]

    def merge(self, total: Sum) -> Sum:
        """`total` with what one of its terms can be put together with; the same if there is
        nothing."""
        for atom, coefficient in total.terms.items():
            if atom.may_merge:
                found = _MERGE[type(atom)](self, total, atom, coefficient)
                if found is not None:
                    return found
        return total

    # ---- products ---------------------------------------------------------------------------

    def _product(self, total: Sum, product: Product, _: int) -> Sum | None:
        """`(x // c) * c * n + (x % c) * n -> x * n`."""
        for split in product.factors:
            if not split.may_merge:
                continue
            others = without_factors(product, (split,)) or []
            inner: dict[Atom, int] = {}
            members: list[Atom] = []
            for atom, coefficient in total.terms.items():
                left = without_factors(atom, others)
                if left:
                    inner[self.product(left)] = coefficient
                    members.append(atom)
            parts = Sum(total.dtype, inner, 0)
            merged = self.merge(parts) if len(inner) > 1 else parts
            if merged is not parts:
                scaled = self.multiply(merged, self.of(self.product(others)))
                if scaled is not None:
                    return self.add(_without(total, *members), scaled)
        return None

    # ---- division by constants --------------------------------------------------------------

    def _split(self, total: Sum, atom: Split, coefficient: int) -> Sum | None:
        if not atom.truncates:
            return self._divided(total, atom, coefficient)
        floor = self._atoms.get((Split, atom.dtype, atom.base.key, atom.lower, atom.upper))
        if floor in total.terms:  # `x // 4 - x / 4 -> 0`
            return self.add(_without(total, atom), self.of(floor), coefficient)
        outside, self.truncates = self.truncates, True
        try:
            return self._divided(total, atom, coefficient)
        finally:
            self.truncates = outside

    def _divided(self, total: Sum, atom: Split, coefficient: int) -> Sum | None:
        if atom.upper is None:
            made = self._remainder(
                total, atom, coefficient, atom.base, atom.lower,
                lambda base, by: self.split(reduced(base, by), 1, by),
            )  # fmt: skip
            return self._quotients(total, atom, coefficient) if made is None else made
        for other, times in total.terms.items():
            if (
                isinstance(other, Split)
                and other.lower == atom.upper
                and times * atom.lower == coefficient * atom.upper
                and self._is_congruent(other.base, atom.base, atom.upper)
            ):
                whole = self.split(other.base, atom.lower, other.upper).scaled(coefficient)
                return self._replaced(total, (atom, other), whole)
        return self._parity(total, atom, coefficient) if atom.upper == 2 else None

    def _replaced(self, total: Sum, gone: tuple[Atom, ...], made: Sum) -> Sum:
        """`total` with `made` where the first of the terms `gone` was."""
        head = dict(takewhile(lambda item: item[0] not in gone, total.terms.items()))
        tail = _without(total, *gone, *head).terms
        before = self.add(Sum(total.dtype, head, total.const), made)
        return self.add(before, Sum(total.dtype, tail, 0))

    def _remainder(
        self, total: Sum, atom: Atom, coefficient: int, base: Sum, by: int,
        rest: Callable[[Sum, int], Sum],
    ) -> Sum | None:  # fmt: skip
        """`x - (x + y) // c * c -> (x + y) % c - y`, if that leaves no more terms."""
        factor, odd = divmod(-coefficient, by)
        if odd:
            return None
        met, growth = False, 0
        for term, times in base.terms.items():
            present = total.terms.get(term)
            if present is None:
                growth += 1
            elif present == factor * times:
                met, growth = True, growth - 1
        if base.const:
            growth += (total.const == 0) - (total.const == factor * base.const)
        if not met or growth > 0:
            return None
        ends = {atom, *(a for a in base.terms if total.terms.get(a) == factor * base.terms[a])}
        head = dict(takewhile(lambda item: item[0] not in ends, total.terms.items()))
        tail = {a: c for a, c in total.terms.items() if a is not atom and a not in head}
        made = self.add(Sum(total.dtype, head, total.const), rest(base, by), factor)
        return self.add(self.add(made, Sum(total.dtype, tail, 0)), base, -factor)

    def _quotients(self, total: Sum, atom: Split, coefficient: int) -> Sum | None:
        """`(x + d) // c - x // c -> (x % c + d) // c` and
        `(x % c + d) // c + x // c -> (x + d) // c`."""
        by = atom.lower
        if _may_wrap(atom):
            return None
        for other, times in total.terms.items():
            if not isinstance(other, Split) or other.upper is not None or other.lower != by:
                continue
            made = None
            if times == -coefficient:
                step = _distance(atom.base, other.base)
                if step is not None and step > 0:
                    made = self.floordiv(self.floormod(other.base, by).shifted(step), by)
            elif times == coefficient and len(atom.base.terms) == 1:
                (rest,) = atom.base.terms
                if _is_rest(rest, other.base, by) and atom.base.terms[rest] == 1:
                    made = self.floordiv(other.base.shifted(atom.base.const), by)
            if made is not None:
                return self.add(_without(total, atom, other), made, coefficient)
        return None

    def _parity(self, total: Sum, rest: Split, coefficient: int) -> Sum | None:
        """`x % 2 + (x + 1) % 2 -> 1`, `x // 2 + x % 2 -> (x + 1) // 2` and
        `(x + 1) // 2 - x % 2 -> x // 2`."""
        if _may_wrap(rest):
            return None
        for other, times in total.terms.items():
            if other is rest or not isinstance(other, Split) or abs(times) != abs(coefficient):
                continue
            step = _distance(other.base, rest.base)
            if step is None:
                continue
            if (other.lower, other.upper) == (1, 2) and times == coefficient:
                return _without(total, rest, other).shifted(coefficient)
            if (other.lower, other.upper) == (2, None) and (step % 2 == 0) == (
                times == coefficient
            ):
                beside = other.base.shifted(1 if times == coefficient else -1)
                return self.add(_without(total, rest, other), self.floordiv(beside, 2), times)
        return None

    def _is_congruent(self, a: Sum, b: Sum, modulus: int) -> bool:
        """True if `a` and `b` are plainly equal modulo `modulus`."""
        same = a.key == b.key or self.residue(a, modulus).key == self.residue(b, modulus).key
        return bool(same)

    def residue(self, total: Sum, modulus: int) -> Sum:
        """A sum equal to `total` modulo `modulus`: `x % c` is `x` where `modulus` divides `c`."""
        made = self.const(total.const % modulus, total.dtype)
        for atom, coefficient in total.terms.items():
            term = self.of(atom, coefficient)
            is_rest = isinstance(atom, Split) and atom.lower == 1 and atom.upper is not None
            if is_rest and coefficient * atom.upper % modulus == 0:  # type: ignore[attr-defined]
                base: Sum = atom.base  # type: ignore[attr-defined]
                term = self.residue(base, modulus).scaled(coefficient)
            made = self.add(made, term)
        kept = {a: c % modulus for a, c in made.terms.items() if c % modulus}
        return Sum(total.dtype, kept, made.const % modulus)

    # ---- what is told apart by cases --------------------------------------------------------

    def _opaque(self, total: Sum, atom: Opaque, coefficient: int) -> Sum | None:
        parts = atom.parts_of
        if isinstance(parts, Choice):
            return self._choices(total, atom, coefficient, parts)
        if not isinstance(parts, Truncated):
            return None
        if not parts.is_rest:
            return self._remainder(total, atom, coefficient, parts.base, parts.by, self._rest_of)
        for other, times in total.terms.items():
            half = other.parts_of if isinstance(other, Opaque) else None
            if not isinstance(half, Truncated):
                continue
            inner = truncated(half.base)
            if half.is_rest and inner is not None and _are_halves(inner, parts):
                # `x % 3 + x / 3 % 2 * 3 -> x % 6`
                if times == coefficient * inner.by:
                    whole = self._rest_of(parts.base, inner.by * half.by)
                    return self.add(_without(total, atom, other), whole, coefficient)
            elif _are_halves(half, parts) and times == coefficient * half.by:
                return self.add(_without(total, atom, other), parts.base, coefficient)
        return None

    def _rest_of(self, base: Sum, by: int) -> Sum:
        if not base.may_wrap():
            return self.truncmod(base, abs(by))
        parts = Truncated(base, abs(by), True)
        made = Mod(base.expr(), IntImm(base.dtype, parts.by))
        return self.of(self.truncated_atom(made, parts))

    def _choices(self, total: Sum, atom: Opaque, coefficient: int, one: Choice) -> Sum | None:
        """`select(c, a, b) + select(c, d, e) -> select(c, a + d, b + e)`."""
        for other, times in total.terms.items():
            more = other.parts_of if isinstance(other, Opaque) and other is not atom else None
            same_size = abs(times) == abs(coefficient)
            if isinstance(more, Choice) and same_size and more.is_by_condition_of(one):
                sign = times // coefficient
                yes, no = self.add(one.yes, more.yes, sign), self.add(one.no, more.no, sign)
                made = self.choice(one.condition, one.key, yes, no)
                return self.add(_without(total, atom, other), made, coefficient)
        moved = _cancelling(total, atom, coefficient, one.yes, one.no)
        if moved is None:
            return None
        yes, no = (self.add(moved, side, coefficient) for side in (one.yes, one.no))
        made = self.choice(one.condition, one.key, yes, no)
        return self.add(self.sub(_without(total, atom), moved), made)

    # ---- atoms with parts -------------------------------------------------------------------

    def choice(self, condition: PrimExpr, key: Key, yes: Sum, no: Sum) -> Sum:
        """`select(condition, yes, no)` as it is."""
        if yes.key == no.key:
            return yes
        made = Select(condition, yes.expr(), no.expr())
        return self.of(self.choice_atom(made, Choice(condition, key, yes, no)))

    def choice_atom(self, of: PrimExpr, parts: Choice) -> Opaque:
        """The atom of a `Select`."""
        return self._with_parts(of, (Select, parts.key, parts.yes.key, parts.no.key), parts)

    def truncated_atom(self, of: PrimExpr, parts: Truncated) -> Opaque:
        """The atom of a division that rounds to zero, or of its rest."""
        return self._with_parts(of, (Mod, parts.is_rest, parts.by, parts.base.key), parts)

    def _with_parts(self, of: PrimExpr, key: Key, parts: Truncated | Choice) -> Opaque:
        atom = self.opaque(of, key)
        atom.parts_of, atom.may_merge = parts, True
        return atom

    def _binary(self, total: Sum, atom: Binary, coefficient: int) -> Sum | None:
        if atom.truncates:
            floor = self._atoms.get((Binary, atom.dtype, atom.kind, (atom.a.key, atom.b.key)))
            if floor in total.terms:
                return self.add(_without(total, atom), self.of(floor), coefficient)
        if atom.kind is FloorMod:
            quotient = self.multiply(self.binary(FloorDiv, atom.a, atom.b), atom.b)
            if quotient is None or not _contains(total, quotient, coefficient):
                return None
            rest = self.add(_without(total, atom), quotient, -coefficient)
            return self.add(rest, atom.a.scaled(coefficient))
        return self._extremes(total, atom, coefficient) if atom.kind in OPPOSITE else None

    def _extremes(self, total: Sum, atom: Binary, coefficient: int) -> Sum | None:
        """`min(x, y) + max(x, y) -> x + y`, `min(x + z, y + z) - min(x, y) -> z` and
        `min(x, y) - x -> min(0, y - x)`."""
        if _may_wrap(atom):
            return None
        for other, times in total.terms.items():
            if not isinstance(other, Binary) or other is atom:
                continue
            if times == coefficient and are_extremes(atom, other):
                both = self.add(atom.a, atom.b).scaled(coefficient)
                return self.add(_without(total, atom, other), both)
            if times == -coefficient and other.kind is atom.kind:
                apart = self._apart(atom, other)
                if apart is not None:
                    return self.add(_without(total, atom, other), apart, coefficient)
        moved = _cancelling(total, atom, coefficient, atom.a, atom.b)
        if moved is None:
            return None
        kind = atom.kind if coefficient > 0 else OPPOSITE[atom.kind]
        a, b = (self.add(side.scaled(coefficient), moved) for side in (atom.a, atom.b))
        if not a.terms and not atom.b.terms:  # `max(2 - x, 0) + x -> max(x, 2)`
            a, b = b, a
        return self.add(self.sub(_without(total, atom), moved), self.extremum(kind, a, b))

    def _apart(self, one: Binary, other: Binary) -> Sum | None:
        """How far `one` is from `other` if both sides are equally far."""
        for a, b in ((other.a, other.b), (other.b, other.a)):
            first = self.sub(one.a, a)
            if first.key == self.sub(one.b, b).key:
                return first
        return None


def reduced(total: Sum, modulus: int) -> Sum:
    """`total`, one term, up to multiples of `modulus`: `5 x % 3` is `2 x % 3`."""
    if len(total.terms) != 1:  # where several are fused, the text says how
        return total
    ((atom, coefficient),) = total.terms.items()
    if abs(coefficient) < modulus:
        return total
    left = coefficient % modulus if coefficient > 0 else -(-coefficient % modulus)
    return Sum(total.dtype, {atom: left} if left else {}, total.const)


def _cancelling(total: Sum, atom: Atom, coefficient: int, a: Sum, b: Sum) -> Sum | None:
    """The terms of `total` that cost less within the sides of `atom`: they cancel in one of them.
    None if there are none."""
    moved: dict[Atom, int] = {}
    for term, times in total.terms.items():
        present = [side.terms.get(term, 0) * coefficient for side in (a, b)]
        if -times in present and term is not atom and not _may_wrap(term):
            moved[term] = times
    cancels = -total.const in [side.const * coefficient for side in (a, b) if side.terms]
    const = total.const if cancels else 0
    return Sum(total.dtype, moved, const) if moved or const else None


def _are_halves(quotient: Truncated, rest: Truncated) -> bool:
    """True of `x / c` and `x % c`."""
    same_divisor = not quotient.is_rest and abs(quotient.by) == rest.by
    return same_divisor and bool(quotient.base.key == rest.base.key)


def _distance(a: Sum, b: Sum) -> int | None:
    """`a - b`, if that is a constant."""
    return a.const - b.const if a.terms == b.terms else None


def _is_rest(atom: Atom, base: Sum, by: int) -> bool:
    """True of `base % by`."""
    return (
        isinstance(atom, Split)
        and (atom.lower, atom.upper) == (1, by)
        and bool(atom.base.key == base.key)
    )


def _may_wrap(atom: Atom) -> bool:
    """True if what lies within may be arithmetic that overflows on purpose."""
    return atom.is_data and atom.dtype == "int32"


def _contains(total: Sum, part: Sum, factor: int) -> bool:
    return all(total.terms.get(a) == c * factor for a, c in part.terms.items())


def _without(total: Sum, *atoms: Atom) -> Sum:
    return Sum(total.dtype, {a: c for a, c in total.terms.items() if a not in atoms}, total.const)


_MERGE: dict[type[Atom], Callable[[Merging, Sum, Any, int], Sum | None]] = {
    Product: Merging._product,
    Split: Merging._split,
    Opaque: Merging._opaque,
    Binary: Merging._binary,
}
