import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError
from tilewright.tir.index_map import IndexMap

rng = np.random.default_rng(3)
A = rng.random((3, 4, 5)).astype("float32")


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_take(axis):
    picks = np.array([[0, 2], [1, 0]], "int64")
    check(lambda a, i: topi.take(a, i, axis), lambda a, i: np.take(a, i, axis), A, picks)


def test_take_modes():
    picks = np.array([-7, 9, 1, -1], "int32")
    for mode in ("clip", "wrap"):
        check(lambda a, i, m=mode: topi.take(a, i, 1, mode=m),
              lambda a, i, m=mode: np.take(a, i, 1, mode=m), A, picks)  # fmt: skip
    found = evaluate(lambda a, i: topi.take(a, i, 1, mode="nan"), A, picks)
    assert np.isnan(found[:, [0, 1, 3]]).all()
    check(lambda a, i: topi.take(a, i, 1, mode="clip"),
          lambda a, i: np.take(a, i, 1, mode="clip"), A, np.zeros((0,), "int64"))  # fmt: skip
    with pytest.raises(ArgumentError, match="integers"):
        topi.take(given(A), given(A), 0)
    batched = np.array([[0, 1], [3, 0], [2, 2]], "int64")
    check(lambda a, i: topi.take(a, i, 1, batch_dims=1),
          lambda a, i: np.stack([x[k] for x, k in zip(a, i, strict=True)]), A, batched)  # fmt: skip


def test_gather_family():
    picks = rng.integers(0, 4, (3, 2, 5))
    check(lambda a, i: topi.gather(a, 1, i), lambda a, i: np.take_along_axis(a, i, 1), A, picks)
    narrow = rng.integers(0, 4, (1, 2, 1))
    check(lambda a, i: topi.take_along_axis(a, i, 1),
          lambda a, i: np.take_along_axis(a, i, 1), A, narrow, shapes=("static",))  # fmt: skip
    coordinates = np.array([[0, 2], [1, 3]], "int64")
    check(lambda a, i: topi.gather_nd(a, i), lambda a, i: a[i[0], i[1]], A, coordinates,
          shapes=("static",))  # fmt: skip
    batch = np.array([[1, 2, 0]], "int64")
    check(lambda a, i: topi.gather_nd(a, i, 1),
          lambda a, i: a[np.arange(3), i[0]], A, batch, shapes=("static",))  # fmt: skip
    rows, columns = np.array([[0], [-1]]), np.array([1, 2, -2])
    check(lambda a, *i: topi.index_tensor(a, i), lambda a, i, j: a[i, j], A, rows, columns)


def test_one_hot_and_masks():
    picks = np.array([[0, 2], [1, 7]], "int64")
    reference = (picks[..., None] == np.arange(3)).astype("float32") * 4 + 1
    check(lambda i: topi.one_hot(i, 5, 1, 3, -1, "float32"), lambda i: reference, picks)
    check(lambda i: topi.one_hot(i, 5, 1, 3, 1, "float32"), lambda i: np.moveaxis(reference, -1, 1),
          picks)  # fmt: skip
    lengths = np.array([1, 3, 0, 2], "int32")
    expected = A.copy()
    expected[np.arange(3)[:, None] >= lengths] = -1
    check(lambda a, n: topi.sequence_mask(a, n, -1, 0), lambda *_: expected, A, lengths)
    for k in (-1, 0, 2):
        check(lambda a, k=k: topi.trilu(a, k, True), lambda a, k=k: np.triu(a, k), A)
        check(lambda a, k=k: topi.trilu(a, k, False), lambda a, k=k: np.tril(a, k), A)
    check(lambda a: topi.eye(3, 4, 1, "int32"), lambda a: np.eye(3, 4, 1, dtype="int32"), A)


@pytest.mark.parametrize("numbers", [(5,), (1, 6), (7, 0, -2), (0, 1, 0.3), (3, 1)])
def test_arange(numbers):
    check(lambda a: topi.arange(*numbers, dtype="float32"),
          lambda a: np.arange(*numbers, dtype="float32"), A, shapes=("static",))  # fmt: skip


def test_arange_of_expressions():
    def along(a):
        return topi.arange(te.const(1, "int64"), a.shape[0] * 3, te.const(2, "int64"), "int64")

    check(along, lambda a: np.arange(1, 9, 2), A)


