"""Floor division and modulus of sums, by constants and by symbols."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

from ..expr import FloorDiv, FloorMod
from .bounds import Bounds, floor_quotient
from .merge import Merging, reduced
from .numbers import fits
from .terms import OPPOSITE, Atom, Binary, Split, Sum, factors_of, without_factors


class Divider:
    """`a // b` and `a % b` in canonical form."""

    def __init__(self, terms: Merging, bounds: Bounds) -> None:
        self.terms = terms
        self.bounds = bounds
        self.residues: dict[Atom, tuple[int, int]] = {}
        """Known `(modulus, rest)` of atoms: conditions such as `x % 4 == 0`."""

    # ---- by a constant ----------------------------------------------------------------------

    def floordiv(self, a: Sum, c: int) -> Sum:
        """`a // c` for `c != 0`: whole multiples come out, parts too small to matter drop."""
        if c < 0:
            a, c = a.scaled(-1), -c
        if c == 1:
            return a
        if self.residues:
            a = self._resolved(a, c)
        whole, rest = split_multiple(a, c)
        quotient = self._quotient(rest, c)
        comes_first = len(rest.terms) == 1 and next(iter(a.terms)) in rest.terms
        if self.terms.truncates and comes_first:
            return self.terms.add(quotient, whole)
        return self.terms.add(whole, quotient)

    def floormod(self, a: Sum, c: int) -> Sum:
        """`a % c` for `c != 0`; the sign is that of `c`."""
        if c < 0:
            return self.floormod(a.scaled(-1), -c).scaled(-1)
        if self.residues:
            a = self._resolved(a, c)
        return self._rest(split_multiple(a, c)[1], c)

    def _resolved(self, a: Sum, c: int) -> Sum:
        """`x -> x // m * m + r` where `x % m == r` is known and `c` divides the first term."""
        for atom, coefficient in a.terms.items():
            modulus, rest = self.residues.get(atom, (1, 0))
            if coefficient % c and coefficient * modulus % c == 0:
                quotient = self.terms.split(self.terms.of(atom), modulus, None)
                a = self.terms.add(a, self.terms.of(atom), -coefficient)
                whole = {**a.terms}
                ((part, _),) = quotient.terms.items()
                whole[part] = whole.get(part, 0) + coefficient * modulus
                a = Sum(a.dtype, whole, a.const + coefficient * rest)
        return a

    def _quotient(self, r: Sum, c: int) -> Sum:
        lo, hi = self.bounds.of(r)
        least = floor_quotient(lo, c)
        if least == floor_quotient(hi, c):
            return self.terms.const(int(least), r.dtype)
        coarse, _, step = self._coarsen(r, c)
        if step > 1:
            return self.floordiv(coarse, c // step)
        atom, offset = _lone(r)
        if isinstance(atom, Split) and fits(atom.lower * c, r.dtype):
            if atom.upper is None:
                return self.floordiv(atom.base.shifted(offset * atom.lower), atom.lower * c)
            if offset == 0 and atom.upper // atom.lower % c == 0:
                return self.part(atom.base, atom.lower * c, atom.upper)
            if atom.lower > 1:  # `(x % 16 // 2 + 1) // 3 -> (x % 16 + 2) // 6`
                rest = self.floormod(atom.base, atom.upper)
                return self.floordiv(self.terms.shifted(rest, offset * atom.lower), atom.lower * c)
        lifted = self._lifted(r)
        if lifted is not None and fits(lifted[1] * c, r.dtype):
            return self.floordiv(lifted[0], lifted[1] * c)
        made = self._two_valued(r, lambda value: value // c)
        if made is None:
            made = self._by_parts(r, c)
        return self.terms.split(r, c, None) if made is None else made

    def _rest(self, r: Sum, c: int) -> Sum:
        lo, hi = self.bounds.of(r)
        least = floor_quotient(lo, c)
        if least == floor_quotient(hi, c):
            return self.terms.shifted(r, -c * int(least))
        smaller = reduced(r, c)
        if smaller is not r:
            return self._rest(smaller, c)
        coarse, fine, step = self._coarsen(r, c)
        if step > 1:
            return self.terms.add(self.floormod(coarse, c // step).scaled(step), fine)
        atom, offset = _lone(r)
        if isinstance(atom, Split) and fits(atom.lower * c, r.dtype):
            if atom.upper is None:
                base = atom.base.shifted(offset * atom.lower)
                return self.part(base, atom.lower, atom.lower * c)
            if offset == 0 and atom.upper // atom.lower % c == 0:
                return self.part(atom.base, atom.lower, atom.lower * c)
        lifted = self._lifted(r)
        if lifted is not None and fits(lifted[1] * c, r.dtype):
            return self.part(lifted[0], lifted[1], lifted[1] * c)
        made = self._two_valued(r, lambda value: value % c)
        if made is not None and all(k > 0 for k in made.terms.values()):
            return made
        parts = self._whole_and_small(r, c)
        if parts is not None:
            return parts[1]
        if len(r.terms) > 1 and any(type(a) is Split and a.upper is not None for a in r.terms):
            plain = self.terms.residue(r, c)
            if len(plain.terms) < len(r.terms):
                return self.floormod(plain, c)
        return self.terms.split(r, 1, c)

    def _two_valued(self, r: Sum, of: Callable[[int], int]) -> Sum | None:
        """`of` a sum of one atom that has two neighbouring values: a line through both."""
        if len(r.terms) != 1:
            return None
        ((atom, coefficient),) = r.terms.items()
        lo, hi = self.bounds.atom(atom)
        if hi - lo != 1:
            return None
        first = of(int(lo) * coefficient + r.const)
        step = of(int(hi) * coefficient + r.const) - first
        return Sum(r.dtype, {atom: step} if step else {}, first - step * int(lo))

    def _whole_and_small(self, r: Sum, c: int) -> tuple[Sum, Sum] | None:
        """`r = c * whole + small` with the multiples of `c` in each coefficient taken out, if
        `0 <= small < c`."""
        if all(abs(k) < c for k in r.terms.values()):
            return None
        small = {a: k % c if k > 0 else -(-k % c) for a, k in r.terms.items()}
        left = Sum(r.dtype, {a: k for a, k in small.items() if k}, r.const)
        lo, hi = self.bounds.of(left)
        if lo < 0 or hi >= c:
            return None
        whole = {a: (k - small[a]) // c for a, k in r.terms.items() if k != small[a]}
        return Sum(r.dtype, whole, 0), left

    def _by_parts(self, r: Sum, c: int) -> Sum | None:
        """`r // c` from the quotients of its parts."""
        parts = self._whole_and_small(r, c)
        if parts is not None:
            return parts[0]
        for rest, k in r.terms.items() if len(r.terms) > 1 else ():
            # `(x - x % m) // c` where `c` divides `m`
            if (
                isinstance(rest, Split)
                and rest.lower == 1
                and rest.upper
                and k * rest.upper % c == 0
            ):
                without = Sum(r.dtype, {a: k for a, k in r.terms.items() if a is not rest}, r.const)
                plain = self.terms.add(without, rest.base, k)
                if len(plain.terms) < len(r.terms):
                    whole = self.floordiv(rest.base, rest.upper)
                    times = -k * rest.upper // c
                    return self.terms.add(self.floordiv(plain, c), whole, times)
        extreme = r.single()
        if not isinstance(extreme, Binary) or extreme.kind not in OPPOSITE:
            return None
        if not any(_is_multiple(side, c) for side in extreme.parts()):
            return None
        a, b = (self.floordiv(side, c) for side in extreme.parts())
        return self.terms.extremum(extreme.kind, a, b)

    def _lifted(self, r: Sum) -> tuple[Sum, int] | None:
        """`x + y // c -> (c * x + y) // c`: the base and `c`, if `r` has one such quotient."""
        quotients = [
            a for a, k in r.terms.items() if k == 1 and isinstance(a, Split) and a.upper is None
        ]
        if len(quotients) != 1 or len(r.terms) == 1:
            return None
        (atom,) = quotients
        rest = Sum(r.dtype, {a: k for a, k in r.terms.items() if a is not atom}, r.const)
        return self.terms.add(rest.scaled(atom.lower), atom.base), atom.lower

    def part(self, base: Sum, lower: int, upper: int | None) -> Sum:
        """`(base // lower) % (upper // lower)`, simplified."""
        if upper is None:
            return self.floordiv(base, lower)
        rest = self.floormod(base, upper)
        atom = rest.single()
        if isinstance(atom, Split) and atom.lower == 1 and atom.upper == upper:
            coarse, _, step = self._coarsen(atom.base, lower)
            if step > 1:
                return self.part(coarse, lower // step, upper // step)
            whole, fine = split_multiple(atom.base, lower)
            quotient = self._quotient(fine, lower) if whole.terms else fine
            if whole.terms and not quotient.terms:
                return self.floormod(self.terms.add(whole, quotient), upper // lower)
            return self.terms.split(atom.base, lower, upper)
        return self.floordiv(rest, lower)

    def _coarsen(self, r: Sum, c: int) -> tuple[Sum, Sum, int]:
        """`r = step * coarse + fine` with `0 <= fine < step` and `step` a divisor of `c`, the
        largest that works; a step of 1 if none does."""
        ordered = sorted(r.terms.items(), key=lambda item: -abs(item[1]))
        step = c
        for count, (_, coefficient) in enumerate(ordered, 1):
            step = gcd(step, coefficient)
            if step == 1:
                break
            if count < len(ordered) and ordered[count][1] % step == 0:
                continue
            fine = Sum(r.dtype, dict(ordered[count:]), r.const % step)
            lo, hi = self.bounds.of(fine)
            if lo >= 0 and hi < step:
                chosen = {a for a, _ in ordered[:count]}
                kept = {a: k // step for a, k in r.terms.items() if a in chosen}
                return Sum(r.dtype, kept, r.const // step), fine, step
        return r, r, 1

    # ---- by a sum ---------------------------------------------------------------------------

    def floordiv_by(self, a: Sum, b: Sum) -> Sum:
        """`a // b` for any `b` that is not zero."""
        if a.may_wrap() or b.may_wrap() or not _divides(b):
            return self.terms.binary(FloorDiv, a, b)
        if not b.terms:
            return self.floordiv(a, b.const)
        if is_negated(b):
            a, b = a.scaled(-1), b.scaled(-1)
        common = self._common(a, b)
        if common is not None:
            return self.floordiv_by(common[0], common[1])
        plain, taken = self._without_rests(a, b)
        whole, rest = self._split_symbolic(plain, b)
        quotient = self._symbolic(FloorDiv, rest, b)
        is_first = next(iter(plain.terms), None) in rest.terms
        made = self.terms.add(*((quotient, whole) if is_first else (whole, quotient)))
        for base, k in taken:
            made = self.terms.add(made, self.floordiv_by(base, b), -k)
        return made

    def _without_rests(self, a: Sum, b: Sum) -> tuple[Sum, list[tuple[Sum, int]]]:
        """`a` with `x` for `x % b` where that is shorter, and the `x` with their coefficients."""
        taken: list[tuple[Sum, int]] = []
        for rest, k in a.terms.items() if len(a.terms) > 1 else ():
            if isinstance(rest, Binary) and rest.kind is FloorMod and rest.b.key == b.key:
                without = Sum(a.dtype, {t: c for t, c in a.terms.items() if t is not rest}, a.const)
                plain = self.terms.add(without, rest.a, k)
                if len(plain.terms) < len(a.terms):
                    more = self._without_rests(plain, b)
                    return more[0], [(rest.a, k), *more[1]]
        return a, taken

    def floormod_by(self, a: Sum, b: Sum) -> Sum:
        """`a % b` for any `b` that is not zero."""
        if a.may_wrap() or b.may_wrap() or not _divides(b):
            return self.terms.binary(FloorMod, a, b)
        if not b.terms:
            return self.floormod(a, b.const)
        if is_negated(b):
            return self.floormod_by(a.scaled(-1), b.scaled(-1)).scaled(-1)
        common = self._common(a, b)
        if common is not None:
            made = self.terms.multiply(common[2], self.floormod_by(common[0], common[1]))
            if made is not None:
                return made
        return self._symbolic(FloorMod, self._split_symbolic(self._without_rests(a, b)[0], b)[1], b)

    def _common(self, a: Sum, b: Sum) -> tuple[Sum, Sum, Sum] | None:
        """`a` and `b` without a factor that all their terms share, and that factor."""
        if len(b.terms) > 1 or b.const or a.const or not a.terms:
            return None
        (unit,) = b.terms
        for factor in factors_of(unit):
            if all(factor in factors_of(atom) for atom in a.terms):
                return (
                    self.terms.without_factor(a, factor), self.terms.without_factor(b, factor),
                    self.terms.of(factor),
                )  # fmt: skip
        return None

    def _symbolic(self, kind: type[FloorDiv] | type[FloorMod], r: Sum, b: Sum) -> Sum:
        if not r.terms and r.const == 0:
            return r
        prove = self.bounds.is_not_negative
        if prove(r) and prove(self.terms.sub(b, r).shifted(-1)):
            return r if kind is FloorMod else self.terms.const(0, r.dtype)
        atom = r.single()
        if isinstance(atom, Binary) and atom.b.key == b.key and atom.kind is FloorMod:
            return r if kind is FloorMod else self.terms.const(0, r.dtype)
        if kind is FloorDiv and isinstance(atom, Binary) and atom.kind is FloorDiv:
            both = self.terms.multiply(atom.b, b)
            if both is not None and prove(b) and prove(atom.b):
                return self.floordiv_by(atom.a, both)
        return self.terms.binary(kind, r, b)

    def _split_symbolic(self, a: Sum, b: Sum) -> tuple[Sum, Sum]:
        """`a = b * whole + rest` with what is plainly a multiple of `b` in `whole`."""
        zero = self.terms.const(0, a.dtype)
        if len(b.terms) > 1 or b.const:
            return self._split_multiple_of(a, b)
        ((unit, scale),) = b.terms.items()
        factors = factors_of(unit)
        whole, rest = zero, self.terms.const(a.const, a.dtype)
        for atom, coefficient in a.terms.items():
            left = without_factors(atom, factors)
            if left is None or coefficient % scale:
                rest = self.terms.add(rest, self.terms.of(atom, coefficient))
            elif left:
                part = self.terms.of(self.terms.product(left), coefficient // scale)
                whole = self.terms.add(whole, part)
            else:
                whole = whole.shifted(coefficient // scale)
        return whole, rest

    def _split_multiple_of(self, a: Sum, b: Sum) -> tuple[Sum, Sum]:
        """Takes out `k * b` and `x * k * b` where the terms of `b` occur in `a`, all as often."""
        whole, rest = self.terms.const(0, a.dtype), a
        lead, scale = next(iter(b.terms.items()))
        factors = factors_of(lead)
        for atom, coefficient in a.terms.items():
            left = without_factors(atom, factors)
            if left is None or coefficient % scale:
                continue
            times = self.terms.const(coefficient // scale, a.dtype)
            if left:
                times = self.terms.of(self.terms.product(left), coefficient // scale)
            multiple = self.terms.multiply(b, times)
            if multiple is not None and all(
                rest.terms.get(t) == c for t, c in multiple.terms.items()
            ):
                whole, rest = self.terms.add(whole, times), self.terms.sub(rest, multiple)
        return whole, rest


def _divides(b: Sum) -> bool:
    """True of what is not plainly zero, and whose negation is a number, too."""
    return bool(b.terms) or (b.const != 0 and fits(abs(b.const), b.dtype))


def _is_multiple(total: Sum, c: int) -> bool:
    return total.const % c == 0 and all(k % c == 0 for k in total.terms.values())


def is_negated(b: Sum) -> bool:
    """True if the negated sum reads better: `-n`, `-n - 1`."""
    return b.const <= 0 and all(c < 0 for c in b.terms.values())


def split_multiple(a: Sum, c: int) -> tuple[Sum, Sum]:
    """`a = c * whole + rest`: terms that `c` divides go to `whole`, the constant is shared."""
    whole: dict[Atom, int] = {}
    rest: dict[Atom, int] = {}
    for atom, coefficient in a.terms.items():
        if coefficient % c == 0:
            whole[atom] = coefficient // c
        else:
            rest[atom] = coefficient
    return Sum(a.dtype, whole, a.const // c), Sum(a.dtype, rest, a.const % c)


def _lone(r: Sum) -> tuple[Atom | None, int]:
    """The only atom of `atom + const`, and the constant."""
    if len(r.terms) == 1:
        ((atom, coefficient),) = r.terms.items()
        if coefficient == 1:
            return atom, r.const
    return None, 0
