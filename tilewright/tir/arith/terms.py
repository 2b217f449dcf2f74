"""The canonical form of index expressions: a constant plus coefficients times atoms.

An atom is whatever addition and multiplication by a constant do not open: a variable, a part of
a division, a product of atoms, a minimum. `Terms` keeps one object for each distinct atom, so
that atoms compare by identity. Overflow is undefined for indices, as in every loop compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from ...ir.expr import IntImm, PrimExpr
from .. import op as O
from ..expr import (
    Add,
    And,
    BinaryOpExpr,
    Call,
    Cast,
    CmpExpr,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Select,
    Sub,
)  # fmt: skip
from .numbers import SMALL

Key = Any

OPPOSITE: dict[type[PrimExpr], type[PrimExpr]] = {Min: Max, Max: Min}
TRUNCATED: dict[type[PrimExpr], type[PrimExpr]] = {FloorDiv: Div, FloorMod: Mod}


class Atom:
    """A factor that sums do not look into; one object for each distinct one of a `Terms`."""

    __slots__ = ("_expr", "dtype", "is_data", "may_merge", "order")

    def __init__(self, dtype: str, order: int, is_data: bool, may_merge: bool = False) -> None:
        self.dtype = dtype
        self.order = order
        self.is_data = is_data
        self.may_merge = may_merge
        """True if it can become something simpler together with other terms of a sum."""
        self._expr: PrimExpr | None = None

    def expr(self) -> PrimExpr:
        """The atom as an expression, built once."""
        if self._expr is None:
            self._expr = self._build()
        return self._expr

    def _build(self) -> PrimExpr:
        raise NotImplementedError

    def parts(self) -> tuple[Sum, ...]:
        """The sums within."""
        return ()

    def rank(self) -> Key:
        """Puts atoms in one order by how they are written, wherever they were met first."""
        return str(self.expr()), self.order


class Sum:
    """`const` plus each atom times its coefficient, in order of appearance. Immutable."""

    __slots__ = ("_expr", "_key", "const", "dtype", "terms")

    def __init__(self, dtype: str, terms: dict[Atom, int], const: int) -> None:
        self.dtype = dtype
        self.terms = terms
        self.const = const
        self._key: Key = None
        self._expr: PrimExpr | None = None

    @property
    def key(self) -> Key:
        """Equal for equal sums."""
        if self._key is None:
            self._key = (frozenset(self.terms.items()), self.const, self.dtype)
        return self._key

    @property
    def constant(self) -> int | None:
        """The value, if there are no terms."""
        return None if self.terms else self.const

    def single(self) -> Atom | None:
        """The atom, if the sum is one atom times one."""
        if self.const == 0 and len(self.terms) == 1:
            ((atom, coefficient),) = self.terms.items()
            return atom if coefficient == 1 else None
        return None

    def holds_data(self) -> bool:
        """True if the value depends on more than variables: on memory, calls, conversions."""
        for atom in self.terms:  # noqa: SIM110  (a generator costs three times as much)
            if atom.is_data:
                return True
        return False

    def may_wrap(self) -> bool:
        """True if this is arithmetic on data of 32 bits, which programs let overflow on purpose;
        indices never do, nor does a value that is merely passed on."""
        if self.dtype != "int32" or not self.terms or self.single() is not None:
            return False
        return self.holds_data()

    def expr(self) -> PrimExpr:
        """The sum as an expression, built once; positive terms come first."""
        if self._expr is None:
            self._expr = build_sum(self.dtype, self.terms, self.const)
        return self._expr

    def scaled(self, factor: int) -> Sum:
        """The sum times a constant."""
        if factor == 1:
            return self
        if factor == 0:
            return Sum(self.dtype, {}, 0)
        return Sum(self.dtype, {a: c * factor for a, c in self.terms.items()}, self.const * factor)

    def shifted(self, by: int) -> Sum:
        """The sum plus a constant."""
        return Sum(self.dtype, self.terms, self.const + by) if by else self

    def __repr__(self) -> str:
        return " + ".join([f"{c}*<{a.order}>" for a, c in self.terms.items()] + [str(self.const)])


def build_sum(dtype: str, terms: dict[Atom, int], const: int) -> PrimExpr:
    """The expression `const + sum(coefficient * atom)`; subtraction instead of negation."""
    if terms and (max(terms.values()) > SMALL or min(terms.values()) < -SMALL):
        held = {atom: O.wrap(coefficient, dtype) for atom, coefficient in terms.items()}
        terms = {atom: coefficient for atom, coefficient in held.items() if coefficient}
    written, const = _written(terms, const)
    total: PrimExpr | None = None
    for term, coefficient in written:
        if coefficient > 0:
            made = _times(term, coefficient, dtype)
            total = made if total is None else Add(total, made)
    negative = [(term, c) for term, c in written if c < 0]
    if total is None:
        if not negative:
            return IntImm(dtype, O.wrap(const, dtype))
        if const or negative[0][1] == -1:
            total, const = IntImm(dtype, O.wrap(const, dtype)), 0
        else:
            (term, coefficient), *negative = negative
            total = Mul(term, IntImm(dtype, coefficient))
    for term, coefficient in negative:
        total = Sub(total, _times(term, -coefficient, dtype))
    return _shifted(total, const, dtype) if const else total


def _shifted(total: PrimExpr, const: int, dtype: str) -> PrimExpr:
    """`total` plus a constant that may have overflown: one form for one value."""
    added, taken = O.wrap(const, dtype), O.wrap(-const, dtype)
    if added == 0:
        return total
    if taken == added or (added > 0 and (const > 0 or taken < 0)):
        return Add(total, IntImm(dtype, added))
    return Sub(total, IntImm(dtype, taken))


def _times(term: PrimExpr, coefficient: int, dtype: str) -> PrimExpr:
    if coefficient == 1:
        return term
    return Mul(term, IntImm(dtype, O.wrap(coefficient, dtype)))


def _written(terms: dict[Atom, int], const: int) -> tuple[list[tuple[PrimExpr, int]], int]:
    """The terms as they are written, and what is left of the constant.

    `(x + 2) // 4 + 4 -> (x + 18) // 4`, `x * n + y * n -> (x + y) * n`.
    """
    written: list[tuple[PrimExpr, int]] = []
    common: Atom | None = None
    products = [atom for atom in terms if type(atom) is Product] if len(terms) > 1 else ()
    if products:
        for product in products:
            for factored in product.of_sums:
                if factored.fits(terms, const, product):
                    return _with_product(terms, const, factored, product)
        common = _common_factor(terms, products)
    for atom, coefficient in terms.items():
        if common is not None and common in factors_of(atom):
            continue
        quotient = _quotient_with(atom, coefficient, const) if const else None
        if quotient is not None:
            const = 0
        written.append((atom.expr() if quotient is None else quotient, coefficient))
    if common is not None:
        place = sum(1 for _ in takewhile(lambda a: common not in factors_of(a), terms))
        written.insert(place, _factored(terms, common))
    return written, const


def _quotient_with(atom: Atom, coefficient: int, const: int) -> PrimExpr | None:
    """`base // c + const` as one quotient, if that is shorter."""
    if not isinstance(atom, Split) or not atom.takes_constants() or const % coefficient:
        return None
    by = const // coefficient
    if atom.truncates and by < 0:  # what is divided could become negative
        return None
    make: Callable[[PrimExpr, PrimExpr], PrimExpr] = Div if atom.truncates else FloorDiv
    return make(atom.base.shifted(by * atom.lower).expr(), IntImm(atom.dtype, atom.lower))


def _with_product(
    terms: dict[Atom, int], const: int, factored: Factored, product: Product
) -> tuple[list[tuple[PrimExpr, int]], int]:
    """The terms as they are written, those of a product of sums as that."""
    total = factored.total
    ratio = terms[product] // total.terms[product]
    rest = {a: c for a, c in terms.items() if a not in total.terms}
    written, const = _written(rest, const - ratio * total.const)
    place = sum(1 for _ in takewhile(lambda a: a not in total.terms, terms))
    made = Mul(factored.a.expr(), factored.b.expr())
    return [*written[:place], (made, ratio), *written[place:]], const


def _common_factor(terms: dict[Atom, int], products: Sequence[Product]) -> Atom | None:
    """The factor of most products, if there is one of several terms."""
    counts: dict[Atom, int] = {}
    for product in products:
        for factor in dict.fromkeys(product.factors):
            counts[factor] = counts.get(factor, 0) + 1
    for factor in [factor for factor in counts if factor in terms]:
        left = [without_factors(product, (factor,)) for product in products]
        # an extremum would take in the constant: `min(x, y) * n + n` stays
        counts[factor] += -len(left) if any(o and type(o[0]) is Binary for o in left) else 1
    most = max(counts.values())
    best = [factor for factor in counts if counts[factor] == most] if most > 1 else []
    return max(best, key=Atom.rank) if len(best) > 1 else best[0] if best else None


def _factored(terms: dict[Atom, int], common: Atom) -> tuple[PrimExpr, int]:
    """The terms that hold `common`, with that taken out."""
    dtype = common.dtype
    rest: dict[Atom, int] = {}
    const = 0
    for atom, coefficient in terms.items():
        factors = list(factors_of(atom))
        if common not in factors:
            continue
        del factors[len(factors) - 1 - factors[::-1].index(common)]  # the last, written last
        if not factors:
            const = coefficient
        elif len(factors) == 1:
            rest[factors[0]] = coefficient
        else:
            rest[Product(dtype, atom.order, tuple(factors))] = coefficient
    sign = 1 if const > 0 or any(c > 0 for c in rest.values()) else -1
    made = build_sum(dtype, {a: c * sign for a, c in rest.items()}, const * sign)
    return Mul(made, common.expr()), sign


class Truncated(NamedTuple):
    """What is divided and by what constant, rounding to zero; `is_rest` tells `%` from `/`."""

    base: Sum
    by: int
    is_rest: bool


def truncated(total: Sum) -> Truncated | None:
    """The parts of a sum that is one truncated division or its rest."""
    atom = total.single()
    found = atom.parts_of if isinstance(atom, Opaque) else None
    return found if isinstance(found, Truncated) else None


class Choice(NamedTuple):
    """The condition of a `Select`, its key, and the values."""

    condition: PrimExpr
    key: Key
    yes: Sum
    no: Sum

    def is_by_condition_of(self, other: Choice) -> bool:
        """True if both choose by one condition."""
        return other.key in {self.key}  # found by its hash: variables would make an expression


class Opaque(Atom):
    """A variable, a load, a call...: an expression as it is."""

    __slots__ = ("is_variable", "of", "parts_of")

    def __init__(self, dtype: str, order: int, of: PrimExpr) -> None:
        self.is_variable = type(of).is_variable
        super().__init__(dtype, order, depends_on_data(of))
        self.of = of
        self.parts_of: Truncated | Choice | None = None

    def _build(self) -> PrimExpr:
        return self.of


INDEX_CALLS = frozenset(
    (
        "tir.if_then_else",
        "tir.likely",
        "tir.shift_right",
        "tir.bitwise_and",
        "tir.vscale",
        "tir.clz",
    )
)
"""Calls whose value is an index if their arguments are."""


def depends_on_data(of: PrimExpr) -> bool:
    """True if the value comes from memory, or from a call or conversion that may yield anything."""
    kind = type(of)
    if kind.is_variable or isinstance(of, IntImm):
        return False
    if isinstance(of, Select):
        return depends_on_data(of.true_value) or depends_on_data(of.false_value)
    if isinstance(of, (BinaryOpExpr, CmpExpr, And)):
        return depends_on_data(of.a) or depends_on_data(of.b)
    if isinstance(of, Cast):
        return "int" not in of.value.dtype or depends_on_data(of.value)
    if isinstance(of, Call) and getattr(of.op, "name", "") in INDEX_CALLS:
        return any(depends_on_data(a) for a in of.args if isinstance(a, PrimExpr))
    return True


class Split(Atom):
    """`base % upper // lower`; without the modulus if `upper` is None. `truncates`: it is written
    with the division that rounds to zero, which is the same for a `base` that is not negative."""

    __slots__ = ("base", "lower", "truncates", "upper")

    def __init__(
        self, dtype: str, order: int, base: Sum, lower: int, upper: int | None,
        truncates: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dtype, order, base.holds_data(), may_merge=True)
        self.base, self.lower, self.upper, self.truncates = base, lower, upper, truncates

    def parts(self) -> tuple[Sum, ...]:
        return (self.base,)

    def _build(self) -> PrimExpr:
        whole: dict[Atom, int] = {}
        divide, modulo = (Div, Mod) if self.truncates else (FloorDiv, FloorMod)
        if not self.truncates:
            whole = {a: c // self.lower for a, c in self.base.terms.items() if c % self.lower == 0}
        if self.lower != 1 and self.upper is not None and whole:
            # `(4 * x + y) // 4 % 8` is written `(x + y // 4) % 8`
            rest = {a: c for a, c in self.base.terms.items() if a not in whole}
            part = Split(self.dtype, -1, Sum(self.dtype, rest, self.base.const), self.lower, None)
            value = build_sum(self.dtype, {**whole, part: 1}, 0)
            return FloorMod(value, IntImm(self.dtype, self.upper // self.lower))
        value = self.base.expr()
        if self.upper is not None:
            value = modulo(value, IntImm(self.dtype, self.upper))
        if self.lower != 1:
            value = divide(value, IntImm(self.dtype, self.lower))
        return value

    def takes_constants(self) -> bool:
        """True if `quotient + const` is shorter with the constant inside."""
        return self.upper is None and self.base.const != 0


class Binary(Atom):
    """`make(a, b)` of two sums: a division by an unknown number, a minimum, a maximum.

    `truncates` is that of `Split`.
    """

    __slots__ = ("a", "b", "kind", "truncates")

    def __init__(
        self, dtype: str, order: int, kind: type[PrimExpr], a: Sum, b: Sum, truncates: bool = False
    ) -> None:
        super().__init__(dtype, order, a.holds_data() or b.holds_data(), may_merge=True)
        self.kind, self.a, self.b, self.truncates = kind, a, b, truncates

    def parts(self) -> tuple[Sum, ...]:
        return (self.a, self.b)

    def _build(self) -> PrimExpr:
        kind = TRUNCATED[self.kind] if self.truncates else self.kind
        make: Callable[[PrimExpr, PrimExpr], PrimExpr] = kind
        return make(self.a.expr(), self.b.expr())


class Factored(NamedTuple):
    """Two sums that were multiplied, and what that comes to."""

    a: Sum
    b: Sum
    total: Sum

    def fits(self, terms: dict[Atom, int], const: int, product: Atom) -> bool:
        """True if `terms` and `const` hold a multiple of all of `total`, `product` among it."""
        ratio, odd = divmod(terms[product], self.total.terms[product])
        if odd or (self.total.const and not const):
            return False
        return all(terms.get(a) == c * ratio for a, c in self.total.terms.items())


class Product(Atom):
    """Two or more atoms multiplied."""

    __slots__ = ("factors", "of_sums")

    def __init__(self, dtype: str, order: int, factors: tuple[Atom, ...]) -> None:
        super().__init__(dtype, order, any(factor.is_data for factor in factors))
        self.factors = factors
        self.of_sums: list[Factored] = []
        """Products of sums, as the text has them, that this is the first term of."""
        self.may_merge = any(factor.may_merge for factor in factors)

    def _build(self) -> PrimExpr:
        first, *rest = self.factors
        value = first.expr()
        for factor in rest:
            value = Mul(value, factor.expr())
        return value


class Terms:
    """Makes sums and atoms; the home of the atoms of one analyzer."""

    def __init__(self) -> None:
        self._atoms: dict[Key, Atom] = {}
        self.products = 0
        self.is_not_negative: Callable[[Sum], bool] = lambda _: False
        """Whether `total >= 0` is known; the simplifier's."""
        self.truncates = False
        """The divisions being made were written as rounding to zero: they stay so where what they
        divide is not negative."""

    # ---- atoms ------------------------------------------------------------------------------

    def _intern(self, key: Key, make: Any, *args: Any) -> Any:
        known = self._atoms.get(key)
        if known is None:
            known = self._atoms[key] = make(key[1], len(self._atoms), *args)
        return known

    def opaque(self, of: PrimExpr, key: Key) -> Opaque:
        """The atom of an expression that is known by `key`."""
        made: Opaque = self._intern((Opaque, of.dtype, key), Opaque, of)
        return made

    def split(self, base: Sum, lower: int, upper: int | None) -> Sum:
        """`(base // lower) % (upper // lower)` as it is."""
        if lower == 1 and upper is None:
            return base
        if lower == upper:
            return self.const(0, base.dtype)
        if base.const and _chooses(base.terms):
            base = self.merge(base)
        key = (Split, base.dtype, base.key, lower, upper)
        if self.truncates and self.is_not_negative(base):
            return self.of(self._intern((*key, Div), Split, base, lower, upper, True))
        return self.of(self._intern(key, Split, base, lower, upper))

    def binary(self, kind: type[PrimExpr], a: Sum, b: Sum, commutes: bool = False) -> Sum:
        """`kind(a, b)` as it is."""
        operands = frozenset((a.key, b.key)) if commutes else (a.key, b.key)
        key = (Binary, a.dtype, kind, operands)
        if self.truncates and kind in TRUNCATED and self.is_not_negative(a):
            return self.of(self._intern((*key, Div), Binary, kind, a, b, True))
        return self.of(self._intern(key, Binary, kind, a, b))

    def product(self, factors: list[Atom]) -> Atom:
        """The atoms multiplied, in the order in which they first were."""
        if len(factors) == 1:
            return factors[0]
        ordered = tuple(sorted(factors, key=lambda a: a.order))
        self.products += 1
        made: Atom = self._intern((Product, ordered[0].dtype, ordered), Product, tuple(factors))
        return made

    # ---- sums -------------------------------------------------------------------------------

    def merge(self, total: Sum) -> Sum:
        """`total` with the terms that make something simpler together put together."""
        return total

    def of(self, atom: Atom, coefficient: int = 1) -> Sum:
        """The sum of one term."""
        return Sum(atom.dtype, {atom: coefficient}, 0)

    def const(self, value: int, dtype: str) -> Sum:
        """A constant."""
        return Sum(dtype, {}, value)

    def _times(self, x: Atom, y: Atom) -> Sum:
        """`x * y`; of the minimum and the maximum of two sums, these multiplied."""
        if are_extremes(x, y):
            made = self.multiply(x.a, x.b)  # type: ignore[attr-defined]
            if made is not None:
                return made
        return self.of(self.product([*factors_of(x), *factors_of(y)]))

    def add(self, a: Sum, b: Sum, factor: int = 1) -> Sum:
        """`a + factor * b`, with the parts of divisions put together again."""
        if not b.terms or factor == 0:
            return self.shifted(a, b.const * factor)
        if not a.terms:
            return self.shifted(b.scaled(factor), a.const)
        terms = dict(a.terms)
        for atom, coefficient in b.terms.items():
            total = terms.get(atom, 0) + coefficient * factor
            if total:
                terms[atom] = total
            else:
                del terms[atom]
        made = Sum(a.dtype, terms, a.const + b.const * factor)
        return self.merge(made) if _any_merges(terms) else made

    def shifted(self, total: Sum, by: int) -> Sum:
        """`total + by`; minima and maxima take in what cancels."""
        made = total.shifted(by)
        return self.merge(made) if made.const and _chooses(made.terms) else made

    def sub(self, a: Sum, b: Sum) -> Sum:
        """`a - b`."""
        return self.add(a, b, -1)

    def without_factor(self, total: Sum, factor: Atom) -> Sum:
        """`total / factor`, where all terms have that factor."""
        made = self.const(0, total.dtype)
        for atom, coefficient in total.terms.items():
            left = without_factors(atom, (factor,))
            if left:
                made = self.add(made, self.of(self.product(left), coefficient))
            else:
                made = made.shifted(coefficient)
        return made

    def multiply(self, a: Sum, b: Sum) -> Sum | None:
        """`a * b` multiplied out; None if that is too long."""
        if not a.terms:
            return b.scaled(a.const)
        if not b.terms:
            return a.scaled(b.const)
        if len(a.terms) * len(b.terms) > 16:
            return None
        total = self.const(a.const * b.const, a.dtype)
        for x, p in a.terms.items():
            for y, q in b.terms.items():
                total = self.add(total, self._times(x, y), p * q)
        total = self.add(total, a.shifted(-a.const), b.const)
        return self.add(total, b.shifted(-b.const), a.const)


def _chooses(terms: dict[Atom, int]) -> bool:
    """True if there is a minimum or maximum that a constant may go into."""
    for atom in terms:  # noqa: SIM110  (a generator costs three times as much)
        if type(atom) is Binary:
            return True
    return False


def _any_merges(terms: dict[Atom, int]) -> bool:
    if len(terms) > 1:
        for atom in terms:
            if atom.may_merge:
                return True
    return False


def are_extremes(a: Atom, b: Atom) -> bool:
    """True of the minimum and the maximum of the same two sums."""
    if not isinstance(a, Binary) or not isinstance(b, Binary) or OPPOSITE.get(a.kind) is not b.kind:
        return False
    return bool({a.a.key, a.b.key} == {b.a.key, b.b.key})


def without_factors(atom: Atom, gone: Sequence[Atom]) -> list[Atom] | None:
    """The factors of `atom` but those of `gone`; None if it lacks one."""
    left = list(factors_of(atom))
    for factor in gone:
        if factor not in left:
            return None
        left.remove(factor)
    return left


def factors_of(atom: Atom) -> tuple[Atom, ...]:
    """The factors of a product; any other atom alone."""
    return atom.factors if isinstance(atom, Product) else (atom,)