def test_sparse_to_dense_and_set_diagonal():
    places, values = np.array([[0, 1], [2, 3]], "int64"), np.array([5.0, 6.0], "float32")
    expected = np.full((3, 4), -1, "float32")
    expected[[0, 2], [1, 3]] = values
    check(lambda i, v: topi.sparse_to_dense(i, (3, 4), v, -1), lambda *_: expected, places, values,
          shapes=("static",))  # fmt: skip
    diagonal = rng.random((3, 4)).astype("float32")
    expected = A.copy()
    for k in range(4):
        expected[:, k, k] = diagonal[:, k]
    check(lambda a, d: topi.matrix_set_diag(a, d), lambda *_: expected, A, diagonal)


OPS = {"update": lambda old, new: new, "add": np.add, "mul": np.multiply, "min": np.minimum,
       "max": np.maximum}  # fmt: skip


def scatter(data, indices, updates, axis, reduction):
    out = data.copy()
    for i in np.ndindex(*indices.shape):
        to = list(i)
        to[axis] = indices[i]
        out[tuple(to)] = OPS[reduction](out[tuple(to)], updates[i])
    return out


@pytest.mark.parametrize("reduction", OPS)
@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_elements(reduction, axis):
    indices = rng.integers(-3, 3, (2, 2, 3))
    updates = rng.random((2, 2, 3)).astype("float32")
    check(lambda *t: topi.scatter_elements(*t, axis, reduction),
          lambda *v: scatter(*v, axis, reduction), A, indices, updates)  # fmt: skip


def test_scatter_mean_and_nd_and_index_put():
    indices, updates = np.array([0, 0, 2]), np.array([3.0, 6.0, 1.0])
    check(
        lambda *t: topi.scatter_elements(*t, 0, "mean"),
        lambda *_: np.array([3.0, 1.0, 1.0]),
        np.array([0.0, 1.0, 1.0]),
        indices,
        updates,
    )
    for number, mean in ((-7, -3), (7, 4)):
        check(
            lambda *t: topi.scatter_elements(*t, 0, "mean"),
            lambda *_, mean=mean: np.array([mean, 5]),
            np.array([number, 5]),
            np.array([0]),
            np.array([2]),
        )
    coordinates = np.array([[0, 2, 0], [1, 3, 1]], "int64")
    news = rng.random((3, 5)).astype("float32")
    for mode in OPS:
        expected = A.copy()
        for k in range(3):
            to = tuple(coordinates[:, k])
            expected[to] = OPS[mode](expected[to], news[k])
        check(lambda a, i, u, m=mode: topi.scatter_nd(a, i, u, m), lambda *_, e=expected: e, A,
              coordinates, news, shapes=("static",))  # fmt: skip
    expected = A.copy()
    np.add.at(expected, (np.array([0, 0, -1]), np.array([1, 1, 2])), 2)
    check(lambda a, i, j, v: topi.index_put(a, [i, j], v, True), lambda *_: expected, A,
          np.array([0, 0, -1]), np.array([1, 1, 2]), np.full((1,), 2, "float32"))  # fmt: skip
    with pytest.raises(ArgumentError, match="reduction"):
        topi.scatter_elements(given(indices), given(indices), given(indices), 0, "nonsense")


def test_coordinates_in_the_last_dimension():
    places = np.array([[[0, 1]], [[-1, 3]]], "int64")
    check(lambda a, i: topi.gather_nd_batched(a, i), lambda a, i: a[i[..., 0], i[..., 1]], A,
          places, shapes=("static",))  # fmt: skip
    batch = np.array([[[1], [0]], [[2], [-1]], [[0], [3]]], "int64")
    check(
        lambda a, i: topi.gather_nd_batched(a, i, 1),
        lambda a, i: np.stack([x[k[:, 0]] for x, k in zip(a, i, strict=True)]),
        A,
        batch,
        shapes=("static",),
    )
    news, expected = rng.random((2, 1, 5)).astype("float32"), A.copy()
    for k in range(2):
        expected[tuple(places[k, 0])] += news[k, 0]
    check(
        lambda a, i, u: topi.scatter_nd_into(a, i, u, "add"),
        lambda *_: expected,
        A,
        places,
        news,
        shapes=("static",),
    )


def test_slice_from_and_index_maps():
    check(lambda t: topi.slice_from(t, [2, 1, 0], [-1, 2, 1], [3, 2, t.shape[2]]),
          lambda v: v[::-1, 1::2], A)  # fmt: skip
    move = IndexMap.from_func(lambda i, j, k: [k // 2, i, j, k % 2])
    padded = np.full((3, 4, 6), -1, "float32")
    padded[..., :5] = A
    check(
        lambda t: topi.index_map_transform(t, move, -1.0),
        lambda v: padded.reshape(3, 4, 3, 2).transpose(2, 0, 1, 3),
        A,
        shapes=("static",),
    )
