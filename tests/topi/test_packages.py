"""The smaller packages: GPU names, rows of sparse matrices, random numbers, shapes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.topi.evaluator import evaluate, run
from tilewright import te, topi
from tilewright.support.errors import ArgumentError

rng = np.random.default_rng(5)
X = rng.standard_normal((3, 7)).astype("float32")


def test_sorting_and_scans_of_gpus_are_the_plain_ones():
    np.testing.assert_array_equal(evaluate(topi.gpu.sort, X), np.sort(X))
    order = evaluate(lambda x: topi.gpu.argsort(x, dtype="int32"), X)
    np.testing.assert_array_equal(order, np.argsort(X))
    values, places = evaluate(lambda x: topi.gpu.topk(x, 2), X)
    np.testing.assert_array_equal(values, np.sort(X)[:, ::-1][:, :2])
    assert places.dtype == np.int64
    np.testing.assert_allclose(evaluate(lambda x: topi.gpu.cumsum(x, 1), X), X.cumsum(1), 1e-5)
    np.testing.assert_allclose(evaluate(lambda x: topi.gpu.cumprod(x, 0), X), X.cumprod(0), 1e-5)


@pytest.mark.parametrize("name", ["sort_thrust", "argsort_thrust", "topk_thrust"])
def test_thrust_is_missing(name):
    with pytest.raises(ArgumentError, match="not registered"):
        getattr(topi.gpu, name)(te.placeholder((4,), name="x"))


def compressed(matrix):
    """A dense array as compressed rows: the three arrays."""
    rows, columns = np.nonzero(matrix)
    counts = np.bincount(rows, minlength=len(matrix))
    pointers = np.concatenate([[0], np.cumsum(counts)]).astype("int32")
    return matrix[rows, columns], columns.astype("int32"), pointers


SPARSE = np.where(rng.random((4, 5)) < 0.4, rng.standard_normal((4, 5)), 0).astype("float32")
SPARSE[2] = 0


def with_rows(function, shape):
    """`function` of compressed rows that come as three tensors."""
    return lambda data, indices, pointers, *rest: function(
        SimpleNamespace(data=data, indices=indices, indptr=pointers, shape=shape), *rest
    )


def test_products_with_compressed_rows():
    rows = compressed(SPARSE)
    b, c, x = rng.random((5, 3)), rng.random(4), rng.random((5, 1))
    b, c, x = (v.astype("float32") for v in (b, c, x))
    made = evaluate(with_rows(topi.sparse.csrmm, (4, 5)), *rows, b, c)
    np.testing.assert_allclose(made, SPARSE @ b + c[:, None], 1e-5)
    one = np.array([2.0], "float32")
    made = evaluate(with_rows(topi.sparse.csrmv, (4, 5)), *rows, x, one)
    np.testing.assert_allclose(made, SPARSE @ x + 2, 1e-5)


def test_dense_layers_with_compressed_rows():
    rows = compressed(SPARSE)
    other, bias = rng.random((3, 5)).astype("float32"), rng.random(4).astype("float32")
    made = evaluate(with_rows(topi.sparse.dense, (4, 5)), *rows, other)
    np.testing.assert_allclose(made, SPARSE @ other.T, 1e-5)
    turned = with_rows(lambda w, x, b: topi.sparse.dense(x, w, b), (4, 5))
    made = evaluate(turned, *rows, other, bias)
    np.testing.assert_allclose(made, other @ SPARSE.T + bias, 1e-5)
    with pytest.raises(ArgumentError, match="one matrix in compressed rows"):
        topi.sparse.dense(te.placeholder((2, 2)), te.placeholder((2, 2)))


def test_fixed_point_values():
    value, exponent = topi.hexagon.utils.get_fixed_point_value(0.3)
    assert 2**14 <= value < 2**15 and abs(value / 2**exponent - 0.3) < 2**-16
    assert topi.hexagon.utils.get_fixed_point_value(0.0) == (0, 0)
    value, exponent = topi.hexagon.utils.get_fixed_point_value(-1234.5, "int32")
    assert value / 2**exponent == -1234.5
    assert topi.hexagon.utils.get_fixed_point_value(0.99999) == (2**14, 14)


STATE = np.zeros(10, "uint64")


def test_threefry_gives_the_published_numbers():
    """The known answers of the generator's authors for key and counter of zeros and of ones."""
    _, words = evaluate(lambda g: topi.random.threefry_generate(g, (4,)), STATE)
    assert [hex(int(w)) for w in words] == [
        "0x9218ebde6c85537", "0x55941f5266d86105", "0x4bd25e16282434dc", "0xee29ec846bd2e40b",
    ]  # fmt: skip
    ones = np.full(10, 2**64 - 1, "uint64")
    _, words = evaluate(lambda g: topi.random.threefry_generate(g, (4,)), ones)
    assert [hex(int(w)) for w in words] == [
        "0x29c24097942bba1b", "0x371bbfb0f6f4e11", "0x3c231ffa33f83a1c", "0xcd29113fde32d168",
    ]  # fmt: skip


