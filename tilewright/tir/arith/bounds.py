"""Bounds of index expressions: constants that a value never leaves, and proofs with symbols."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import ml_dtypes

from ...ir.expr import PrimExpr
from ...support.dtypes import ScalableLanes, dtype_of
from ..expr import (
    EQ,
    NE,
    Broadcast,
    Call,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Ramp,
    Select,
    SizeVar,
    Var,
)
from .terms import Atom, Binary, Opaque, Product, Split, Sum, Terms, factors_of

Interval: TypeAlias = "tuple[float | int, float | int]"
EVERYTHING: Interval = (-math.inf, math.inf)


def dtype_interval(dtype: str) -> Interval:
    """What an integer type holds; 64 bits with sign count as unbounded."""
    info = dtype_of(dtype)
    if not info.is_integral or (info.bits >= 64 and not info.is_uint):
        return EVERYTHING
    return (info.min_value, info.max_value)


def floor_quotient(value: float | int, by: int) -> float | int:
    """`value // by`, infinities kept."""
    return value if math.isinf(value) else value // by


def intersect(a: Interval, b: Interval) -> Interval:
    """What both allow."""
    return (max(a[0], b[0]), min(a[1], b[1]))


def product(a: Interval, b: Interval) -> Interval:
    """What a number in `a` times one in `b` may be."""
    ends = [0 if x == 0 or y == 0 else x * y for x in a for y in b]
    return (min(ends), max(ends))


class Bounds:
    """What is known about variables and sums; answers with constant intervals and proofs."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.variables: dict[Var, Interval] = {}
        self.ranges: dict[Var, tuple[int, Sum | None, Sum | None]] = {}
        self.known: dict[Any, Interval] = {}
        self.facts: list[Sum] = []
        self.cache: dict[Atom, Interval] = {}
        self.asked: set[Atom] = set()
        """Those whose intervals are being worked out."""
        self.interval_of: Callable[[PrimExpr], Interval] = lambda _: EVERYTHING

    # ---- constant intervals -----------------------------------------------------------------

    def of(self, total: Sum) -> Interval:
        """The constants between which `total` lies."""
        lo: float | int = total.const
        hi: float | int = total.const
        for atom, coefficient in total.terms.items():
            a, b = self.atom(atom)
            if coefficient > 0:
                lo, hi = lo + a * coefficient, hi + b * coefficient
            else:
                lo, hi = lo + b * coefficient, hi + a * coefficient
        if self.known and total.terms:
            lo, hi = intersect((lo, hi), self.told(total))
        return lo, hi

    def told(self, total: Sum) -> Interval:
        """The constants between which `total` lies by what was assumed of just its terms."""
        divisor, key = normal_key(total)
        found = self.known.get(key)
        if found is None:
            return EVERYTHING
        return (found[0] * divisor + total.const, found[1] * divisor + total.const)

    def atom(self, atom: Atom) -> Interval:
        """The constants between which `atom` lies."""
        found = self.cache.get(atom)
        if found is None:
            if atom in self.asked:  # by a condition within, maybe in a scope of its own
                return EVERYTHING
            self.asked.add(atom)
            try:
                found = self.cache[atom] = self._atom(atom)
            finally:
                self.asked.discard(atom)
        return found

    def _atom(self, atom: Atom) -> Interval:
        made = _ATOMS[type(atom)](self, atom)
        if self.known:
            made = intersect(made, self.known.get(frozenset(((atom, 1),)), EVERYTHING))
        return made

    def _opaque(self, atom: Opaque) -> Interval:
        of = atom.of
        if isinstance(of, Var):
            found = self.variables.get(of)
            if found is None:
                found = dtype_interval(of.dtype)
                if isinstance(of, SizeVar):
                    found = (0, found[1])
            return found
        return self.interval_of(of)

    def _split(self, atom: Split) -> Interval:
        lo, hi = self.of(atom.base)
        lo, hi = floor_quotient(lo, atom.lower), floor_quotient(hi, atom.lower)
        if atom.upper is None:
            return lo, hi
        modulus = atom.upper // atom.lower
        if lo >= 0 and hi < modulus:
            return lo, hi
        return 0, modulus - 1

    def _binary(self, atom: Binary) -> Interval:
        return _BINARY[atom.kind](self.of(atom.a), self.of(atom.b))

    def _product(self, atom: Product) -> Interval:
        result = self.atom(atom.factors[0])
        for factor in atom.factors[1:]:
            result = product(result, self.atom(factor))
        return result

    # ---- facts ------------------------------------------------------------------------------

    def assume_not_negative(self, total: Sum) -> None:
        """Takes `total >= 0` for granted."""
        if not total.terms:
            return
        self.facts.append(total)
        divisor, key = normal_key(total)
        least = -(total.const // divisor)
        self._tighten(key, (least, math.inf))
        mirrored = frozenset((a, -c) for a, c in key)
        self._tighten(mirrored, (-math.inf, -least))
        if len(total.terms) > 1:
            self._tighten_sizes(total)
        self.cache = {}

    def _tighten_sizes(self, total: Sum) -> None:
        """`n > 8 * i + j` says that `n >= 1` where neither is negative: what `total >= 0` and the
        most that its other terms can be say of each size variable that it adds."""
        for size, k in total.terms.items():
            if k > 0 and isinstance(size, Opaque) and isinstance(size.of, SizeVar):
                rest = {a: c for a, c in total.terms.items() if a is not size}
                most = self.of(Sum(total.dtype, rest, total.const))[1]
                if not math.isinf(most):
                    self._tighten(frozenset(((size, 1),)), (-(int(most) // k), math.inf))

    def _tighten(self, key: Any, interval: Interval) -> None:
        self.known[key] = intersect(self.known.get(key, EVERYTHING), interval)

    # ---- proofs -----------------------------------------------------------------------------

    def is_not_negative(self, total: Sum) -> bool:
        """True if `total >= 0` follows from what is known; symbols are eliminated one by one."""
        if self._prove(total, True):
            return True
        return any(type(a) is Product for a in total.terms) and self._prove_product(total)

    def decided(self, kind: type[PrimExpr], slack: Sum) -> bool | None:
        """Whether a comparison holds: of `slack` with 0 if it is an equality, else `slack >= 0`;
        None if that is not known."""
        below = self.is_not_negative(slack.scaled(-1).shifted(-1))
        if kind in (EQ, NE):
            return kind is NE if below or self.is_not_negative(slack.shifted(-1)) else None
        return False if below else True if self.is_not_negative(slack) else None

    def _prove(self, total: Sum, use_facts: bool) -> bool:
        for _ in range(24):
            lo, hi = self.of(total)
            if lo >= 0:
                return True
            if hi < 0:
                return False
            if use_facts and self._follows(total):
                return True
            relaxed = self._relax(total)
            if relaxed is None:
                return False
            total = relaxed
        return False

    def _prove_product(self, total: Sum) -> bool:
        """True if `total >= 0` for its terms' common factor, or at the corners of its box."""
        shared = factors_of(next(iter(total.terms)))
        for factor in shared if total.const in (0, -1) else ():
            if all(factor in factors_of(atom) for atom in total.terms):
                least = -total.const
                rest = self.terms.without_factor(total, factor)
                return self.atom(factor)[0] >= least and self._prove(rest.shifted(-least), True)
        return self._at_corners(total)

    def _at_corners(self, total: Sum) -> bool:
        """True if a sum of products of different factors is not negative at the ends of all of
        them, between which it is linear in each."""
        found = dict.fromkeys(f for atom in total.terms for f in factors_of(atom))
        ends = [self.atom(factor) for factor in found]
        if len(ends) > 3 or any(map(math.isinf, (end for pair in ends for end in pair))):
            return False
        if any(len(set(factors_of(atom))) < len(factors_of(atom)) for atom in total.terms):
            return False
        for corner in itertools.product(*ends):
            at = dict(zip(found, corner, strict=True))
            parts = (c * math.prod(at[f] for f in factors_of(a)) for a, c in total.terms.items())
            if total.const + sum(parts) < 0:
                return False
        return True

    def _follows(self, total: Sum) -> bool:
        for fact in self.facts:
            if any(atom in total.terms for atom in fact.terms):
                rest = self.terms.sub(total, fact)
                if len(rest.terms) < len(total.terms) + 1 and self._prove(rest, False):
                    return True
        return False

    def _relax(self, total: Sum) -> Sum | None:
        """A smaller or equal sum with the latest bound variable or a quotient replaced."""
        if sum(1 for atom in total.terms if isinstance(atom, Split)) > 1:
            paired = self._pair(total)
            if paired is not None:
                return paired
        best: tuple[int, Atom, Sum] | None = None
        for atom, coefficient in total.terms.items():
            bound = self._replacement(atom, coefficient) or self._shrunk(atom, coefficient, total)
            if bound is not None and (best is None or bound[0] > best[0]):
                best = (bound[0], atom, bound[1])
        if best is None:
            return None
        _, atom, replacement = best
        rest = {a: c for a, c in total.terms.items() if a is not atom}
        return self.terms.add(Sum(total.dtype, rest, total.const), replacement)

    def _pair(self, total: Sum) -> Sum | None:
        """`a // c - b // c >= (a - b) // c` for the first such pair."""
        splits = [(a, k) for a, k in total.terms.items() if isinstance(a, Split) and not a.upper]
        for a, k in splits:
            for b, negative in splits:
                if k > 0 and negative == -k and a.lower == b.lower:
                    least = self.of(self.terms.sub(a.base, b.base))[0]
                    if not math.isinf(least):
                        rest = {x: c for x, c in total.terms.items() if x is not a and x is not b}
                        step = k * floor_quotient(least, a.lower)
                        return Sum(total.dtype, rest, total.const + int(step))
        return None

    def _replacement(self, atom: Atom, coefficient: int) -> tuple[int, Sum] | None:
        """A lower bound of `coefficient * atom` with other symbols, and how late it was bound."""
        factors = factors_of(atom)
        best = self._multiple(atom, factors, coefficient) if len(factors) == 2 else None
        for position, factor in enumerate(factors):
            found = self._bound_of(factor, coefficient)
            if found is None or (best is not None and found[0] <= best[0]):
                continue
            others = factors[:position] + factors[position + 1 :]
            if not others:
                best = found
            elif all(self.atom(other)[0] >= 0 for other in others):
                product = self.terms.multiply(
                    found[1], self.terms.of(self.terms.product(list(others)))
                )
                best = best if product is None else (found[0], product)
        return best

    def _multiple(
        self, atom: Atom, factors: tuple[Atom, ...], coefficient: int
    ) -> tuple[int, Sum] | None:
        """`a - n < a // n * n <= a` for `n > 0`."""
        for quotient, other in (factors, factors[::-1]):
            if not isinstance(quotient, Binary) or quotient.kind is not FloorDiv:
                continue
            a, by = quotient.a, quotient.b
            scale = by.terms.get(other, 0)
            if len(by.terms) != 1 or by.const or scale <= 0 or coefficient % scale:
                continue
            if self.atom(other)[0] > 0:
                least = a if coefficient < 0 else self.terms.sub(a, by).shifted(1)
                return atom.order, least.scaled(coefficient // scale)
        return None

    def _shrunk(self, atom: Atom, coefficient: int, total: Sum) -> tuple[int, Sum] | None:
        """`n * m >= n` for `n >= 0` and `m >= 1`, where `total` subtracts some `n`."""
        if not isinstance(atom, Product) or len(atom.factors) != 2:
            return None
        for factor, other in (atom.factors, atom.factors[::-1]):
            limit = self.atom(factor)[0 if coefficient > 0 else 1]
            useful = total.terms.get(other, 0) * coefficient < 0 and not math.isinf(limit)
            if useful and self.atom(other)[0] >= 0:
                return -1, self.terms.of(other, coefficient).scaled(int(limit))
        return None

    def _bound_of(self, atom: Atom, coefficient: int) -> tuple[int, Sum] | None:
        if isinstance(atom, Opaque) and isinstance(atom.of, Var):
            return self._variable_bound(atom.of, coefficient)
        if isinstance(atom, Split) and atom.upper is None and coefficient % atom.lower == 0:
            factor = coefficient // atom.lower
            base = atom.base if factor < 0 else atom.base.shifted(1 - atom.lower)
            return atom.order, base.scaled(factor)
        if isinstance(atom, Binary) and coefficient * (1 if atom.kind is Max else -1) > 0:
            if atom.kind in (Min, Max):
                side = atom.b if atom.b.terms else atom.a
                return atom.order, side.scaled(coefficient)
            if atom.kind is FloorMod and self.of(atom.b)[0] >= 0:
                return atom.order, atom.b.shifted(-1).scaled(coefficient)
        return None

    def _variable_bound(self, var: Var, coefficient: int) -> tuple[int, Sum] | None:
        found = self.ranges.get(var)
        if found is None:
            return None
        order, lo, hi = found
        side = lo if coefficient > 0 else hi
        return None if side is None else (order + (1 << 20), side.scaled(coefficient))


def normal_key(total: Sum) -> tuple[int, Any]:
    """The terms divided by their greatest common divisor, as a key, and that divisor."""
    divisor = math.gcd(*total.terms.values())
    if divisor == 1:
        return 1, frozenset(total.terms.items())
    return divisor, frozenset((a, c // divisor) for a, c in total.terms.items())


def _quotient(a: Interval, b: Interval) -> Interval:
    """`a // b`, extreme at the ends of both and where the divisor is next to zero."""
    return _extremes(a, _divisors(b), floor_quotient)


def _truncated(a: Interval, b: Interval) -> Interval:
    """`a / b` rounded to zero."""
    return _extremes(a, _divisors(b), _trunc_quotient)


def _remainder(a: Interval, b: Interval) -> Interval:
    """What division rounded to zero leaves: of the sign of `a` and smaller than `b`."""
    most = max(abs(b[0]), abs(b[1])) - 1
    lo = 0 if a[0] >= 0 else -min(most, -a[0])
    return (lo, 0 if a[1] <= 0 else min(most, a[1]))


def _divisors(b: Interval) -> list[float | int]:
    return [e for e in {*b, -1, 1} if b[0] <= e <= b[1] and e != 0]


def _extremes(
    a: Interval, by: list[float | int], divide: Callable[[float | int, Any], float | int]
) -> Interval:
    if not by:
        return EVERYTHING
    ends: list[float | int] = []
    for x in a:
        for y in by:
            if math.isinf(y):
                ends += [0, -1] if (x < 0) != (y < 0) and x else [0]
                ends += [x * (1 if y > 0 else -1)] if math.isinf(x) else []
            elif math.isinf(x):
                ends.append(x if y > 0 else -x)
            else:
                ends.append(divide(x, y))
    return (min(ends), max(ends))


def _trunc_quotient(x: float | int, y: int) -> float | int:
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


def _rest(a: Interval, b: Interval) -> Interval:
    if b[0] >= 0:
        hi = b[1] - 1
        return (0, min(hi, a[1]) if a[0] >= 0 else hi)
    return (min(b[0] + 1, 0), max(b[1] - 1, 0))


_BINARY: dict[type[PrimExpr], Callable[[Interval, Interval], Interval]] = {
    Min: lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    Max: lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    FloorDiv: _quotient,
    FloorMod: _rest,
}
_ATOMS: dict[type[Atom], Callable[[Bounds, Any], Interval]] = {
    Opaque: Bounds._opaque,
    Split: Bounds._split,
    Binary: Bounds._binary,
    Product: Bounds._product,
}


def opaque_interval(of: PrimExpr, interval: Callable[[PrimExpr], Interval]) -> Interval:
    """The interval of an expression that is no sum, from its parts."""
    made = _OPAQUE.get(type(of))
    return dtype_interval(of.dtype) if made is None else made(of, interval)


def _select(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    a, b = interval(of.true_value), interval(of.false_value)
    return (min(a[0], b[0]), max(a[1], b[1]))


def _cast(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    own = dtype_interval(of.dtype)
    value = of.value
    if isinstance(value, Cast) and dtype_of(value.dtype).is_float:
        value = _exactly_in_float(value, interval)
    if isinstance(value, Call) and getattr(value.op, "name", "") == "tir.ceil":
        return intersect(own, _rounded_logarithm(value.args[0], interval))
    if not dtype_of(value.dtype).is_integral:
        return own
    inner, held = interval(value), _held(of.dtype, value.dtype)
    return inner if held[0] <= inner[0] and inner[1] <= held[1] else own


def _held(dtype: str, source: str) -> Interval:
    """The values of `source` that a cast to `dtype` keeps."""
    info = dtype_of(dtype)
    if dtype_of(source).is_uint:
        return (0, info.max_value)
    return dtype_interval(dtype)


def _exactly_in_float(cast: Cast, interval: Callable[[PrimExpr], Interval]) -> PrimExpr:
    """The integer that `cast` makes a float of, if that holds all its values; else `cast`."""
    if not dtype_of(cast.value.dtype).is_integral:
        return cast
    lo, hi = interval(cast.value)
    digits = ml_dtypes.finfo(dtype_of(cast.dtype).numpy).nmant + 1
    return cast.value if max(-lo, hi) <= 1 << digits else cast


def _rounded_logarithm(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    """The least integers not below `log2(x)`, of a positive integer `x`."""
    if not isinstance(of, Call) or getattr(of.op, "name", "") != "tir.log2":
        return EVERYTHING
    value = of.args[0]
    if isinstance(value, Cast):
        value = _exactly_in_float(value, interval)
    if not isinstance(value, PrimExpr) or not dtype_of(value.dtype).is_integral:
        return EVERYTHING
    lo, hi = interval(value)
    if lo < 1 or math.isinf(hi):
        return EVERYTHING
    return math.ceil(math.log2(lo)), math.ceil(math.log2(hi))


def _broadcast(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    return interval(of.value)


def _ramp(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    lanes = dtype_of(of.dtype).lanes
    steps = (0, math.inf if isinstance(lanes, ScalableLanes) else lanes - 1)
    base, reach = interval(of.base), product(interval(of.stride), steps)
    return (base[0] + reach[0], base[1] + reach[1])


def _call(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    made = _CALLS.get(getattr(of.op, "name", ""))
    return dtype_interval(of.dtype) if made is None else made(of, interval)


def _conditional(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    a, b = interval(of.args[1]), interval(of.args[2])
    return (min(a[0], b[0]), max(a[1], b[1]))


def _pair(make: Callable[[Interval, Interval], Interval]) -> Callable[..., Interval]:
    """The interval of a division whose two sides are fields `a` and `b`; it may wrap."""

    def found(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
        own, made = dtype_interval(of.dtype), make(interval(of.a), interval(of.b))
        return made if own[0] <= made[0] and made[1] <= own[1] else own

    return found


def _shift_right(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    a, (least, most) = interval(of.args[0]), interval(of.args[1])
    if least >= 0 and most < 64:
        return _extremes(a, [1 << int(least), 1 << int(most)], floor_quotient)
    return (0, a[1]) if a[0] >= 0 else dtype_interval(of.dtype)


def _shift_left(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    a, (least, most) = interval(of.args[0]), interval(of.args[1])
    own = dtype_interval(of.dtype)
    if not (least >= 0 and most < 64):
        return own
    made = product(a, (1 << int(least), 1 << int(most)))
    return made if own[0] <= made[0] and made[1] <= own[1] else own


def _bitwise_and(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    highs = [hi for lo, hi in map(interval, of.args) if lo >= 0]
    return (0, min(highs)) if highs else dtype_interval(of.dtype)


def _leading_zeros(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    (value,) = of.args
    bits = dtype_of(value.dtype).bits
    lo, hi = interval(value)
    if lo < 0 or math.isinf(hi):
        return (0, bits)
    return (bits - int(hi).bit_length(), bits - int(lo).bit_length())


def _absolute(of: Any, interval: Callable[[PrimExpr], Interval]) -> Interval:
    own = dtype_interval(of.dtype)
    lo, hi = interval(of.args[0])
    if lo <= own[0]:  # the magnitude of the least number does not fit
        return own
    return (max(lo, -hi, 0), max(-lo, hi))


_CALLS: dict[str, Callable[[Any, Callable[[PrimExpr], Interval]], Interval]] = {
    "tir.if_then_else": _conditional,
    "tir.likely": lambda of, interval: interval(of.args[0]),
    "tir.shift_left": _shift_left,
    "tir.shift_right": _shift_right,
    "tir.bitwise_and": _bitwise_and,
    "tir.vscale": lambda of, interval: (1, 16),
    "tir.fabs": _absolute,
    "tir.clz": _leading_zeros,
}
_OPAQUE: dict[type[PrimExpr], Callable[[Any, Callable[[PrimExpr], Interval]], Interval]] = {
    Select: _select,
    Cast: _cast,
    Call: _call,
    Broadcast: _broadcast,
    Ramp: _ramp,
    Div: _pair(_truncated),
    Mod: _pair(_remainder),
}
