import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import topi
from tilewright.support.errors import ArgumentError
from tilewright.topi.testing import conv_python, conv_transpose_python

rng = np.random.default_rng(6)


def data(*shape, dtype="float32"):
    return rng.standard_normal(shape).astype(dtype)


CASES = [
    # channels in/out, size, kernel, stride, padding, dilation, groups
    (3, 4, (7,), (3,), [1], [1, 1], [1], 1),
    (4, 6, (9,), (3,), [2], [2, 0], [2], 2),
    (3, 5, (6, 7), (3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 1),
    (3, 4, (6, 7), (3, 2), [2, 1], [0, 1, 2, 0], [1, 2], 1),
    (4, 6, (5, 5), (3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 2),
    (4, 4, (5, 5), (3, 3), [2, 2], [1, 1, 1, 1], [1, 1], 4),
    (4, 8, (5, 5), (1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 4),
    (2, 3, (4, 5, 4), (2, 3, 2), [1, 2, 1], [0, 1, 0, 1, 1, 0], [1, 1, 1], 1),
]


@pytest.mark.parametrize("ci, co, size, kernel, stride, padding, dilation, groups", CASES)
def test_conv(ci, co, size, kernel, stride, padding, dilation, groups):
    n = len(size)
    x, w = data(2, ci, *size), data(co, ci // groups, *kernel)
    expected = conv_python(x, w, stride, padding[:n], padding[n:], dilation, groups)
    check(lambda a, b: topi.nn.conv(a, b, stride, padding, dilation, groups),
          lambda *_: expected, x, w, rtol=1e-4, atol=1e-4, shapes=("static",))  # fmt: skip
    last, first = [0, *range(2, n + 2), 1], [*range(2, n + 2), 1, 0]
    check(lambda a, b: topi.nn.conv(a, b, stride, padding, dilation, groups,
                                    "N" + "DHW"[3 - n:] + "C"),
          lambda *_: expected.transpose(last), np.ascontiguousarray(x.transpose(last)),
          np.ascontiguousarray(w.transpose(first)), rtol=1e-4, atol=1e-4,
          shapes=("static",))  # fmt: skip


def test_conv_of_symbolic_sizes():
    x, w = data(2, 3, 6, 5), data(4, 3, 3, 3)
    expected = conv_python(x, w, [2, 1], [1, 1], [1, 1], [1, 1])
    check(lambda a, b: topi.nn.conv2d_nchw(a, b, (2, 1), 1, 1), lambda *_: expected, x, w,
          rtol=1e-4, atol=1e-5)  # fmt: skip


def test_empty_batch_and_wrong_channels():
    x, w = data(0, 3, 6, 5), data(4, 3, 3, 3)
    assert evaluate(lambda a, b: topi.nn.conv2d(a, b, 1, 0, 1), x, w).shape == (0, 4, 4, 3)
    with pytest.raises(ArgumentError, match="3 channels"):
        topi.nn.conv2d(given(x), given(data(4, 5, 3, 3)), 1, 0, 1)


def test_half_precision_sums_in_float32():
    x, w = data(1, 64, 3, 3, dtype="float16"), data(2, 64, 3, 3, dtype="float16")
    expected = conv_python(x.astype("f8"), w.astype("f8"), [1, 1], [0, 0], [0, 0], [1, 1])
    check(lambda a, b: topi.nn.conv2d(a, b, 1, 0, 1), lambda *_: expected.astype("float16"), x, w,
          rtol=1e-3, atol=1e-3, shapes=("static",))  # fmt: skip
    check(lambda a, b: topi.nn.conv2d(a, b, 1, 0, 1, out_dtype="float32"),
          lambda *_: expected.astype("float32"), x, w, rtol=1e-4, atol=1e-4,
          shapes=("static",))  # fmt: skip


def test_integer_conv():
    x = rng.integers(-9, 9, (1, 3, 5, 5)).astype("int8")
    w = rng.integers(-9, 9, (2, 3, 3, 3)).astype("int8")
    expected = conv_python(x.astype("int32"), w.astype("int32"), [1, 1], [1, 1], [1, 1], [1, 1])
    check(lambda a, b: topi.nn.conv2d(a, b, 1, 1, 1, out_dtype="int32"), lambda *_: expected, x, w,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise(multiplier):
    x, w = data(1, 4, 6, 5), data(4, multiplier, 3, 3)
    flat = w.reshape(4 * multiplier, 1, 3, 3)
    expected = conv_python(x, flat, [2, 1], [1, 1], [1, 1], [1, 1], 4)
    check(lambda a, b: topi.nn.depthwise_conv2d_nchw(a, b, (2, 1), 1, 1), lambda *_: expected,
          x, w, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    check(lambda a, b: topi.nn.depthwise_conv2d_nhwc(a, b, (2, 1), 1, 1),
          lambda *_: expected.transpose(0, 2, 3, 1),
          np.ascontiguousarray(x.transpose(0, 2, 3, 1)),
          np.ascontiguousarray(w.transpose(2, 3, 0, 1)), rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


def blocked(x, block):
    n, c, h, w = x.shape
    return np.ascontiguousarray(x.reshape(n, c // block, block, h, w).transpose(0, 1, 3, 4, 2))


@pytest.mark.parametrize("groups", [1, 2])
def test_conv_in_blocks(groups):
    x, w = data(1, 8, 5, 6), data(8, 8 // groups, 3, 3)
    expected = blocked(conv_python(x, w, [2, 1], [1, 1], [1, 1], [1, 1], groups), 4)
    packed = w.reshape(2, 4, 8 // groups // 2, 2, 3, 3).transpose(0, 2, 4, 5, 3, 1)
    check(lambda a, b: topi.nn.group_conv2d_NCHWc(a, b, (2, 1), 1, 1, groups, "NCHW2c", "NCHW4c"),
          lambda *_: expected, blocked(x, 2), np.ascontiguousarray(packed), rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


def test_depthwise_in_blocks():
    x, w = data(1, 8, 5, 6), data(8, 1, 3, 3)
    expected = blocked(conv_python(x, w, [1, 2], [1, 1], [1, 1], [1, 1], 8), 4)
    packed = np.ascontiguousarray(w.reshape(2, 4, 1, 3, 3, 1).transpose(0, 2, 3, 4, 5, 1))
    check(lambda a, b: topi.nn.depthwise_conv2d_NCHWc(a, b, (1, 2), 1, 1, "NCHW4c", "NCHW4c"),
          lambda *_: expected, blocked(x, 4), packed, rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


TRANSPOSED = [
    (3, 4, (5,), (3,), [2], [1, 1], [1], 1, [1]),
    (4, 3, (4, 5), (3, 3), [1, 1], [1, 1, 1, 1], [0, 0], 1, [1, 1]),
    (4, 3, (4, 5), (3, 2), [2, 3], [1, 0, 0, 1], [1, 2], 1, [1, 1]),
    (4, 2, (3, 3), (3, 3), [2, 2], [0, 0, 0, 0], [0, 1], 2, [1, 1]),
    (4, 1, (3, 3), (2, 2), [2, 1], [0, 0, 0, 0], [1, 0], 4, [2, 1]),
    (2, 3, (3, 2, 3), (2, 2, 3), [1, 2, 2], [0, 0, 1, 0, 0, 1], [0, 1, 0], 1, [1, 1, 1]),
]


@pytest.mark.parametrize(
    "ci, co, size, kernel, stride, padding, extra, groups, dilation", TRANSPOSED
)
def test_conv_transpose(ci, co, size, kernel, stride, padding, extra, groups, dilation):
    n = len(size)
    x, w = data(2, ci, *size), data(ci, co, *kernel)
    expected = conv_transpose_python(
        x, w, stride, padding[:n], padding[n:], extra, groups, dilation
    )
    check(lambda a, b: topi.nn.conv_transpose(a, b, stride, padding, None, extra, groups, dilation),
          lambda *_: expected, x, w, rtol=1e-4, atol=1e-4, shapes=("static",))  # fmt: skip


def test_transposed_layouts():
    x, w = data(1, 4, 3, 5), data(4, 2, 3, 2)
    expected = conv_transpose_python(x, w, [2, 1], [1, 0], [0, 1], [1, 0], 2)
    check(lambda a, b: topi.nn.conv_transpose(a, b, (2, 1), (1, 0, 0, 1), None, (1, 0), 2, 1,
                                              "NHWC", "HWOI"),
          lambda *_: expected.transpose(0, 2, 3, 1), np.ascontiguousarray(x.transpose(0, 2, 3, 1)),
          np.ascontiguousarray(w.transpose(2, 3, 1, 0)), rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("layouts", [
    ("NCHW4c", "OIHW4i2o", "NCHW2c"), ("NCHW", "OIHW4o", "NCHW4c"), ("NCHW2c", "OIHW", "NHWC"),
    ("NHWC", "HWIO", "NCHW"), ("NCHW4c", "OIHW2i4o2i", "NCHW4c"), ("NCHW8c", "OHWI8o", "NCHW4c"),
])  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_any_layouts(layouts, groups):
    x, w = data(1, 8, 5, 4), data(8, 8 // groups, 3, 3)
    blocks = layouts[1].count("i") and 4
    if blocks and (8 // groups) % blocks:
        return
    expected = conv_python(x, w, [2, 1], [1, 1], [1, 1], [1, 1], groups)

    def run(a, b):
        ins = topi.layout_transform(a, "NCHW", layouts[0])
        filt = topi.layout_transform(b, "OIHW", layouts[1])
        out = topi.nn.conv(ins, filt, (2, 1), 1, 1, groups, *layouts[:2], None, layouts[2])
        return topi.layout_transform(out, layouts[2], "NCHW")

    check(run, lambda *_: expected, x, w, rtol=1e-4, atol=1e-5, shapes=("static",))


def test_transposed_names():
    x, w = data(1, 2, 3, 3), data(2, 2, 3, 3)
    expected = conv_transpose_python(x, w, [2, 2], [1, 1], [1, 1], [1, 1])
    check(lambda a, b: topi.nn.conv2d_transpose_nchw(a, b, (2, 2), (1, 1), "float32", (1, 1)),
          lambda *_: expected, x, w, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    with pytest.raises(ArgumentError, match="output_padding"):
        topi.nn.conv2d_transpose_nchw(given(x), given(w), (1, 1), 0, None, (1, 0))


@pytest.mark.parametrize("groups", [1, 2])
def test_one_dimension_of_either_layout(groups):
    x, w = data(2, 4, 9), data(6, 4 // groups, 3)
    expected = conv_python(
        x[..., None], w[..., None], [2, 1], [1, 0], [2, 0], [2, 1], groups
    )[..., 0]  # fmt: skip
    check(lambda a, b: topi.nn.conv1d(a, b, 2, (1, 2), 2, groups), lambda *_: expected, x, w,
          rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    turned = np.ascontiguousarray(x.transpose(0, 2, 1)), np.ascontiguousarray(w.transpose(2, 1, 0))
    check(lambda a, b: topi.nn.conv1d(a, b, 2, (1, 2), 2, groups, "NWC"),
          lambda *_: expected.transpose(0, 2, 1), *turned, rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_of_channels(groups):
    x, w = data(1, 4, 6, 5), data(8, 4 // groups, 3, 3)
    expected = conv_python(x, w, [1, 2], [1, 0], [1, 0], [1, 1], groups)
    check(lambda a, b: topi.nn.group_conv2d_nchw(a, b, (1, 2), (1, 0), 1, groups),
          lambda *_: expected, x, w, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