def test_generators_move_on():
    both = evaluate(lambda g: topi.random.threefry_generate(g, (8,)), STATE)[1]
    moved, first = evaluate(lambda g: topi.random.threefry_generate(g, (2, 2)), STATE)
    _, second = evaluate(lambda g: topi.random.threefry_generate(g, (4,)), moved)
    np.testing.assert_array_equal(np.concatenate([first.ravel(), second]), both)
    left, right = evaluate(topi.random.threefry_split, STATE)
    assert len({*left[:4].tolist(), *right[:4].tolist(), *both.tolist()}) == 16


def test_distributions():
    _, flat = evaluate(lambda g: topi.random.uniform(g, -1.0, 3.0, (300,), "float32"), STATE)
    assert flat.min() >= -1 and flat.max() < 3 and abs(flat.mean() - 1) < 0.2
    _, whole = evaluate(lambda g: topi.random.uniform(g, 2, 5, (99,), "int32"), STATE)
    assert set(whole.tolist()) == {2, 3, 4}
    _, bell = evaluate(lambda g: topi.random.normal(g, 10.0, 2.0, (300,), "float32"), STATE)
    assert abs(bell.mean() - 10) < 0.4 and abs(bell.std() - 2) < 0.3
    probs = np.array([[1, 0, 3], [0, 1, 0]], "float32")
    _, drawn = evaluate(lambda g, p: topi.random.multinomial(g, p, 60), STATE, probs)
    assert drawn.shape == (2, 60) and set(drawn[0].tolist()) == {0, 2} and (drawn[1] == 1).all()
    assert 0.55 < (drawn[0] == 2).mean() < 0.95
    with pytest.raises(ArgumentError, match="10 words of uint64"):
        topi.random.threefry_split(te.placeholder((10,), "int64"))


def test_coordinates_in_another_shape():
    places = np.array([[0, 1, 2], [1, 0, 3], [1, 2, 0]], "int64")
    old, new = np.array([2, 3, 4], "int64"), np.array([-1, 8], "int64")
    made, shape = evaluate(
        lambda i, p, n: topi.sparse_reshape(i, p, n, (3, 2), (2,)), places, old, new
    )
    assert shape.tolist() == [3, 8]
    flat = np.ravel_multi_index(places.T, (2, 3, 4))
    np.testing.assert_array_equal(made, np.stack(np.unravel_index(flat, (3, 8)), 1))


def test_sums_to_a_shape_that_was_broadcast():
    data = rng.random((2, 3, 4)).astype("float32")
    made = evaluate(lambda x: topi.collapse_sum(x, (3, 1)), data)
    np.testing.assert_allclose(made, data.sum((0, 2))[:, None], 1e-5)
    x = te.placeholder((2, 3, 4))
    assert topi.collapse_sum(x, (2, 3, 4)) is x
    made = evaluate(lambda x: topi.dyn_tile(x, (2, 6, 4), 2), data[:1])
    np.testing.assert_array_equal(made, np.tile(data[:1], (2, 2, 1)))


