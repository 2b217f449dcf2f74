"""What sampling on a grid means, in NumPy: one point of the grid at a time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Array = Any


def _unnormalized(value: Array, size: int, corners: bool) -> Array:
    return (value + 1) / 2 * (size - 1) if corners else ((value + 1) * size - 1) / 2


def _reflected(at: Array, size: int, corners: bool) -> Array:
    low, high = (0.0, size - 1.0) if corners else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return np.zeros_like(at)
    turned = np.abs(at - low) % (2 * span)
    return np.where(turned > span, 2 * span - turned, turned) + low


def _bordered(at: Array, size: int, padding: str, corners: bool) -> Array:
    if padding == "border":
        return np.clip(at, 0, size - 1)
    if padding == "reflection":
        return np.clip(_reflected(at, size, corners), 0, size - 1)
    return at


_ALPHA = -0.75


def _far(x: Array) -> Array:
    return ((_ALPHA * x - 5 * _ALPHA) * x + 8 * _ALPHA) * x - 4 * _ALPHA


def _near(x: Array) -> Array:
    return ((_ALPHA + 2) * x - (_ALPHA + 3)) * x * x + 1


def _cubic(rest: Array) -> list[Array]:
    return [_far(rest + 1), _near(rest), _near(1 - rest), _far(2 - rest)]


def _steps(at: Array, size: int, method: str, padding: str, corners: bool) -> list[Any]:
    """The taps along one axis: places and weights."""
    if method == "cubic":
        low = np.floor(at)
        weights = _cubic(at - low)
        places = [_bordered(low + k - 1, size, padding, corners) for k in range(4)]
        return list(zip(places, weights, strict=True))
    inner = _bordered(at, size, padding, corners)
    if method == "nearest":
        return [(np.round(inner), np.ones_like(inner))]
    low = np.floor(inner)
    return [(low, 1 - (inner - low)), (low + 1, inner - low)]


def grid_sample(data: Array, grid: Array, method: str, padding: str, corners: bool) -> Array:
    """`data` (N, C, ...) at the points of `grid` (N, dimensions, ...), x first, from -1 to 1."""
    sizes = data.shape[2:]
    count = len(sizes)
    wide = grid.astype("float64")
    points = [_unnormalized(wide[:, count - 1 - k], sizes[k], corners) for k in range(count)]
    axes = [_steps(p, s, method, padding, corners) for p, s in zip(points, sizes, strict=True)]
    batch = np.arange(data.shape[0]).reshape(-1, *[1] * count)
    total: Any = 0.0
    for taps in itertools.product(*axes):
        inside: Any = True
        weight: Any = 1.0
        index: list[Any] = [batch, slice(None)]
        for (place, part), size in zip(taps, sizes, strict=True):
            inside = inside & (place >= 0) & (place < size)
            index.append(np.clip(place, 0, size - 1).astype("int64"))
            weight = weight * part
        found = np.moveaxis(data[tuple(index)], -1, 1).astype("float64")
        total = total + np.where(inside[:, None], found, 0.0) * weight[:, None]
    return np.asarray(total).astype(data.dtype)
