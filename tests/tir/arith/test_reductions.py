"""What a reduction becomes: its combiner, its parts, and one over no axis."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import te, tir
from tilewright.ir import structural_equal
from tilewright.te import comm_reducer
from tilewright.tir.arith import Analyzer, ConstIntBound

k = te.reduce_axis((0, 10), name="k")
A, B = te.placeholder((10,), name="A"), te.placeholder((10,), name="B")


def test_the_axes_lie_in_their_domains() -> None:
    j = te.reduce_axis((-5, 3), name="j")
    guarded = te.sum(tir.Select(k + j < 12, k + j, 0), [k, j])
    assert structural_equal(Analyzer().simplify(guarded), te.sum(k + j, [k, j]))
    cut = te.sum(tir.Select(k + j < 11, k + j, 0), [k, j])
    assert structural_equal(Analyzer().simplify(cut), cut)


def test_a_combiner_is_simplified() -> None:
    sign = tir.Var("sign", "int32")
    either = comm_reducer(
        lambda a, b: tir.Select(sign < 0, a + b, a * b),
        lambda dtype: tir.Select(sign < 0, tir.const(0, dtype), tir.const(1, dtype)),
    )
    analyzer = Analyzer()
    analyzer.update(sign, ConstIntBound(-3, -1))
    assert structural_equal(analyzer.simplify(either(A[k], k)), te.sum(A[k], k))


def _pairs() -> Any:
    return comm_reducer(
        lambda a, b: (a[0] + b[0], a[1] * b[1] + a[0]),
        lambda s, t: (tir.const(0, s), tir.const(1, t)),
    )


def test_results_that_nobody_asks_for_go() -> None:
    first, second = _pairs()((A[k], B[k]), k)
    assert structural_equal(Analyzer().simplify(first), te.sum(A[k], k))
    assert structural_equal(Analyzer().simplify(second), second)
    effect = tir.call_extern("float32", "log_and_return", B[k])
    kept = _pairs()((A[k], effect), k)[0]
    assert structural_equal(Analyzer().simplify(kept), kept)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, A[3]),
        ({"init": 2.0}, tir.const(2.0) + A[3]),
        ({"where": tir.const(False), "init": 2.0}, tir.const(2.0)),
        ({"where": tir.const(False)}, tir.const(0.0)),
    ],
    ids=["plain", "init", "nowhere", "identity"],
)
def test_over_no_axis_the_source_is_taken_once(options: Any, expected: Any) -> None:
    assert structural_equal(Analyzer().simplify(te.sum(A[3], [], **options)), expected)
