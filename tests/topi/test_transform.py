import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError

rng = np.random.default_rng(2)
A = rng.random((2, 3, 4)).astype("float32")


def test_expand_dims_and_squeeze():
    check(lambda t: topi.expand_dims(t, 1, 2), lambda v: v[:, None, None], A)
    check(lambda t: topi.expand_dims(t, -1), lambda v: v[..., None], A)
    check(lambda t: topi.expand_dims(t, [0, 2]), lambda v: np.expand_dims(v, (0, 2)), A)
    one = A[:, None, :1]
    check(topi.squeeze, np.squeeze, one, shapes=("static",))
    check(lambda t: topi.squeeze(t, [1]), lambda v: v[:, 0], one)
    with pytest.raises(ArgumentError, match="dimension 0"):
        topi.squeeze(given(A), 0)


@pytest.mark.parametrize("axes", [None, (0, 2, 1), (-1, 0, 1)])
def test_transpose(axes):
    check(lambda t: topi.transpose(t, axes), lambda v: np.transpose(v, axes), A)


@pytest.mark.parametrize("shape", [(24,), (6, 4), (2, 12), (4, 6), (3, -1), (2, 1, 3, 4, 1),
                                   (8, 3), (2, 3, 2, 2)])  # fmt: skip
def test_reshape(shape):
    check(lambda t: topi.reshape(t, shape), lambda v: v.reshape(shape), A, shapes=("static",))


def test_reshape_of_symbolic_and_empty_tensors():
    def merge(t):
        return topi.reshape(t, [t.shape[0], t.shape[1] * t.shape[2]])

    check(merge, lambda v: v.reshape(2, 12), A)
    check(lambda t: topi.reshape(t, [t.shape[0], -1]), lambda v: v.reshape(2, 12), A)
    check(topi.nn.flatten, lambda v: v.reshape(2, 12), A)
    check(lambda t: topi.reshape(t, (0, 7)), lambda v: v.reshape(0, 7), A[:, :0],
          shapes=("static",))  # fmt: skip
    check(lambda t: topi.reshape(t, ()), lambda v: v.reshape(()), A[:1, :1, :1],
          shapes=("static",))  # fmt: skip
    with pytest.raises(ArgumentError, match="24 elements"):
        topi.reshape(given(A), (5, 5))


def test_reshape_divides_only_within_the_dimensions_that_change():
    a = te.placeholder((te.size_var("n"), 4, 6), name="a")
    load = topi.reshape(a, (a.shape[0], 24)).op.body[0]
    assert [str(i) for i in load.indices] == ["ax0", "ax1 // 6", "ax1 % 6"]


def test_concatenate_stack_split():
    b = rng.random((2, 1, 4)).astype("float32")
    check(lambda *t: topi.concatenate(t, 1), lambda *v: np.concatenate(v, 1), A, b, A[:, :0])
    check(lambda *t: topi.stack(t, 1), lambda *v: np.stack(v, 1), A, A)
    check(lambda t: topi.split(t, 3, 1), lambda v: np.split(v, 3, 1), A)
    check(lambda t: topi.split(t, [1, 3], -1), lambda v: np.split(v, [1, 3], -1), A)
    with pytest.raises(ArgumentError, match="dimension 2"):
        topi.concatenate([given(A), given(A[..., :1])], 0)


SLICES = [((0, 1), (2, 3), None), ((0, 0, 3), (2, 3, 0), (1, 2, -1)), ((-1,), (-3,), (-1,)),
          ((1, 1), (100, -1), None), ((0, 0, 2**31 - 1), (2, 3, -(2**31)), (1, 1, -2)),
          ((1,), (1,), None), ((1,), (0,), None)]  # fmt: skip


@pytest.mark.parametrize("begin, end, strides", SLICES)
def test_strided_slice(begin, end, strides):
    index = tuple(slice(*b) for b in zip(begin, end, strides or (1,) * len(begin), strict=True))
    check(lambda t: topi.strided_slice(t, begin, end, strides, assume_inbound=False),
          lambda v: v[index], A)  # fmt: skip


