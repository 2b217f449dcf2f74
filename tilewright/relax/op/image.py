"""Operators of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ...support.errors import CompileError
from ..base import Expr
from . import _infer
from ._declare import Shape, op, sample
from ._grid_reference import grid_sample as sampled
from ._resize_reference import resize
from ._samples import array
from .nn._layout import axes_of


def _spatial(layout: str) -> list[int]:
    axes = axes_of(layout)
    return [axes[letter] for letter in "DHW" if letter in axes]


def _infer_resize(data: Any, size: Any, roi: Any, layout: str, *rest: Any) -> Any:
    info, target = _infer.tensor(data), _infer.shape(size)
    places = _spatial(layout)
    if info.dims is None or target.values is None:
        return _infer.like(info, None, info.ndim)
    if len(target.values) != len(places):
        raise CompileError(f"size {list(target.values)} for the layout {layout}")
    dims = list(info.dims)
    for place, extent in zip(places, target.values, strict=True):
        dims[place] = extent
    return _infer.like(info, dims)


@op(
    "image.resize2d",
    infer=_infer_resize,
    lower=lambda data, size, roi, layout, method, coordinate_transformation_mode, rounding_method,
    cubic_alpha, cubic_exclude, extrapolation_value, out_dtype: topi.image.resize2d(
        data, roi, size, layout, method, coordinate_transformation_mode, rounding_method,
        cubic_alpha, cubic_exclude, extrapolation_value,
    ),
    reference=lambda data, size, roi, layout, method, coordinate_transformation_mode,
    rounding_method, cubic_alpha, cubic_exclude, extrapolation_value, out_dtype: resize(
        data, _spatial(layout), size, roi, method, coordinate_transformation_mode, rounding_method,
        cubic_alpha, bool(cubic_exclude), extrapolation_value,
    ),
    samples=lambda: [
        sample(array((1, 2, 4, 5)), (7, 3), method="linear"),
        sample(array((1, 2, 4, 5)), (8, 10), method="nearest_neighbor",
               coordinate_transformation_mode="asymmetric", rounding_method="floor"),
        sample(array((1, 4, 5, 2)), (6, 6), layout="NHWC", method="cubic"),
    ],
)  # fmt: skip
def resize2d(
    data: Expr,
    size: Shape,
    roi: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    layout: str = "NCHW",
    method: str = "linear",
    coordinate_transformation_mode: str = "half_pixel",
    rounding_method: str = "round",
    cubic_alpha: float = -0.75,
    cubic_exclude: int = 0,
    extrapolation_value: float = 0.0,
    out_dtype: str | None = None,
) -> Expr:
    """An image of another size: `nearest_neighbor`, `linear` or `cubic` interpolation."""


def _infer_grid_sample(data: Any, grid: Any, *rest: Any) -> Any:
    info, points = _infer.tensor(data), _infer.tensor(grid, "the grid")
    if info.dims is None or points.dims is None:
        return _infer.like(info, None, info.ndim)
    if points.ndim != info.ndim:
        raise CompileError(f"a grid of {points.ndim} dimensions for data of {info.ndim}")
    return _infer.like(info, [*info.dims[:2], *points.dims[2:]])


def _grid_layout(layout: str) -> str:
    return "NCDHW" if "D" in layout else "NCHW"


def _grid(shape: Sequence[int], seed: int) -> Any:
    """Points, some of them outside, none half way between two pixels."""
    return np.random.default_rng(seed).uniform(-1.3, 1.3, tuple(shape)).astype("float32")


@op(
    "image.grid_sample",
    infer=_infer_grid_sample,
    lower=lambda data, grid, method, layout, padding_mode, align_corners: topi.image.grid_sample(
        data, grid, method, _grid_layout(layout), padding_mode, align_corners
    ),
    reference=lambda data, grid, method, layout, padding_mode, align_corners: sampled(
        data, grid, method.removeprefix("bi"), padding_mode, align_corners
    ),
    samples=lambda: [
        sample(array((2, 3, 4, 5)), _grid((2, 2, 3, 4), 1)),
        sample(array((1, 2, 4, 5)), _grid((1, 2, 3, 4), 2), "nearest", "NCHW", "border", False),
        sample(array((1, 2, 4, 5)), _grid((1, 2, 3, 4), 3), "bicubic", "NCHW", "reflection"),
        sample(array((1, 2, 3, 4, 5)), _grid((1, 3, 2, 2, 2), 4), "bilinear", "NCDHW"),
    ],
    pattern="injective",
)
def grid_sample(
    data: Expr,
    grid: Expr,
    method: str = "bilinear",
    layout: str = "NCHW",
    padding_mode: str = "zeros",
    align_corners: bool = True,
) -> Expr:
    """`data` (N, C, ...) at the points of `grid` (N, dimensions, ...), x first, from -1 to 1.

    `method` is nearest, bilinear or bicubic; `padding_mode` zeros, border or reflection.
    """
