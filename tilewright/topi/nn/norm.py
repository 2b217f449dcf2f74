"""Normalizations. Statistics of narrow floats are kept in float32; variances are centered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Axes
from ..reduction import accumulator
from ..utils import (
    compute,
    const_or_none,
    equal_const_int,
    index_dtype,
    normalize_axes,
    normalize_axis,
    offset,
    product,
    reduce_over,
    require_shape,
)
from .utils import positive

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "l2_normalize", "layer_norm", "lrn", "rms_norm",
]  # fmt: skip

Moments = tuple[Callable[..., PrimExpr], Callable[..., PrimExpr]]


def _moments(data: Tensor, axes: Sequence[int], name: str) -> Moments:
    """The mean and the variance over `axes` as functions of the indices of `data`."""
    kept = accumulator(data.dtype)
    dtype = index_dtype(data)
    rest = [k for k in range(data.ndim) if k not in axes]
    count = op.cast(product([data.shape[k] for k in axes], dtype), kept)
    shape = [data.shape[k] for k in rest]

    def at(i: Sequence[PrimExpr]) -> list[PrimExpr]:
        return [i[k] for k in rest]

    def total(function: Callable[[PrimExpr, Sequence[PrimExpr]], PrimExpr], what: str) -> Tensor:
        reduced = {k: reduce_over(data.shape[k], f"k{k}", dtype) for k in axes}

        def element(*i: PrimExpr) -> PrimExpr:
            own = iter(i)
            source = [reduced[k].var if k in reduced else next(own) for k in range(data.ndim)]
            value = function(op.cast(data(*source), kept), i)
            made: PrimExpr = te.sum(value, list(reduced.values()))
            return made

        return compute(shape, element, f"{name}_{what}", tag.COMM_REDUCE)

    sums = total(lambda v, i: v, "sum")
    squares = total(lambda v, i: _square(op.subtract(v, op.div(sums(*i), count))), "squares")
    return (
        lambda *i: op.div(sums(*at(i)), count),
        lambda *i: op.div(squares(*at(i)), count),
    )


def _square(value: PrimExpr) -> PrimExpr:
    return op.multiply(value, value)


def _normalized(
    data: Tensor,
    moments: Moments,
    epsilon: float,
    gamma: Callable[..., PrimExpr] | None,
    beta: Callable[..., PrimExpr] | None,
    name: str,
) -> Tensor:
    mean, variance = moments
    kept = accumulator(data.dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        centered = op.subtract(op.cast(data(*i), kept), mean(*i))
        value = op.multiply(centered, op.rsqrt(op.add(variance(*i), op.const(epsilon, kept))))
        if gamma is not None:
            value = op.multiply(value, op.cast(gamma(*i), kept))
        if beta is not None:
            value = op.add(value, op.cast(beta(*i), kept))
        return op.cast(value, data.dtype)

    return compute(data.shape, element, f"T_{name}", tag.INJECTIVE)


def _check_factors(factors: Sequence[Tensor | None], shape: Sequence[PrimExpr], who: str) -> None:
    for tensor in factors:
        if tensor is not None:
            require_shape(tensor, shape, who)


def layer_norm(
    data: Tensor, gamma: Tensor | None, beta: Tensor | None, axis: Axes, epsilon: float = 1e-5
) -> Tensor:
    """`data` with mean 0 and variance 1 over `axis`, times `gamma`, plus `beta` (shaped so)."""
    axes = normalize_axes(axis, data.ndim)
    _check_factors((gamma, beta), [data.shape[k] for k in axes], "layer_norm")
    return _normalized(
        data,
        _moments(data, axes, "layer_norm"),
        epsilon,
        None if gamma is None else lambda *i: gamma(*[i[k] for k in axes]),
        None if beta is None else lambda *i: beta(*[i[k] for k in axes]),
        "layer_norm",
    )


def instance_norm(
    data: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    channel_axis: int,
    axis: Axes,
    epsilon: float = 1e-5,
) -> Tensor:
    """`data` normalized over `axis`, times `gamma` and plus `beta` of each channel."""
    channel = normalize_axis(channel_axis, data.ndim)
    _check_factors((gamma, beta), [data.shape[channel]], "instance_norm")
    return _normalized(
        data,
        _moments(data, normalize_axes(axis, data.ndim), "instance_norm"),
        epsilon,
        None if gamma is None else lambda *i: gamma(i[channel]),
        None if beta is None else lambda *i: beta(i[channel]),
        "instance_norm",
    )


def group_norm(
    data: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    num_groups: int,
    channel_axis: int,
    axes: Axes,
    epsilon: float = 1e-5,
) -> Tensor:
    """`data` normalized over `axes` and over each group of channels, times `gamma`, plus `beta`."""
    channel = normalize_axis(channel_axis, data.ndim)
    _check_factors((gamma, beta), [data.shape[channel]], "group_norm")
    total = const_or_none(data.shape[channel])
    if num_groups < 1 or (total is not None and total % num_groups):
        raise ArgumentError(f"group_norm: {total} channels in {num_groups} groups")
    width: Any = total // num_groups if total is not None else data.shape[channel] // num_groups
    dtype = index_dtype(data)
    split = [
        *data.shape[:channel], op.const(num_groups, dtype), op.cast(_dim(width, dtype), dtype),
        *data.shape[channel + 1 :],
    ]  # fmt: skip
    grouped = compute(
        split,
        lambda *i: data(
            *i[:channel], op.add(op.multiply(i[channel], width), i[channel + 1]), *i[channel + 2 :]
        ),
        "T_group",
        tag.INJECTIVE,
    )
    spatial = [k if k < channel else k + 1 for k in normalize_axes(axes, data.ndim)]
    mean, variance = _moments(grouped, sorted({*spatial, channel + 1}), "group_norm")

    def inner(i: Sequence[PrimExpr]) -> list[PrimExpr]:
        if equal_const_int(_dim(width, dtype), 1):
            return [*i[:channel], i[channel], op.const(0, dtype), *i[channel + 1 :]]
        group, rest = op.floordiv(i[channel], width), op.floormod(i[channel], width)
        return [*i[:channel], group, rest, *i[channel + 1 :]]

    return _normalized(
        data,
        (lambda *i: mean(*inner(i)), lambda *i: variance(*inner(i))),
        epsilon,
        None if gamma is None else lambda *i: gamma(i[channel]),
        None if beta is None else lambda *i: beta(i[channel]),
        "group_norm",
    )


def _dim(value: Any, dtype: str) -> PrimExpr:
    return op.const(value, dtype) if isinstance(value, int) else value


def rms_norm(data: Tensor, weight: Tensor, axis: Axes, epsilon: float = 1e-5) -> Tensor:
    """`data` over the root of its mean square over `axis`, times `weight`."""
    axes = normalize_axes(axis, data.ndim)
    require_shape(weight, [data.shape[k] for k in axes], "rms_norm")
    kept = accumulator(data.dtype)
    dtype = index_dtype(data)
    reduced = {k: reduce_over(data.shape[k], f"k{k}", dtype) for k in axes}
    rest = [k for k in range(data.ndim) if k not in axes]
    count = op.cast(product([data.shape[k] for k in axes], dtype), kept)

    def square(*i: PrimExpr) -> PrimExpr:
        own = iter(i)
        source = [reduced[k].var if k in reduced else next(own) for k in range(data.ndim)]
        value = op.cast(data(*source), kept)
        made: PrimExpr = te.sum(_square(value), list(reduced.values()))
        return made

    squares = compute([data.shape[k] for k in rest], square, "rms_norm_squares", tag.COMM_REDUCE)

    def element(*i: PrimExpr) -> PrimExpr:
        mean = op.div(squares(*[i[k] for k in rest]), count)
        scale = op.rsqrt(op.add(mean, op.const(epsilon, kept)))
        value = op.multiply(op.cast(data(*i), kept), scale)
        return op.cast(op.multiply(value, op.cast(weight(*[i[k] for k in axes]), kept)), data.dtype)

    return compute(data.shape, element, "T_rms_norm", tag.INJECTIVE)


def batch_norm(
    data: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving_mean: Tensor,
    moving_var: Tensor,
    axis: int | None = None,
    epsilon: float | None = None,
    center: bool | None = None,
    scale: bool | None = None,
    training: bool | None = None,
    momentum: float | None = None,
) -> list[Tensor]:
    """`data` normalized for each place along `axis`, and the mean and variance that are kept.

    With `training` the statistics are those of `data`, and the ones kept move towards them by
    `momentum`; else they are the given ones. `center` adds `beta`, `scale` multiplies by `gamma`.
    """
    place = normalize_axis(1 if axis is None else axis, data.ndim)
    for vector in (gamma, beta, moving_mean, moving_var):
        require_shape(vector, [data.shape[place]], "batch_norm")
    eps = 1e-5 if epsilon is None else epsilon
    shift = 0.1 if momentum is None else momentum
    kept = accumulator(data.dtype)
    mean, variance = moving_mean, moving_var
    if training:
        rest = [k for k in range(data.ndim) if k != place]
        mean, variance = _channel_moments(data, rest, place, kept)

    def factor(c: PrimExpr) -> PrimExpr:
        root = op.sqrt(op.add(op.cast(variance(c), kept), op.const(eps, kept)))
        one = op.const(1, kept) if scale is False else op.cast(gamma(c), kept)
        return op.div(one, root)

    factors = compute([data.shape[place]], factor, "T_batch_norm_scale", tag.INJECTIVE)

    def element(*i: PrimExpr) -> PrimExpr:
        c = i[place]
        value = op.subtract(op.cast(data(*i), kept), op.cast(mean(c), kept))
        value = op.multiply(value, factors(c))
        if center is not False:
            value = op.add(value, op.cast(beta(c), kept))
        return op.cast(value, data.dtype)

    out = compute(data.shape, element, "T_batch_norm", tag.BROADCAST)
    return [
        out,
        _moved(moving_mean, mean if training else None, shift),
        _moved(moving_var, variance if training else None, shift),
    ]


def _channel_moments(
    data: Tensor, rest: Sequence[int], place: int, kept: str
) -> tuple[Tensor, Tensor]:
    mean, variance = _moments(data, rest, "batch_norm")

    def only(function: Callable[..., PrimExpr], name: str) -> Tensor:
        def element(c: PrimExpr) -> PrimExpr:
            return function(*[c if k == place else op.const(0, c.dtype) for k in range(data.ndim)])

        return compute([data.shape[place]], element, name, tag.INJECTIVE)

    return only(mean, "batch_norm_mean"), only(variance, "batch_norm_var")


def _moved(old: Tensor, new: Tensor | None, momentum: float) -> Tensor:
    def element(c: PrimExpr) -> PrimExpr:
        if new is None:
            return old(c)
        kept = op.multiply(old(c), op.const(1 - momentum, old.dtype))
        return op.add(kept, op.multiply(op.cast(new(c), old.dtype), op.const(momentum, old.dtype)))

    return compute(old.shape, element, "T_moving", tag.ELEMWISE)


def l2_normalize(data: Tensor, eps: float, axis: Axes = None) -> Tensor:
    """`data` over the root of the sum of its squares over `axis`, which is at least `eps`."""
    axes = normalize_axes(axis, data.ndim)
    kept, dtype = accumulator(data.dtype), index_dtype(data)
    reduced = {k: reduce_over(data.shape[k], f"k{k}", dtype) for k in axes}
    rest = [k for k in range(data.ndim) if k not in axes]

    def square(*i: PrimExpr) -> PrimExpr:
        own = iter(i)
        source = [reduced[k].var if k in reduced else next(own) for k in range(data.ndim)]
        made: PrimExpr = te.sum(_square(op.cast(data(*source), kept)), list(reduced.values()))
        return made

    total = compute([data.shape[k] for k in rest], square, "l2_squares", tag.COMM_REDUCE)

    def element(*i: PrimExpr) -> PrimExpr:
        size = op.max(total(*[i[k] for k in rest]), op.const(eps, kept))
        return op.cast(op.div(op.cast(data(*i), kept), op.sqrt(size)), data.dtype)

    return compute(data.shape, element, "l2_normalize", tag.INJECTIVE)


def lrn(
    data: Tensor,
    size: int,
    axis: int = 1,
    alpha: float = 0.0001,
    beta: float = 0.75,
    bias: float = 2,
) -> Tensor:
    """`data / (bias + alpha * s / size) ** beta`, `s` the sum of squares of `size` neighbours along
    `axis` (of which `size // 2`, rounded down for the places before, lie on each side)."""
    place = normalize_axis(axis, data.ndim)
    positive([size], "lrn: size")
    kept, dtype = accumulator(data.dtype), index_dtype(data)
    k = reduce_over(size, "rxk", dtype)
    before = (size - 1) // 2
    extent = data.shape[place]

    def square(*i: PrimExpr) -> PrimExpr:
        along = offset(op.add(i[place], k.var), -before)
        inside = op.all(op.greater_equal(along, 0), op.less(along, extent))
        value = op.cast(data(*i[:place], along, *i[place + 1 :]), kept)
        made: PrimExpr = te.sum(op.if_then_else(inside, _square(value), op.const(0, kept)), k)
        return made

    total = compute(data.shape, square, "lrn_squares", tag.COMM_REDUCE)

    def element(*i: PrimExpr) -> PrimExpr:
        scaled = op.multiply(total(*i), op.const(alpha / size, kept))
        low = op.power(op.add(scaled, op.const(bias, kept)), op.const(beta, kept))
        return op.cast(op.div(op.cast(data(*i), kept), low), data.dtype)

    return compute(data.shape, element, "T_lrn", tag.INJECTIVE)
