"""Simplification keeps the value of every integer expression, negative numbers included."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright import tir
from tilewright.ir.expr import Range
from tilewright.ir.functor import post_order_visit
from tilewright.ir.structural import assert_structural_equal
from tilewright.tir.arith import Analyzer, simplify
from tilewright.tir.arith.rules import EXACT, INTEGER, LOGIC
from tilewright.tir.arith.simplifier import same

NAMES = "ijkn"
VARS = {name: tir.Var(name, "int32") for name in NAMES}
EVALUATE: dict[Any, Callable[..., Any]] = {
    tir.Add: operator.add, tir.Sub: operator.sub, tir.Mul: operator.mul,
    tir.FloorDiv: operator.floordiv, tir.FloorMod: operator.mod, tir.Min: min, tir.Max: max,
    tir.LT: operator.lt, tir.LE: operator.le, tir.GT: operator.gt, tir.GE: operator.ge,
    tir.EQ: operator.eq, tir.NE: operator.ne,
    tir.And: lambda a, b: a and b, tir.Or: lambda a, b: a or b,
}  # fmt: skip


def evaluate(expr: Any, env: dict[str, int]) -> Any:
    kind = type(expr)
    if isinstance(expr, tir.Var):
        return env[expr.name]
    if kind in (tir.IntImm, tir.FloatImm):
        return expr.value
    if kind is tir.Not:
        return not evaluate(expr.a, env)
    if kind is tir.Select:
        return evaluate(expr.true_value if evaluate(expr.condition, env) else expr.false_value, env)
    if kind is tir.Call and expr.op.name == "tir.if_then_else":
        return evaluate(expr.args[1 if evaluate(expr.args[0], env) else 2], env)
    if kind in (tir.Div, tir.Mod):
        a, b = evaluate(expr.a, env), evaluate(expr.b, env)
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return quotient if kind is tir.Div else a - b * quotient
    return EVALUATE[kind](evaluate(expr.a, env), evaluate(expr.b, env))


CONSTANTS = st.integers(-20, 20).map(lambda c: tir.const(c, "int32"))
LEAVES = st.one_of(st.sampled_from(list(VARS.values())), CONSTANTS)
DIVISORS = st.sampled_from([-7, -4, -3, -1, 1, 2, 3, 4, 6, 8, 16])


def _extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arithmetic = st.builds(
        lambda kind, a, b: kind(a, b),
        st.sampled_from([tir.Add, tir.Sub, tir.Add, tir.Mul, tir.Min, tir.Max]), inner, inner,
    )  # fmt: skip
    division = st.builds(
        lambda kind, a, c: kind(a, tir.const(c, "int32")),
        st.sampled_from([tir.FloorDiv, tir.FloorMod, tir.FloorDiv, tir.FloorMod, tir.Div, tir.Mod]),
        inner, DIVISORS,
    )  # fmt: skip
    scaled = st.builds(lambda a, c: a * c, inner, DIVISORS)
    chosen = st.builds(
        lambda kind, a, b, x, y: tir.Select(kind(a, b), x, y),
        st.sampled_from([tir.LT, tir.EQ, tir.GE]), inner, inner, inner, inner,
    )  # fmt: skip
    return st.one_of(arithmetic, division, division, scaled, scaled, chosen)


EXPRS = st.recursive(LEAVES, _extend, max_leaves=12)
CONDITIONS = st.builds(
    lambda kind, a, b: kind(a, b),
    st.sampled_from([tir.LT, tir.LE, tir.GT, tir.GE, tir.EQ, tir.NE]), EXPRS, EXPRS,
)  # fmt: skip
POINTS = st.fixed_dictionaries({name: st.integers(-30, 30) for name in NAMES})


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_a_constant_that_overflows_has_one_form(dtype: str) -> None:
    a = tir.Var("a", dtype)
    least, most = tir.min_value(dtype), tir.max_value(dtype)
    for expr in (
        a - least,
        a + least,
        a + most + most,
        a - most - most,
        a - least - 3,
        most - a + 5,
    ):
        once = Analyzer().simplify(expr)
        assert str(Analyzer().simplify(once)) == str(once)


@settings(max_examples=150, deadline=None)
@given(EXPRS, POINTS)
def test_free_variables(expr: Any, env: dict[str, int]) -> None:
    assert evaluate(simplify(expr), env) == evaluate(expr, env)


RANGES = st.fixed_dictionaries(
    {name: st.tuples(st.integers(-8, 8), st.integers(1, 20)) for name in NAMES}
)


def _bound(ranges: dict[str, tuple[int, int]]) -> Analyzer:
    analyzer = Analyzer()
    for name, (low, extent) in ranges.items():
        analyzer.bind(VARS[name], Range(low, extent))
    return analyzer


def _point(ranges: dict[str, tuple[int, int]], draw: Any) -> dict[str, int]:
    return {
        name: draw.draw(st.integers(low, low + extent - 1))
        for name, (low, extent) in ranges.items()
    }


@settings(max_examples=150, deadline=None)
@given(EXPRS, RANGES, st.data())
def test_within_ranges(expr: Any, ranges: Any, draw: Any) -> None:
    analyzer = _bound(ranges)
    env = _point(ranges, draw)
    value = evaluate(expr, env)
    assert evaluate(analyzer.simplify(expr), env) == value
    bound = analyzer.const_int_bound(expr)
    assert bound.min_value <= value <= bound.max_value
    residue = analyzer.modular_set(expr)
    assert (value - residue.base) % residue.coeff == 0 if residue.coeff else value == residue.base


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, CONDITIONS, EXPRS, RANGES, st.data())
def test_under_conditions(given_: Any, wanted: Any, expr: Any, ranges: Any, draw: Any) -> None:
    analyzer = _bound(ranges)
    env = _point(ranges, draw)
    assert bool(evaluate(analyzer.simplify(wanted), env)) == evaluate(wanted, env)
    both = tir.And(given_, wanted)
    either = tir.Or(tir.Not(given_), wanted)
    assert bool(evaluate(analyzer.simplify(both), env)) == bool(evaluate(both, env))
    assert bool(evaluate(analyzer.simplify(either), env)) == bool(evaluate(either, env))
    if evaluate(given_, env):
        with analyzer.constraint_scope(given_):
            assert evaluate(analyzer.simplify(expr), env) == evaluate(expr, env)
            assert bool(evaluate(analyzer.simplify(wanted), env)) == evaluate(wanted, env)


@settings(max_examples=200, deadline=None)
@given(EXPRS)
def test_simplifying_again_changes_nothing(expr: Any) -> None:
    analyzer = Analyzer()
    once = analyzer.simplify(expr)
    assert analyzer.simplify(once) is once
    alone = simplify(expr)
    assert same(simplify(alone), alone), (str(expr), str(alone))


def test_what_a_second_analyzer_leaves_as_the_first_wrote_it() -> None:
    i, j, k, n = VARS["i"], VARS["j"], VARS["k"], VARS["n"]
    for expr in (
        (k * n + n * i) * -1 * i,  # the factor taken out does not depend on what came first
        n * ((5 - j) * j) * 6,
        n * n * i - i - n,
        (tir.Min(i - j, n) * j + i + j) * -4,  # a minimum takes in what is added to it
        tir.NE((i + 5) % 8 * j % -3 * j, 0),  # a factor is compared as it would be alone
        tir.Div(-1 - i, tir.const(3)) * -3 - i - n,  # the sign is outside of the rest
        tir.Div(tir.Select(tir.EQ(i % 2, i * -4), k // 3, j * 3), tir.const(3)),
    ):
        once = Analyzer().simplify(expr)
        assert same(Analyzer().simplify(once), once), (str(expr), str(once))


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, RANGES)
def test_simplifying_conditions_again_changes_nothing(condition: Any, ranges: Any) -> None:
    analyzer = _bound(ranges)
    once = analyzer.simplify(condition)
    assert same(analyzer.simplify(once), once), (str(condition), str(once))


@pytest.mark.parametrize("rule", [*LOGIC, *EXACT, *INTEGER], ids=repr)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rule(rule: Any, data: Any) -> None:
    names: set[str] = set()
    booleans: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, tir.Var):
            (booleans if node.dtype == "bool" else names).add(node.name)

    post_order_visit(rule.before, look)
    env: dict[str, Any] = {name: data.draw(st.integers(-9, 9)) for name in sorted(names)}
    env |= {name: data.draw(st.booleans()) for name in sorted(booleans)}
    assert evaluate(rule.before, env) == evaluate(rule.after, env)


i, j, k = VARS["i"], VARS["j"], VARS["k"]
n, m = tir.SizeVar("n", "int32"), tir.SizeVar("m", "int32")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ((i * 16 + j) // 16, i),
        ((i * 16 + j) % 16, j),
        ((i * 16 + j) // 4 * 4 + j % 4, i * 16 + j),
        ((i * 3 + j) // 4 * 4 + (i * 3 + j) % 4, i * 3 + j),
        (i * 16 + j < 96, tir.LT(i, 6)),
        (tir.LT(i * 16 + j, 128), tir.const(True)),
        (j - j // 4 * 4, j % 4),
        ((i * n + k) // n, i),
        ((i * n + k) % n, k),
        (tir.LT(k * 16 + j, n * 16), tir.const(True)),
        (tir.GE((n + 15) // 16 * 16, n), tir.const(True)),
        (n // 4 * 4 + n % 4, n),
        (tir.min(j, 20), j),
        ((j * 2 + 1) // 2, j),
    ],
    ids=lambda e: "",
)
def test_known_forms(expr: Any, expected: Any) -> None:
    analyzer = Analyzer()
    analyzer.bind(i, Range(0, 8))
    analyzer.bind(j, Range(0, 16))
    analyzer.bind(k, Range(0, n))
    made = analyzer.simplify(expr)
    assert same(made, expected), (expr, made)


def test_symbolic_tiles_stay_in_bounds() -> None:
    analyzer = Analyzer()
    analyzer.bind(i, Range(0, (n + 15) // 16))
    analyzer.bind(j, Range(0, 16))
    index = i * 16 + j
    assert not analyzer.can_prove(tir.LT(index, n))
    assert analyzer.can_prove(tir.LT(index, n + 15))
    with analyzer.constraint_scope(tir.LT(index, n)):
        assert analyzer.can_prove(tir.LT(index, n))
    assert not analyzer.can_prove(tir.LT(index, n))


DATA = tir.decl_buffer((8,), "int32", name="D")


@pytest.mark.parametrize(
    "expr",
    [
        tir.FloorDiv(DATA[i] * 4, tir.const(4)),
        tir.FloorMod(DATA[i] * 4 + 1, tir.const(4)),
        tir.LT(DATA[i], DATA[i] + 1),
        tir.Max(DATA[i], DATA[i] - 1),
        tir.Cast("int64", DATA[i] + 1),
        tir.LT(DATA[i] + 5, 3),
    ],
    ids=lambda e: "",
)
def test_data_may_overflow(expr: Any) -> None:
    assert same(simplify(expr), expr)


def test_indices_do_not_overflow() -> None:
    assert same(simplify((DATA[i * 4 // 4] + 0) % 8), DATA[i] % 8)
    wide = tir.decl_buffer((8,), "int64", name="W")
    assert same(simplify((wide[i] * 4 + 1) // 4), wide[i])


def test_a_shift_to_the_sign_is_no_division():
    shifted = tir.shift_right(VARS["i"], tir.const(31, "int32"))
    assert same(simplify(shifted), shifted)


def test_the_sides_of_a_select_keep_their_guards():
    place, table = tir.Var("place", "int32"), tir.decl_buffer((8,), "int32", "table")
    guarded = tir.if_then_else(place < 8, table[place], 0)
    kept = Analyzer().simplify(tir.Select(place < 8, guarded + 1, 2))
    assert_structural_equal(kept, tir.Select(place < 8, guarded + 1, 2))
    plain = tir.Select(place < 8, tir.if_then_else(place < 8, 3, 4) + place, 2)
    assert_structural_equal(Analyzer().simplify(plain), tir.Select(place < 8, place + 3, 2))


def test_an_index_below_a_size_says_that_the_size_is_positive() -> None:
    analyzer = Analyzer()
    analyzer.bind(i, Range(0, 100))
    analyzer.bind(j, Range(2, 8))
    with analyzer.constraint_scope(i * 8 + j < n * 3):
        assert analyzer.const_int_bound(n).min_value == 1
        assert analyzer.simplify(tir.min(1, n)).value == 1
        assert not analyzer.can_prove(n >= 2)
    assert analyzer.const_int_bound(n).min_value == 0