def test_strided_slice_variants():
    check(lambda t: topi.strided_slice(t, [1], [3], axes=[-1]), lambda v: v[..., 1:3], A)
    check(lambda t: topi.strided_slice(t, [0, 1], [-1, 2], slice_mode="size"),
          lambda v: v[:, 1:3], A)  # fmt: skip
    check(lambda t: topi.strided_slice(t, [t.shape[0] - 1], [t.shape[0]]), lambda v: v[1:2], A)
    v = rng.random((1, 2, 4)).astype("float32")
    expected = A.copy()
    expected[1:2, ::2] = v
    check(lambda t, u: topi.strided_set(t, u, [1, 0], [2, 3], [1, 2]), lambda *_: expected, A, v)
    other = A.copy()
    other[:, 1:3] = 5
    check(lambda t, u: topi.slice_scatter(t, u, 1, 3, 1, 1), lambda *_: other, A,
          np.full((2, 2, 4), 5, "float32"))  # fmt: skip
    bounds = [np.array(x, "int64") for x in ([1, -1], [2, -4], [1, -1])]
    check(lambda t, b, e, s: topi.dynamic_strided_slice(t, b, e, s, (1, 3)),
          lambda t, *_: t[1:2, ::-1], A, *bounds, shapes=("static",))  # fmt: skip


def test_flip_repeat_tile_reverse():
    check(lambda t: topi.flip(t, -1), lambda v: v[..., ::-1], A)
    check(lambda t: topi.repeat(t, 2, 1), lambda v: np.repeat(v, 2, 1), A)
    check(lambda t: topi.tile(t, (2, 1, 3)), lambda v: np.tile(v, (2, 1, 3)), A)
    check(lambda t: topi.tile(t, (2, 2, 1, 1)), lambda v: np.tile(v, (2, 2, 1, 1)), A)
    lengths = np.array([1, 3], "int64")
    expected = A.copy()
    expected[1] = A[1, ::-1]
    check(lambda t, n: topi.reverse_sequence(t, n, 1, 0), lambda *_: expected, A, lengths)


def test_shape_size_grid_window():
    check(lambda t: topi.shape(t, "int64"), lambda v: np.array(v.shape), A)
    check(lambda t: topi.ndarray_size(t, "int64"), lambda v: np.array(v.size), A)
    x, y = np.arange(3.0), np.arange(2.0)
    check(lambda *t: topi.meshgrid(t, "xy"), lambda *v: np.meshgrid(*v), x, y)
    check(lambda *t: topi.meshgrid(t, "ij"), lambda *v: np.meshgrid(*v, indexing="ij"), x, y)
    check(lambda t: topi.sliding_window(t, 1, [2, 3], [1, 1]),
          lambda v: np.lib.stride_tricks.sliding_window_view(v, (2, 3), (1, 2)), A)  # fmt: skip
    flat = np.array([[0, 5], [23, 7]], "int64")
    check(lambda t: topi.unravel_index(t, (2, 3, 4)),
          lambda v: np.stack(np.unravel_index(v, (2, 3, 4))), flat)  # fmt: skip


def test_layout_transform():
    x = rng.random((2, 8, 3, 5)).astype("float32")
    packed = x.reshape(2, 2, 4, 3, 5).transpose(0, 1, 3, 4, 2)
    check(lambda t: topi.layout_transform(t, "NCHW", "NHWC"), lambda v: v.transpose(0, 2, 3, 1), x)
    check(lambda t: topi.layout_transform(t, "NCHW", "NCHW4c"), lambda v: packed, x)
    check(lambda t: topi.layout_transform(t, "NCHW4c", "NCHW"), lambda v: x,
          np.ascontiguousarray(packed), shapes=("static",))  # fmt: skip
    padded = np.zeros((2, 12, 3, 5), "float32")
    padded[:, :8] = x
    check(lambda t: topi.layout_transform(t, "NCHW", "NCHW6c"),
          lambda v: padded.reshape(2, 2, 6, 3, 5).transpose(0, 1, 3, 4, 2), x)  # fmt: skip
    w = rng.random((8, 8, 3, 3)).astype("float32")
    check(lambda t: topi.layout_transform(t, "OIHW", "OIHW4i2o"),
          lambda v: v.reshape(4, 2, 2, 4, 3, 3).transpose(0, 2, 4, 5, 3, 1), w)  # fmt: skip
    check(lambda t: topi.layout_transform(t, "NCHW4c", "NCHW2c"),
          lambda v: x.reshape(2, 4, 2, 3, 5).transpose(0, 1, 3, 4, 2),
          np.ascontiguousarray(packed), shapes=("static",))  # fmt: skip
    for bad in ("NC1HW", "N4N", "NCHW0c", "NCHWc"):
        with pytest.raises(ArgumentError, match="layout"):
            topi.parse_layout(bad)


def test_results_have_the_declared_shape():
    assert evaluate(lambda t: topi.split(t, [0, 5], 1), A)[2].shape == (2, 0, 4)
