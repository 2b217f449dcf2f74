import numpy as np
import pytest

from tests.topi.evaluator import check
from tilewright import topi
from tilewright.support.errors import ArgumentError
from tilewright.tir import op
from tilewright.topi.nn.winograd import linear, pack_winograd, winograd_matrices
from tilewright.topi.testing import conv_python

rng = np.random.default_rng(9)


@pytest.mark.parametrize(
    ("tile", "kernel"),
    [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5), (3, 2), (1, 3), (4, 2), (5, 3),
     (4, 6), (4, 7), (8, 3)],
)  # fmt: skip
def test_matrices_convolve_one_line(tile, kernel):
    at, g, bt = winograd_matrices(tile, kernel)
    line, taps = rng.standard_normal(tile + kernel - 1), rng.standard_normal(kernel)
    expected = np.correlate(line, taps, "valid")
    np.testing.assert_allclose(at @ ((g @ taps) * (bt @ line)), expected, rtol=1e-12, atol=1e-12)


def test_unknown_tile():
    with pytest.raises(ArgumentError, match=r"tiles of 12 outputs by kernels of 3\n.*from 4 to 11"):
        winograd_matrices(12)


def blocks(x, size):
    n, c, h, w = x.shape
    return np.ascontiguousarray(x.reshape(n, c // size, size, h, w).transpose(0, 1, 3, 4, 2))


@pytest.mark.parametrize(
    ("tile", "batch", "size", "padding"),
    [
        (4, 1, (8, 8), [1, 1, 1, 1]),
        (4, 2, (7, 5), [1, 1, 1, 1]),
        (4, 1, (1, 1), [1, 1, 1, 1]),
        (4, 1, (9, 3), [0, 0, 0, 0]),
        (4, 1, (6, 10), [2, 0, 1, 3]),
        (2, 2, (7, 6), [1, 1, 1, 1]),
        (2, 1, (3, 8), [0, 1, 0, 0]),
    ],
)
def test_convolution(tile, batch, size, padding):
    x = rng.standard_normal((batch, 4, *size)).astype("float32")
    w = rng.standard_normal((6, 4, 3, 3)).astype("float32")
    expected = conv_python(x, w, [1, 1], padding[:2], padding[2:], [1, 1], 1)
    check(
        lambda a, b: topi.nn.conv2d_winograd_NCHWc(a, b, padding),
        lambda *_: blocks(expected, 3),
        blocks(x, 2), pack_winograd(w, tile, 2, 3),
        rtol=1e-4, atol=1e-4, shapes=("static",),
    )  # fmt: skip


@pytest.mark.parametrize("tile", [2, 4])
def test_sums_share_parts(tile):
    values = rng.standard_normal(tile + 2)
    for matrix in (winograd_matrices(tile)[0], winograd_matrices(tile)[2]):
        made = linear(matrix, [op.const(v, "float64") for v in values])
        got = [op.const_value(op.simplified(m)) for m in made]
        np.testing.assert_allclose(got, matrix @ values, rtol=1e-12, atol=1e-12)
