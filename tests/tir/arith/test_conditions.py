"""Conditions taken apart."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.ir import structural_equal
from tilewright.ir.expr import Range
from tilewright.tir.arith import Analyzer
from tilewright.tir.arith.conditions import conjuncts

from .test_simpler_forms import check

x, y, z = (tir.Var(name, "int32") for name in "xyz")
zero = tir.const(0)


def test_conjuncts_come_in_order_and_without_true() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    parts = [x < y, y < 8, x >= 0]
    whole = tir.And(parts[0], tir.And(tir.And(tir.const(True), parts[1]), parts[2]))
    assert conjuncts(whole) == parts
    assert conjuncts(tir.const(True)) == []
    assert conjuncts(tir.Or(parts[0], parts[1])) != parts[:2]


def test_what_is_likely_is_opened_on_request() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    within = tir.And(x < y, y < 8)
    (closed,) = conjuncts(tir.likely(within))
    assert structural_equal(closed, tir.likely(within))
    assert conjuncts(tir.likely(within), opens_likely=True) == [within.a, within.b]


@pytest.mark.parametrize(
    ("known", "condition", "stricter"),
    [
        (tir.LE(x, y), tir.LE(y, x), tir.EQ(y, x)),
        (tir.LE(x, y), tir.NE(x, y), tir.LT(x, y)),
        (tir.NE(x, y), tir.LE(x, y), tir.LT(x, y)),
        (tir.NE(x, y), tir.LE(y, x), tir.LT(y, x)),
        (tir.LE(x, zero), tir.NE(x, zero), tir.LT(x, zero)),
        (tir.And(tir.EQ(x, y), tir.NE(y, z)), tir.NE(x, z), tir.const(True)),
        (tir.Not(tir.And(x < y, y < 3)), tir.And(x < y, y < 3), tir.const(False)),
    ],
    ids=str,
)
def test_a_condition_is_as_strict_as_others_allow(
    known: Any, condition: Any, stricter: Any
) -> None:
    check(condition, stricter, known)


@pytest.mark.parametrize("rest", range(4))
def test_the_rest_of_a_negated_number(rest: int) -> None:
    expected = tir.EQ(x % 4, tir.const(-rest % 4))
    check(tir.EQ((0 - x) % 4, tir.const(rest)), expected)
    check(tir.EQ(x % 4, tir.const(-rest % 4)), tir.const(True), tir.EQ((0 - x) % 4, rest))


def test_a_variable_keeps_its_name_where_a_condition_says_its_value() -> None:
    analyzer = Analyzer()
    with analyzer.constraint_scope(tir.EQ(x, tir.const(5))):
        assert analyzer.simplify(x) is x
        assert structural_equal(analyzer.simplify(x * 2), tir.const(10))
        assert analyzer.can_prove(tir.LT(x, tir.const(6)))
    analyzer.bind(y, Range.from_min_extent(3, 1))
    assert structural_equal(analyzer.simplify(y), tir.const(3))
    flag = tir.Var("flag", "bool")
    with analyzer.constraint_scope(flag):
        assert structural_equal(analyzer.simplify(flag), tir.const(True))
