import numpy as np
import pytest
from onnx.reference.ops.op_resize import (
    _cubic_coeffs,
    _interpolate_nd,
    _linear_coeffs,
    _nearest_coeffs,
)

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, tir, topi
from tilewright.ir.functor import post_order_visit
from tilewright.support.errors import ArgumentError
from tilewright.tir.analysis import undefined_vars

rng = np.random.default_rng(9)
X = rng.random((1, 2, 5, 4)).astype("float32")
MODES = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"]


def onnx_resize(x, sizes, method, mode, rounding="round_prefer_floor", exclude=False, alpha=-0.75,
                roi=None, extrapolation=0.0, scales=None):  # fmt: skip
    functions = {
        "nearest": lambda r, s: _nearest_coeffs(r, mode=rounding),
        "linear": _linear_coeffs,
        "cubic": lambda r, s: _cubic_coeffs(r, scale=s, A=alpha),
    }
    given_size = None if scales else np.array([*x.shape[:2], *sizes])
    return _interpolate_nd(
        x.astype("float64"), functions[method], output_size=given_size,
        scale_factors=[1, 1, *scales] if scales else None, roi=roi,
        coordinate_transformation_mode=mode, exclude_outside=exclude,
        extrapolation_value=extrapolation,
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(10, 8), (3, 3), (7, 4), (1, 9)])
@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
def test_resize2d(mode, size, method):
    if mode == "pytorch_half_pixel" and size[0] == 1:
        size = (2, 9)  # the standard's text (0) and its reference (-0.5) differ for a length of 1
    expected = onnx_resize(X, size, method, mode).astype("float32")
    check(
        lambda t: topi.image.resize2d(
            t, None, size, "NCHW", method, mode, "round_prefer_floor", -0.75
        ),
        lambda v: expected,
        X,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("mode", MODES)
def test_rounding(rounding, mode):
    expected = onnx_resize(X, (8, 7), "nearest", mode, rounding).astype("float32")
    check(lambda t: topi.image.resize2d(t, None, (8, 7), "NCHW", "nearest", mode, rounding),
          lambda v: expected, X)  # fmt: skip


def test_cubic_without_the_outside():
    mode = "half_pixel"
    expected = onnx_resize(X, (9, 6), "cubic", "half_pixel", exclude=True, alpha=-0.5)
    check(lambda t: topi.image.resize2d(t, None, (9, 6), "NCHW", "cubic", mode, "", -0.5, 1),
          lambda v: expected.astype("float32"), X, rtol=1e-4, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_regions(method):
    roi = [0.4, 0.6, 1.2, 0.9]
    whole = np.array([0, 0, roi[0], roi[1], 1, 1, roi[2], roi[3]])
    expected = onnx_resize(X, (4, 5), method, "tf_crop_and_resize", roi=whole, extrapolation=7.0)
    check(lambda t: topi.image.resize2d(t, roi, (4, 5), "NCHW", method, "tf_crop_and_resize",
                                        "round_prefer_floor", extrapolation_value=7.0),
          lambda v: expected.astype("float32"), X, rtol=1e-4, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("mode", ["half_pixel", "asymmetric", "half_pixel_symmetric"])
@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_scales_that_sizes_do_not_show(mode, method):
    expected = onnx_resize(X, None, method, mode, scales=(0.7, 1.3))
    size = expected.shape[2:]
    check(lambda t: topi.image.resize2d(t, None, size, "NCHW", method, mode, "round_prefer_floor",
                                        scales=(0.7, 1.3)),
          lambda v: expected.astype("float32"), X, rtol=1e-4, atol=1e-5)  # fmt: skip


def test_other_ranks_and_layouts():
    expected = onnx_resize(X, (10, 8), "linear", "half_pixel").astype("float32")
    check(lambda t: topi.image.resize2d(t, None, (10, 8), "NHWC"),
          lambda v: expected.transpose(0, 2, 3, 1),
          np.ascontiguousarray(X.transpose(0, 2, 3, 1)), rtol=1e-4, shapes=("static",))  # fmt: skip
    x1, x3 = X[:, 0], X.reshape(1, 1, 2, 5, 4)
    check(
        lambda t: topi.image.resize1d(t, None, (9,)),
        lambda v: onnx_resize(x1, (9,), "linear", "half_pixel").astype("float32"),
        x1,
        rtol=1e-4,
    )
    check(lambda t: topi.image.resize3d(t, None, (3, 7, 6)),
          lambda v: onnx_resize(x3, (3, 7, 6), "linear", "half_pixel").astype("float32"), x3,
          rtol=1e-4, shapes=("static",))  # fmt: skip
    check(lambda t: topi.nn.upsampling(t, 2, 2), lambda v: v.repeat(2, 2).repeat(2, 3), X)
    with pytest.raises(ArgumentError, match="method"):
        topi.image.resize2d(given(X), None, (2, 2), method="sharp")


def test_doubling_the_nearest_is_a_shift():
    load = topi.nn.upsampling(given(X), 2, 2).op.body[0]
    assert "// T.int64(2)" in str(load.indices[2]) and "Cast" not in str(load)


def sample(x, grid, method, padding, align):
    """grid_sample by definition, point by point."""
    n, c, h, w = x.shape
    out = np.zeros((n, c, *grid.shape[2:]), "float64")

    def pixel(v, size):
        return (v + 1) / 2 * (size - 1) if align else ((v + 1) * size - 1) / 2

    def fold(v, size):
        lo, hi = (0, size - 1) if align else (-0.5, size - 0.5)
        while v < lo or v > hi:
            v = 2 * lo - v if v < lo else 2 * hi - v
        return v

    def border(v, size):
        if padding == "reflection":
            v = fold(v, size)
        return v if padding == "zeros" else min(max(v, 0), size - 1)

    def at(b, y, k):
        if padding != "zeros":
            y, k = border(y, h), border(k, w)
        inside = 0 <= y < h and 0 <= k < w
        return x[b, :, int(y), int(k)] if inside else np.zeros(c)

    def cubic(t):
        a = -0.75
        near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1  # noqa: E731
        far = lambda d: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a  # noqa: E731
        return far(t + 1), near(t), near(1 - t), far(2 - t)

    for b, i, j in np.ndindex(n, *grid.shape[2:]):
        px, py = pixel(grid[b, 0, i, j], w), pixel(grid[b, 1, i, j], h)
        if method != "bicubic":
            px, py = border(px, w), border(py, h)
        if method == "nearest":
            out[b, :, i, j] = at(b, np.rint(py), np.rint(px))
            continue
        fy, fx = np.floor(py), np.floor(px)
        taps = range(2) if method == "bilinear" else range(-1, 3)
        wy = (1 - (py - fy), py - fy) if method == "bilinear" else cubic(py - fy)
        wx = (1 - (px - fx), px - fx) if method == "bilinear" else cubic(px - fx)
        for dy, u in zip(taps, wy, strict=True):
            for dx, v in zip(taps, wx, strict=True):
                out[b, :, i, j] += u * v * at(b, fy + dy, fx + dx)
    return out.astype("float32")


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample(method, padding, align):
    grid = rng.uniform(-1.7, 1.7, (1, 2, 4, 3)).astype("float32")
    check(lambda t, g: topi.image.grid_sample(t, g, method, "NCHW", padding, align),
          lambda *_: sample(X, grid.astype("f8"), method, padding, align), X, grid,
          rtol=1e-3, atol=1e-4)  # fmt: skip


def test_affine_grid_of_the_identity():
    theta = np.array([[[1.0, 0, 0], [0, 1, 0]]], "float32")
    found = evaluate(lambda t: topi.image.affine_grid(t, (3, 5)), theta)
    np.testing.assert_allclose(found[0, 0], np.tile(np.linspace(-1, 1, 5), (3, 1)), atol=1e-6)
    np.testing.assert_allclose(found[0, 1], np.tile(np.linspace(-1, 1, 3), (5, 1)).T, atol=1e-6)


def test_crop_and_resize():
    boxes = np.array([[0, 0, 1, 1], [0.25, 0.5, 0.75, 1.5]], "float32")
    which = np.array([0, 0], "int32")
    found = evaluate(
        lambda t, b, i: topi.image.crop_and_resize(t, b, i, (5, 4), extrapolation_value=9.0),
        X, boxes, which,
    )  # fmt: skip
    np.testing.assert_allclose(found[0], X[0], rtol=1e-5)
    assert (found[1, :, :, 2:] == 9).all()
    np.testing.assert_allclose(found[1, :, 0, 0], (X[0, :, 1, 1] + X[0, :, 1, 2]) / 2, rtol=1e-5)


@pytest.mark.parametrize(("size", "last"), [((8, 9), 2), ((2, 9), 3), ((3, 3), 3)])
def test_smaller_first_and_single_elements_before_rows(size, last):
    x = te.placeholder((1, 2, 4, 5), "float32")
    made = topi.image.resize2d(x, None, size)
    (between,) = made.op.input_tensors
    assert [k for k in (2, 3) if int(between.shape[k]) == int(x.shape[k])] == [last]


def test_symbolic_sizes_keep_their_type():
    height, width = tir.Var("height", "int64"), tir.Var("width", "int64")
    data = te.placeholder((1, 2, 5, 4), name="data")
    made = topi.image.resize2d(data, (0.0,) * 4, size=(height, width), method="nearest_neighbor")
    assert made.shape[2] is height and made.shape[3] is width


def test_upsampling_takes_what_resizing_takes_by_default() -> None:
    """Cubic weights with -0.5; with aligned corners the nearest pixel, not the one before."""
    for align_corners, mode in ((False, "asymmetric"), (True, "align_corners")):
        cubic = onnx_resize(X, (10, 8), "cubic", mode, alpha=-0.5).astype("float32")
        check(lambda t, a=align_corners: topi.nn.upsampling(t, 2, 2, "NCHW", "bicubic", a),
              lambda v, c=cubic: c, X, rtol=1e-4, atol=1e-5, shapes=("static",))  # fmt: skip
    nearest = onnx_resize(X, (10, 8), "nearest", "align_corners", "round_prefer_ceil")
    check(lambda t: topi.nn.upsampling(t, 2, 2, align_corners=True),
          lambda v: nearest.astype("float32"), X, shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("mode", ["half_pixel", "asymmetric", "pytorch_half_pixel"])
def test_open_sizes_of_a_constant_ratio_are_no_part_of_the_coordinates(mode: str) -> None:
    length = tir.SizeVar("length", "int64")
    for size, out in ((length, length * 2), (length * 2, length * 3), (length + 1, length * 4 + 4)):
        data = te.placeholder((1, 2, size), name="data")
        made = topi.image.resize1d(
            data, (0.0, 0.0), [out], method="nearest_neighbor", coordinate_transformation_mode=mode
        )
        nodes: list[object] = []
        post_order_visit(made.op.body, nodes.append)
        quotients = [node for node in nodes if isinstance(node, tir.FloorDiv)]
        assert quotients
        assert all(length not in undefined_vars(q) for q in quotients)
