"""Normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import topi
from ....support.errors import CompileError
from ...base import Expr
from ...struct_info import TensorStructInfo, TupleStructInfo
from .. import _infer
from .._declare import op, sample
from .._samples import array


def _along(vector: Any, axes: Sequence[int], rank: int) -> Any:
    """`vector` shaped to broadcast along `axes` of a tensor of `rank` dimensions."""
    sizes = iter(vector.shape)
    return vector.reshape([next(sizes) if i in axes else 1 for i in range(rank)])


def _moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    wide = x.astype(np.float64)
    return wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)


def _infer_batch_norm(
    data: Any, gamma: Any, beta: Any, moving_mean: Any, moving_var: Any, *rest: Any
) -> TupleStructInfo:
    x = _infer.tensor(data, "the data")
    axis = _infer.normalize_axis(int(rest[0]), x.ndim)
    for info, what in ((gamma, "gamma"), (beta, "beta"), (moving_mean, "moving_mean"),
                       (moving_var, "moving_var")):  # fmt: skip
        vector = _infer.tensor(info, f"`{what}`")
        if vector.ndim not in (1, -1):
            raise CompileError(f"`{what}` has {vector.ndim} dimensions, expected 1")
        if vector.dims is not None and x.dims is not None:
            _infer.require_equal(vector.dims[0], x.dims[axis], f"`{what}` and axis {axis}")
    return TupleStructInfo((x, moving_mean, moving_var))


def _batch_norm(
    data: Any, gamma: Any, beta: Any, moving_mean: Any, moving_var: Any, axis: int,
    epsilon: float, center: bool, scale: bool, momentum: float, training: bool,
) -> Any:  # fmt: skip
    axes = [axis % data.ndim]
    mean, var = (_along(v, axes, data.ndim) for v in (moving_mean, moving_var))
    new_mean, new_var = moving_mean, moving_var
    if training:
        others = tuple(i for i in range(data.ndim) if i not in axes)
        mean, var = _moments(data, others)
        new_mean = (1 - momentum) * moving_mean + momentum * mean.reshape(-1)
        new_var = (1 - momentum) * moving_var + momentum * var.reshape(-1)
    out = (data - mean) / np.sqrt(var + epsilon)
    if scale:
        out = out * _along(gamma, axes, data.ndim)
    if center:
        out = out + _along(beta, axes, data.ndim)
    kind = data.dtype
    return out.astype(kind), new_mean.astype(kind), new_var.astype(kind)


@op(
    "nn.batch_norm",
    infer=_infer_batch_norm,
    lower=lambda data, gamma, beta, moving_mean, moving_var, axis, epsilon, center, scale, momentum,
    training: topi.nn.batch_norm(
        data, gamma, beta, moving_mean, moving_var, axis, epsilon, center, scale, training, momentum
    ),
    reference=_batch_norm,
    samples=lambda: [
        sample(array((2, 3, 4)), *(array((3,), seed=s, low=0.5) for s in range(1, 5)), axis=1),
        sample(array((2, 4, 3)), *(array((3,), seed=s, low=0.5) for s in range(1, 5)), axis=-1,
               training=True),
    ],
)  # fmt: skip
def batch_norm(
    data: Expr,
    gamma: Expr,
    beta: Expr,
    moving_mean: Expr,
    moving_var: Expr,
    axis: int,
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    momentum: float = 0.1,
    training: bool = False,
) -> Expr:
    """`(data - mean) / sqrt(var + epsilon) * gamma + beta` along `axis`, with the new running
    mean and variance: a tuple of three. In training the batch's own statistics are used."""


def _infer_norm(data: Any, *rest: Any) -> TensorStructInfo:
    x = _infer.float_unary(data)
    assert isinstance(x, TensorStructInfo)
    return x


def _layer_norm(
    data: Any, gamma: Any, beta: Any, axes: Any, epsilon: float, center: bool, scale: bool
) -> Any:
    chosen = _infer.normalize_axes(axes, data.ndim)
    mean, var = _moments(data, chosen)
    out = (data - mean) / np.sqrt(var + epsilon)
    if scale:
        out = out * _along(gamma, chosen, data.ndim)
    if center:
        out = out + _along(beta, chosen, data.ndim)
    return out.astype(data.dtype)


@op(
    "nn.layer_norm",
    infer=_infer_norm,
    lower=lambda data, gamma, beta, axes, epsilon, center, scale: topi.nn.layer_norm(
        data, gamma if scale else None, beta if center else None,
        list(_infer.normalize_axes(axes, len(data.shape))), epsilon,
    ),
    reference=_layer_norm,
    samples=lambda: [
        sample(array((2, 3, 8)), array((8,), seed=1), array((8,), seed=2), -1),
        sample(array((2, 3, 8)), array((3, 8), seed=1), array((3, 8), seed=2), (1, 2)),
    ],
)  # fmt: skip
def layer_norm(
    data: Expr,
    gamma: Expr,
    beta: Expr,
    axes: int | Sequence[int],
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
) -> Expr:
    """`(data - mean) / sqrt(var + epsilon) * gamma + beta`, statistics over `axes`."""


