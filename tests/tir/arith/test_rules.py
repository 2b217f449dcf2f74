"""Every rule of every table holds of every type that the table names, extreme values included."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir.expr import FloatImm, IntImm
from tilewright.ir.functor import post_order_visit
from tilewright.tir.arith import rules
from tilewright.tir.arith.rules import Rule, RuleSet, is_constant_letter

TRIES = 24


def _truncated(a: Any, b: Any) -> Any:
    quotient = abs(int(a)) // abs(int(b))
    return type(a)(quotient if (a < 0) == (b < 0) else -quotient)


def _smaller(a: Any, b: Any) -> Any:
    """NaN if either side is."""
    return a if a != a or a < b else b


def _larger(a: Any, b: Any) -> Any:
    return a if a != a or a > b else b


EVALUATE: dict[Any, Callable[..., Any]] = {
    tir.Add: operator.add, tir.Sub: operator.sub, tir.Mul: operator.mul,
    tir.FloorDiv: operator.floordiv, tir.FloorMod: operator.mod, tir.Div: _truncated,
    tir.Mod: lambda a, b: a - b * _truncated(a, b), tir.Min: _smaller, tir.Max: _larger,
    tir.LT: operator.lt, tir.LE: operator.le, tir.GT: operator.gt, tir.GE: operator.ge,
    tir.EQ: operator.eq, tir.NE: operator.ne, tir.Not: operator.not_,
    tir.And: lambda a, b: bool(a and b), tir.Or: lambda a, b: bool(a or b),
    tir.Select: lambda c, a, b: a if c else b,
}  # fmt: skip


def evaluate(expr: Any, env: dict[str, Any]) -> Any:
    """The value by NumPy, whose integers wrap as the machine's do."""
    if isinstance(expr, tir.Var):
        return env[expr.name]
    if isinstance(expr, (IntImm, FloatImm)):
        return np.dtype(expr.dtype).type(expr.value)
    parts = [evaluate(getattr(expr, name), env) for name in rules.OPERANDS[type(expr)]]
    return EVALUATE[type(expr)](*parts)


def letters(rule: Rule) -> dict[str, bool]:
    """The letters of a rule, and whether they are conditions."""
    found: dict[str, bool] = {}

    def look(node: Any) -> None:
        if isinstance(node, tir.Var):
            found[node.name] = node.dtype == "bool"

    post_order_visit(rule.before, look)
    return found


def values(dtype: str, random: np.random.Generator, wraps: bool) -> Iterator[Any]:
    """Small values, negative ones, zero, and, for rules of arithmetic that `wraps`, the ends of
    the type."""
    kind = np.dtype(dtype)
    while True:
        if kind.kind == "b":
            yield np.bool_(random.integers(2))
        elif kind.kind == "f":
            yield kind.type(random.choice([-np.inf, -2.5, -0.0, 0.0, 1.0, 7.0, np.inf, np.nan]))
        else:
            info = np.iinfo(kind)
            ends = [info.min, info.min + 1, info.max - 1, info.max, 0, 1]
            least = max(info.min, -9)
            yield kind.type(ends[random.integers(6)] if wraps and random.integers(3) == 0
                            else random.integers(least, 10))  # fmt: skip


def tables() -> dict[str, RuleSet]:
    return {name: made for name, made in vars(rules).items() if isinstance(made, RuleSet)}


ROWS = [
    pytest.param(rule, table, id=f"{name}: {rule!r}")
    for name, table in tables().items()
    for rule in table
]


def test_tables_are_found() -> None:
    assert {"LOGIC", "EXACT", "INTEGER"} <= set(tables()) and len(ROWS) > 30


@pytest.mark.parametrize(("rule", "table"), ROWS)
@pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")
def test_a_rule_keeps_the_value(rule: Rule, table: RuleSet) -> None:
    names = letters(rule)
    random = np.random.default_rng(zlib.crc32(repr(rule).encode()))
    for dtype in table.types if not all(names.values()) else table.types[:1]:
        draws = {
            name: values("bool" if logic else dtype, random, table.wraps)
            for name, logic in names.items()
        }
        for _ in range(TRIES if table.wraps else 8 * TRIES):
            env = {name: next(draw) for name, draw in draws.items()}
            variables = {
                name: tir.const(value.item(), str(value.dtype))
                if is_constant_letter(name)
                else tir.Var(name, str(value.dtype))
                for name, value in env.items()
            }
            before = retyped(rule.before, variables, dtype)
            if not fits(rule, env):
                assert rule.apply(before) is None
                continue
            after = rule.apply(before)
            assert after is not None, f"the rule does not fit {before}"
            expected, got = evaluate(before, env), evaluate(after, env)
            assert np.array_equal(expected, got, equal_nan=True), (before, after, env)


def fits(rule: Rule, env: dict[str, Any]) -> bool:
    if rule.when is None:
        return True
    names = rule.when.__code__.co_varnames[: rule.when.__code__.co_argcount]
    return bool(rule.when(**{name: int(env[name]) for name in names}))


def retyped(pattern: Any, variables: dict[str, Any], dtype: str) -> Any:
    """The pattern with its letters replaced, built as it stands: nothing is folded."""
    if isinstance(pattern, tir.Var):
        return variables[pattern.name]
    if isinstance(pattern, IntImm):
        return tir.const(pattern.value, dtype)
    parts = [
        retyped(getattr(pattern, name), variables, dtype) for name in rules.OPERANDS[type(pattern)]
    ]
    return type(pattern)(*parts)
