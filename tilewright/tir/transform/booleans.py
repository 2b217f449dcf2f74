"""Conditions made of others by `and` and `or`, in fewer or other words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir.expr import IntImm, PrimExpr
from ...ir.structural import structural_equal
from .. import op as O
from ..arith import Analyzer
from ..expr import And, Or

MAX_CLAUSES = 64
Clause = list[PrimExpr]


def _parts(expr: PrimExpr, kind: type[And] | type[Or]) -> list[PrimExpr]:
    if isinstance(expr, kind):
        return [*_parts(expr.a, kind), *_parts(expr.b, kind)]
    return [expr]


def is_composed(expr: PrimExpr) -> bool:
    """True for a condition of several parts."""
    return isinstance(expr, (And, Or)) and expr.dtype == "bool"


def constrained(analyzer: Analyzer, expr: PrimExpr, facts: Sequence[PrimExpr] = ()) -> PrimExpr:
    """a and b -> a and b2, what is left of `b` where `a` holds; for `or`, where it fails.

    Each part is looked at with all others known, and `facts`.
    """
    if not is_composed(expr):
        return _decided(analyzer, expr, facts)
    kind: type[And] | type[Or] = And if isinstance(expr, And) else Or
    join: Callable[..., PrimExpr] = O.all if kind is And else O.any
    parts = _parts(expr, kind)
    for place, part in enumerate(list(parts)):
        others = [p for k, p in enumerate(parts) if k != place]
        if kind is Or:
            others = [analyzer.simplify(O.logical_not(p)) for p in others]
        with analyzer.constraint_scope(analyzer.simplify(O.every(others))):
            parts[place] = constrained(analyzer, part, (*facts, *others))
    return join(*parts)


def _decided(analyzer: Analyzer, expr: PrimExpr, facts: Sequence[PrimExpr]) -> PrimExpr:
    made = analyzer.simplify(expr)
    if any(structural_equal(made, fact) for fact in facts):
        return IntImm("bool", 1)
    opposite = analyzer.simplify(O.logical_not(made))
    return IntImm("bool", 0) if any(structural_equal(opposite, f) for f in facts) else made


def and_of_ors(analyzer: Analyzer, expr: PrimExpr) -> PrimExpr:
    """a and b or c   ->   (a or c) and (b or c), without parts that say nothing.

    An expression that would have very many parts stays.
    """
    clauses = _clauses(expr)
    if clauses is None:
        return expr
    kept: list[Clause] = []
    for clause in clauses:
        short = _shortened(clause, lambda a, b: _either(analyzer, a, b))
        if not any(O.is_const_int(part, 1) for part in short):
            kept.append([part for part in short if not O.is_const_int(part, 0)])
    while True:
        merged = _merged(analyzer, kept)
        if merged is None:
            return O.every([O.some(clause) for clause in kept])
        kept = merged


def _clauses(expr: PrimExpr) -> list[Clause] | None:
    if isinstance(expr, And):
        found: list[Clause] = []
        for part in _parts(expr, And):
            inner = _clauses(part)
            if inner is None:
                return None
            found += inner
        return found
    if not isinstance(expr, Or):
        return [[expr]]
    a, b = _clauses(expr.a), _clauses(expr.b)
    if a is None or b is None or len(a) * len(b) > MAX_CLAUSES:
        return None
    return [[*x, *y] for x in a for y in b]


def _shortened(parts: Clause, join: Callable[[PrimExpr, PrimExpr], PrimExpr | None]) -> Clause:
    """The parts with any two that are one expression together replaced by it, at the later's
    place; of equal ones the first stays."""
    kept: Clause = []
    for part in parts:
        for place, other in enumerate(kept):
            joined = join(other, part)
            if joined is not None:
                if not structural_equal(other, part):
                    del kept[place]
                    kept.append(joined)
                break
        else:
            kept.append(part)
    return kept


def _either(analyzer: Analyzer, a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
    if _implies(analyzer, a, b):
        return b
    if _implies(analyzer, b, a):
        return a
    return IntImm("bool", 1) if _implies(analyzer, O.logical_not(a), b) else None


def _implies(analyzer: Analyzer, a: PrimExpr, b: PrimExpr) -> bool:
    fact = analyzer.simplify(a)
    with analyzer.constraint_scope(fact):
        return O.is_const_int(_decided(analyzer, b, (fact,)), 1)


def _merged(analyzer: Analyzer, clauses: list[Clause]) -> list[Clause] | None:
    """The clauses with one less: one that another implies, or two that differ in parts which
    exclude each other. None if there are no such."""
    for i, one in enumerate(clauses):
        for j, other in enumerate(clauses):
            if i == j:
                continue
            if _covers(analyzer, one, other):
                if len(one) < len(other):
                    return [clause for k, clause in enumerate(clauses) if k != j]
                if _covers(analyzer, other, one):
                    return [clause for k, clause in enumerate(clauses) if k != max(i, j)]
                kept = [clause for k, clause in enumerate(clauses) if k not in (i, j)]
                place = max(i, j) - 1
                return [*kept[:place], _in_order_of(analyzer, other, one), *kept[place:]]
            rest = _resolved(analyzer, one, other)
            if rest is not None:
                kept = [clause for k, clause in enumerate(clauses) if k not in (i, j)]
                return [*kept[: min(i, j)], rest, *kept[min(i, j) :]]
    return None


def _covers(analyzer: Analyzer, one: Clause, other: Clause) -> bool:
    """True if `other` holds wherever `one` does."""
    return all(any(_implies(analyzer, a, b) for b in other) for a in one)


def _in_order_of(analyzer: Analyzer, order: Clause, clause: Clause) -> Clause:
    """The parts of a clause, those first that imply the first of `order`, and so on."""
    made: Clause = []
    for wanted in order:
        left = [p for p in clause if not any(p is own for own in made)]
        made += [p for p in left if _implies(analyzer, p, wanted)]
    return made


def _resolved(analyzer: Analyzer, one: Clause, other: Clause) -> Clause | None:
    if len(one) != len(other):
        return None
    for part in one:
        rest = [p for p in one if p is not part]
        left = [
            q for q in other
            if not any(_implies(analyzer, q, p) and _implies(analyzer, p, q) for p in rest)
        ]  # fmt: skip
        if len(left) == 1 and rest and _implies(analyzer, part, O.logical_not(left[0])):
            return rest
    return None