def _rms_norm(data: Any, weight: Any, axes: Any, epsilon: float) -> Any:
    chosen = _infer.normalize_axes(axes, data.ndim)
    wide = data.astype(np.float64)
    square = (wide * wide).mean(chosen, keepdims=True)
    out = wide / np.sqrt(square + epsilon) * _along(weight, chosen, data.ndim)
    return out.astype(data.dtype)


@op(
    "nn.rms_norm",
    infer=_infer_norm,
    lower=lambda data, weight, axes, epsilon: topi.nn.rms_norm(
        data, weight, list(_infer.normalize_axes(axes, len(data.shape))), epsilon
    ),
    reference=_rms_norm,
    samples=lambda: [sample(array((2, 3, 8)), array((8,), seed=1), -1)],
)
def rms_norm(
    data: Expr, weight: Expr, axes: int | Sequence[int] = -1, epsilon: float = 1e-5
) -> Expr:
    """`data / sqrt(mean(data^2) + epsilon) * weight`, the mean over `axes`."""


def _group_norm(
    data: Any, gamma: Any, beta: Any, num_groups: int, channel_axis: int, axes: Any,
    epsilon: float, center: bool, scale: bool,
) -> Any:  # fmt: skip
    channel = channel_axis % data.ndim
    moved = np.moveaxis(data, channel, 1)
    grouped = moved.reshape(moved.shape[0], num_groups, -1)
    mean, var = _moments(grouped, (2,))
    out = np.moveaxis(((grouped - mean) / np.sqrt(var + epsilon)).reshape(moved.shape), 1, channel)
    if scale:
        out = out * _along(gamma, [channel], data.ndim)
    if center:
        out = out + _along(beta, [channel], data.ndim)
    return out.astype(data.dtype)


@op(
    "nn.group_norm",
    infer=_infer_norm,
    lower=lambda data, gamma, beta, num_groups, channel_axis, axes, epsilon, center, scale: (
        topi.nn.group_norm(
            data, gamma if scale else None, beta if center else None, num_groups,
            _infer.normalize_axis(channel_axis, len(data.shape)),
            list(_infer.normalize_axes(axes, len(data.shape))), epsilon,
        )
    ),
    reference=_group_norm,
    samples=lambda: [
        sample(array((2, 4, 3, 2)), array((4,), seed=1), array((4,), seed=2), 2, 1, (2, 3))
    ],
)  # fmt: skip
def group_norm(
    data: Expr,
    gamma: Expr,
    beta: Expr,
    num_groups: int,
    channel_axis: int,
    axes: int | Sequence[int],
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
) -> Expr:
    """Layer normalization of each group of channels, over `axes` and the group's channels."""


def _instance_norm(
    data: Any, gamma: Any, beta: Any, channel_axis: int, axes: Any, epsilon: float, center: bool,
    scale: bool,
) -> Any:  # fmt: skip
    mean, var = _moments(data, _infer.normalize_axes(axes, data.ndim))
    out = (data - mean) / np.sqrt(var + epsilon)
    channel = [channel_axis % data.ndim]
    if scale:
        out = out * _along(gamma, channel, data.ndim)
    if center:
        out = out + _along(beta, channel, data.ndim)
    return out.astype(data.dtype)


@op(
    "nn.instance_norm",
    infer=_infer_norm,
    lower=lambda data, gamma, beta, channel_axis, axes, epsilon, center, scale: (
        topi.nn.instance_norm(
            data, gamma if scale else None, beta if center else None,
            _infer.normalize_axis(channel_axis, len(data.shape)),
            list(_infer.normalize_axes(axes, len(data.shape))), epsilon,
        )
    ),
    reference=_instance_norm,
    samples=lambda: [
        sample(array((2, 3, 4, 5)), array((3,), seed=1), array((3,), seed=2), 1, (2, 3))
    ],
)  # fmt: skip
def instance_norm(
    data: Expr,
    gamma: Expr,
    beta: Expr,
    channel_axis: int,
    axes: int | Sequence[int],
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
) -> Expr:
    """Each channel of each image normalized over `axes`."""


def dropout(data: Expr, rate: float = 0.5) -> Expr:
    """The data itself and a mask of ones: dropout does nothing at inference."""
    from ...expr import Tuple
    from ..create import ones_like

    return Tuple((data, ones_like(data)))


__all__ = ["batch_norm", "dropout", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
