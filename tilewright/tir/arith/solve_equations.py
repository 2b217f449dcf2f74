"""Linear equations in integers, solved for all their solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...ir.expr import PrimExpr, Range
from .. import op as O
from ..expr import EQ, LE, LT, Var
from ..stmt_functor import substitute
from .analyzer import Analyzer
from .canonical import INDEX_TYPES
from .constraints import (
    IntConstraints,
    IntConstraintsTransform,
    as_constraints,
    without_solution,
)
from .diagonal import Diagonal, diagonal
from .int_set import Evaluator, as_domain
from .linear import linear_coefficients
from .terms import Sum, Terms


def solve_linear_equations(
    equations: Sequence[PrimExpr] | IntConstraints,
    variables: Sequence[Var] | None = None,
    ranges: Mapping[Var, Range] | None = None,
) -> IntConstraintsTransform:
    """All integers that fulfil `equations`, by as few new variables `n0, n1...` as there can be.

    x + y == 0 (x in -5..4, y in 0..9)   ->   x = n0, y = -n0 (n0 in -9..0), -5 <= n0

    Relations that are not linear equations, and what the ranges demand beyond the ranges of the
    new variables, stay as relations. Without solutions the result's only relation is false.
    """
    src = as_constraints(equations, variables, ranges)
    if not src.variables:
        return IntConstraintsTransform(src, src, {}, {})
    return _Equations(src).solved()


class _Equations:
    def __init__(self, src: IntConstraints) -> None:
        self.src = src
        self.analyzer = Analyzer()
        self.terms: Terms = self.analyzer.engine.terms
        self.rows: list[list[int]] = []
        self.right: list[Sum] = []
        self.others: list[PrimExpr] = []
        for relation in src.relations:
            self.read(relation)

    def read(self, relation: PrimExpr) -> None:
        """Sorts a relation: a row of the system, or one of the others."""
        made: Any = None
        if isinstance(relation, EQ) and relation.a.dtype in INDEX_TYPES:
            total = self.terms.sub(self.analyzer.sum(relation.a), self.analyzer.sum(relation.b))
            made = linear_coefficients(self.terms, total, self.src.variables)
        if made is None or any(scale.terms for scale in made[0].values()):
            self.others.append(relation)
            return
        self.rows.append([made[0][var].const for var in self.src.variables])
        self.right.append(made[1].scaled(-1))

    def solved(self) -> IntConstraintsTransform:
        """The solutions."""
        src = self.src
        form = diagonal(self.terms, self.rows, self.right, len(src.variables))
        relations = self.conditions(form)
        dtype = src.variables[0].dtype
        new = [Var(f"n{k}", dtype) for k in range(len(src.variables) - form.rank)]
        unknowns = [self.quotient(form, i) for i in range(form.rank)]
        unknowns += [self.analyzer.sum(var) for var in new]
        forth = {
            var: _written(self.combination(form.change[j], unknowns))
            for j, var in enumerate(src.variables)
        }
        old = [self.analyzer.sum(var) for var in src.variables]
        back = {
            var: _written(self.combination(form.back[form.rank + k], old))
            for k, var in enumerate(new)
        }
        ranges = self.ranges(back)
        relations += [substitute(other, forth) for other in self.others]
        kept = self.kept(relations, self.limits(forth), ranges)
        if kept is None:
            return without_solution(src)
        dst = IntConstraints(tuple(new), ranges, tuple(kept))
        return IntConstraintsTransform(src, dst, forth, back)

    def conditions(self, form: Diagonal) -> list[PrimExpr]:
        """What must hold of the right sides alone for solutions to be there."""
        found: list[PrimExpr] = []
        for i, total in enumerate(form.right):
            value = total.expr()
            if i < form.rank:
                value = O.floormod(value, abs(form.rows[i][i]))
            found.append(EQ(value, O.const(0, value.dtype)))
        return found

    def quotient(self, form: Diagonal, i: int) -> Sum:
        """The `i`-th unknown of the diagonal system."""
        return self.analyzer.engine.divider.floordiv(form.right[i], form.rows[i][i])

    def combination(self, factors: list[int], sums: list[Sum]) -> Sum:
        """The sum of `factors * sums`."""
        total = self.terms.const(0, self.src.variables[0].dtype)
        for factor, part in zip(factors, sums, strict=True):
            total = self.terms.add(total, part, factor)
        return total

    def ranges(self, back: Mapping[Var, PrimExpr]) -> dict[Var, Range]:
        """Where the new variables lie, as far as the old ones' ranges tell; parameters' too."""
        given = self.src.ranges
        missing = [var for var in self.src.variables if var not in given]
        domain = as_domain(self.analyzer, {v: given[v] for v in self.src.variables if v in given})
        for var in missing:
            domain[var] = (None, None)
        evaluator = Evaluator(self.analyzer, domain)
        found = {v: r for v, r in given.items() if v not in self.src.variables}
        for var, value in back.items():
            lo, hi = evaluator.of(self.analyzer.sum(value))
            if lo is not None and hi is not None:
                extent = self.terms.sub(hi, lo).shifted(1)
                found[var] = Range(lo.expr(), extent.expr())
        return found

    def limits(self, forth: Mapping[Var, PrimExpr]) -> list[PrimExpr]:
        """The ranges of the old variables as conditions on the new ones."""
        found: list[PrimExpr] = []
        for var, value in forth.items():
            range_ = self.src.ranges.get(var)
            if range_ is not None:
                found += [LE(range_.min, value), LT(value, O.simplified(range_.end))]
        return [substitute(one, forth) for one in found]

    def kept(
        self, relations: list[PrimExpr], limits: list[PrimExpr], ranges: Mapping[Var, Range]
    ) -> list[PrimExpr] | None:
        """What does not follow from `ranges`; None if some of it cannot hold."""
        analyzer = Analyzer()
        for var, range_ in ranges.items():
            analyzer.bind(var, range_)
        made = [analyzer.simplify(relation) for relation in (*relations, *limits)]
        if any(O.is_const_int(one, 0) for one in made):
            return None
        shown = [*made[: len(relations)], *limits]
        return [s for m, s in zip(made, shown, strict=True) if not O.is_const_int(m, 1)]


def _written(total: Sum) -> PrimExpr:
    """The sum as an expression; one negated term as Python negates it."""
    if list(total.terms.values()) == [-1] and total.const == 0:
        return O.neg(total.scaled(-1).expr())
    return total.expr()
