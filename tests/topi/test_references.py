"""Operators against the NumPy reference that `topi.testing` has of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError
from tilewright.topi import testing as ref

rng = np.random.default_rng(3)


def rand(*shape, dtype="float32"):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 9, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


NCHW, OIHW = rand(2, 4, 7, 5), rand(6, 4, 3, 3)
NCW, OIW = rand(2, 4, 9), rand(6, 4, 3)
NCDHW = rand(1, 2, 4, 5, 3)

CONVOLUTIONS = {
    "conv1d_ncw": (
        lambda x, w: topi.nn.conv1d_ncw(x, w, 2, 1, 2),
        lambda x, w: ref.conv1d_ncw_python(x, w, 2, 1, 2), NCW, OIW),
    "conv1d_ncw same": (
        lambda x, w: topi.nn.conv1d_ncw(x, w, 1, "SAME", 1),
        lambda x, w: ref.conv1d_ncw_python(x, w, 1, "SAME", 1), NCW, OIW),
    "group_conv1d_ncw": (
        lambda x, w: topi.nn.group_conv1d_ncw(x, w, 1, 1, 1, 2),
        lambda x, w: ref.group_conv1d_ncw_python(x, w, 1, 1, 1, 2), NCW, rand(6, 2, 3)),
    "conv2d_hwcn": (
        lambda x, w: topi.nn.conv2d_hwcn(x, w, 2, 1, 1),
        lambda x, w: ref.conv2d_hwcn_python(x, w, 2, 1), rand(7, 5, 4, 2), rand(3, 3, 4, 6)),
    "conv3d_ncdhw": (
        lambda x, w: topi.nn.conv3d_ncdhw(x, w, 1, 1, 1, 1),
        lambda x, w: ref.conv3d_ncdhw_python(x, w, 1, 1), NCDHW, rand(3, 2, 2, 3, 1)),
    "conv3d_ndhwc": (
        lambda x, w: topi.nn.conv3d_ndhwc(x, w, 1, 1, 1, 1),
        lambda x, w: ref.conv3d_ndhwc_python(x, w, 1, 1), rand(1, 4, 5, 3, 2),
        rand(2, 3, 1, 2, 3)),
    "conv1d_transpose_ncw": (
        lambda x, w: topi.nn.conv1d_transpose_ncw(x, w, 2, 1, "float32", 1),
        lambda x, w: ref.conv1d_transpose_ncw_python(x, w, 2, 1, 1), NCW, rand(4, 3, 3)),
    "group_conv1d_transpose_ncw": (
        lambda x, w: topi.nn.group_conv1d_transpose_ncw(x, w, 2, 1, "float32", 0, 2),
        lambda x, w: ref.group_conv1d_transpose_ncw_python(x, w, 2, 1, 0, 2), NCW, rand(4, 3, 3)),
    "conv2d_transpose_nchw": (
        lambda x, w: topi.nn.conv2d_transpose_nchw(x, w, (2, 1), (1, 0), "float32", (1, 0)),
        lambda x, w: ref.conv2d_transpose_nchw_python(x, w, (2, 1), (1, 0), (1, 0)),
        NCHW, rand(4, 3, 3, 2)),
    "conv3d_transpose_ncdhw": (
        lambda x, w: topi.nn.conv3d_transpose_ncdhw(x, w, 2, 1, "float32", 0),
        lambda x, w: ref.conv3d_transpose_ncdhw_python(x, w, 2, 1, 0), NCDHW, rand(2, 2, 2, 2, 3)),
    "depthwise_conv2d_nchw": (
        lambda x, w: topi.nn.depthwise_conv2d_nchw(x, w, 2, 1, 1),
        lambda x, w: ref.depthwise_conv2d_python_nchw(x, w, 2, 1), NCHW, rand(4, 2, 3, 3)),
    "depthwise_conv2d_nhwc": (
        lambda x, w: topi.nn.depthwise_conv2d_nhwc(x, w, 1, "SAME", 1),
        lambda x, w: ref.depthwise_conv2d_python_nhwc(x, w, 1, "SAME"), rand(2, 7, 5, 4),
        rand(3, 3, 4, 1)),
    "depthwise_conv2d_NCHWc": (
        lambda x, w: topi.nn.depthwise_conv2d_NCHWc(x, w, 1, 1, 1, "NCHW2c", "NCHW2c"),
        lambda x, w: ref.depthwise_conv2d_python_nchwc(x, w, 1, 1), rand(1, 3, 5, 4, 2),
        rand(3, 1, 3, 3, 1, 2)),
    "deformable_conv2d_nchw": (
        lambda x, o, w: topi.nn.deformable_conv2d_nchw(x, o, w, 1, 1, 1, 2, 1),
        lambda x, o, w: ref.deformable_conv2d_nchw_python(x, o, w, 1, 1, 1, 2, 1),
        rand(1, 4, 4, 5), rand(1, 36, 4, 5), rand(2, 4, 3, 3)),
    "deformable_conv2d_nhwc": (
        lambda x, o, w: topi.nn.deformable_conv2d_nhwc(x, o, w, 2, 1, 1, 1, 2),
        lambda x, o, w: ref.deformable_conv2d_nhwc_python(x, o, w, 2, 1, 1, 1, 2),
        rand(1, 5, 4, 4), rand(1, 3, 2, 18), rand(3, 3, 2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    function, reference, *arrays = CONVOLUTIONS[name]
    check(function, reference, *arrays, rtol=1e-4, atol=1e-4, shapes=("static",))


def test_transposed_convolution_by_a_plain_one():
    data, weight = rand(1, 3, 4, 5), rand(3, 2, 3, 2)

    def both(x, w):
        spread, turned = topi.nn.conv2d_transpose_nchw_preprocess(x, w, 2, 1, "float32", (1, 0))
        return topi.nn.conv2d_nchw(spread, turned, 1, 0, 1)

    expected = ref.conv2d_transpose_nchw_python(data, weight, (2, 2), 1, (1, 0))
    np.testing.assert_allclose(evaluate(both, data, weight), expected, 1e-4, 1e-5)
    nhwc = ref.conv2d_transpose_nhwc_python(
        data.transpose(0, 2, 3, 1), weight.transpose(2, 3, 1, 0), "HWOI", (2, 2), 1, (1, 0)
    )
    np.testing.assert_allclose(nhwc.transpose(0, 3, 1, 2), expected, 1e-4, 1e-5)


def test_depthwise_gradients_by_finite_sums():
    data, weight = rand(1, 4, 5, 2).astype("f8"), rand(3, 2, 2, 2).astype("f8")
    made = ref.depthwise_conv2d_python_nhwc(data, weight, (2, 1), (1, 0))
    grad = rng.standard_normal(made.shape)
    shapes = made.shape, data.shape, weight.shape
    found = evaluate(
        lambda w, g: topi.nn.depthwise_conv2d_backward_input_nhwc(
            w, g, shapes[0], shapes[1], (2, 1), (1, 0)), weight, grad)  # fmt: skip
    turned = evaluate(
        lambda x, g: topi.nn.depthwise_conv2d_backward_weight_nhwc(
            x, g, shapes[0], shapes[2], (2, 1), (1, 0)), data, grad)  # fmt: skip
    for got, at in ((found, data), (turned, weight)):
        for place in [
            (0, 0, 0, 0),
            tuple(n - 1 for n in at.shape),
            tuple(n // 2 for n in at.shape),
        ]:
            moved = at.copy()
            moved[place] += 1
            pair = (moved, weight) if at is data else (data, moved)
            step = ref.depthwise_conv2d_python_nhwc(*pair, (2, 1), (1, 0)) - made
            np.testing.assert_allclose(got[place], (step * grad).sum(), 1e-9)


def test_gradient_of_a_weight():
    data, weight = rand(2, 4, 6, 5).astype("f8"), rand(6, 2, 3, 3).astype("f8")
    made = ref.conv2d_nchw_python(data, weight, 2, 1, 2)
    grad = rng.standard_normal(made.shape)
    found = ref.conv2d_backward_weight_python(grad, data, (3, 3), 2, 1, groups=2)
    moved = weight.copy()
    moved[3, 1, 2, 0] += 1
    step = (ref.conv2d_nchw_python(data, moved, 2, 1, 2) - made) * grad
    np.testing.assert_allclose(found[3, 1, 2, 0], step.sum(), 1e-9)


BLOCKS = rand(1, 2, 5, 4, 4)


def test_blocked_convolutions_with_other_filters():
    plain = BLOCKS.transpose(0, 1, 4, 2, 3).reshape(1, 8, 5, 4)
    weight = rand(4, 8, 3, 3)
    expected = ref.conv2d_nchw_python(plain, weight, 1, 1)
    rows = weight.reshape(1, 4, 8, 3, 3).transpose(0, 2, 3, 4, 1)
    found = evaluate(
        lambda x, w: topi.nn.unpack_NCHWc_to_nchw(
            topi.nn.conv2d_NCHWc_OIHWo(x, w, 1, 1, 1, "NCHW4c", "NCHW4c"), "float32"),
        BLOCKS, rows)  # fmt: skip
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)
    bytes_, taps = rand(1, 2, 5, 4, 4, dtype="uint8"), rng.integers(-5, 5, (4, 8, 3, 3))
    taps = taps.astype("int8")
    packed = taps.reshape(1, 4, 2, 1, 4, 3, 3).transpose(0, 2, 5, 6, 3, 1, 4)
    found = evaluate(
        lambda x, w: topi.nn.conv2d_NCHWc_int8(x, w, 1, 1, 1, "NCHW4c", "NCHW4c"), bytes_, packed
    )
    wide = bytes_.transpose(0, 1, 4, 2, 3).reshape(1, 8, 5, 4).astype("int32")
    whole = ref.conv2d_nchw_python(wide, taps.astype("int32"), 1, 1)
    np.testing.assert_array_equal(found.transpose(0, 1, 4, 2, 3).reshape(1, 4, 5, 4), whole)


@pytest.mark.parametrize("tile", [2, 4])
def test_winograd_of_plain_layouts(tile):
    data, weight = rand(1, 3, 7, 6), rand(4, 3, 3, 3)
    expected = ref.conv2d_nchw_python(data, weight, 1, 1)

    def ready(x, w):
        made = topi.nn.conv2d_winograd_weight_transform(w, tile)
        turned = topi.transpose(made, (0, 1, 3, 2))
        return topi.nn.conv2d_winograd_nchw_without_weight_transform(x, turned, 1, 1, 1, "float32")

    np.testing.assert_allclose(evaluate(ready, data, weight), expected, 1e-3, 1e-4)
    if tile == 4:
        found = evaluate(
            lambda x, w: topi.nn.conv2d_winograd_nhwc(x, w, 1, 1, 1, "float32"),
            data.transpose(0, 2, 3, 1), weight.transpose(2, 3, 1, 0))  # fmt: skip
        np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, 1e-3, 1e-4)


@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (2, 0), (4, 1), (5, 2), (6, 3), (7, 3)])
def test_winograd_of_other_windows(kernel, padding):
    data, weight = rand(1, 3, 9, 11), rand(2, 3, kernel, kernel)
    expected = ref.conv2d_nchw_python(data, weight, 1, padding)
    last = (1, padding, 1, "float32")
    near = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
    found = evaluate(lambda x, w: topi.nn.conv2d_winograd_nchw(x, w, *last), data, weight)
    np.testing.assert_allclose(found, expected, **near)

    def ready(x, w):
        made = topi.nn.conv2d_winograd_weight_transform(w, 4)
        return topi.nn.conv2d_winograd_nhwc_without_weight_transform(x, made, *last)

    if kernel > 1:  # the side of F(4, 1) is taken for F(2, 3)'s
        found = evaluate(ready, data.transpose(0, 2, 3, 1), weight)
        np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, **near)


def test_winograd_of_windows_that_are_not_square_or_too_large():
    data = given(rand(1, 1, 12, 12))
    for kernel, said in [((3, 5), r"kernels of one extent, found \(3, 5\)"),
                         ((8, 8), "tiles of 4 outputs by kernels of 8")]:  # fmt: skip
        with pytest.raises(ArgumentError, match=said):
            topi.nn.conv2d_winograd_nchw(data, given(rand(1, 1, *kernel), "w"), 1, 1, 1, "float32")


def test_winograd_matrices_do_what_they_say():
    a, b, g = (
        evaluate(lambda m=m: m) for m in topi.nn.winograd_transform_matrices(2, 3, "float64")
    )
    row, taps = rng.standard_normal(4), rng.standard_normal(3)
    made = a.T @ ((g @ taps) * (b.T @ row))
    np.testing.assert_allclose(made, [row[:3] @ taps, row[1:] @ taps], 1e-12)
    with pytest.raises(ArgumentError, match="strides"):
        topi.nn.conv2d_winograd_nchw(given(rand(1, 1, 4, 4)), given(rand(1, 1, 3, 3), "w"), 2, 1, 1,
                                     "float32")  # fmt: skip


def unpacked(values, bits):
    return [(values >> k) & 1 for k in range(bits)]


@pytest.mark.parametrize("unipolar", [False, True])
def test_products_of_bits(unipolar):
    data = rng.integers(0, 4, (3, 32)).astype("int32")
    weight = rng.integers(0, 2, (5, 32)).astype("int32")
    found = evaluate(
        lambda x, w: topi.nn.bitserial_dense(x, w, 2, 1, unipolar=unipolar), data, weight
    )
    values = 2 * weight - 1 if unipolar else weight
    np.testing.assert_array_equal(found, (data @ values.T).astype("int16"))
    image = rng.integers(0, 4, (1, 32, 5, 4)).astype("int32")
    taps = rng.integers(0, 2, (2, 32, 3, 3)).astype("int32")
    wide = 2 * taps - 1 if unipolar else taps
    expected = ref.conv2d_nchw_python(image, wide, 1, 0).astype("int16")
    found = evaluate(
        lambda x, w: topi.nn.bitserial_conv2d_nchw(x, w, 1, 0, 2, 1, unipolar=unipolar), image, taps
    )
    np.testing.assert_array_equal(found, expected)
    found = evaluate(
        lambda x, w: topi.nn.bitserial_conv2d_nhwc(x, w, 1, 0, 2, 1, unipolar=unipolar),
        image.transpose(0, 2, 3, 1), taps.transpose(2, 3, 1, 0))  # fmt: skip
    np.testing.assert_array_equal(found.transpose(0, 3, 1, 2), expected)


def test_products_of_signs():
    data, weight = rand(3, 64), rand(5, 64)
    found = evaluate(
        lambda x, w: topi.nn.binary_dense(topi.nn.binarize_pack(x), topi.nn.binarize_pack(w)),
        data, weight)  # fmt: skip
    signs = [np.where(v >= 0, 1, -1) for v in (data, weight)]
    np.testing.assert_array_equal(found, (signs[0] @ signs[1].T).astype("float32"))


def test_attention_reference_agrees_with_the_definition():
    q, k, v = rand(1, 3, 4, 2), rand(1, 5, 2, 2), rand(1, 5, 2, 2)
    made, score = ref.attention_python(q, k, v, None, None, "BottomRight")
    assert made.shape == (1, 3, 4, 2) and score.shape == (1, 4, 3, 5)
    assert score[0, 0, 0, 3] == 0 and score[0, 0, 0, 2] > 0
    row = q[0, 0, 3] @ k[0, :3, 1].T / np.sqrt(2)
    weight = np.exp(row) / np.exp(row).sum()
    np.testing.assert_allclose(made[0, 0, 3], weight @ v[0, :3, 1], 1e-5)
    _, near = ref.attention_python(q, k, v, None, 1.0, "BottomRight", window_size=2)
    assert (near[0, 0, 2] > 0).tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 1, 1)])
def test_gradient_of_pooling(kind, padding):
    data = rand(1, 2, 6, 5)
    pooled = ref.poolnd_python(data, (3, 2), (2, 1), (1, 1), padding[:2], padding[2:], kind)
    grad = rng.standard_normal(pooled.shape).astype("float32")
    for counted in (True, False):
        check(
            lambda g, x, c=counted: topi.nn.pool_grad(
                g, x, (3, 2), (2, 1), padding, kind, False, c),
            lambda g, x, c=counted: ref.pool_grad_nchw(
                x, g, (3, 2), (2, 1), padding, kind, False, c),
            grad, data, rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("extras", ["plain", "biases", "all"])
def test_lstm(reverse, extras):
    steps, batch, features, size, out = 3, 2, 4, 3, 2
    width = out if extras == "all" else size
    arrays = [rand(steps, batch, features), rand(4 * size, features), rand(4 * size, width)]
    names = []
    if extras != "plain":
        names += ["Bi", "Bh", "h_init", "c_init"]
        arrays += [rand(4 * size), rand(4 * size), rand(batch, width), rand(batch, size)]
    if extras == "all":
        names += ["proj", "p_i", "p_f", "p_o"]
        arrays += [rand(out, size), *(rand(batch, size) for _ in range(3))]

    def call(function):
        return lambda *v: list(
            function(*v[:3], **dict(zip(names, v[3:], strict=True)), reverse=reverse,
                     weight_layout="IFGO"))  # fmt: skip

    check(call(topi.nn.lstm), call(ref.lstm_python), *arrays, rtol=1e-4, atol=1e-5,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("options", [(1, 2, 1, 1, 2, True), (3, 2, 2, 1, 3, False)])
def test_correlation(options):
    one, two = rand(1, 3, 6, 7), rand(1, 3, 6, 7)
    check(lambda a, b: topi.nn.correlation_nchw(a, b, *options),
          lambda a, b: ref.correlation_nchw_python(a, b, *options), one, two,
          rtol=1e-4, atol=1e-5)  # fmt: skip


def test_fifo_buffer():
    data, buffer = rand(2, 2, 3), rand(2, 5, 3)
    check(lambda x, b: topi.nn.fifo_buffer(x, b, 1),
          lambda x, b: np.concatenate([b, x], 1)[:, 2:], data, buffer)  # fmt: skip


def dilated(data, taps, s, p, d):
    wide = np.pad(data, [(0, 0), (0, 0), (p, p), (p, p)], constant_values=-np.inf)
    kh, kw = taps.shape[1:]
    rows = (wide.shape[2] - (kh - 1) * d - 1) // s + 1
    columns = (wide.shape[3] - (kw - 1) * d - 1) // s + 1
    parts = [
        wide[:, :, y * d :: s, x * d :: s][:, :, :rows, :columns] + taps[None, :, y, x, None, None]
        for y in range(kh) for x in range(kw)
    ]  # fmt: skip
    return np.max(parts, 0).astype(data.dtype)


def test_dilation2d():
    taps = rand(4, 3, 2)
    check(lambda x, w: topi.image.dilation2d_nchw(x, w, 2, 1, 2),
          lambda x, w: dilated(x, w, 2, 1, 2), NCHW, taps, shapes=("static",))  # fmt: skip
    found = evaluate(lambda x, w: topi.image.dilation2d_nhwc(x, w, 1, 1, 1),
                     NCHW.transpose(0, 2, 3, 1), taps.transpose(1, 2, 0))  # fmt: skip
    np.testing.assert_array_equal(found.transpose(0, 3, 1, 2), dilated(NCHW, taps, 1, 1, 1))


def test_simulated_quantization():
    data = rand(2, 3, 4) * 50
    scale, zero = np.array([0.5, 1.0, 2.0], "float32"), np.array([3, 0, -2], "int32")
    wide, shift = scale[:, None], zero[:, None]

    def quantized(x):
        return np.clip(np.floor(x / wide + 0.5) + shift, -128, 127).astype("float32")

    exact = np.where(np.abs(data / wide % 1 - 0.5) < 0.01, 0, data).astype("float32")
    found = evaluate(
        lambda x, s, z: topi.nn.simulated_quantize(x, "int8", s, z, 1), exact, scale, zero
    )
    np.testing.assert_array_equal(found, quantized(exact))
    back = evaluate(
        lambda x, s, z: topi.nn.simulated_dequantize(x, "int8", s, z, 1), found, scale, zero
    )
    np.testing.assert_array_equal(back, (found - shift) * wide)
    same = evaluate(lambda x: topi.nn.simulated_quantize(x, "disable"), data)
    np.testing.assert_array_equal(same, data)
    with pytest.raises(ArgumentError, match="int8, uint8 or int32"):
        topi.nn.simulated_quantize(given(data), "int7")


ARRAYS = {
    "gather": (lambda x, i: topi.gather(x, 1, i), lambda x, i: ref.gather_python(x, 1, i),
               rand(3, 4), rng.integers(0, 4, (3, 5)).astype("int32")),
    "gather_nd": (topi.gather_nd, ref.gather_nd_python, rand(3, 4, 2),
                  rng.integers(0, 3, (2, 5)).astype("int32")),
    "one_hot": (lambda i: topi.one_hot(i, te.const(2.0, "float32"), te.const(-1.0, "float32"), 4,
                                       -1, "float32"),
                lambda i: ref.one_hot(i, 2, -1, 4, -1, "float32"),
                rng.integers(0, 4, (2, 3)).astype("int32")),
    "sequence_mask": (lambda x, v: topi.sequence_mask(x, v, -1.0, 1),
                      lambda x, v: ref.sequence_mask(x, v, -1.0, 1), rand(2, 4, 3),
                      np.array([1, 3], "int32")),
    "strided_slice": (lambda x: topi.strided_slice(x, [1, -1], [3, -4], [1, -2]),
                      lambda x: ref.strided_slice_python(x, [1, -1], [3, -4], [1, -2]),
                      rand(3, 4)),
    "strided_slice size": (
        lambda x: topi.strided_slice(x, [1, 0], [2, -1], slice_mode="size"),
        lambda x: ref.strided_slice_python(x, [1, 0], [2, -1], None, "size"), rand(3, 4)),
    "space_to_depth": (lambda x: topi.nn.space_to_depth(x, 2),
                       lambda x: ref.space_to_depth_python(x, 2), rand(1, 2, 4, 6)),
    "depth_to_space": (lambda x: topi.nn.depth_to_space(x, 2),
                       lambda x: ref.depth_to_space_python(x, 2), rand(1, 8, 2, 3)),
    "space_to_batch_nd": (
        lambda x: topi.nn.space_to_batch_nd(x, [2, 3], [0, 1], [0, 1], 0.5),
        lambda x: ref.space_to_batch_nd_python(x, [2, 3], [0, 1], [0, 1], 0.5),
        rand(2, 4, 4, 2)),
    "batch_to_space_nd": (
        lambda x: topi.nn.batch_to_space_nd(x, [2, 3], [0, 1], [1, 0]),
        lambda x: ref.batch_to_space_nd_python(x, [2, 3], [0, 1], [1, 0]), rand(6, 2, 3, 2)),
    "searchsorted": (lambda s, v: topi.searchsorted(s, v, True, "int32"),
                     lambda s, v: ref.searchsorted_ref(s, v, True, "int32"),
                     np.sort(rand(3, 6), -1), rand(3, 4)),
    "nll_loss": (lambda p, t, w: topi.nn.nll_loss(p, t, w, "mean", 1),
                 lambda p, t, w: ref.nll_loss(p, t, w, "mean", 1), rand(4, 3),
                 rng.integers(0, 3, 4).astype("int32"), rng.random(3).astype("float32")),
    "matrix_set_diag": (
        lambda x, d: topi.matrix_set_diag(x, d, (-1, 2), "LEFT_RIGHT"),
        lambda x, d: ref.matrix_set_diag(x, d, (-1, 2), "LEFT_RIGHT"), rand(2, 3, 5),
        rand(2, 4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    function, reference, *arrays = ARRAYS[name]
    check(function, reference, *arrays, rtol=1e-5, shapes=("static",))


IMAGES = rand(1, 2, 4, 5)
RESIZED = [
    ("nearest_neighbor", "asymmetric", "floor"), ("linear", "half_pixel", ""),
    ("linear", "align_corners", ""), ("cubic", "half_pixel", ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "mode", "rounding"), RESIZED)
def test_resizing(method, mode, rounding):
    check(
        lambda x: topi.image.resize2d(x, None, (8, 15), "NCHW", method, mode, rounding),
        lambda x: ref.resize2d_python(x, (2, 3), "NCHW", method, mode, rounding),
        IMAGES, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    row, cube = rand(1, 2, 5), rand(1, 3, 2, 2, 1)
    check(lambda x: topi.image.resize1d(x, None, (10,), "NCW", method, mode, rounding),
          lambda x: ref.resize1d_python(x, (2,), "NCW", method, mode, rounding), row,
          rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    check(lambda x: topi.image.resize3d(x, None, (6, 4, 2), "NDHWC", method, mode, rounding),
          lambda x: ref.resize3d_python(x, (2, 2, 1), "NDHWC", method, mode, rounding), cube,
          rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_sampling(method, padding):
    grid = (rng.random((1, 2, 3, 2)) * 2.6 - 1.3).astype("float32")
    for corners in (True, False):
        check(
            lambda x, g, c=corners: topi.image.grid_sample(x, g, method, "NCHW", padding, c),
            lambda x, g, c=corners: ref.grid_sample_python(x, g, method, "NCHW", padding, c),
            IMAGES, grid, rtol=1e-3, atol=1e-4, shapes=("static",))  # fmt: skip


def test_affine_grid_and_crops():
    matrices = rand(2, 2, 3)
    check(lambda x: topi.image.affine_grid(x, (3, 4)),
          lambda x: ref.affine_grid_python(x, (3, 4)), matrices, rtol=1e-4, atol=1e-5)  # fmt: skip
    boxes = np.array([[0.1, 0.2, 0.8, 0.9], [0, 0, 1.2, 0.5]], "float32")
    index = np.zeros(2, "int32")
    for method in ("bilinear", "nearest_neighbor"):
        check(
            lambda x, b, i, m=method: topi.image.crop_and_resize(x, b, i, (3, 4), "NCHW", m, 0.5),
            lambda x, b, i, m=method: ref.crop_and_resize_python(x, b, i, (3, 4), "NCHW", m, 0.5),
            IMAGES, boxes, index, rtol=1e-4, atol=1e-4, shapes=("static",))  # fmt: skip


def test_regions():
    data = rand(2, 1, 5, 6)
    rois = np.array([[0, 1, 1, 4, 3], [1, 0, 2, 5, 4]], "float32")
    for mode in ("avg", "max"):
        for ratio in (-1, 2):
            check(lambda x, r, m=mode, n=ratio: topi.vision.roi_align_nchw(x, r, 2, 1.0, m, n),
                  lambda x, r, m=mode, n=ratio: ref.roi_align_nchw_python(x, r, 2, 1.0, n, m),
                  data, rois, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    check(lambda x, r: topi.vision.roi_pool_nchw(x, r, (2, 3), 0.5),
          lambda x, r: ref.roi_pool_nchw_python(x, r, (2, 3), 0.5), data, rois,
          shapes=("static",))  # fmt: skip


def test_references_of_boxes():
    boxes = np.array([[[0, 0.8, 0, 0, 4, 4], [1, 0.7, 0, 0, 4, 4], [0, 0.9, 0, 0, 4, 5],
                       [-1, 0.9, 1, 1, 2, 2], [0, 0.1, 8, 8, 9, 9]]], "float32")  # fmt: skip
    counts, kept, indices = ref.get_valid_counts_python(boxes, 0.05)
    assert counts.tolist() == [4] and indices[0].tolist() == [0, 1, 2, 4, -1]
    places, number = ref.non_max_suppression_python(kept, counts, indices)
    assert places[0].tolist() == [2, 1, 4, -1, -1] and number.tolist() == [[3]]
    forced, _ = ref.non_max_suppression_python(kept, counts, indices, force_suppress=True)
    assert forced[0].tolist() == [2, 4, -1, -1, -1]


NORMS = {
    "instance_norm": (lambda x, g, b: topi.nn.instance_norm(x, g, b, 1, [2, 3]),
                      lambda x, g, b: ref.instance_norm_python(x, g, b, (2, 3))),
    "group_norm": (lambda x, g, b: topi.nn.group_norm(x, g, b, 2, 1, [2, 3]),
                   lambda x, g, b: ref.group_norm_python(x, g, b, 2, 1, [2, 3])),
    "batch_norm": (
        lambda x, g, b: topi.nn.batch_norm(x, g, b, g, b, 1, 1e-5, True, True, True, 0.1),
        lambda x, g, b: ref.batch_norm(x, g, b, g, b, 1, 1e-5, True, True, True, 0.1)),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_norms(name):
    function, reference = NORMS[name]
    check(function, reference, NCHW, *(rng.random(4).astype("float32") for _ in range(2)),
          rtol=1e-3, atol=1e-4, shapes=("static",))  # fmt: skip


def test_l2_normalize_and_dense():
    assert np.isclose(np.linalg.norm(ref.l2_normalize_python(NCHW, 1e-6)), 1)
    x, w, b = rand(2, 3), rand(4, 3), rand(4)
    check(lambda x, w, b: topi.nn.relu(topi.nn.dense(x, w, b)),
          lambda x, w, b: ref.dense(x, w, b, True, True), x, w, b, rtol=1e-5)  # fmt: skip
    panels = w.reshape(2, 2, 3).transpose(0, 2, 1)
    check(topi.nn.dense_pack, lambda x, p, b: ref.dense(x, w, b, True), x, panels, b, rtol=1e-5)


def test_adaptive_pooling_of_layouts():
    check(lambda x: topi.nn.adaptive_pool(x, (3, 2), "avg", "NHWC"),
          lambda x: ref.adaptive_pool(x, (3, 2), "avg", "NHWC"), rand(1, 5, 4, 3),
          rtol=1e-5)  # fmt: skip


def test_matrix_set_diag_of_one_diagonal():
    made = ref.matrix_set_diag(np.zeros((3, 4)), np.array([1, 2, 3]), 1)
    assert made.tolist() == [[0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 3]]
    assert ref.slice_axis_python(np.arange(6), 0, 2, 4).tolist() == [2, 3]
    assert ref.reorg_python(np.arange(16.0).reshape(1, 4, 2, 2), 2).shape == (1, 16, 1, 1)
    set_ = ref.strided_set_python(np.zeros(5), np.ones(2), [1], [5], [2])
    assert set_.tolist() == [0, 1, 0, 1, 0]
