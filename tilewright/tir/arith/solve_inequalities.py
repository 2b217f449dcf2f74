"""Linear inequalities in integers, solved by eliminating one variable after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.expr import PrimExpr, Range
from .. import op as O
from ..expr import EQ, GE, GT, LE, LT, CmpExpr, Var
from ..stmt_functor import substitute
from .analyzer import Analyzer
from .canonical import INDEX_TYPES
from .constraints import (
    IntConstraints,
    IntConstraintsTransform,
    IntGroupBounds,
    as_constraints,
    best_range,
    impossible,
    scaled_bounds,
    without_solution,
)
from .linear import linear_coefficients
from .terms import Sum


def solve_linear_inequalities(
    equations: Sequence[PrimExpr] | IntConstraints,
    variables: Sequence[Var] | None = None,
    ranges: Mapping[Var, Range] | None = None,
    deskew_range: bool = False,
) -> IntConstraints | IntConstraintsTransform:
    """The ranges of `variables`, each in terms of the later ones, and the relations beyond them.

    x + y <= 20, x - y >= 10 (y in 0..9)   ->   x in y + 10 .. y + 20, y in 0..5, x <= 20 - y

    With `deskew_range` the result is a transform to new variables whose ranges start at zero.
    Without solutions the only relation is false.
    """
    src = as_constraints(equations, variables, ranges)
    system = _Inequalities(src)
    if not system.eliminate():
        return without_solution(src) if deskew_range else impossible()
    return system.deskewed() if deskew_range else system.ranged()


def solve_inequalities_as_condition(
    variables: Sequence[Var], ranges: Mapping[Var, Range], inequalities: Sequence[PrimExpr]
) -> list[PrimExpr]:
    """The inequalities as bounds of each variable by the later ones; `[False]` if none fits.

    x + y <= 20, x - y >= 10 (y in 0..9)   ->   x >= y + 10, x <= 20 - y, y >= 0, y <= 5
    """
    system = _Inequalities(as_constraints(inequalities, variables, ranges))
    return system.conditions() if system.eliminate() else list(impossible().relations)


class _Inequalities:
    """Fourier-Motzkin elimination (A. Schrijver, Theory of Linear and Integer Programming,
    section 12.2) over sums that are not negative."""

    def __init__(self, src: IntConstraints) -> None:
        self.src = src
        self.analyzer = Analyzer()
        self.engine = self.analyzer.engine
        self.terms = self.engine.terms
        self.slacks: dict[object, Sum] = {}
        self.others: list[PrimExpr] = []
        self.bounds: dict[Var, IntGroupBounds] = {}
        for var, range_ in src.ranges.items():
            self.analyzer.bind(var, range_)

    # ---- reading ----------------------------------------------------------------------------

    def read(self, relation: PrimExpr) -> None:
        """Sorts a relation: sums that are not negative, or one of the others."""
        if not isinstance(relation, (EQ, LT, LE, GT, GE)) or not _compares_indices(relation):
            self.others.append(relation)
            return
        a, b = self.engine.sum(relation.a), self.engine.sum(relation.b)
        if isinstance(relation, EQ):
            self.add(self.terms.sub(a, b))
            self.add(self.terms.sub(b, a))
        else:
            self.add(self.engine._slack(type(relation), a, b))

    def add(self, slack: Sum) -> None:
        """Takes `slack >= 0` into the system."""
        self.slacks.setdefault(slack.key, slack)

    # ---- elimination ------------------------------------------------------------------------

    def eliminate(self) -> bool:
        """Finds the bounds of every variable; False if there are no solutions."""
        for relation in self.src.relations:
            self.read(relation)
        for var in self.src.variables:
            range_ = self.src.ranges.get(var)
            if range_ is not None:
                self.read(GE(var, range_.min))
                self.read(LE(var, O.simplified(O.subtract(range_.end, 1))))
        for var in self.src.variables:
            self.bounds[var] = self.step(var)
        for key, slack in list(self.slacks.items()):
            if self.engine.bounds.is_not_negative(slack):
                del self.slacks[key]
            elif self.engine.bounds.is_not_negative(slack.scaled(-1).shifted(-1)):
                return False
        return True

    def step(self, var: Var) -> IntGroupBounds:
        """Takes `var` out of the system and gives its bounds."""
        lower: list[tuple[int, Sum]] = []
        upper: list[tuple[int, Sum]] = []
        kept: dict[object, Sum] = {}
        for key, slack in self.slacks.items():
            made = linear_coefficients(self.terms, slack, [var])
            scale = made[0][var] if made is not None else None
            if made is None or scale is None or scale.terms or scale.const == 0:
                kept[key] = slack
            elif scale.const > 0:
                lower.append((scale.const, made[1].scaled(-1)))
            else:
                upper.append((-scale.const, made[1]))
        fixed = self.src.ranges.get(var)
        if fixed is not None and O.is_const_int(fixed.extent, 1):
            return IntGroupBounds.from_range(fixed)
        common, lows, highs = scaled_bounds(var.dtype, lower, upper)
        lows, highs = self.tightest(lows, 1), self.tightest(highs, -1)
        self.slacks = kept
        for low in lows:
            for high in highs:
                self.add(self.coarse(self.terms.sub(high, low)))
        equal = [low for low in lows if any(low.key == high.key for high in highs)]
        same = {total.key for total in equal}
        return IntGroupBounds(
            O.const(common, var.dtype),
            tuple(t.expr() for t in lows if t.key not in same),
            tuple(t.expr() for t in equal),
            tuple(t.expr() for t in highs if t.key not in same),
        )

    def tightest(self, bounds: list[Sum], sign: int) -> list[Sum]:
        """The bounds that no other one implies; `sign` 1 for lower ones."""
        kept: list[Sum] = []
        for one in bounds:
            if any(self.implies(other, one, sign) for other in kept):
                continue
            kept = [other for other in kept if not self.implies(one, other, sign)] + [one]
        return kept

    def implies(self, strong: Sum, weak: Sum, sign: int) -> bool:
        """True if the bound `strong` is never looser than `weak`."""
        difference = self.terms.sub(strong, weak).scaled(sign)
        return self.engine.bounds.is_not_negative(difference)

    def coarse(self, slack: Sum) -> Sum:
        """`2 x + 3 >= 0 -> x + 1 >= 0`: integers allow to divide and round down."""
        coarse, fine, step = self.engine.divider._coarsen(slack, 0)
        return coarse if step > 1 and not fine.terms else slack

    # ---- results ----------------------------------------------------------------------------

    def conditions(self) -> list[PrimExpr]:
        """All bounds, then what binds no variable."""
        found = [c for var, bounds in self.bounds.items() for c in bounds.conditions(var)]
        rest = [LE(s.scaled(-1).expr(), O.const(0, s.dtype)) for s in self.slacks.values()]
        return [*found, *rest, *self.others]

    def ranged(self) -> IntConstraints:
        """The variables with the ranges found for them."""
        analyzer = self.parameters()
        ranges: dict[Var, Range] = {}
        for var in reversed(self.src.variables):
            found = best_range(analyzer, self.bounds[var], {**self.given(), **ranges})
            if found is None:
                continue
            if analyzer.can_prove(O.less_equal(found.extent, 0)):
                return impossible()
            ranges[var] = found
            analyzer.bind(var, found)
        kept = [c for c in self.conditions() if not analyzer.can_prove(c)]
        if any(analyzer.can_prove(O.logical_not(c)) for c in kept):
            return impossible()
        return IntConstraints(self.src.variables, ranges, tuple(kept))

    def parameters(self) -> Analyzer:
        """An analyzer that knows of the parameters alone."""
        analyzer = Analyzer()
        for var, range_ in self.given().items():
            analyzer.bind(var, range_)
        return analyzer

    def given(self) -> dict[Var, Range]:
        """The ranges of the parameters."""
        return {v: r for v, r in self.src.ranges.items() if v not in self.src.variables}

    def deskewed(self) -> IntConstraintsTransform:
        """New variables that count from zero."""
        analyzer = self.parameters()
        forth: dict[Var, PrimExpr] = {}
        back: dict[Var, PrimExpr] = {}
        ranges: dict[Var, Range] = {}
        new: list[Var] = []
        for var in reversed(self.src.variables):
            bounds = substitute(self.bounds[var], forth)
            found = best_range(analyzer, bounds, {**self.given(), **ranges})
            if found is None:
                forth[var] = back[var] = var
                new.append(var)
            elif analyzer.can_prove(O.less_equal(found.extent, 0)):
                return without_solution(self.src)
            elif O.is_const_int(found.extent, 1):
                forth[var] = found.min
            else:
                made = Var(f"{var.name}_shifted", var.dtype)
                ranges[made] = Range(O.const(0, var.dtype), found.extent)
                analyzer.bind(made, ranges[made])
                forth[var] = O.add(made, found.min)
                back[made] = O.simplified(O.subtract(var, substitute(found.min, back)))
                new.append(made)
        relations = self.relations_of(forth, analyzer)
        if relations is None:
            return without_solution(self.src)
        order = {var: forth[var] for var in self.src.variables}
        dst = IntConstraints(tuple(reversed(new)), ranges, tuple(relations))
        return IntConstraintsTransform(self.src, dst, order, back)

    def relations_of(
        self, forth: Mapping[Var, PrimExpr], analyzer: Analyzer
    ) -> list[PrimExpr] | None:
        """The conditions in the new variables that do not follow from their ranges."""
        kept: list[PrimExpr] = []
        for condition in self.conditions():
            made = substitute(condition, forth)
            truth = analyzer.simplify(made)
            if O.is_const_int(truth, 0):
                return None
            if not O.is_const_int(truth, 1):
                kept.append(_tidy(made))
        return kept


def _compares_indices(relation: CmpExpr) -> bool:
    return relation.a.dtype in INDEX_TYPES


def _tidy(condition: PrimExpr) -> PrimExpr:
    """An inequality with its variables on the left and its constant on the right."""
    if not isinstance(condition, (LE, GE)) or not _compares_indices(condition):
        return O.simplified(condition)
    analyzer = Analyzer()
    a, b = analyzer.sum(condition.a), analyzer.sum(condition.b)
    slack = analyzer.engine._slack(type(condition), a, b)
    left = Sum(slack.dtype, {atom: -c for atom, c in slack.terms.items()}, 0)
    return LE(left.expr(), O.const(slack.const, slack.dtype))
