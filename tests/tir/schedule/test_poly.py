"""Quotients of quotients have one form, by which regions of unknown length are compared."""

from __future__ import annotations

import pytest

from tilewright.tir.expr import SizeVar
from tilewright.tir.schedule.poly import Space

N = SizeVar("n", "int64")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (((N + 15) // 16 + 1) // 2, (N + 31) // 32),
        (((N + 2) // 6 - 1) // 3, (N - 4) // 18),
        (((N // 2 + 15) // 16 + 1) // 2, (N // 2 + 31) // 32),
    ],
)
def test_a_constant_between_two_divisions(a, b):
    space = Space()
    assert space.poly(a) == space.poly(b)
