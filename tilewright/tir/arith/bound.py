"""What the analyzer reports of an integer: constant bounds and residue classes."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, inf
from typing import Any, ClassVar

from .terms import Atom, Opaque, Product, Split, Sum


@dataclass(frozen=True, slots=True)
class ConstIntBound:
    """`min_value <= x <= max_value`; the ends may be `NEG_INF` and `POS_INF`."""

    min_value: int
    max_value: int

    POS_INF: ClassVar[int] = (1 << 63) - 1
    NEG_INF: ClassVar[int] = -((1 << 63) - 1)

    @staticmethod
    def of(lo: float | int, hi: float | int) -> ConstIntBound:
        """From numbers among which infinities stand for the ends."""
        return ConstIntBound(_clip(lo), _clip(hi))

    def interval(self) -> tuple[float | int, float | int]:
        """As numbers, the ends as infinities."""
        lo = -inf if self.min_value <= self.NEG_INF else self.min_value
        return lo, inf if self.max_value >= self.POS_INF else self.max_value


def _clip(value: float | int) -> int:
    if value == inf or value > ConstIntBound.POS_INF:
        return ConstIntBound.POS_INF
    return ConstIntBound.NEG_INF if value < ConstIntBound.NEG_INF else int(value)


@dataclass(frozen=True, slots=True)
class ModularSet:
    """The numbers `coeff * k + base`; `coeff` 0 is the constant `base`."""

    coeff: int
    base: int


def join(a: ModularSet, b: ModularSet) -> ModularSet:
    """The smallest set that holds both."""
    return normal(gcd(a.coeff, b.coeff, a.base - b.base), a.base)


def normal(coeff: int, base: int) -> ModularSet:
    """With the base brought into `[0, coeff)`."""
    return ModularSet(coeff, base % coeff if coeff else base)


class ModularSets:
    """Residue classes of sums from those of their variables."""

    def __init__(self) -> None:
        self.variables: dict[Any, ModularSet] = {}

    def of(self, total: Sum) -> ModularSet:
        """The class of `total`."""
        coeff, base = 0, total.const
        for atom, times in total.terms.items():
            part = self.atom(atom)
            coeff = gcd(coeff, part.coeff * times)
            base += part.base * times
        return normal(coeff, base)

    def atom(self, atom: Atom) -> ModularSet:
        """The class of `atom`."""
        if isinstance(atom, Opaque):
            return self.variables.get(atom.of, ModularSet(1, 0))
        if isinstance(atom, Product):
            return self._product(atom)
        if isinstance(atom, Split) and atom.lower == 1 and atom.upper is not None:
            inner = self.of(atom.base)
            return normal(gcd(inner.coeff, atom.upper), inner.base)
        if isinstance(atom, Split) and atom.upper is None:
            inner = self.of(atom.base)
            if inner.coeff % atom.lower == 0 and inner.base % atom.lower == 0:
                return normal(inner.coeff // atom.lower, inner.base // atom.lower)
        return ModularSet(1, 0)

    def _product(self, atom: Product) -> ModularSet:
        result = self.atom(atom.factors[0])
        for factor in atom.factors[1:]:
            other = self.atom(factor)
            coeff = gcd(
                result.coeff * other.coeff, result.coeff * other.base, result.base * other.coeff
            )
            result = normal(coeff, result.base * other.base)
        return result
