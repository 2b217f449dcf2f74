"""What conditions tell of divisions, and sums of the two extremes."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.tir.arith import Analyzer

x, y, z = (tir.Var(name, "int32") for name in "xyz")

UNDER = [
    (tir.EQ(x % 4, 0), x % 4, "0"),
    (tir.EQ(x % 4, 0), (x + 1) % 4, "1"),
    (tir.EQ(x % 4, 0), (x * 2) % 8, "0"),
    (tir.EQ(x % 4, 0), (x + 3) // 4, "x // 4"),
    (tir.EQ(x % 8, 3), x % 4, "3"),
    (tir.EQ(x % 4, 3), (x + 1) % 4, "0"),
    (tir.EQ(x % 4, 0), x % 8, "x % 8"),
    (tir.EQ(tir.truncmod(x, 4), -1), x % 4, "3"),
    (tir.all(tir.EQ(x % 2, 0), tir.EQ(y % 2, 0)), (x + y) % 2, "0"),
    (tir.NE(x, 0), tir.EQ(x, 0), "T.bool(False)"),
    (tir.NE(x, y), tir.NE(y, x), "T.bool(True)"),
]


@pytest.mark.parametrize(("condition", "expr", "text"), UNDER, ids=lambda v: str(v))
def test_under_a_condition(condition: tir.PrimExpr, expr: tir.PrimExpr, text: str) -> None:
    analyzer = Analyzer()
    with analyzer.constraint_scope(condition):
        assert str(analyzer.simplify(expr)) == text
    assert str(analyzer.simplify(expr)) == str(Analyzer().simplify(expr))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (tir.min(x, y) + tir.max(x, y), "x + y"),
        (tir.max(y, x) * 3 + z + tir.min(x, y) * 3, "y * 3 + x * 3 + z"),
        (tir.max(x, y) - tir.min(x, y), "T.max(x, y) - T.min(x, y)"),
    ],
    ids=str,
)
def test_the_two_extremes_add_up(expr: tir.PrimExpr, text: str) -> None:
    made = Analyzer().simplify(expr)
    assert str(made) == text or (Analyzer().can_prove_equal(made, expr) and "T.m" not in str(made))


def test_residues_meet() -> None:
    analyzer = Analyzer()
    with (
        analyzer.constraint_scope(tir.EQ(x % 3, 2)),
        analyzer.constraint_scope(tir.EQ(x % 5, 3)),
    ):
        found = analyzer.modular_set(x)
    assert (found.coeff, found.base) == (15, 8)
