"""Coefficients of linear expressions, and the bounds that conditions give variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import PrimExpr, as_scalar
from .. import op as O
from ..expr import EQ, GE, GT, LE, LT, And, Call, Max, Min, Not, Var
from .analyzer import Analyzer
from .int_set import mentions
from .rules import LOGIC
from .terms import Opaque, Sum, Terms, factors_of


def linear_coefficients(
    terms: Terms, total: Sum, variables: Sequence[Var]
) -> tuple[dict[Var, Sum], Sum] | None:
    """The coefficient of each variable and what is left; None if the sum is not linear."""
    wanted = set(variables)
    rest = Sum(total.dtype, {}, total.const)
    found = {var: Sum(total.dtype, {}, 0) for var in variables}
    for atom, coefficient in total.terms.items():
        factors = factors_of(atom)
        moving = [f for f in factors if mentions(f.expr(), wanted)]
        if not moving:
            rest = terms.add(rest, terms.of(atom, coefficient))
            continue
        (first, *more) = moving
        if more or not isinstance(first, Opaque) or first.of not in wanted:
            return None
        others = [f for f in factors if f is not first]
        scale = Sum(total.dtype, {}, coefficient)
        if others:
            scale = terms.of(terms.product(others), coefficient)
        var: Any = first.of
        found[var] = terms.add(found[var], scale)
    return found, rest


def detect_linear_equation(expr: PrimExpr, var_list: Sequence[Var]) -> list[PrimExpr]:
    """The coefficient of each variable and, last, the rest; empty if `expr` is not linear."""
    analyzer = Analyzer()
    made = linear_coefficients(analyzer.engine.terms, analyzer.sum(as_scalar(expr)), var_list)
    if made is None:
        return []
    coefficients, rest = made
    return [coefficients[var].expr() for var in var_list] + [rest.expr()]


def detect_clip_bound(expr: PrimExpr, var_list: Sequence[Var]) -> list[PrimExpr | None]:
    """The least and the largest value of each variable that the condition `expr` allows.

    None stands for an end that is not limited; the result is empty if a conjunct is no bound.
    """
    analyzer = Analyzer()
    ends: dict[Var, list[PrimExpr | None]] = {var: [None, None] for var in var_list}
    pending: list[Any] = [expr]
    while pending:
        one = pending.pop(0)
        if isinstance(one, Call) and getattr(one.op, "name", "") == "tir.likely":
            pending.append(one.args[0])
        elif isinstance(one, And):
            pending[:0] = [one.a, one.b]
        elif isinstance(one, Not):
            turned = LOGIC.apply(one)
            if turned is None:
                return []
            pending.insert(0, turned)
        elif isinstance(one, (LT, LE, GT, GE)) and _extremum(one):
            pending[:0] = _extremum(one)
        elif isinstance(one, EQ):
            pending[:0] = [GE(one.a, one.b), LE(one.a, one.b)]
        elif isinstance(one, (LT, LE, GT, GE)):
            if not _clip(analyzer, one, var_list, ends):
                return []
        else:
            return []
    return [end for var in var_list for end in ends[var]]


def _extremum(one: Any) -> list[PrimExpr]:
    """`min(a, b) > c -> a > c, b > c`, and `max(a, b) < c` likewise; else nothing."""
    kind, a, b = type(one), one.a, one.b
    small, large = (a, b) if kind in (LT, LE) else (b, a)
    for side, extremum in ((small, Max), (large, Min)):
        if isinstance(side, extremum):
            pairs = ((side.a, b), (side.b, b)) if side is a else ((a, side.a), (a, side.b))
            return [kind(*pair) for pair in pairs]
    return []


def _clip(
    analyzer: Analyzer, one: Any, var_list: Sequence[Var], ends: dict[Var, list[PrimExpr | None]]
) -> bool:
    slack = analyzer.engine._slack(type(one), analyzer.sum(one.a), analyzer.sum(one.b))
    made = linear_coefficients(analyzer.engine.terms, slack, var_list)
    if made is None:
        return False
    coefficients, rest = made
    moving = [var for var in var_list if coefficients[var].terms or coefficients[var].const]
    if len(moving) != 1 or coefficients[moving[0]].terms:
        return False
    var, scale = moving[0], coefficients[moving[0]].const
    if scale > 0:
        limit = analyzer.engine.divider.floordiv(rest, scale).scaled(-1).expr()
        ends[var][0] = limit if ends[var][0] is None else O.max(ends[var][0], limit)
    else:
        limit = analyzer.engine.divider.floordiv(rest, -scale).expr()
        ends[var][1] = limit if ends[var][1] is None else O.min(ends[var][1], limit)
    return True
