"""NumPy references of resizing and sampling images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__all__ = [
    "affine_grid_python", "crop_and_resize_python", "grid_sample_python", "resize1d_python",
    "resize2d_python", "resize3d_python",
]  # fmt: skip

Taps = list[tuple[int, float]]


def _coordinate(mode: str, x: int, size: int, out: int, scale: float) -> float:
    if mode == "align_corners":
        return x * (size - 1) / (out - 1) if out > 1 else 0.0
    if mode == "asymmetric":
        return x / scale
    if mode == "pytorch_half_pixel" and out == 1:
        return 0.0
    return (x + 0.5) / scale - 0.5


_ROUND: dict[str, Callable[[float], int]] = {
    "round": lambda v: math.floor(v + 0.5),
    "round_prefer_floor": lambda v: math.ceil(v - 0.5),
    "round_prefer_ceil": lambda v: math.floor(v + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


def cubic(t: float, alpha: float) -> list[float]:
    """The weights of the four neighbours at `t` between the second and the third (Keys)."""

    def near(d: float) -> float:
        return ((alpha + 2) * d - (alpha + 3)) * d * d + 1

    def far(d: float) -> float:
        return ((d - 5) * alpha * d + 8 * alpha) * d - 4 * alpha

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


def _taps(method: str, at: float, rounding: str, alpha: float) -> Taps:
    if "nearest" in method:
        return [(_ROUND[rounding](at), 1.0)]
    low = math.floor(at)
    if "linear" in method:
        return [(low, 1 - (at - low)), (low + 1, at - low)]
    return [(low - 1 + k, w) for k, w in enumerate(cubic(at - low, alpha))]


def _resized(
    data: Array, scales: Sequence[float], layout: str, method: str, mode: str, rounding: str
) -> Array:
    made = data.astype("float64")
    for letter, scale in zip(layout.replace("N", "").replace("C", ""), scales, strict=True):
        axis = layout.index(letter)
        size = data.shape[axis]
        out = int(size * scale)
        how = rounding or ("round" if mode == "align_corners" else "floor")
        columns = []
        for x in range(out):
            at = _coordinate(mode, x, size, out, scale)
            parts = [
                w * made.take(min(max(p, 0), size - 1), axis)
                for p, w in _taps(method, at, how, -0.5)
            ]
            columns.append(np.sum(parts, 0))
        made = np.stack(columns, axis)
    return made.astype(data.dtype)


def resize1d_python(
    data: Array,
    scale: Sequence[float],
    layout: str = "NCW",
    method: str = "nearest_neighbor",
    coordinate_transformation_mode: str = "align_corners",
    rounding_method: str = "",
) -> Array:
    """`data` in `layout`, its dimension W multiplied by `scale`."""
    mode = coordinate_transformation_mode
    return _resized(data, scale, layout, method, mode, rounding_method)


def resize2d_python(
    data: Array,
    scale: Sequence[float],
    layout: str = "NCHW",
    method: str = "nearest_neighbor",
    coordinate_transformation_mode: str = "align_corners",
    rounding_method: str = "",
) -> Array:
    """`data` in `layout`, its dimensions H and W multiplied by `scale`."""
    mode = coordinate_transformation_mode
    return _resized(data, scale, layout, method, mode, rounding_method)


def resize3d_python(
    data: Array,
    scale: Sequence[float],
    layout: str = "NCDHW",
    method: str = "nearest_neighbor",
    coordinate_transformation_mode: str = "align_corners",
    rounding_method: str = "",
) -> Array:
    """`data` in `layout`, its dimensions D, H and W multiplied by `scale`."""
    mode = coordinate_transformation_mode
    return _resized(data, scale, layout, method, mode, rounding_method)


def crop_and_resize_python(
    image: Array,
    boxes: Array,
    box_indices: Array,
    crop_size: Sequence[int],
    layout: str,
    method: str = "bilinear",
    extrapolation_value: float = 0,
) -> Array:
    """Boxes (y1, x1, y2, x2 from 0 to 1) cut out of images and resized to `crop_size`."""
    source = image if layout == "NHWC" else image.transpose(0, 2, 3, 1)
    height, width, channels = source.shape[1:]
    out = np.full((len(boxes), *crop_size, channels), extrapolation_value, "float64")
    for b, (y1, x1, y2, x2) in enumerate(boxes.astype("float64")):
        own = source[box_indices[b]]
        for i, j in np.ndindex(*crop_size):
            y = _along(y1, y2, height, crop_size[0], i)
            x = _along(x1, x2, width, crop_size[1], j)
            if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
                continue
            if "nearest" in method:
                out[b, i, j] = own[_ROUND["round"](y), _ROUND["round"](x)]
                continue
            total = np.zeros(channels)
            for p, u in _taps("linear", y, "", 0):
                for q, v in _taps("linear", x, "", 0):
                    total += u * v * own[min(p, height - 1), min(q, width - 1)]
            out[b, i, j] = total
    made = out.astype(image.dtype)
    return made if layout == "NHWC" else made.transpose(0, 3, 1, 2)


def _along(start: float, end: float, size: int, out: int, k: int) -> float:
    if out > 1:
        return start * (size - 1) + k * (end - start) * (size - 1) / (out - 1)
    return 0.5 * (start + end) * (size - 1)


def affine_grid_python(data: Array, target_shape: Sequence[int]) -> Array:
    """The sampling points of (batch, 2, 3) matrices over a grid of `target_shape`."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in target_shape], indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    made = data.reshape(-1, 3) @ points
    return made.reshape(data.shape[0], 2, *target_shape).astype(data.dtype)


