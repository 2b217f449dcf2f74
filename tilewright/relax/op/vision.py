"""Operators of object detection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ...support.errors import CompileError
from ..base import Expr
from . import _infer
from ._declare import op, sample
from ._samples import array


def _pair(value: Any) -> tuple[int, int]:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return int(items[0]), int(items[1])


def _infer_roi_align(data: Any, rois: Any, pooled_size: Any, *rest: Any) -> Any:
    info, regions = _infer.tensor(data), _infer.tensor(rois, "the regions")
    if info.dims is None or regions.dims is None:
        return _infer.like(info, None, info.ndim)
    if info.ndim != 4 or regions.ndim != 2:
        raise CompileError(f"images of {info.ndim} dimensions with regions of {regions.ndim}")
    return _infer.like(info, [regions.dims[0], info.dims[1], *_pair(pooled_size)])


def _point(image: Any, y: float, x: float) -> Any:
    """All channels of an image at a point."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(image.shape[0])
    total = np.zeros(image.shape[0])
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    for place, u in _taps(y, height):
        for other, v in _taps(x, width):
            total += image[:, place, other] * (u * v)
    return total


def _taps(at: float, size: int) -> list[tuple[int, float]]:
    low = int(at)
    return [(low, 1 - (at - low)), (min(low + 1, size - 1), at - low)]


def _roi_align(
    data: Any, rois: Any, pooled_size: Any, spatial_scale: float, sample_ratio: int, aligned: bool,
    layout: str, mode: str,
) -> Any:  # fmt: skip
    height, width = _pair(pooled_size)
    out = np.zeros((len(rois), data.shape[1], height, width))
    shift = 0.5 if aligned else 0.0
    for r, (batch, *corners) in enumerate(rois.astype("float64")):
        x1, y1, x2, y2 = (c * spatial_scale - shift for c in corners)
        least = 0.0 if aligned else 1.0
        steps = (max(y2 - y1, least) / height, max(x2 - x1, least) / width)
        counts = [sample_ratio if sample_ratio > 0 else max(math.ceil(s), 1) for s in steps]
        for i, j in np.ndindex(height, width):
            values = [
                _point(
                    data[int(batch)],
                    y1 + (i + (p + 0.5) / counts[0]) * steps[0],
                    x1 + (j + (q + 0.5) / counts[1]) * steps[1],
                )
                for p in range(counts[0])
                for q in range(counts[1])
            ]
            out[r, :, i, j] = np.mean(values, 0) if mode == "avg" else np.max(values, 0)
    return out.astype(data.dtype)


def _regions() -> Any:
    return np.array([[0, 1, 1, 6, 5], [1, 0, 2, 3, 4]], "float32")


@op(
    "vision.roi_align",
    infer=_infer_roi_align,
    lower=lambda data, rois, pooled_size, spatial_scale, sample_ratio, aligned, layout, mode: (
        topi.vision.roi_align_nchw(
            data, rois, pooled_size, spatial_scale, mode, sample_ratio, aligned
        )
    ),
    reference=_roi_align,
    samples=lambda: [
        sample(array((2, 3, 8, 8)), _regions(), (2, 3), 1.0, 2),
        sample(array((2, 3, 8, 8)), _regions(), (2, 2), 0.5, -1, True),
        sample(array((2, 3, 8, 8)), _regions(), (2, 2), 1.0, 2, False, "NCHW", "max"),
    ],
    pattern="opaque",
)
def roi_align(
    data: Expr,
    rois: Expr,
    pooled_size: int | Sequence[int],
    spatial_scale: float,
    sample_ratio: int = -1,
    aligned: bool = False,
    layout: str = "NCHW",
    mode: str = "avg",
) -> Expr:
    """Each region of `rois`, rows of (image, x1, y1, x2, y2), as `pooled_size` cells: the mean
    (`avg`) or the largest (`max`) of points sampled in each."""
