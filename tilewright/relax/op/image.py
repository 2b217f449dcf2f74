"""Operators of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import topi
from ...support.errors import CompileError
from ..base import Expr
from . import _infer
from ._declare import Shape, op, sample
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