def grid_sample_python(
    data: Array,
    grid: Array,
    method: str = "bilinear",
    layout: str = "NCHW",
    padding_mode: str = "zeros",
    align_corners: bool = True,
) -> Array:
    """Images (N, C, ...) read at the points of `grid` (N, dims, out...), x first, from -1 to 1."""
    del layout
    size = data.shape[2:]
    out = np.zeros((*data.shape[:2], *grid.shape[2:]), "float64")
    for place in np.ndindex(data.shape[0], *grid.shape[2:]):
        n, *where = place
        own: Any = (slice(None), *where)
        at = [float(v) for v in grid[n][own][::-1]]
        at = [_unnormalized(v, s, align_corners) for v, s in zip(at, size, strict=True)]
        if method != "bicubic":
            at = [
                _bordered(v, s, padding_mode, align_corners) for v, s in zip(at, size, strict=True)
            ]
        taps = [_grid_taps(method, v) for v in at]
        for combined in np.ndindex(*[len(t) for t in taps]):
            chosen = [taps[k][c] for k, c in enumerate(combined)]
            weight = math.prod(w for _, w in chosen)
            index = [p for p, _ in chosen]
            if method == "bicubic":
                index = [
                    int(_bordered(p, s, padding_mode, align_corners))
                    for p, s in zip(index, size, strict=True)
                ]
            if all(0 <= p < s for p, s in zip(index, size, strict=True)):
                here: Any = (slice(None), *index)
                out[n][own] += weight * data[n][here]
    return out.astype(data.dtype)


def _grid_taps(method: str, at: float) -> Taps:
    if method == "nearest":
        return [(round(at), 1.0)]
    return _taps("linear" if method == "bilinear" else "cubic", at, "", -0.75)


def _unnormalized(v: float, size: int, align_corners: bool) -> float:
    return (v + 1) * (size - 1) / 2 if align_corners else ((v + 1) * size - 1) / 2


def _bordered(v: float, size: int, mode: str, align_corners: bool) -> float:
    if mode == "border":
        return min(max(v, 0), size - 1)
    if mode == "reflection":
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        span = high - low
        if span <= 0:
            return 0.0
        turned = math.fmod(abs(v - low), 2 * span)
        turned = min(turned, 2 * span - turned) + low
        return min(max(turned, 0), size - 1)
    return v
