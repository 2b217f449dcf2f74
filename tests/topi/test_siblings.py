"""Operators that are forms of another one: each against NumPy's meaning of the form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate
from tilewright import topi
from tilewright.support.errors import ArgumentError
from tilewright.topi import testing as ref

rng = np.random.default_rng(5)


def rand(*shape):
    return rng.standard_normal(shape).astype("float32")


def in_groups(one, x, w, groups, x_axis, w_axis, out_axis):
    """`one` of each group of channels of `x` and `w`, side by side."""
    pairs = zip(np.split(x, groups, x_axis), np.split(w, groups, w_axis), strict=True)
    return np.concatenate([one(a, b) for a, b in pairs], out_axis)


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pooling_of_one_and_three_dimensions(kind):
    check(lambda t: topi.nn.adaptive_pool1d(t, (3,), kind),
          lambda v: ref.adaptive_pool_python(v, (3,), kind), rand(2, 3, 7), rtol=1e-5)  # fmt: skip
    check(lambda t: topi.nn.adaptive_pool3d(t, (2, 1, 3), kind),
          lambda v: ref.adaptive_pool_python(v, (2, 1, 3), kind),
          rand(1, 2, 3, 4, 5), rtol=1e-5)  # fmt: skip
    check(lambda t: topi.nn.adaptive_pool3d(t, 2, kind, "NDHWC"),
          lambda v: ref.adaptive_pool(v, (2, 2, 2), kind, "NDHWC"),
          rand(1, 3, 4, 5, 2), rtol=1e-5)  # fmt: skip


CONVOLUTIONS = {
    "conv1d_nwc": (
        lambda x, w: topi.nn.conv1d_nwc(x, w, 2, 1, 2),
        lambda x, w: ref.conv1d_ncw_python(
            x.transpose(0, 2, 1), w.transpose(2, 1, 0), 2, 1, 2).transpose(0, 2, 1),
        rand(2, 9, 4), rand(3, 4, 5)),
    "group_conv2d_nhwc": (
        lambda x, w: topi.nn.group_conv2d_nhwc(x, w, (2, 1), 1, 1, 2),
        lambda x, w: in_groups(
            lambda a, b: ref.conv2d_nhwc_python(a, b, (2, 1), 1), x, w, 2, 3, 3, 3),
        rand(1, 6, 5, 4), rand(3, 3, 2, 6)),
    "group_conv2d_transpose_nchw": (
        lambda x, w: topi.nn.group_conv2d_transpose_nchw(x, w, 2, 1, "float32", (1, 0), 2),
        lambda x, w: in_groups(
            lambda a, b: ref.conv2d_transpose_nchw_python(a, b, 2, 1, (1, 0)), x, w, 2, 1, 0, 1),
        rand(1, 4, 3, 4), rand(4, 3, 3, 2)),
    "group_conv3d_transpose_ncdhw": (
        lambda x, w: topi.nn.group_conv3d_transpose_ncdhw(x, w, 2, 1, "float32", 0, 2),
        lambda x, w: in_groups(
            lambda a, b: ref.conv3d_transpose_ncdhw_python(a, b, 2, 1, 0), x, w, 2, 1, 0, 1),
        rand(1, 4, 2, 3, 2), rand(4, 3, 2, 3, 3)),
    "declaration_conv2d_transpose_impl": (
        lambda x, w: topi.nn.declaration_conv2d_transpose_impl(x, w, 2, 1, "float32", (1, 1)),
        lambda x, w: ref.conv2d_transpose_nchw_python(x, w, 2, 1, (1, 1)),
        rand(1, 2, 3, 4), rand(2, 3, 3, 3)),
    "declaration_conv3d_transpose_impl": (
        lambda x, w: topi.nn.declaration_conv3d_transpose_impl(x, w, 2, 0, "float32", 0),
        lambda x, w: ref.conv3d_transpose_ncdhw_python(x, w, 2, 0, 0),
        rand(1, 2, 2, 3, 2), rand(2, 3, 2, 2, 1)),
    "conv3d_transpose_ncdhw_preprocess": (
        lambda x, w: topi.nn.conv3d_ncdhw(
            *topi.nn.conv3d_transpose_ncdhw_preprocess(x, w, 2, 1, "float32", 0), 1, 0, 1, 1),
        lambda x, w: ref.conv3d_transpose_ncdhw_python(x, w, 2, 1, 0),
        rand(1, 2, 2, 3, 2), rand(2, 3, 2, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_of_further_layouts(name):
    function, reference, data, weight = CONVOLUTIONS[name]
    check(function, reference, data, weight, rtol=1e-4, atol=1e-5, shapes=("static",))


def test_winograd_of_a_weight_transformed_ahead():
    data, weight = rand(1, 7, 6, 3), rand(3, 3, 3, 4)

    def ready(x, w):
        turned = topi.transpose(w, (3, 2, 0, 1))
        made = topi.nn.conv2d_winograd_weight_transform(turned, 4)
        return topi.nn.conv2d_winograd_nhwc_without_weight_transform(x, made, 1, 1, 1, "float32")

    expected = ref.conv2d_nhwc_python(data, weight, 1, 1)
    found = evaluate(ready, data, weight)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    with pytest.raises(ArgumentError, match=r"has 3 channels, .*expects 4"):
        evaluate(lambda x, w: topi.nn.conv2d_winograd_nhwc_without_weight_transform(
            x, w, 1, 1, 1, "float32"), data, rand(6, 6, 3, 4))  # fmt: skip


@pytest.mark.parametrize("depth", [1, 3])
def test_winograd_weights_of_three_dimensions(depth):
    weight = rand(2, 3, depth, 3, 3)
    g = evaluate(lambda: topi.nn.winograd_transform_matrices(2, 3, "float32")[2])
    whole = {1: "oidhw,yh,xw->dyxoi", 3: "oidhw,zd,yh,xw->zyxoi"}[depth]
    expected = np.einsum(whole, weight, *([g] * whole.count(",")))
    found = evaluate(lambda w: topi.nn.conv3d_winograd_weight_transform(w, 2), weight)
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


def test_planes_of_bits():
    data = rng.integers(0, 8, (2, 3, 16)).astype("int32")
    found = evaluate(lambda x: topi.nn.bitpack(x, 3, 2, 1, "uint8"), data)
    assert found.shape == (2, 3, 3, 2) and found.dtype == np.uint8
    for plane in range(3):
        bits = (data >> plane & 1).astype("uint8")
        np.testing.assert_array_equal(found[:, plane], np.packbits(bits, axis=2))


def test_scale_and_shift_of_each_channel():
    x, scale, shift = rand(2, 3, 4, 5), rand(3), rand(3)
    per_channel = scale[:, None, None], shift[:, None, None]
    check(topi.nn.scale_shift_nchw, lambda x, *_: x * per_channel[0] + per_channel[1],
          x, scale, shift)  # fmt: skip
    check(topi.nn.scale_shift_nhwc, lambda x, a, b: x * a + b, rand(2, 4, 5, 3), scale, shift)
    blocks, pairs = rand(2, 3, 4, 5, 2), (rand(3, 2), rand(3, 2))
    check(topi.nn.scale_shift_nchwc,
          lambda x, a, b: x * a[:, None, None] + b[:, None, None], blocks, *pairs)  # fmt: skip


def softmax(x, axis):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


@pytest.mark.parametrize("fast", [False, True])
def test_softmax_by_either_exponential(fast):
    check(lambda x: topi.nn.softmax_common(x, 1, fast), lambda v: softmax(v, 1),
          rand(3, 4, 5), rtol=1e-5)  # fmt: skip


def test_cross_entropy_is_a_mean_over_the_batch():
    logits, targets = rand(4, 6), softmax(rand(4, 6), 1)
    expected = -(targets * np.log(softmax(logits, 1))).sum() / 4
    found = evaluate(topi.nn.cross_entropy_with_logits, logits, targets)
    np.testing.assert_allclose(found, expected, 1e-5)


def test_upsampling_in_three_dimensions():
    data = rand(1, 2, 2, 3, 2)
    found = evaluate(
        lambda x: topi.nn.upsampling3d(x, 2, 1, 3, coordinate_transformation_mode="asymmetric"),
        data,
    )
    np.testing.assert_array_equal(found, data.repeat(2, 2).repeat(3, 4))


@pytest.mark.parametrize("columns", [5, 8])
def test_products_with_panels_of_columns(columns):
    data, weight = rand(3, 6), rand(6, columns)
    panels = np.pad(weight, ((0, 0), (0, -columns % 4))).reshape(6, -1, 4).transpose(1, 0, 2)
    check(lambda x, w: topi.nn.packed_matmul(x, w, columns), lambda x, _: x @ weight, data,
          np.ascontiguousarray(panels), rtol=1e-5, shapes=("static",))  # fmt: skip


def test_selection_by_several_index_tensors():
    data, rows, columns = rand(4, 5, 2), np.array([[3], [0]]), np.array([1, 4, 2])
    check(lambda x, i, j: topi.adv_index(x, [i, j]), lambda x, i, j: x[i, j], data, rows, columns)


def test_dimensions_as_large_as_those_of_another():
    like = rand(2, 3, 4)
    check(lambda a, b: topi.expand_like(a, b, 1),
          lambda a, b: np.broadcast_to(a[:, None], b.shape), rand(2, 4), like)  # fmt: skip
    check(lambda a, b: topi.expand_like(a, b, (0, 2)),
          lambda a, b: np.broadcast_to(a[None, :, None], b.shape), rand(3), like)  # fmt: skip
    check(lambda a, b: topi.broadcast_arrays(a, b), np.broadcast_arrays, rand(3, 1), rand(1, 2))


def test_scans_by_any_operation():
    x = rand(3, 5)
    for reverse, exclusive in ((False, False), (True, False), (False, True)):
        found = evaluate(
            lambda t, r=reverse, e=exclusive: topi.scanop(
                t, topi.maximum, -math.inf, "cummax", 1, None, e, r),
            x)  # fmt: skip
        turned = x[:, ::-1] if reverse else x
        expected = np.maximum.accumulate(turned, 1)
        if exclusive:
            expected = np.c_[np.full((3, 1), -np.inf, "float32"), expected[:, :-1]]
        np.testing.assert_array_equal(found, expected[:, ::-1] if reverse else expected)


def test_additions_to_chosen_elements():
    data, indices, updates = rand(4, 3), rng.integers(0, 4, (5, 3)), rand(5, 3)
    expected = data.copy()
    np.add.at(expected, (indices, np.arange(3)), updates)
    found = evaluate(lambda *a: topi.scatter_add(*a, axis=0), data, indices, updates)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    taken = np.array([2, 0, 2])
    gradient = np.zeros_like(data)
    np.add.at(gradient, taken, updates[:3])
    found = evaluate(lambda *a: topi.take_grad(*a, 0), updates[:3], data, taken)
    np.testing.assert_allclose(found, gradient, 1e-5, 1e-6)


def test_quotients_towards_zero():
    a, b = np.array([7, -7, 7, -7, 0]), np.array([2, 2, -2, -2, 3])
    check(topi.trunc_divide, lambda a, b: np.fix(a / b).astype(a.dtype), a, b)
    check(topi.trunc_mod, np.fmod, a, b)


def test_the_error_function():
    x = np.linspace(-4, 4, 33, dtype="float32")
    check(topi.fast_erf, lambda v: np.array([math.erf(e) for e in v], "float32"), x, atol=2e-7)
