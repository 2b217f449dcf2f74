"""Conditions taken apart."""

from __future__ import annotations

from tilewright import tir
from tilewright.ir import structural_equal
from tilewright.tir.arith.conditions import conjuncts


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