@pytest.mark.parametrize("periodic", [True, False])
def test_hamming_window(periodic):
    made = evaluate(lambda: topi.hamming_window(9, periodic, 0.54, 0.46, "float32"))
    expected = np.hamming(10)[:-1] if periodic else np.hamming(9)
    np.testing.assert_allclose(made, expected, 1e-5)
    assert evaluate(lambda: topi.hamming_window(1, periodic, 0.54, 0.46, "float32")) == 1


def test_fixed_point_multiplication_of_axes():
    data = rng.integers(-1000, 1000, (2, 3)).astype("int32")
    factor = (rng.random(3) * 2**31).astype("int32")
    left, right = np.array([0, 1, 2], "int32"), np.array([1, 0, 3], "int32")
    made = evaluate(
        lambda *v: topi.fixed_point_multiply_per_axis(*v, 1, 1, [1]), data, factor, left, right
    )
    total = 31 + right.astype("int64")
    wide = (data.astype("int64") << left) * factor
    np.testing.assert_array_equal(made, (wide + (1 << (total - 1))) >> total)


def test_utilities():
    u = topi.utils
    assert u.get_max_power2_factor(24) == 8 and u.get_max_power2_factor(32, 8) == 8
    assert u.get_shape((1, 2, 3, 4), "NCHW", "NHWC") == (1, 3, 4, 2)
    assert u.ceil_div(7, 2) == 4 and u.swap([1, 2, 3, 4], 1) == [1, 4, 3, 2]
    assert u.nchw_xc_layout("NCHW8c") and not u.nchw_xc_layout("NCHW")
    assert u.nchw_pack_layout("NCHW1n16c") and not u.nchw_pack_layout("NCHW16c")
    assert u.ncw_xc_layout("NCW4c") and u.ncw_pack_layout("NCW1n4c")
    assert u.is_empty_shape((2, 0)) and u.is_dynamic_shape((te.var("n"), 2))
    assert u.ravel_index([1, 2], (3, 4)) == 6 and u.unravel_index(6, (3, 4)) == [1, 2]
    assert u.prod([2, 3]) == 6 and u.get_float_tuple((1, te.const(2))) == (1.0, 2.0)
    assert not u.is_target(["cuda"])
    assert topi.nn.get_padded_shape((2, 3), (1, 0), (0, 2)) == (3, 5)
    matrix = np.arange(6, dtype="int32").reshape(2, 3)
    np.testing.assert_array_equal(evaluate(lambda: u.const_matrix(matrix)), matrix)
    np.testing.assert_array_equal(evaluate(lambda: u.const_vector(matrix[1])), matrix[1])


@pytest.mark.parametrize("bounds", [(1, 9, 3), (8, 0, -2), (0, 10, 1)])
def test_places_within_slices(bounds):
    i = te.var("i")
    inside, place = topi.within_index(*bounds, i), topi.make_idx(*bounds, 10, i)
    for position, at in enumerate(range(*bounds)):
        env = {i: te.const(at)}
        assert _value(inside, env) == 1 and _value(place, env) == position
    for at in set(range(10)) - set(range(*bounds)):
        assert _value(inside, {i: te.const(at)}) == 0


def _value(expr, env):
    from tilewright.arith import simplify
    from tilewright.tir.stmt_functor import substitute

    return int(simplify(substitute(expr, env)).value)


def test_operations_are_visited_after_what_they_need():
    a = te.placeholder((4,), name="a")
    b = te.compute((4,), lambda i: a[i] + 1.0, "b", tag="injective")
    c = te.compute((4,), lambda i: b[i] * 2.0, "c", tag="injective")
    inlined, seen = [], []
    schedule = {op: SimpleNamespace(compute_inline=lambda op=op: inlined.append(op.name))
                for op in (b.op, c.op)}  # fmt: skip
    topi.utils.traverse_inline(schedule, c.op, lambda op: seen.append(op.name))
    assert inlined == ["b"] and seen == ["a", "b", "c"]


def test_constants_have_no_inputs():
    func = te.create_prim_func([topi.utils.const_vector(np.array([3, 4], "int32"))])
    np.testing.assert_array_equal(run(func, [])[0], [3, 4])
