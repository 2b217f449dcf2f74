"""NumPy references of normalizations and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__all__ = [
    "batch_norm", "batch_norm_python", "group_norm_python", "instance_norm_python",
    "layer_norm_python", "log_softmax_python", "lrn_python", "rms_norm_python", "softmax_python",
]  # fmt: skip


def softmax_python(a_np: Array, axis: int = 1) -> Array:
    """Exponentials over their sum."""
    e = np.exp(a_np - a_np.max(axis, keepdims=True))
    made: Array = (e / e.sum(axis, keepdims=True)).astype(a_np.dtype)
    return made


def log_softmax_python(a_np: Array, axis: int = 1) -> Array:
    """The logarithm of `softmax_python`."""
    low = a_np - a_np.max(axis, keepdims=True)
    made: Array = low - np.log(np.exp(low).sum(axis, keepdims=True))
    return made


def layer_norm_python(
    data: Array, gamma: Array, beta: Array | None, axis: tuple[int, ...], epsilon: float = 1e-5
) -> Array:
    """Mean 0 and variance 1 over `axis`."""
    wide = data.astype("float64")
    value = (wide - wide.mean(axis, keepdims=True)) / np.sqrt(
        wide.var(axis, keepdims=True) + epsilon
    )
    shape = [d if k in axis else 1 for k, d in enumerate(data.shape)]
    value = value * gamma.reshape(shape)
    if beta is not None:
        value = value + beta.reshape(shape)
    made: Array = value.astype(data.dtype)
    return made


def batch_norm_python(
    data: Array, gamma: Array, beta: Array, mean: Array, var: Array, axis: int, epsilon: float
) -> Array:
    """Every channel with the given mean and variance brought to 0 and 1."""
    shape = [d if k == axis else 1 for k, d in enumerate(data.shape)]
    g, b, m, v = (x.reshape(shape).astype("float64") for x in (gamma, beta, mean, var))
    made: Array = ((data - m) / np.sqrt(v + epsilon) * g + b).astype(data.dtype)
    return made


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    axis: int,
    epsilon: float,
    center: bool,
    scale: bool,
    training: bool,
    momentum: float,
) -> list[Array]:
    """Every channel normalized, by its own statistics in `training`, and the moving statistics."""
    mean, var = moving_mean, moving_var
    if training:
        others = tuple(k for k in range(x.ndim) if k != axis % x.ndim)
        mean, var = x.mean(others), x.var(others)
        moving_mean = (1 - momentum) * moving_mean + momentum * mean
        moving_var = (1 - momentum) * moving_var + momentum * var
    factor = gamma if scale else np.ones_like(gamma)
    shift = beta if center else np.zeros_like(beta)
    made = batch_norm_python(x, factor, shift, mean, var, axis % x.ndim, epsilon)
    return [made, moving_mean, moving_var]


def group_norm_python(
    data: Array,
    gamma: Array,
    beta: Array,
    num_groups: int,
    channel_axis: int = 1,
    axes: Sequence[int] | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Groups of channels normalized each over themselves and `axes` (None: all but the batch)."""
    axis = channel_axis % data.ndim
    size = data.shape[axis]
    others = list(axes) if axes is not None else [k for k in range(1, data.ndim) if k != axis]
    grouped = [*data.shape[:axis], num_groups, size // num_groups, *data.shape[axis + 1 :]]
    wide = data.astype("float64").reshape(grouped)
    over = tuple({axis + 1, *(k + (k > axis) for k in others)})
    value = (wide - wide.mean(over, keepdims=True)) / np.sqrt(
        wide.var(over, keepdims=True) + epsilon
    )
    shape = [size if k == axis else 1 for k in range(data.ndim)]
    value = value.reshape(data.shape) * gamma.reshape(shape) + beta.reshape(shape)
    made: Array = value.astype(data.dtype)
    return made


def instance_norm_python(
    data: Array, gamma: Array, beta: Array, axis: Sequence[int], epsilon: float = 1e-5
) -> Array:
    """Every channel of every image, at 1, normalized over `axis`."""
    axes = tuple(axis)
    wide = data.astype("float64")
    value = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(
        wide.var(axes, keepdims=True) + epsilon
    )
    shape = [1, data.shape[1]] + [1] * (data.ndim - 2)
    made: Array = (value * gamma.reshape(shape) + beta.reshape(shape)).astype(data.dtype)
    return made


def rms_norm_python(
    data: Array, weight: Array, axis: tuple[int, ...], epsilon: float = 1e-5
) -> Array:
    """Over the root of the mean square."""
    wide = data.astype("float64")
    value = wide / np.sqrt((wide * wide).mean(axis, keepdims=True) + epsilon)
    shape = [d if k in axis else 1 for k, d in enumerate(data.shape)]
    made: Array = (value * weight.reshape(shape)).astype(data.dtype)
    return made


def lrn_python(a_np: Array, size: int, axis: int, bias: float, alpha: float, beta: float) -> Array:
    """Over a power of the squares of the neighbours along `axis`."""
    squares = np.moveaxis(a_np.astype("float64") ** 2, axis, 0)
    total = np.zeros_like(squares)
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    for k in range(len(squares)):
        total[k] = squares[max(0, k - before) : k + after + 1].sum(0)
    total = np.moveaxis(total, 0, axis)
    made: Array = (a_np / (bias + alpha / size * total) ** beta).astype(a_np.dtype)
    return made
