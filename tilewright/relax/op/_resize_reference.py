"""What resizing means, in NumPy: one axis after another, by weighted sums of source places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def source_place(out: int, size: int, target: int, low: float, high: float, mode: str) -> float:
    """Where element `out` of `target` lies in an axis of `size` (ONNX Resize's formulas)."""
    scale = target / size
    if mode == "half_pixel":
        return (out + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (out + 0.5) / scale - 0.5 if target > 1 else 0.0
    if mode == "align_corners":
        return out * (size - 1) / (target - 1) if target > 1 else 0.0
    if mode == "asymmetric":
        return out / scale
    if mode == "tf_half_pixel_for_nn":
        return (out + 0.5) / scale
    if mode == "tf_crop_and_resize":
        if target > 1:
            return low * (size - 1) + out * (high - low) * (size - 1) / (target - 1)
        return 0.5 * (low + high) * (size - 1)
    raise ValueError(f"unknown coordinate transformation {mode!r}")


_ROUND = {
    "round": lambda x: math.floor(x + 0.5),
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "": lambda x: math.floor(x + 0.5),
}


def _cubic(distance: float, a: float) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _weights(
    place: float, size: int, method: str, rounding: str, alpha: float, exclude: bool
) -> dict[int, float]:
    if method == "nearest_neighbor":
        return {int(_ROUND[rounding](place)): 1.0}
    base = math.floor(place)
    if method == "linear":
        return {base: 1 - (place - base), base + 1: place - base}
    found = {base + k: _cubic(place - base - k, alpha) for k in (-1, 0, 1, 2)}
    if exclude:
        found = {i: (w if 0 <= i < size else 0.0) for i, w in found.items()}
        total = sum(found.values())
        found = {i: w / total for i, w in found.items()}
    return found


def resize(
    data: Array, axes: Sequence[int], size: Sequence[int], roi: Sequence[float], method: str,
    mode: str, rounding: str, alpha: float, exclude: bool, extrapolation: float,
) -> Array:  # fmt: skip
    """`data` with `axes` of other sizes; `roi` holds all beginnings and then all ends."""
    out = data.astype(np.float64)
    outside = np.zeros(tuple(size), bool)
    for i, (axis, target) in enumerate(zip(axes, size, strict=True)):
        old = data.shape[axis]
        low, high = (roi[i], roi[i + len(axes)]) if len(roi) else (0.0, 1.0)
        matrix = np.zeros((target, old))
        for o in range(target):
            place = source_place(o, old, target, low, high, mode)
            if mode == "tf_crop_and_resize" and not 0 <= place <= old - 1:
                where: list[Any] = [slice(None)] * len(axes)
                where[i] = o
                outside[tuple(where)] = True
            for k, w in _weights(place, old, method, rounding, alpha, exclude).items():
                matrix[o, min(max(k, 0), old - 1)] += w
        out = np.moveaxis(np.tensordot(matrix, np.moveaxis(out, axis, 0), 1), 0, axis)
    if outside.any():
        shape = [1] * out.ndim
        for axis, target in zip(axes, size, strict=True):
            shape[axis] = target
        out = np.where(outside.reshape(shape), extrapolation, out)
    if np.issubdtype(data.dtype, np.integer):
        limits = np.iinfo(data.dtype)
        out = np.clip(np.rint(out), limits.min, limits.max)
    return out.astype(data.dtype)
