"""Sets of indices as an `or` of `and`s of conditions, and what is left of them without a variable.

A set that must not be too large (where something is known) loses what cannot be told, one that
must not be too small (where something may be written) loses conditions instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.structural import structural_equal
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES
from ..arith.int_set import mentions
from ..arith.linear import linear_coefficients
from ..arith.rules import LOGIC
from ..arith.terms import Sum
from ..expr import EQ, GE, GT, LE, LT, And, Call, Not, Or, Var
from ..stmt_functor import substitute

Clause = tuple[PrimExpr, ...]
"""Conditions that hold together; none: always."""
Clauses = tuple[Clause, ...]
"""Cases, of which one holds; none: never."""

ALWAYS: Clauses = ((),)
NEVER: Clauses = ()
LIMIT = 10
MOST_STEPS = 2000
_DEPTH = 6


def clauses_of(condition: Any) -> Clauses | None:
    """The cases of a condition; None if there are very many."""
    if isinstance(condition, Call) and getattr(condition.op, "name", "") == "tir.likely":
        return clauses_of(condition.args[0])
    if isinstance(condition, Not):
        turned = LOGIC.apply(condition)
        return ((condition,),) if turned is None else clauses_of(turned)
    if O.const_value(condition) is not None:
        return ALWAYS if O.const_value(condition) else NEVER
    if not isinstance(condition, (And, Or)):
        return ((condition,),)
    a, b = clauses_of(condition.a), clauses_of(condition.b)
    if a is None or b is None:
        return None
    made = (*a, *b) if isinstance(condition, Or) else tuple((*x, *y) for x in a for y in b)
    return made if len(made) <= LIMIT else None


def condition_of(clauses: Clauses) -> PrimExpr:
    """The clauses as one condition."""
    return O.some(O.every(clause) for clause in clauses)


def replaced(clauses: Clauses, values: Mapping[Any, Any]) -> Clauses:
    """The clauses with variables replaced."""
    return tuple(tuple(substitute(part, values) for part in clause) for clause in clauses)


class Cases:
    """Works with clauses under what an analyzer knows of their variables."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        self.steps = 0

    def reduced(self, clauses: Iterable[Clause]) -> Clauses:
        """The clauses without impossible ones, and these without what goes without saying; after
        very many steps, just the clauses."""
        clauses = tuple(clauses)
        self.steps += len(clauses)
        if self.steps > MOST_STEPS:
            return clauses
        kept: list[Clause] = []
        for clause in clauses:
            short = self._reduced(clause)
            if short is not None and not any(_within(short, other) for other in kept):
                kept = [other for other in kept if not _within(other, short)] + [short]
        return tuple(kept)

    def _reduced(self, clause: Clause) -> Clause | None:
        parts = list(dict.fromkeys(self.analyzer.simplify(part) for part in clause))
        for part in list(parts):
            others = [other for other in parts if other is not part]
            with self.analyzer.constraint_scope(O.every(others)):
                made = O.const_value(self.analyzer.simplify(part))
            if made == 0:
                return None
            if made is not None:
                parts = others
        return tuple(parts)

    def both(self, a: Clauses, b: Clauses) -> Clauses:
        """Where, at least, both hold: cases beyond the limit are left out."""
        if self.steps > MOST_STEPS:
            return NEVER
        return self.reduced((*x, *y) for x in a for y in b)[:LIMIT]

    def without(self, clauses: Clauses, gone: Clauses) -> Clauses:
        """`clauses` where, at least, none of `gone` holds: cases beyond the limit are left out."""
        for clause in gone:
            clauses = self.both(clauses, self._turned(clause))
        return clauses

    def at_most(self, clauses: Clauses, given: Clauses | None) -> Clauses:
        """Where, at most, both hold: what makes very many cases does not count."""
        if given is None or len(clauses) * len(given) > LIMIT:
            return clauses
        return self.reduced((*x, *y) for x in clauses for y in given)

    def at_most_without(self, clauses: Clauses, gone: Clauses) -> Clauses:
        """`clauses` where, at most, none of `gone` holds."""
        for clause in gone:
            clauses = self.at_most(clauses, self._turned(clause))
        return clauses

    def _turned(self, clause: Clause) -> Clauses:
        """Where a clause does not hold."""
        return tuple((self.analyzer.simplify(O.logical_not(part)),) for part in clause)

    def proves(self, clauses: Clauses, given: Sequence[Clauses] = ()) -> bool:
        """True if one of `clauses` holds whenever all of `given` do."""
        return self._follows(clauses, list(given), _DEPTH)

    def _follows(self, clauses: Clauses, given: list[Clauses], depth: int) -> bool:
        if given:
            return all(self._under(clause, clauses, given[1:], depth) for clause in given[0])
        left: list[Clause] = []
        for clause in clauses:
            parts = [self.analyzer.simplify(part) for part in clause]
            if any(O.is_const_int(part, 0) for part in parts):
                continue
            parts = [part for part in parts if O.const_value(part) is None]
            if not parts:
                return True
            left.append(tuple(parts))
        if not left or depth == 0:
            return False
        first = left[0][0]
        return all(
            self._under((side,), tuple(left), [], depth - 1)
            for side in (first, self.analyzer.simplify(O.logical_not(first)))
        )

    def _under(self, clause: Clause, goal: Clauses, given: list[Clauses], depth: int) -> bool:
        if self._reduced(clause) is None:
            return True
        with self.analyzer.constraint_scope(O.every(clause)):
            return self._follows(goal, given, depth)

    # ---- a variable less -----------------------------------------------------------------------

    def somewhere(self, clauses: Clauses, var: Var, low: Any, end: Any) -> Clauses:
        """Where, at most, a clause holds for some value of `var` from `low` to before `end`;
        None for an end that is not known."""
        found: list[Clause] = []
        for clause in clauses:
            bounded = (*clause, *_range(var, low, end))
            solution = next(self._solutions(bounded, var), None)
            if solution is None:
                found.append(self._eliminated(bounded, var))
            else:
                found.append(tuple(substitute(part, {var: solution}) for part in bounded))
        made = self.reduced(found)
        return made if len(made) <= LIMIT else ALWAYS

    def witnessed(
        self, clauses: Clauses, var: Var, low: Any, end: Any
    ) -> Iterator[tuple[Clauses, PrimExpr | None]]:
        """Where, at least, a clause holds for some value of `var`, all of which it takes, with that
        value; None if any value will do. Where the ends are not known, it takes a single one."""
        for clause in clauses:
            is_one = low is None or end is None
            if not mentions(clause, {var}):
                yield self.reduced((clause if is_one else (*clause, O.less(low, end)),)), None
            if is_one or not mentions(clause, {var}):
                continue
            bounded = (*clause, *_range(var, low, end))
            solutions = list(self._solutions(bounded, var))[:1] or self._largest(bounded, var)
            for value in solutions:
                at = tuple(substitute(part, {var: value}) for part in bounded)
                yield self.reduced((at,)), value

    def _solutions(self, clause: Clause, var: Var) -> Iterator[PrimExpr]:
        """The value of `var` by an equation of the clause."""
        for part in clause:
            if isinstance(part, EQ) and part.a.dtype in INDEX_TYPES and mentions(part, {var}):
                engine = self.analyzer.engine
                found = self._linear(engine.terms.sub(engine.sum(part.a), engine.sum(part.b)), var)
                if found is not None and abs(found[0]) == 1:
                    yield self._typed(found[1].scaled(-found[0]), var)

    def _largest(self, clause: Clause, var: Var) -> list[PrimExpr]:
        """The largest values that inequalities of the clause allow."""
        found: dict[PrimExpr, None] = {}
        for scale, rest in self._slacks(clause, var)[0]:
            if scale < 0:
                most = self.analyzer.engine.divider.floordiv(rest, -scale)
                found[self._typed(most, var)] = None
        return list(found)

    def _eliminated(self, clause: Clause, var: Var) -> Clause:
        """What the inequalities of the clause say of other variables than `var`."""
        slacks, kept = self._slacks(clause, var)
        terms = self.analyzer.engine.terms
        for scale, rest in slacks:
            for other, more in slacks:
                if scale > 0 > other:
                    total = terms.add(rest.scaled(-other), more, scale)
                    kept.append(GE(total.expr(), O.const(0, total.dtype)))
        return tuple(kept)

    def _slacks(self, clause: Clause, var: Var) -> tuple[list[tuple[int, Sum]], list[PrimExpr]]:
        """The inequalities on `var` as `scale * var + rest >= 0`, and the conditions without it."""
        engine = self.analyzer.engine
        slacks: list[tuple[int, Sum]] = []
        kept: list[PrimExpr] = []
        for part in clause:
            if not mentions(part, {var}):
                kept.append(part)
            elif isinstance(part, (LT, LE, GT, GE, EQ)) and part.a.dtype in INDEX_TYPES:
                a, b = engine.sum(part.a), engine.sum(part.b)
                kinds = (LE, GE) if isinstance(part, EQ) else (type(part),)
                found = [self._linear(engine._slack(kind, a, b), var) for kind in kinds]
                slacks += [each for each in found if each is not None]
        return slacks, kept

    def _linear(self, total: Sum, var: Var) -> tuple[int, Sum] | None:
        if total.may_wrap():
            return None
        made = linear_coefficients(self.analyzer.engine.terms, total, [var])
        if made is None or made[0][var].terms or not made[0][var].const:
            return None
        return made[0][var].const, made[1]

    def _typed(self, value: Sum, var: Var) -> PrimExpr:
        return O.cast(value.expr(), var.dtype)


def _range(var: Var, low: Any, end: Any) -> Clause:
    parts = () if low is None else (GE(var, O.cast(low, var.dtype)),)
    return parts if end is None else (*parts, LT(var, O.cast(end, var.dtype)))


def _within(a: Clause, b: Clause) -> bool:
    """True if all that `b` asks for is asked for by `a`."""
    return all(any(structural_equal(part, own) for own in a) for part in b)
