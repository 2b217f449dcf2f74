"""Sets of integers between symbolic ends, and the sets that expressions run through."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...ir.expr import PrimExpr, Range, as_scalar
from ...ir.functor import post_order_visit
from ...support.dtypes import ScalableLanes, dtype_of
from ...support.errors import ArgumentTypeError
from .. import op as O
from ..expr import Call, Cast, Div, FloorDiv, FloorMod, IterVar, Max, Min, Mod, Select, Var
from .analyzer import EVALUATE_SET, Analyzer
from .canonical import INDEX_TYPES
from .simplifier import same
from .terms import Atom, Binary, Opaque, Product, Split, Sum
from .vectors import affine

NEG_INF = Var("neg_inf", "handle")
POS_INF = Var("pos_inf", "handle")


def neg_inf() -> Var:
    """The lower end of a set that has none."""
    return NEG_INF


def pos_inf() -> Var:
    """The upper end of a set that has none."""
    return POS_INF


@dataclass(frozen=True, slots=True, eq=False)
class IntSet:
    """The integers from `min_value` to `max_value`, both included; infinite ends are variables."""

    min_value: PrimExpr
    max_value: PrimExpr

    @staticmethod
    def single_point(point: PrimExpr | int) -> IntSet:
        """The set of one value."""
        made = as_scalar(point)
        return IntervalSet(made, made)

    @staticmethod
    def vector(vec: PrimExpr) -> IntSet:
        """The values of the lanes of `vec`."""
        return eval_set(Analyzer(), vec, {})

    @staticmethod
    def interval(lo: PrimExpr | int, hi: PrimExpr | int) -> IntSet:
        """The integers from `lo` to `hi`."""
        return IntervalSet(as_scalar(lo), as_scalar(hi))

    def is_nothing(self) -> bool:
        """True if the set is known to be empty."""
        return self.min_value is POS_INF

    def is_everything(self) -> bool:
        """True if the set has no ends."""
        return self.min_value is NEG_INF and self.max_value is POS_INF

    def is_single_point(self) -> bool:
        """True if both ends are the same."""
        return same(self.min_value, self.max_value)

    def has_lower_bound(self) -> bool:
        """True if there is a lower end."""
        return self.min_value is not NEG_INF

    def has_upper_bound(self) -> bool:
        """True if there is an upper end."""
        return self.max_value is not POS_INF

    def range(self) -> Range | None:
        """The set as a range; None if it is not bounded."""
        if not (self.has_lower_bound() and self.has_upper_bound()):
            return None
        extent = O.simplified(self.max_value - self.min_value + 1)
        return Range(self.min_value, extent)


class IntervalSet(IntSet):
    """A set of integers given by its ends."""

    __slots__ = ()

    def __init__(self, min_value: PrimExpr | int, max_value: PrimExpr | int) -> None:
        super().__init__(as_scalar(min_value), as_scalar(max_value))


class PresburgerSet(IntSet):
    """A set of points given by linear conditions, which needs a library of integer sets.

    Here, as in TVM built without MLIR, there is none: the constructor raises `ArgumentTypeError`.
    The name tells such sets from intervals: no set is an instance.
    """

    __slots__ = ()

    def __init__(self, condition: PrimExpr | None = None) -> None:
        del condition
        raise ArgumentTypeError(
            "a PresburgerSet needs a library of integer sets, which this build does not have",
            hint="IntervalSet holds the values between two ends; solve_linear_inequalities and "
            "deduce_bound find the ends that conditions leave",
        )


def everything() -> IntervalSet:
    """The set without ends."""
    return IntervalSet(NEG_INF, POS_INF)


Ends: TypeAlias = "tuple[Sum | None, Sum | None]"
"""The ends of an interval as sums; None is infinite."""


class Evaluator:
    """Intervals of sums whose variables run through intervals."""

    def __init__(self, analyzer: Analyzer, domain: Mapping[Var, Ends]) -> None:
        self.engine = analyzer.engine
        self.terms = analyzer.engine.terms
        self.domain = domain
        self.cache: dict[Atom, Ends] = {}

    def of(self, total: Sum) -> Ends:
        """The interval of `total`."""
        fixed = Sum(total.dtype, {}, total.const)
        lo: Sum | None = fixed
        hi: Sum | None = fixed
        for atom, coefficient in total.terms.items():
            a, b = self.atom(atom)
            if coefficient < 0:
                a, b = b, a
            lo = None if lo is None or a is None else self.terms.add(lo, a, coefficient)
            hi = None if hi is None or b is None else self.terms.add(hi, b, coefficient)
        return lo, hi

    def atom(self, atom: Atom) -> Ends:
        """The interval of `atom`."""
        found = self.cache.get(atom)
        if found is None:
            found = self.cache[atom] = _ATOMS[type(atom)](self, atom)
        return found

    def _fixed(self, atom: Atom) -> Ends:
        made = self.terms.of(atom)
        return made, made

    def _opaque(self, atom: Opaque) -> Ends:
        if isinstance(atom.of, Var):
            return self.domain.get(atom.of) or self._fixed(atom)
        if not mentions(atom.of, self.domain):
            return self._fixed(atom)
        found = self._choice(atom.of) or self._converted(atom.of)
        if found is not None:
            return found
        lo, hi = self.engine.bounds.atom(atom)
        ends = [Sum(atom.dtype, {}, int(e)) if abs(e) < 2**31 - 1 else None for e in (lo, hi)]
        return ends[0], ends[1]

    def _choice(self, of: PrimExpr) -> Ends | None:
        """The interval of either value of a `Select` or `if_then_else`."""
        if isinstance(of, Select):
            values = [of.true_value, of.false_value]
        elif isinstance(of, Call) and getattr(of.op, "name", "") == "tir.if_then_else":
            values = [part for part in of.args[1:] if isinstance(part, PrimExpr)]
        else:
            return None
        (a, b), (c, d) = (self.of(self.engine.sum(value)) for value in values)
        return (
            None if a is None or c is None else self.engine.extremum(Min, a, c),
            None if b is None or d is None else self.engine.extremum(Max, b, d),
        )

    def _converted(self, of: PrimExpr) -> Ends | None:
        """The interval of a wider index, or of a division rounded to zero by one number."""
        if isinstance(of, Mod):
            return self._remainder(of)
        make: Callable[[PrimExpr], PrimExpr]
        if isinstance(of, Cast) and of.dtype == "int64" and of.value.dtype == "int32":
            make, inside = functools.partial(Cast, "int64"), of.value
        elif isinstance(of, Div) and self._is_fixed_positive(of.b):
            make, inside = functools.partial(Div, b=of.b), of.a
        else:
            return None
        lo, hi = (
            None if end is None else self.engine.sum(make(end.expr()))
            for end in self.of(self.engine.sum(inside))
        )
        return lo, hi

    def _is_fixed_positive(self, of: PrimExpr) -> bool:
        """True if `of` is one number above 0."""
        positive = self.engine.bounds.is_not_negative(self.engine.sum(of).shifted(-1))
        return positive and not mentions(of, self.domain)

    def _remainder(self, of: Mod) -> Ends | None:
        """`x % n` rounded to zero, of the sign of `x`: within `(-n, n)`."""
        if not self._is_fixed_positive(of.b):
            return None
        lo, hi = self.of(self.engine.sum(of.a))
        last, prove = self.engine.sum(of.b).shifted(-1), self.engine.bounds.is_not_negative
        zero = self.terms.const(0, of.dtype)
        return (
            zero if lo is not None and prove(lo) else last.scaled(-1),
            zero if hi is not None and prove(hi.scaled(-1)) else last,
        )

    def _split(self, atom: Split) -> Ends:
        lo, hi = self.of(atom.base)
        divide = self.engine.divider
        if lo is hi and lo is not None:
            made = divide.part(lo, atom.lower, atom.upper)
            return made, made
        if atom.upper is None:
            return (
                None if lo is None else divide.floordiv(lo, atom.lower),
                None if hi is None else divide.floordiv(hi, atom.lower),
            )
        whole = (
            Sum(atom.dtype, {}, 0),
            Sum(atom.dtype, {}, atom.upper // atom.lower - 1),
        )
        if lo is None or hi is None:
            return whole
        if divide.floordiv(lo, atom.upper).key != divide.floordiv(hi, atom.upper).key:
            return whole
        return (
            divide.part(lo, atom.lower, atom.upper),
            divide.part(hi, atom.lower, atom.upper),
        )

    def _binary(self, atom: Binary) -> Ends:
        a, b = self.of(atom.a), self.of(atom.b)
        if a[0] is a[1] and b[0] is b[1] and a[0] is not None and b[0] is not None:
            made = _POINTS[atom.kind](self.engine, a[0], b[0])
            return made, made
        return _BINARY[atom.kind](self, a, b)

    def extremum(self, kind: type[PrimExpr], a: Ends, b: Ends) -> Ends:
        """The interval of a minimum or maximum."""
        lo, hi = (
            None if x is None or y is None else self.engine.extremum(kind, x, y)
            for x, y in zip(a, b, strict=True)
        )
        if kind is Min and hi is None:
            hi = a[1] or b[1]
        if kind is Max and lo is None:
            lo = a[0] or b[0]
        return lo, hi

    def quotient(self, a: Ends, b: Ends) -> Ends:
        """The interval of a floor division by one positive number."""
        if b[0] is None or b[0] is not b[1] or not self.engine.bounds.is_not_negative(b[0]):
            return None, None
        lo, hi = (None if x is None else self.engine.divider.floordiv_by(x, b[0]) for x in a)
        return lo, hi

    def rest(self, a: Ends, b: Ends) -> Ends:
        """The interval of a modulus by something not negative."""
        if b[0] is None or b[1] is None or not self.engine.bounds.is_not_negative(b[0]):
            return None, None
        zero, last = Sum(b[1].dtype, {}, 0), b[1].shifted(-1)
        if a[0] is not None and a[1] is not None and b[0] is b[1]:
            divide = self.engine.divider
            if divide.floordiv_by(a[0], b[0]).key == divide.floordiv_by(a[1], b[0]).key:
                return divide.floormod_by(a[0], b[0]), divide.floormod_by(a[1], b[0])
        return zero, last

    def _point(self, factors: list[Sum]) -> Ends:
        """The product of factors that do not move; unknown if it is too long."""
        total: Sum | None = factors[0]
        for factor in factors[1:]:
            total = None if total is None else self.terms.multiply(total, factor)
        return total, total

    def _product(self, atom: Product) -> Ends:
        parts = [self.atom(factor) for factor in atom.factors]
        moving = [p for p in parts if p[0] is not p[1] or p[0] is None]
        if not moving:
            return self._point([p[0] for p in parts if p[0] is not None])
        fixed = [p[0] for p in parts if p[0] is p[1] and p[0] is not None]
        prove = self.engine.bounds.is_not_negative
        others = self._point(fixed)[0] if fixed else None
        if len(moving) > 1 or others is None or not all(prove(f) for f in fixed):
            return None, None
        lo, hi = (None if end is None else self.terms.multiply(end, others) for end in moving[0])
        return lo, hi


_POINTS: dict[type[PrimExpr], Callable[[Any, Sum, Sum], Sum]] = {
    Min: lambda engine, a, b: engine.extremum(Min, a, b),
    Max: lambda engine, a, b: engine.extremum(Max, a, b),
    FloorDiv: lambda engine, a, b: engine.divider.floordiv_by(a, b),
    FloorMod: lambda engine, a, b: engine.divider.floormod_by(a, b),
}
_BINARY: dict[type[PrimExpr], Callable[[Evaluator, Ends, Ends], Ends]] = {
    Min: lambda self, a, b: self.extremum(Min, a, b),
    Max: lambda self, a, b: self.extremum(Max, a, b),
    FloorDiv: Evaluator.quotient,
    FloorMod: Evaluator.rest,
}
_ATOMS: dict[type[Atom], Callable[[Evaluator, Any], Ends]] = {
    Opaque: Evaluator._opaque,
    Split: Evaluator._split,
    Binary: Evaluator._binary,
    Product: Evaluator._product,
}


def mentions(expr: Any, variables: Any) -> bool:
    """True if one of `variables` occurs in `expr`."""
    found: list[Any] = []

    def look(node: Any) -> None:
        if type(node).is_variable and node in variables:
            found.append(node)

    post_order_visit(expr, look)
    return bool(found)


def ends_of(analyzer: Analyzer, what: IntSet | Range | PrimExpr) -> Ends:
    """A set or range as a pair of sums."""
    if isinstance(what, Range):
        lo = analyzer.sum(what.min)
        return lo, analyzer.engine.terms.add(lo, analyzer.sum(what.extent)).shifted(-1)
    if isinstance(what, PrimExpr):
        made = analyzer.sum(what)
        return made, made
    lo_, hi_ = what.min_value, what.max_value
    if lo_ is hi_:
        made = analyzer.sum(lo_)
        return made, made
    return (
        None if lo_ is NEG_INF else analyzer.sum(lo_),
        None if hi_ is POS_INF else analyzer.sum(hi_),
    )


def as_domain(analyzer: Analyzer, dom_map: Mapping[Any, Any]) -> dict[Var, Ends]:
    """Ranges, sets or points by variable, as pairs of sums."""
    return {
        key.var if isinstance(key, IterVar) else key: ends_of(analyzer, what)
        for key, what in dom_map.items()
    }


def as_set(ends: Ends) -> IntervalSet:
    """A pair of sums as a set."""
    lo, hi = ends
    return IntervalSet(NEG_INF if lo is None else lo.expr(), POS_INF if hi is None else hi.expr())


def eval_set(analyzer: Analyzer, expr: PrimExpr, dom_map: Mapping[Any, Any]) -> IntervalSet:
    """The values of `expr` when variables run through the sets (or ranges) of `dom_map`."""
    lanes = affine(expr)
    if lanes is not None and isinstance(dtype_of(expr.dtype).lanes, ScalableLanes):
        return _scalable(analyzer, lanes[0], lanes[1], dom_map)
    if lanes is not None:
        last = analyzer.simplify(lanes[0] + lanes[1] * (lanes[2] - 1))
        ends = sorted(
            (lanes[0], last), key=lambda e: not analyzer.can_prove(O.less_equal(lanes[0], last))
        )
        first, second = ends if analyzer.can_prove(O.less_equal(lanes[0], last)) else ends[::-1]
        a, b = eval_set(analyzer, first, dom_map), eval_set(analyzer, second, dom_map)
        return IntervalSet(a.min_value, b.max_value)
    if expr.dtype not in INDEX_TYPES:
        return everything()
    domain = as_domain(analyzer, dom_map)
    return as_set(Evaluator(analyzer, domain).of(analyzer.sum(expr)))


def _scalable(
    analyzer: Analyzer, base: PrimExpr, stride: PrimExpr, dom_map: Mapping[Any, Any]
) -> IntervalSet:
    """The values of a ramp whose lanes the machine counts: open at its far end."""
    first = eval_set(analyzer, base, dom_map)
    rises, falls = (analyzer.can_prove(c) for c in (stride >= 0, stride <= 0))
    return IntervalSet(first.min_value if rises else NEG_INF, first.max_value if falls else POS_INF)


def union(analyzer: Analyzer, sets: Iterable[Ends]) -> Ends:
    """The smallest interval around all of `sets`."""
    result: Ends | None = None
    for ends in sets:
        if result is None:
            result = ends
            continue
        lo, hi = result
        lo = None if lo is None or ends[0] is None else analyzer.engine.extremum(Min, lo, ends[0])
        hi = None if hi is None or ends[1] is None else analyzer.engine.extremum(Max, hi, ends[1])
        result = lo, hi
    return result or (None, None)


def union_lower_bound(sets: Iterable[IntSet]) -> IntervalSet:
    """An interval within the union of `sets`, as large as can be told."""
    analyzer = Analyzer()
    result: IntervalSet | None = None
    for each in sets:
        made = IntervalSet(each.min_value, each.max_value)
        if not made.is_nothing():
            result = made if result is None else _touching(analyzer, result, made)
    return result or IntervalSet(POS_INF, NEG_INF)


def _touching(analyzer: Analyzer, a: IntervalSet, b: IntervalSet) -> IntervalSet:
    """The union of two intervals without a gap between them; the first of others."""

    def proven(lower: PrimExpr, upper: PrimExpr) -> bool:
        return analyzer.can_prove(O.less_equal(lower, upper))

    for one, two in ((a, b), (b, a)):
        starts = one.min_value is NEG_INF or (
            two.min_value is not NEG_INF and proven(one.min_value, two.min_value)
        )
        meets = one.max_value is POS_INF or (
            two.min_value is NEG_INF or proven(two.min_value, one.max_value + 1)
        )
        if starts and meets:
            ends = (one.max_value, two.max_value)
            is_open = any(end is POS_INF for end in ends)
            most = POS_INF if is_open else analyzer.simplify(O.max(*ends))
            return IntervalSet(one.min_value, most)
    return a


EVALUATE_SET[:] = [eval_set]
