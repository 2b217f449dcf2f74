"""How simplified expressions are written: as short as they get, in the form they came in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.tir.arith.test_simplify import evaluate
from tilewright import te, tir
from tilewright.ir.expr import Range
from tilewright.tir.arith import Analyzer, simplify
from tilewright.tir.arith.simplifier import same

x, y, z = (tir.Var(name, "int32") for name in "xyz")
n, m, k = (tir.SizeVar(name, "int32") for name in "nmk")
LT, LE, EQ, NE, Min, Max = tir.LT, tir.LE, tir.EQ, tir.NE, tir.Min, tir.Max
DATA = tir.decl_buffer((8,), "int32", name="D")


def c(value: int) -> Any:
    return tir.const(value, "int32")


FORMS: list[tuple[Any, Any]] = [
    # the strictness of a comparison stays, unless a constant can be saved
    (tir.GE(x, y), LE(y, x)),
    (LT(x, y + 1), LE(x, y)),
    (LE(x + 1, y), LT(x, y)),
    (LE(x + 3, y), LE(x + 3, y)),
    (LT(x, y + 3), LT(x, y + 3)),
    (tir.GT(x, c(3)), LT(c(3), x)),
    (LE(x * 4, c(7)), LE(x, c(1))),
    (tir.Not(LT(x, y)), LE(y, x)),
    # a comparison of a quotient is one of what was divided
    (LT(x // 4, c(7)), LT(x, c(28))),
    (LE(c(7), x // 4), LE(c(28), x)),
    (LT(tir.Div(x, c(8)), c(3)), LT(x, c(24))),
    (LE(tir.Div(x, c(8)), c(-1)), LE(x, c(-8))),
    # minima and maxima that one side decides
    (LE(x, Max(x, y)), tir.const(True)),
    (LT(Min(x, y), x), LT(y, x)),
    (LT(Min(x, c(8)), c(5)), LT(x, c(5))),
    (tir.GT(Max(12 - y, y * 4), y), tir.const(True)),
    # what both sides share stands outside
    (Min(x + z, y + z), Min(x, y) + z),
    (Min(x + 1, y + 1), Min(x, y) + 1),
    (Max(x * 4, y * 4), Max(x, y) * 4),
    (Max(0 - x, 0 - y), 0 - Min(x, y)),
    (Max(Min(x, y), x), x),
    # common factors
    (n * m + m, (n + 1) * m),
    ((n + k) * m, (n + k) * m),
    (x * n - y * n, (x - y) * n),
    ((x * n + y) * m + z, (x * n + y) * m + z),
    (tir.FloorDiv((x - y) * n, n * m), (x - y) // m),
    (tir.FloorMod(x * n, n * 4), n * (x % 4)),
    # a product of sums stays one, unless it is shorter multiplied out
    ((x + 1) * (y + 2), (x + 1) * (y + 2)),
    ((x + n) * (y + 1) * 4 - z, (x + n) * (y + 1) * 4 - z),
    ((n * m + k) * (m + 1) + x, (n * m + k) * (m + 1) + x),
    ((x + 1) * (y + 2) * (z - 3), (x + 1) * (y + 2) * (z - 3)),
    ((x + 1) * (y + 2) - x * y, x * 2 + y + 2),
    ((x + 1) * (y + 2) - 2, (x + 1) * y + x * 2),
    ((x + y) * (x - y), x * x - y * y),
    (tir.FloorDiv((x + 1) * (n + 2), n + 2), x + 1),
    (tir.FloorMod((x + 1) * (n + 2) + k, n + 2), tir.FloorMod(k, n + 2)),
    # constants within quotients
    (tir.FloorDiv(x + 18, c(4)), tir.FloorDiv(x + 18, c(4))),
    (tir.FloorDiv(x - 1, c(4)), tir.FloorDiv(x - 1, c(4))),
    (tir.FloorDiv(x + 18, c(4)) - 4, tir.FloorDiv(x + 2, c(4))),
    (tir.FloorMod(x * 5, c(3)), tir.FloorMod(x * 2, c(3))),
    (x * 5 - x * 5 // 3 * 3, tir.FloorMod(x * 2, c(3))),
    (tir.FloorMod((x * 4 + y) // 4, c(8)), tir.FloorMod(x + y // 4, c(8))),
    # a product is zero where a factor is
    (EQ(x * y * 2, c(0)), tir.Or(EQ(x, c(0)), EQ(y, c(0)))),
    (NE(x * y, c(0)), tir.And(NE(x, c(0)), NE(y, c(0)))),
    # the order in which parts came
    (x // 4 * 12 + y + x % 4 * 3, x * 3 + y),
    (tir.FloorDiv(y + x * n, n), y // n + x),
    # division rounded to zero
    (tir.Div(x * 2, c(8)), tir.Div(x, c(4))),
    (tir.Div(x * 8 + y * 8, c(8)), x + y),
    (tir.Div(tir.Div(x, c(4)), c(2)), tir.Div(x, c(8))),
    (tir.Mod(x * 8, c(8)), c(0)),
    (tir.Mod(x * 2, c(8)), tir.Mod(x, c(4)) * 2),
    (tir.Mod(x, c(-4)), tir.Mod(x, c(4))),
    (tir.Mod(tir.Mod(x, c(3)), c(6)), tir.Mod(x, c(3))),
]


@pytest.mark.parametrize(("expr", "expected"), FORMS, ids=lambda e: "")
def test_form(expr: Any, expected: Any) -> None:
    made = simplify(expr)
    assert same(made, expected), (str(expr), str(made))
    assert same(simplify(made), made)


@pytest.mark.parametrize("expr", [expr for expr, _ in FORMS], ids=lambda e: "")
def test_form_keeps_the_value(expr: Any) -> None:
    made = simplify(expr)
    for values in itertools.product((-9, -4, -1, 0, 3, 8), (-5, 0, 2, 7), (-3, 4)):
        env = dict(zip("xyz", values, strict=True)) | {"n": 3, "m": 5, "k": 2}
        assert evaluate(expr, env) == evaluate(made, env), (str(expr), str(made), values)


TRUNCATED: list[tuple[Any, Any]] = [
    (tir.Div(x * 4 + y, c(2)), x * 2 + tir.Div(y, c(2))),
    (tir.Mod(y + x * 10, c(-2)), tir.Mod(y, c(2))),
    (tir.Div(tir.Div(x, c(2)) + 1, c(3)), tir.Div(x + 2, c(6))),
    (tir.Div(y + x * n, n), tir.Div(y, n) + x),
    (tir.Div(y + x * 4, c(2)), tir.Div(y, c(2)) + x * 2),
    (tir.Div(x + 5, c(3)) - tir.Div(x, c(3)), tir.Div(tir.Mod(x, c(3)) + 5, c(3))),
    (tir.Div(x, c(4)) * 4 + tir.Mod(x, c(4)), x),
    (tir.Div(x, c(4)) - x // 4, c(0)),
    (x // n - tir.Div(x, n), c(0)),
    (LT(tir.Div(x, c(4)), c(3)), LT(x, c(12))),
]


@pytest.mark.parametrize(("expr", "expected"), TRUNCATED, ids=lambda e: "")
def test_division_rounded_to_zero_stays_so_where_nothing_is_negative(
    expr: Any, expected: Any
) -> None:
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.all(LE(c(0), x), LE(c(0), y))):
        made = analyzer.simplify(expr)
        assert same(made, expected), (str(expr), str(made))
        assert analyzer.simplify(made) is made


def test_division_rounded_to_zero_is_another_where_signs_are_unknown() -> None:
    analyzer = Analyzer()
    difference = tir.Div(x, c(4)) - x // 4
    with analyzer.constraint_scope(LE(c(0), x)):
        assert same(analyzer.simplify(difference), c(0))
    assert same(analyzer.simplify(difference), difference)
    assert same(analyzer.simplify(tir.Div(x - 8, c(4))), tir.Div(x - 8, c(4)))


REWRITTEN: list[tuple[Any, Any]] = [
    (x + 10 - 20, x + -10),
    (tir.FloorMod((x - 6) * y, c(5)), tir.FloorMod((x + -6) * y, c(5))),
    (x * 2 + y * 2 + z * 2, (x + y + z) * 2),
    ((x - y) * -2, (y - x) * 2),
    (x * -2 - y * 2, (0 - x - y) * 2),
    (3 - x, 3 - x),
    (DATA[x - 1] - 1, DATA[x + -1] + -1),
    (x - y * 10, x + y * -10),
    (1 - x % 2, x % 2 * -1 + 1),
    (LT(x // 4 * 4, x + y), LT(c(0), x % 4 + y)),
]


@pytest.mark.parametrize(("expr", "expected"), REWRITTEN, ids=lambda e: "")
def test_rewriting_adds_constants_and_takes_common_ones_out(expr: Any, expected: Any) -> None:
    analyzer = Analyzer()
    made = analyzer.rewrite_simplify(expr)
    assert same(made, expected), (str(expr), str(made))
    assert analyzer.rewrite_simplify(made) is made
    assert same(analyzer.simplify(made), analyzer.simplify(expr))


REWRITTEN_INDICES: list[tuple[Any, Any]] = [
    (tir.FloorMod(x * 360 + y, c(16)), tir.FloorMod(x * 8 + y, c(16))),
    (tir.FloorMod(DATA[x] * 360 + y, c(15)), tir.FloorMod(DATA[x] * 360 + y, c(15))),
    (tir.FloorDiv(0 - x, c(10)), tir.FloorDiv(x, c(-10))),
    (tir.And(LE(c(0), x - y * 5), LT(x - y * 5, c(5))), EQ(y, x // 5)),
    (tir.And(LT(x - y * 5, c(4)), LE(c(0), x - y * 5)), tir.And(LT(x, y * 5 + 4), LE(y * 5, x))),
]
CANONICAL: list[tuple[Any, Any]] = [
    (tir.FloorMod(0 - x, c(2)), tir.FloorMod(x, c(-2)) * -1),
    (tir.Mod(0 - x, c(2)), tir.Mod(x, c(-2)) * -1),
    (tir.Mod(tir.Div(x, c(2)), c(3)), tir.Div(tir.Mod(x, c(6)), c(2))),
    (tir.FloorMod(0 - DATA[x], c(3)), tir.FloorMod(0 - DATA[x], c(3))),
]


@pytest.mark.parametrize(("expr", "expected"), REWRITTEN_INDICES, ids=lambda e: "")
def test_rewriting_leaves_small_factors_and_quotients(expr: Any, expected: Any) -> None:
    analyzer = Analyzer()
    made = analyzer.rewrite_simplify(expr)
    assert same(made, expected), (str(expr), str(made))
    assert analyzer.rewrite_simplify(made) is made


@pytest.mark.parametrize(("expr", "expected"), CANONICAL, ids=lambda e: "")
def test_canonical_rests_have_their_sign_outside(expr: Any, expected: Any) -> None:
    analyzer = Analyzer()
    made = analyzer.canonical_simplify(expr)
    assert same(made, expected), (str(expr), str(made))
    assert analyzer.canonical_simplify(made) is made


BOUND: list[tuple[Any, Any]] = [
    (LE(n, n * m), tir.const(True)),
    (LT(n - 1, n * m), tir.const(True)),
    (Max(n * m, n) - n, (m - 1) * n),
    (LE(x, 0 - n), tir.const(False)),
    (EQ(x // 5, c(1)), LE(c(5), x)),
    (NE(x // 5, c(1)), LT(x, c(5))),
    (tir.abs(x), x),
    (tir.Div(x, c(16)), c(0)),
]


@pytest.mark.parametrize(("expr", "expected"), BOUND, ids=lambda e: "")
def test_form_within_ranges(expr: Any, expected: Any) -> None:
    analyzer = Analyzer()
    analyzer.bind(x, Range.from_min_extent(0, 10))
    for size in (n, m):
        analyzer.bind(size, Range.from_min_extent(1, 1000))
    made = analyzer.simplify(expr)
    assert same(made, expected), (str(expr), str(made))


def test_conditions_on_selected_indices_are_simplified() -> None:
    chosen = tir.Select(LT(x, y), x, y)
    assert same(simplify(chosen * 8 // 4), chosen * 2)
    loaded = tir.Select(LT(x, y), DATA[x], DATA[y])
    assert same(simplify(tir.FloorDiv(loaded * 8, c(4))), tir.FloorDiv(loaded * 8, c(4)))


def test_vectors_compare_with_less() -> None:
    ramp, same_in_all = tir.Ramp(x, 1, 4), tir.Broadcast(y, 4)
    assert same(simplify(tir.GE(ramp, same_in_all)), LE(same_in_all, ramp))
    assert same(simplify(tir.Div(ramp, tir.Broadcast(c(1), 4))), ramp)


def test_reduction_names_are_those_of_tir_too() -> None:
    axis = te.reduce_axis((0, 4))
    assert isinstance(tir.sum(axis.var + x, axis), tir.Reduce)
    assert tir.comm_reducer is te.comm_reducer
