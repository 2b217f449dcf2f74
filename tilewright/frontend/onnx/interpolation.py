"""How an axis is resized: for each place of the result, the places it is made of and their weights.

An axis whose sizes are constant becomes a table of indices and one of weights, both (out, taps);
the resized tensor is the sum over the taps of the slices times their weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis to resize: its sizes, the ratio of result to source, the part that is kept."""

    size: int
    target: int
    scale: float
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """The attributes of ONNX's `Resize` that say how."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


def positions(axis: Axis, mode: str) -> Array:
    """Where in the source each place of the result lies."""
    out = np.arange(axis.target, dtype="float64")
    length = axis.scale * axis.size
    if mode == "align_corners":
        return out * (axis.size - 1) / (length - 1) if length != 1 else out * 0.0
    if mode == "asymmetric":
        return out / axis.scale
    if mode == "tf_half_pixel_for_nn":
        return (out + 0.5) / axis.scale
    if mode == "pytorch_half_pixel":
        return (out + 0.5) / axis.scale - 0.5 if length > 1 else out * 0.0 - 0.5
    if mode == "half_pixel_symmetric":
        offset = axis.size / 2 * (1 - axis.target / length)
        return offset + (out + 0.5) / axis.scale - 0.5
    if mode == "tf_crop_and_resize":
        last = axis.size - 1
        if axis.target == 1:
            return np.array([(axis.end + axis.start) * last / 2])
        return axis.start * last + out * (axis.end - axis.start) * last / (length - 1)
    return (out + 0.5) / axis.scale - 0.5


def _nearest(ratio: Array, mode: str) -> Array:
    """1 where the right neighbour is taken."""
    if mode == "floor":
        return np.zeros_like(ratio)
    if mode == "ceil":
        return np.ones_like(ratio)
    return (ratio >= 0.5 if mode == "round_prefer_ceil" else ratio > 0.5).astype(float)


def _linear(distance: Array) -> Array:
    return np.maximum(1 - np.abs(distance), 0)


def _cubic(alpha: float) -> Callable[[Array], Array]:
    def weight(distance: Array) -> Array:
        x = np.abs(distance)
        near = (alpha + 2) * x**3 - (alpha + 3) * x**2 + 1
        far = alpha * x**3 - 5 * alpha * x**2 + 8 * alpha * x - 4 * alpha
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    return weight


def taps(axis: Axis, options: Options) -> tuple[Array, Array, Array]:
    """Indices and weights, (out, taps), and whether each place lies outside of the source."""
    at = positions(axis, options.coordinates)
    outside = (at < 0) | (at > axis.size - 1)
    if options.mode == "nearest":
        return *_nearest_taps(axis, at, options), outside
    kernel, radius = (_linear, 1) if options.mode == "linear" else (_cubic(options.cubic), 2)
    shrink = min(axis.scale, 1.0) if options.antialias else 1.0
    reach = math.ceil(radius / shrink)
    low = np.floor(at).astype("int64")
    index = low[:, None] + np.arange(1 - reach, reach + 1)[None, :]
    weight = kernel((at[:, None] - index) * shrink)
    beyond = (index < 0) | (index >= axis.size)
    if options.exclude_outside:
        weight = np.where(beyond, 0.0, weight)
    if options.exclude_outside or options.antialias:
        weight = weight / weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, axis.size - 1), weight, outside


def _nearest_taps(axis: Axis, at: Array, options: Options) -> tuple[Array, Array]:
    low = np.floor(at)
    ratio = at - low
    whole = ratio == 0
    step = np.where(whole, 0, _nearest(ratio, options.nearest))
    index = np.clip((low + step).astype("int64"), 0, axis.size - 1)
    return index[:, None], np.ones((axis.target, 1))
