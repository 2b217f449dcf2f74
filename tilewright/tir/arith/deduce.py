"""What conditions say of one variable; what accesses touch; which expressions repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...ir.expr import PrimExpr, Range, as_scalar
from ...ir.functor import post_order_visit
from ...ir.node import Node
from ..expr import EQ, GE, GT, LE, LT, BufferLoad, Call, CallEffectKind, CmpExpr, Var
from ..stmt import BufferStore, For
from .analyzer import Analyzer
from .canonical import INDEX_TYPES, effect_of
from .int_set import (
    NEG_INF,
    POS_INF,
    Ends,
    Evaluator,
    IntervalSet,
    IntSet,
    as_domain,
    as_set,
    ends_of,
    eval_set,
    mentions,
    union,
)
from .linear import linear_coefficients
from .terms import Split, Sum


def nothing() -> IntervalSet:
    """The empty set."""
    return IntervalSet(POS_INF, NEG_INF)


def deduce_bound(
    var: Var,
    cond: PrimExpr,
    hint_map: Mapping[Var, IntSet | Range],
    relax_map: Mapping[Var, IntSet | Range],
) -> IntervalSet:
    """The values of `var` for which `cond` holds whatever the variables of `relax_map` are.

    `hint_map` says where other variables lie. The empty set if `cond` is not linear in `var`.
    """
    if not isinstance(cond, CmpExpr) or cond.a.dtype not in INDEX_TYPES:
        return nothing()
    analyzer = Analyzer()
    for other, where in hint_map.items():
        found = where if isinstance(where, Range) else where.range()
        if other is not var and found is not None:
            analyzer.bind(other, found)
    relaxed = Evaluator(analyzer, as_domain(analyzer, relax_map))
    engine = analyzer.engine
    a, b = engine.sum(cond.a), engine.sum(cond.b)
    slack = engine.terms.sub(b, a) if isinstance(cond, EQ) else None
    if slack is not None:
        return _equal(analyzer, var, relaxed, slack)
    if not isinstance(cond, (LT, LE, GT, GE)):
        return nothing()
    solved = _solved(analyzer, var, relaxed, engine._slack(type(cond), a, b))
    return nothing() if solved is None else as_set(solved)


def _equal(analyzer: Analyzer, var: Var, relaxed: Evaluator, total: Sum) -> IntervalSet:
    """Where `total == 0`: the one value of `var`, if it is whole and the same for all that is
    relaxed."""
    least, most = relaxed.of(total)
    if least is None or most is None or least.key != most.key:
        return nothing()
    made = linear_coefficients(analyzer.engine.terms, least, [var])
    if made is None or not _sign(analyzer, made[0][var]):
        return nothing()
    scale, rest = made[0][var], made[1].scaled(-1)
    if analyzer.engine.divider.floormod_by(rest, scale).constant != 0:
        return nothing()
    value = analyzer.engine.divider.floordiv_by(rest, scale)
    return as_set((value, value))


def _solved(analyzer: Analyzer, var: Var, relaxed: Evaluator, slack: Sum) -> Ends | None:
    """Where `slack >= 0`, as the ends of `var`."""
    least = relaxed.of(slack)[0]
    if least is None:
        return None
    made = linear_coefficients(analyzer.engine.terms, least, [var])
    if made is None:
        opened = _without_quotient(analyzer, var, least)
        return None if opened is None else _solved(analyzer, var, relaxed, opened)
    scale, rest = made[0][var], made[1]
    divide, sign = analyzer.engine.divider.floordiv_by, _sign(analyzer, scale)
    if sign > 0:
        return divide(rest, scale).scaled(-1), None
    return (None, divide(rest, scale.scaled(-1))) if sign < 0 else None


def _without_quotient(analyzer: Analyzer, var: Var, slack: Sum) -> Sum | None:
    """`b - x // 4 >= 0 -> 4 * b + 3 - x >= 0`, where `var` is in one quotient only."""
    within = [atom for atom in slack.terms if mentions(atom.expr(), {var})]
    atom = within[0]
    if len(within) != 1 or not isinstance(atom, Split) or atom.upper is not None:
        return None
    times = slack.terms[atom]
    divide, terms = analyzer.engine.divider.floordiv, analyzer.engine.terms
    rest = terms.add(slack, terms.of(atom), -times)
    if times > 0:  # the quotient is at least `-(rest // times)`
        return terms.add(atom.base, divide(rest, times), atom.lower)
    most = divide(rest, -times).scaled(atom.lower).shifted(atom.lower - 1)
    return terms.sub(most, atom.base)


def _sign(analyzer: Analyzer, total: Sum) -> int:
    """1 or -1 if `total` is known to be positive or negative, else 0."""
    prove = analyzer.engine.bounds.is_not_negative
    if prove(total.shifted(-1)):
        return 1
    return -1 if prove(total.scaled(-1).shifted(-1)) else 0


def domain_touched(
    stmt: Node, buffer: Any, consider_loads: bool = True, consider_stores: bool = True
) -> list[Range]:
    """The box around all that `stmt` touches of `buffer`; empty if it touches nothing."""
    analyzer = Analyzer()
    loops: dict[Var, Range] = {}
    accesses: list[Sequence[PrimExpr]] = []

    def look(node: Any) -> None:
        if isinstance(node, For):
            loops[node.loop_var] = Range(node.min, node.extent)
        wanted = (isinstance(node, BufferLoad) and consider_loads) or (
            isinstance(node, BufferStore) and consider_stores
        )
        if wanted and node.buffer is buffer:
            accesses.append(node.indices)

    post_order_visit(stmt, look)
    for var, range_ in loops.items():
        analyzer.bind(var, range_)
    boxes: list[Range] = []
    for axis in range(buffer.ndim if accesses else 0):
        sets = (eval_set(analyzer, indices[axis], loops) for indices in accesses)
        ends = (ends_of(analyzer, found) for found in sets)
        found = as_set(union(analyzer, ends)).range()
        if found is None:
            found = Range.from_min_extent(0, buffer.shape[axis])
        boxes.append(found)
    return boxes


def detect_common_subexpr(expr: PrimExpr, threshold: int) -> dict[PrimExpr, int]:
    """The compound expressions that occur at least `threshold` times, and how often."""
    engine = Analyzer().engine
    seen: dict[Any, tuple[PrimExpr, int]] = {}

    def count(node: Any) -> None:
        is_pure = isinstance(node, Call) and effect_of(node) == CallEffectKind.Pure
        if is_pure or getattr(node, "a", None) is not None:
            key = engine.key(node)
            first, times = seen.get(key, (node, 0))
            seen[key] = (first, times + 1)
        for name in type(node).walked:
            value = getattr(node, name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, PrimExpr):
                    count(part)

    count(as_scalar(expr))
    return {first: times for first, times in seen.values() if times >= threshold}
