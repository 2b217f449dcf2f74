"""What the analyzer reports of an integer: constant bounds and residue classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd, inf
from typing import Any, ClassVar

from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from ..expr import Call, Cast, FloorMod, Max, Min, Select
from .canonical import INDEX_TYPES
from .terms import Atom, Binary, Opaque, Product, Split, Sum


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


def meet(a: ModularSet, b: ModularSet) -> ModularSet:
    """The numbers in both, by the Chinese remainder theorem; `a` if there are none."""
    if not a.coeff or not b.coeff:
        return b if not b.coeff else a
    common = gcd(a.coeff, b.coeff)
    if (b.base - a.base) % common:
        return a
    step = b.coeff // common
    times = (b.base - a.base) // common * pow(a.coeff // common, -1, step) if step > 1 else 0
    return normal(a.coeff * step, a.base + a.coeff * times)


def remainder(of: ModularSet, modulus: ModularSet) -> ModularSet:
    """The class of `x % y`: `x` up to multiples of `y`."""
    return normal(gcd(of.coeff, modulus.coeff, modulus.base), of.base)


UNKNOWN = ModularSet(1, 0)


class ModularSets:
    """Residue classes of sums from those of their variables and from what `engine` knows."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.variables: dict[Any, ModularSet] = {}

    def expr(self, expr: PrimExpr) -> ModularSet:
        """The class of any integer expression."""
        if expr.dtype in INDEX_TYPES:
            return self.of(self.engine.sum(expr))
        if isinstance(expr, IntImm):
            return ModularSet(0, expr.value)
        handler = _CLASSES.get(type(expr))
        return UNKNOWN if handler is None else handler(self, expr)

    def of(self, total: Sum) -> ModularSet:
        """The class of `total`."""
        coeff, base = 0, total.const
        for atom, times in total.terms.items():
            part = self.atom(atom)
            coeff = gcd(coeff, part.coeff * times)
            base += part.base * times
        return normal(coeff, base)

    def atom(self, atom: Atom) -> ModularSet:
        """The class of `atom`, conditions of the form `atom % c == r` included."""
        made = _ATOMS[type(atom)](self, atom)
        for base, rest in self._congruences():
            if base is atom:
                made = meet(made, rest)
        return made

    def _congruences(self) -> list[tuple[Atom, ModularSet]]:
        found = []
        for key, (lo, hi) in self.engine.bounds.known.items():
            if lo != hi or len(key) != 1:
                continue
            ((atom, times),) = key
            if isinstance(atom, Split) and times == 1 and atom.lower == 1 and atom.upper:
                base = atom.base.single()
                if base is not None:
                    found.append((base, ModularSet(atom.upper, int(lo))))
        return found

    def _opaque(self, atom: Opaque) -> ModularSet:
        known = self.variables.get(atom.of)
        if known is not None:
            return known
        handler = _CLASSES.get(type(atom.of))
        return UNKNOWN if handler is None else handler(self, atom.of)

    def _split(self, atom: Split) -> ModularSet:
        inner = self.of(atom.base)
        if atom.lower == 1 and atom.upper is not None:
            return remainder(inner, ModularSet(0, atom.upper))
        if atom.upper is None and inner.coeff % atom.lower == 0 and inner.base % atom.lower == 0:
            return normal(inner.coeff // atom.lower, inner.base // atom.lower)
        if atom.upper is None and inner.coeff and inner.coeff % atom.lower == 0:
            return normal(inner.coeff // atom.lower, inner.base // atom.lower)
        return UNKNOWN

    def _binary(self, atom: Binary) -> ModularSet:
        if atom.kind in (Min, Max):
            return join(self.of(atom.a), self.of(atom.b))
        if atom.kind is FloorMod:
            return remainder(self.of(atom.a), self.of(atom.b))
        return UNKNOWN

    def _product(self, atom: Product) -> ModularSet:
        result = self.atom(atom.factors[0])
        for factor in atom.factors[1:]:
            other = self.atom(factor)
            coeff = gcd(
                result.coeff * other.coeff, result.coeff * other.base, result.base * other.coeff
            )
            result = normal(coeff, result.base * other.base)
        return result

    def _select(self, expr: Any) -> ModularSet:
        return join(self.expr(expr.true_value), self.expr(expr.false_value))

    def _cast(self, expr: Any) -> ModularSet:
        """A conversion between integers keeps the class if it keeps the value, and otherwise
        what divides the modulus of the narrower type."""
        to = dtype_of(expr.dtype)
        if not (to.is_integral and dtype_of(expr.value.dtype).is_integral):
            return UNKNOWN
        inner = self.expr(expr.value)
        lo, hi = self.engine.interval(expr.value)
        if to.min_value <= lo and hi <= to.max_value:
            return inner
        return normal(gcd(inner.coeff, 1 << to.bits), inner.base)

    def _call(self, expr: Any) -> ModularSet:
        name = getattr(expr.op, "name", "")
        if name == "tir.if_then_else":
            return join(self.expr(expr.args[1]), self.expr(expr.args[2]))
        if name == "tir.bitwise_and":
            for mask, other in (expr.args, expr.args[::-1]):
                if isinstance(mask, IntImm) and mask.value > 0 and not mask.value & mask.value + 1:
                    return remainder(self.expr(other), ModularSet(0, mask.value + 1))
        return UNKNOWN


_CLASSES: dict[type[PrimExpr], Callable[[ModularSets, Any], ModularSet]] = {
    Select: ModularSets._select,
    Cast: ModularSets._cast,
    Call: ModularSets._call,
}
_ATOMS: dict[type[Atom], Callable[[ModularSets, Any], ModularSet]] = {
    Opaque: ModularSets._opaque,
    Split: ModularSets._split,
    Binary: ModularSets._binary,
    Product: ModularSets._product,
}
