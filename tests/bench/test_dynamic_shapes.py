"""The benchmark of sizes known at run time only."""

from __future__ import annotations

import pytest

from bench.dynamic_shapes import CASES, Row, letters, measure, table


def test_every_case_has_open_sizes() -> None:
    assert all(letters(case) for case in CASES)


@pytest.mark.parametrize(
    "case", ["layer norm 128,m", "max pool 1,64,h,h 3x3 / 2", "take n of 30000,768"]
)
def test_the_kernels_agree_and_are_measured(case: str) -> None:
    rows = measure(case, [{"n": 5, "m": 7, "b": 1, "h": 6}], seconds=0)
    (row,) = rows
    assert row.fixed_us > 0 and row.ratio == pytest.approx(row.open_us / row.fixed_us)
    assert row.sizes == {name: {"n": 5, "m": 7, "h": 6}[name] for name in letters(case)}


def test_the_table_says_the_mean() -> None:
    rows = [Row("a", {"n": 1}, 10, 20, 2.0), Row("b", {"n": 2}, 10, 5, 0.5)]
    assert "1.00 (geometric mean)" in str(table(rows).title)
