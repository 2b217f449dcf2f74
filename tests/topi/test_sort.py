import math

import numpy as np
import pytest

import tilewright as tw
from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError

rng = np.random.default_rng(8)
A = rng.integers(0, 5, (3, 7, 2)).astype("float32")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("ascending", [True, False])
def test_sort_is_stable_along_any_axis(axis, ascending):
    def places(v):
        return np.argsort(v if ascending else -v, axis, kind="stable")

    check(lambda t: topi.sort(t, axis, ascending),
          lambda v: np.take_along_axis(v, places(v), axis), A)  # fmt: skip
    check(lambda t: topi.argsort(t, axis=axis, is_ascend=ascending, dtype="int64"), places, A)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 33])
def test_sizes(size):
    v = rng.standard_normal(size)
    check(lambda t: topi.sort(t), np.sort, v)


def test_nan_is_the_largest():
    v = np.array([1.0, np.nan, -np.inf, 0.0, np.nan, np.inf], "float32")
    check(lambda t: topi.sort(t), np.sort, v)
    found = evaluate(lambda t: topi.sort(t, is_ascend=False), v)
    assert np.isnan(found[:2]).all() and found[2] == np.inf


def test_argsort_of_the_first_elements():
    v, n = np.array([[3, 1, 2, 0], [3, 2, 1, 0]], "int32"), np.array([3, 2], "int32")
    check(lambda t, c: topi.argsort(t, c, dtype="int32"),
          lambda *_: np.array([[1, 2, 0, 3], [1, 0, 2, 3]], "int32"), v, n)  # fmt: skip


@pytest.mark.parametrize("axis", [1, -1, 0])
def test_topk(axis):
    places = np.argsort(-A, axis, kind="stable").take(range(2), axis)
    values = np.take_along_axis(A, places, axis)
    check(lambda t: topi.topk(t, 2, axis), lambda v: [values, places], A)
    check(lambda t: topi.topk(t, 2, axis, "values"), lambda v: values, A)
    check(lambda t: topi.topk(t, 2, axis, "indices"), lambda v: places, A)
    low = np.sort(A, axis).take(range(2), axis)
    check(lambda t: topi.topk(t, 2, axis, "values", True), lambda v: low, A)
    with pytest.raises(ArgumentError, match="of 7"):
        topi.topk(given(A), 9, 1)


@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(right):
    row, values = np.sort(rng.integers(0, 9, 6)), rng.integers(-1, 10, (2, 3))
    side = "right" if right else "left"
    check(lambda s, v: topi.searchsorted(s, v, right), lambda s, v: np.searchsorted(s, v, side),
          row, values)  # fmt: skip
    rows = np.sort(rng.integers(0, 9, (2, 6)))
    check(lambda s, v: topi.searchsorted(s, v, right),
          lambda s, v: np.stack([np.searchsorted(a, b, side) for a, b in zip(s, v, strict=True)]),
          rows, values)  # fmt: skip


def test_unique():
    v = np.array([5, 2, 5, 9, 2, 2], "int64")
    values, first, inverse, total, counts = evaluate(lambda t: topi.unique(t, True, True), v)
    expected = np.unique(v, return_index=True, return_inverse=True, return_counts=True)
    n = total[0]
    assert n == 3
    for found, want in zip((values[:n], first[:n], inverse, counts[:n]), expected, strict=True):
        np.testing.assert_array_equal(found, want)
    values, first, inverse, total, counts = evaluate(lambda t: topi.unique(t, False, True), v)
    assert values[:3].tolist() == [5, 2, 9]
    assert first[:3].tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2, 1, 1]
    assert counts[:3].tolist() == [2, 3, 1]


def test_argwhere():
    c = rng.random((3, 4)) < 0.5
    rows = np.argwhere(c)
    check(lambda t: topi.nonzero_count(t), lambda v: np.asarray(len(rows)), c)
    check(lambda t: topi.argwhere((len(rows), 2), t, "int64"), lambda v: rows, c)


def stable_order(values, ascending):
    """Places in order by Python's own sort; NaN is the largest."""
    keys = [(math.isnan(v), 0 if math.isnan(v) else v) for v in values.tolist()]
    if not ascending:
        keys = [(-nan, -v) for nan, v in keys]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__))


@pytest.mark.parametrize("size", [5, 8, 15, 17, 40, 100, 129])
@pytest.mark.parametrize("ascending", [True, False])
def test_rows_that_do_not_fill_vectors(size, ascending):
    v = rng.integers(-9, 9, size).astype("float32")
    check(lambda t: topi.argsort(t, axis=0, is_ascend=ascending, dtype="int64"),
          lambda v: stable_order(v, ascending), v)  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int32", "int64", "float16",
                                   "float32", "float64"])  # fmt: skip
@pytest.mark.parametrize("ascending", [True, False])
def test_extremes_of_each_type(dtype, ascending):
    if dtype.startswith("float"):
        tiny, large = np.finfo(dtype).tiny, np.finfo(dtype).max
        v = np.array([0.0, np.nan, -0.0, tiny, -np.inf, -large, 0.0, -tiny, np.inf, large, np.nan,
                      -0.0, 1.0, -1.0], dtype)  # fmt: skip
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        v = np.array([high, low, 1, 0, low, high, high - 1, low + 1, 2, 0, 1], dtype)
    check(lambda t: topi.argsort(t, axis=0, is_ascend=ascending, dtype="int64"),
          lambda v: stable_order(v, ascending), v, shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("kind", ["llvm", "c"])
def test_a_compiled_sort_keeps_order(kind):
    rows = rng.integers(-50, 50, (3, 333)).astype("float32")
    x = given(rows)
    made = topi.argsort(x, axis=1, is_ascend=False, dtype="int32")
    func = te.create_prim_func([x, made]).with_attr("global_symbol", "ordering")
    places = tw.runtime.empty((3, 333), "int32")
    tw.build(func, target=kind)["ordering"](tw.runtime.tensor(rows), places)
    expected = [stable_order(row, False) for row in rows]
    np.testing.assert_array_equal(places.numpy(), expected)


@pytest.mark.parametrize("known", [True, False], ids=["fixed", "symbolic"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint32", "int8"])
@pytest.mark.parametrize(("size", "wanted"), [(1, 1), (7, 7), (300, 5), (1000, 64), (1025, 1)])
def test_the_first_few_of_a_row(size, wanted, dtype, known):
    """Chosen one by one: the same as by sorting all, equal elements in their order."""
    rows = rng.integers(0, 50, (3, size)).astype(dtype)
    if dtype.startswith("float"):
        rows[rng.random(rows.shape) < 0.05] = np.nan
        rows[rng.random(rows.shape) < 0.05] = -0.0
        rows[rng.random(rows.shape) < 0.02] = -np.inf
    n = size if known else te.var("n")
    x = te.placeholder((3, n), dtype, "x")
    for ascending in (False, True):
        values, places = topi.topk(x, wanted, 1, "both", ascending)
        program = te.create_prim_func([x, values, places]).with_attr("global_symbol", "first")
        kernel = tw.build(program, target="llvm")["first"]
        found = (np.zeros((3, wanted), dtype), np.zeros((3, wanted), "int64"))
        outs = [tw.runtime.tensor(a) for a in found]
        kernel(tw.runtime.tensor(rows), *outs)
        order = np.array([stable_order(row, ascending)[:wanted] for row in rows])
        np.testing.assert_array_equal(outs[1].numpy(), order)
        np.testing.assert_array_equal(outs[0].numpy(), np.take_along_axis(rows, order, 1))
