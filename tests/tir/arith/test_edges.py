"""Simplification at the edges of types: vectors that wrap, numbers that no constant holds,
conditions that contradict each other."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir.expr import Range
from tilewright.ir.structural import assert_structural_equal
from tilewright.tir.arith import Analyzer
from tilewright.tir.arith.simplifier import same

X, Y, Z = (tir.Var(name, "int32") for name in "xyz")
LEAST = -(1 << 31)


def const(value: int, dtype: str = "int32") -> tir.IntImm:
    return tir.IntImm(dtype, value)


def test_the_rest_of_a_descending_ramp_keeps_its_sign() -> None:
    lanes = tir.Mod(tir.Ramp(const(5), const(-1), 4), tir.Broadcast(const(5), 4))
    made = Analyzer().simplify(lanes)
    first = made.a.base  # type: ignore[attr-defined]
    assert first.value == 5  # 5 % 5, 4 % 5, ... are 0, 4, 3, 2, and those of 0, -1, ... are not


def test_a_ramp_that_may_wrap_is_not_divided_lane_by_lane() -> None:
    x = tir.Var("x", "uint8")
    by_two = tir.Broadcast(const(2, "uint8"), 4)
    lanes = tir.FloorDiv(tir.Ramp(x, const(4, "uint8"), 4), by_two)
    assert Analyzer().simplify(lanes) is lanes
    analyzer = Analyzer()
    analyzer.bind(x, Range(const(0, "uint8"), const(200, "uint8")))
    assert isinstance(analyzer.simplify(lanes), tir.Ramp)


def test_unsigned_differences_wrap_in_simplification() -> None:
    x = tir.Var("x", "uint8")
    made = Analyzer().simplify(tir.Sub(tir.FloorMod(x, const(1, "uint8")), const(3, "uint8")))
    assert_structural_equal(made, const(253, "uint8"))
    ramp = tir.Ramp(x, const(3, "uint8"), 4)
    made = Analyzer().simplify(tir.Sub(tir.Broadcast(x, 4), ramp))
    assert_structural_equal(made, tir.Ramp(const(0, "uint8"), const(253, "uint8"), 4))


@pytest.mark.parametrize("kind", [tir.LT, tir.LE, tir.EQ, tir.NE])
def test_a_difference_that_no_constant_holds_stays_on_both_sides(kind: type) -> None:
    made = kind(X + 4, Y + LEAST)
    assert same(Analyzer().simplify(made), made)
    analyzer = Analyzer()
    analyzer.bind(X, Range(0, 8))
    analyzer.bind(Y, Range(0, 8))
    assert analyzer.simplify(made).value == (kind is tir.NE)  # type: ignore[attr-defined]


def test_conditions_with_numbers_at_the_end_of_the_type_are_known() -> None:
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.NE(X // 4, const((1 << 31) - 1))):
        assert_structural_equal(analyzer.simplify(X + 0), X)
    with analyzer.constraint_scope(tir.NE(const(LEAST), const(8))):
        assert analyzer.can_prove(tir.LE(X, X + 1))


def test_divisors_at_the_end_of_the_type() -> None:
    for kind in (tir.FloorDiv, tir.FloorMod, tir.Div, tir.Mod):
        made = Analyzer().simplify(kind(kind(X, const(4)), const(LEAST)))
        assert same(Analyzer().simplify(made), made)
    nested = tir.FloorDiv(tir.FloorDiv(X, const(1 << 20)), const(1 << 20))
    assert Analyzer().can_prove(nested <= 0)


@pytest.mark.parametrize("written", [Y - X * LEAST + 4, tir.min(X * LEAST, 5), (X + 1) * LEAST * 3])
def test_factors_at_the_end_of_the_type_have_one_form(written: tir.PrimExpr) -> None:
    made = Analyzer().simplify(written)
    assert same(Analyzer().simplify(made), made)


def test_the_least_number_divided_by_minus_one_is_itself() -> None:
    x = tir.Var("x", "int8")
    found = Analyzer().const_int_bound(tir.Div(x, const(-1, "int8")))
    assert (found.min_value, found.max_value) == (-128, 127)


def test_one_pass_is_enough_under_contradictory_conditions() -> None:
    analyzer = Analyzer()
    analyzer.bind(Z, Range(0, 2))
    analyzer.bind(Y, Range(0, 9))
    with analyzer.constraint_scope(X % 6 < Y):
        made = analyzer.simplify(tir.max(Y, -4) > Z - Y)
        assert same(analyzer.simplify(made), made)
    with analyzer.constraint_scope(tir.NE(Z, 6)):
        made = analyzer.simplify(tir.LE(tir.FloorDiv((X - 7) * -7, const(4)), 2))
        assert same(analyzer.simplify(made), made)


def test_choices_by_a_variable_and_by_a_comparison_are_told_apart() -> None:
    c = tir.Var("c", "bool")
    total = tir.Select(c, X, Y) + tir.Select(X < 3, Z, Y)
    assert_structural_equal(Analyzer().simplify(total), total)
    both = tir.Select(c, X, Y) + tir.Select(c, Z, const(1))
    assert_structural_equal(Analyzer().simplify(both), tir.Select(c, X + Z, Y + 1))


def test_the_bit_of_a_truth_is_turned() -> None:
    for value in (0, 1):
        turned = tir.bitwise_not(const(value, "bool"))
        assert turned.value == 1 - value  # type: ignore[attr-defined]


def test_a_product_lies_between_the_products_of_its_factors_ends() -> None:
    analyzer = Analyzer()
    for var, extent in ((X, 4), (Y, 7), (Z, 9)):
        analyzer.bind(var, Range(1 if var is Y else 0, extent))
    found = analyzer.const_int_bound((X + Y) * (Y + (Z - 3)))
    assert (found.min_value, found.max_value) == (-20, 120)
    found = analyzer.const_int_bound((X + 1) * (X - 3))
    assert (found.min_value, found.max_value) == (-9, 0)
    found = analyzer.const_int_bound((X + 1) * (Y + 1))
    assert (found.min_value, found.max_value) == (2, 32)


def test_what_is_the_smallest_number() -> None:
    x = tir.Var("x", "int32")
    least = tir.min_value("int32")
    for given in (least - x, x - least):
        assert str(Analyzer().simplify(tir.EQ(given, tir.const(0, "int32")))) == f"x == {-(2**31)}"


def test_what_a_condition_says_of_an_index_ends_with_it() -> None:
    """A load at a name that has one value under a condition, and the load at that value."""
    memory = tir.decl_buffer((4,), "int32", "A")
    i, j = tir.Var("i", "int32"), tir.Var("j", "int32")
    for condition, value in [(i < 1, tir.const(0, "int32")), (tir.EQ(i, j), j)]:
        analyzer = Analyzer()
        analyzer.bind(i, Range(0, 4))
        analyzer.bind(j, Range(0, 4))
        with analyzer.constraint_scope(condition):
            analyzer.simplify(memory[i] + 1)
        assert_structural_equal(analyzer.simplify(memory[value] + 1), memory[value] + 1)
