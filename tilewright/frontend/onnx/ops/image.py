"""Images: resizing, sampling on a grid, cutting out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....ir.expr import PrimExpr
from ....relax import op as R
from ....support.dtypes import dtype_of
from ..interpolation import Axis, Options, taps
from ..node import NodeContext, Result
from ..registry import onnx_op
from .linear import window, with_bias

Expr = relax.Expr


@onnx_op("Upsample", since=7)
def upsample(n: NodeContext) -> Result:
    """Grown by factors, from a tensor or an attribute."""
    scales = n.attr("scales")
    if scales is None:
        scales = n.require_constant(1, "scales").reshape(-1)
    options = Options(n.attr("mode", "nearest"), "asymmetric", "floor")
    sizes = n.static_shape(0)
    axes = [Axis(s, int(np.floor(s * f)), float(f)) for s, f in zip(sizes, scales, strict=True)]
    return resized(n, n[0], dict(enumerate(axes)), options)


@onnx_op("Resize", since=10)
def resize_10(n: NodeContext) -> Result:
    """The first form: factors only."""
    scales = n.require_constant(1, "scales").reshape(-1)
    options = Options(n.attr("mode", "nearest"), "asymmetric", "floor")
    sizes = n.static_shape(0)
    axes = [Axis(s, int(np.floor(s * f)), float(f)) for s, f in zip(sizes, scales, strict=True)]
    return resized(n, n[0], dict(enumerate(axes)), options)


@onnx_op("Resize", since=11)
def resize(n: NodeContext) -> Result:
    """Another size along some axes: nearest, linear or cubic interpolation."""
    axes = [n.normalize_axis(int(a), n.rank(0)) for a in n.attr("axes", range(n.rank(0)))]
    options = Options(
        n.attr("mode", "nearest"),
        n.attr("coordinate_transformation_mode", "half_pixel"),
        n.attr("nearest_mode", "round_prefer_floor"),
        n.attr("cubic_coeff_a", -0.75),
        bool(n.attr("exclude_outside", 0)),
        bool(n.attr("antialias", 0)),
    )
    dims = n.shape(0)
    sizes = [dims[a] for a in axes]
    targets, scales = _targets(n, sizes)
    if any(isinstance(t, int) and t < 0 for t in targets):
        raise n.error(f"sizes must be at least 0, found {targets}")
    starts, ends = [0.0] * len(axes), [1.0] * len(axes)
    crop = options.coordinates == "tf_crop_and_resize"
    if crop and n.has(1):
        roi = [float(v) for v in n.require_constant(1, "the region").reshape(-1)]
        starts, ends = roi[: len(roi) // 2], roi[len(roi) // 2 :]
    made: dict[int, Axis] = {}
    for place, axis in enumerate(axes):
        size, target = sizes[place], targets[place]
        if isinstance(size, PrimExpr) or isinstance(target, PrimExpr):
            if target is size or (scales[place] == 1.0 and not crop):
                continue
            return _symbolic_resize(n, axes, targets, options)
        made[axis] = Axis(size, target, scales[place], starts[place], ends[place])
    fill = n.attr("extrapolation_value", 0.0) if crop else None
    return resized(n, n[0], made, options, fill)


def _targets(n: NodeContext, sizes: list[Any]) -> tuple[list[Any], list[Any]]:
    """The sizes of the result along the axes, and the ratios."""
    given = n.dims(3, "sizes") if n.has(3) else None
    if n.has(3) and given is None:
        raise n.needed(3, "sizes")
    if given:
        policy = n.attr("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            choose = min if policy == "not_larger" else max
            scale = choose(t / s for t, s in zip(given, sizes, strict=True))
            return [int(np.floor(scale * s + 0.5)) for s in sizes], [scale] * len(sizes)
        scales = [
            t / s if not isinstance(t, PrimExpr) and not isinstance(s, PrimExpr) else None
            for t, s in zip(given, sizes, strict=True)
        ]
        return given, scales
    factors = [float(f) for f in n.require_constant(2, "scales").reshape(-1)]
    targets = [
        _scaled(n, s, f) if isinstance(s, PrimExpr) else int(np.floor(s * f))
        for s, f in zip(sizes, factors, strict=True)
    ]
    return targets, factors


def _scaled(n: NodeContext, size: Any, factor: float) -> Any:
    if factor == int(factor):
        return size * int(factor)
    raise n.error(f"a symbolic dimension is resized by {factor}", hint="fix the input's shape")


_METHODS = {"nearest": "nearest_neighbor", "linear": "linear", "cubic": "cubic"}
_ROUNDINGS = {"round_prefer_floor": "round_prefer_floor", "round_prefer_ceil": "round_prefer_ceil",
              "floor": "floor", "ceil": "ceil"}  # fmt: skip


def _symbolic_resize(n: NodeContext, axes: list[int], targets: list[Any], o: Options) -> Expr:
    whole = dict(zip(axes, targets, strict=True))
    if n.rank(0) != 4 or o.antialias or not {2, 3} <= set(axes):
        raise n.error("symbolic dimensions are resized only as height and width of images")
    return R.image.resize2d(
        n[0], [whole[2], whole[3]], layout="NCHW", method=_METHODS[o.mode],
        coordinate_transformation_mode=o.coordinates, rounding_method=_ROUNDINGS[o.nearest],
        cubic_alpha=o.cubic, cubic_exclude=int(o.exclude_outside),
    )  # fmt: skip


def resized(
    n: NodeContext, x: Expr, axes: dict[int, Axis], options: Options, fill: float | None = None
) -> Expr:
    """`x` resized along axes, one after another; places outside of the source become `fill`."""
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    rank, dtype = info.ndim, info.dtype
    wide = dtype if dtype in ("float32", "float64") else "float32"
    outside: Expr | None = None
    for axis, spec in _in_order(axes, rank):
        if spec.size == spec.target and spec.scale == 1.0 and (spec.start, spec.end) == (0.0, 1.0):
            continue
        index, weight, beyond = taps(spec, options)
        x = _combined(n, x, axis, rank, index, weight, wide)
        if fill is not None and beyond.any():
            shape = [1] * rank
            shape[axis] = -1
            here = n.const(beyond.reshape(shape), "bool")
            outside = here if outside is None else n.emit(R.logical_or(outside, here))
    x = x if x.struct_info.dtype == dtype else n.emit(_back(n, x, dtype))
    return x if outside is None else R.where(outside, n.const(fill, dtype), x)


def _in_order(axes: dict[int, Axis], rank: int) -> list[tuple[int, Axis]]:
    """First what makes the image smaller; along its last axis, where single elements are picked
    instead of rows, before the other axes make it larger."""

    def growth(item: tuple[int, Axis]) -> tuple[float, bool]:
        axis, spec = item
        last = axis == rank - 1
        rate = spec.target / max(spec.size, 1)
        return (1.0 if last else rate, not last)

    return sorted(axes.items(), key=growth)


def _back(n: NodeContext, x: Expr, dtype: str) -> Expr:
    if dtype_of(dtype).is_integral:
        limits = dtype_of(dtype)
        x = n.emit(R.clip(n.emit(R.round(x)), float(limits.min_value), float(limits.max_value)))
    return R.astype(x, dtype)


def _combined(
    n: NodeContext, x: Expr, axis: int, rank: int, index: Any, weight: Any, wide: str
) -> Expr:
    """The sum over the taps of slices along an axis times their weights."""
    if index.shape[1] == 1:
        return n.emit(R.take(x, n.const(index[:, 0], "int64"), axis))
    if x.struct_info.dtype != wide:
        x = n.emit(R.astype(x, wide))
    shape = [1] * rank
    shape[axis] = len(index)
    total: Expr | None = None
    for tap in range(index.shape[1]):
        if not weight[:, tap].any():
            continue
        part = n.emit(R.take(x, n.const(index[:, tap], "int64"), axis))
        part = n.emit(R.multiply(part, n.const(weight[:, tap].reshape(shape), wide)))
        total = part if total is None else n.emit(R.add(total, part))
    assert total is not None
    return total


@onnx_op("GridSample", since=16)
def grid_sample(n: NodeContext) -> Result:
    """The input at the points of a grid."""
    rank = n.rank(0)
    grid_shape = n.shape(1)
    if rank not in (4, 5) or len(grid_shape) != rank or grid_shape[-1] != rank - 2:
        raise n.error(
            f"a grid of shape {grid_shape} for data of rank {rank}",
            hint="a grid has the data's rank, 4 or 5, and ends in one coordinate a dimension",
        )
    method = "bi" + n.attr("mode", "linear").removeprefix("bi")
    grid = n.emit(R.permute_dims(n[1], [0, rank - 1, *range(1, rank - 1)]))
    return R.image.grid_sample(
        n[0], grid, method.replace("binearest", "nearest"), "NCHW" if rank == 4 else "NCDHW",
        n.attr("padding_mode", "zeros"), bool(n.attr("align_corners", 0)),
    )  # fmt: skip


@onnx_op("RoiAlign")
def roi_align(n: NodeContext) -> Result:
    """Regions of images as grids of cells."""
    aligned = n.opset >= 16 and n.attr("coordinate_transformation_mode", "half_pixel") == (
        "half_pixel"
    )
    batch = n.emit(R.expand_dims(n.emit(R.astype(n[2], n.dtype(1))), [1]))
    regions = n.emit(R.concat([batch, n[1]], 1))
    size = (int(n.attr("output_height", 1)), int(n.attr("output_width", 1)))
    ratio = int(n.attr("sampling_ratio", 0)) or -1
    return R.vision.roi_align(
        n[0], regions, size, float(n.attr("spatial_scale", 1.0)), ratio, aligned, "NCHW",
        n.attr("mode", "avg"),
    )  # fmt: skip


@onnx_op("DeformConv")
def deform_conv(n: NodeContext) -> Result:
    """A convolution whose taps are read beside their places."""
    weight = n.static_shape(1)
    if len(weight) != 4:
        raise n.error(f"DeformConv of {len(weight) - 2} spatial dimensions; 2 are supported")
    strides, dilations, padding = window(n, weight[2:])
    made = n.emit(
        R.nn.deformable_conv2d(
            n[0], n[2], n[1], n.maybe(4), strides=strides, padding=padding, dilation=dilations,
            deformable_groups=int(n.attr("offset_group", 1)), groups=int(n.attr("group", 1)),
        )
    )  # fmt: skip
    return with_bias(n, made, 3, 2)


__all__ = ["grid_sample", "resize", "upsample"]
