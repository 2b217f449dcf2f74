"""Activations, element by element: one table, and those with parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..math import elementwise, in_float32
from ..utils import compute, const_or_none, normalize_axis, require_rank, require_shape

__all__ = [
    "bias_add", "celu", "dropout", "elu", "gelu", "gelu_tanh", "hard_sigmoid", "hard_swish",
    "leaky_relu", "mish", "prelu", "relu", "relu6", "scale_shift_nchw", "scale_shift_nchwc",
    "scale_shift_nhwc", "selu", "shrink", "silu", "softplus", "softsign", "thresholded_relu",
]  # fmt: skip


def _c(value: float, like: PrimExpr) -> PrimExpr:
    return op.const(value, like.dtype)


def _relu(x: PrimExpr) -> PrimExpr:
    return op.max(x, _c(0, x))


def _silu(x: PrimExpr) -> PrimExpr:
    return op.multiply(x, op.sigmoid(x))


def _gelu(x: PrimExpr) -> PrimExpr:
    inner = op.erf(op.multiply(x, _c(math.sqrt(0.5), x)))
    return op.multiply(op.multiply(x, _c(0.5, x)), op.add(_c(1, x), inner))


def _gelu_tanh(x: PrimExpr) -> PrimExpr:
    cubic = op.add(x, op.multiply(_c(0.044715, x), op.multiply(x, op.multiply(x, x))))
    inner = op.tanh(op.multiply(_c(math.sqrt(2 / math.pi), x), cubic))
    return op.multiply(op.multiply(x, _c(0.5, x)), op.add(_c(1, x), inner))


def _softplus(x: PrimExpr) -> PrimExpr:
    return op.add(op.max(x, _c(0, x)), op.log1p(op.exp(-op.abs(x))))


def _mish(x: PrimExpr) -> PrimExpr:
    return op.multiply(x, op.tanh(_softplus(x)))


def _operator(name: str, function: Callable[[PrimExpr], PrimExpr], doc: str) -> Any:
    def operate(x: Tensor) -> Tensor:
        return elementwise(x, in_float32(function), f"T_{name}")

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


def relu(x: Tensor) -> Tensor:
    """`x` where positive, else 0."""
    return elementwise(x, _relu)


def relu6(x: Tensor) -> Tensor:
    """`x` brought between 0 and 6."""
    return elementwise(x, lambda v: op.min(_relu(v), _c(6, v)), "T_relu6")


silu = _operator("silu", _silu, "`x * sigmoid(x)`.")
gelu = _operator("gelu", _gelu, "`x * (1 + erf(x / sqrt(2))) / 2`.")
gelu_tanh = _operator("gelu_tanh", _gelu_tanh, "`gelu` approximated by `tanh`.")
mish = _operator("mish", _mish, "`x * tanh(log(1 + exp(x)))`.")
softsign = _operator(
    "softsign", lambda x: op.div(x, op.add(_c(1, x), op.abs(x))), "`x / (1 + |x|)`."
)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """`log(1 + exp(beta * x)) / beta`; `x` itself where `beta * x` exceeds `threshold`."""

    def element(v: PrimExpr) -> PrimExpr:
        scaled = v if beta == 1.0 else op.multiply(v, _c(beta, v))
        made = _softplus(scaled)
        made = made if beta == 1.0 else op.div(made, _c(beta, v))
        return op.select(op.greater(scaled, _c(threshold, v)), v, made)

    return elementwise(x, in_float32(element))


def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """`x` where positive, else `alpha * x`."""

    def element(v: PrimExpr) -> PrimExpr:
        return op.select(op.greater(v, _c(0, v)), v, op.multiply(v, _c(alpha, v)))

    return elementwise(x, element)


def thresholded_relu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """`x` where greater than `alpha`, else 0."""
    return elementwise(
        x, lambda v: op.select(op.greater(v, _c(alpha, v)), v, _c(0, v)), "T_thresholded_relu"
    )


def shrink(x: Tensor, lambd: float = 0.5, bias: float = 0.0) -> Tensor:
    """`x + bias` below `-lambd`, `x - bias` above `lambd`, 0 between."""

    def element(v: PrimExpr) -> PrimExpr:
        low = op.select(op.less(v, _c(-lambd, v)), op.add(v, _c(bias, v)), _c(0, v))
        return op.select(op.greater(v, _c(lambd, v)), op.subtract(v, _c(bias, v)), low)

    return elementwise(x, element, "T_shrink")


def _exponential(x: PrimExpr, alpha: float, scale: float, divisor: float) -> PrimExpr:
    inner = x if divisor == 1 else op.div(x, _c(divisor, x))
    low = op.multiply(_c(alpha, x), op.expm1(op.min(inner, _c(0, x))))
    made = op.select(op.greater(x, _c(0, x)), x, low)
    return made if scale == 1 else op.multiply(_c(scale, x), made)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """`x` where positive, else `alpha * (exp(x) - 1)`."""
    return elementwise(x, in_float32(lambda v: _exponential(v, alpha, 1, 1)), "T_elu")


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """`x` where positive, else `alpha * (exp(x / alpha) - 1)`."""
    return elementwise(x, in_float32(lambda v: _exponential(v, alpha, 1, alpha)), "T_celu")


def selu(x: Tensor, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Tensor:
    """`gamma * elu(x, alpha)`."""
    return elementwise(x, in_float32(lambda v: _exponential(v, alpha, gamma, 1)), "T_selu")


def _hard_sigmoid(v: PrimExpr, alpha: float, beta: float) -> PrimExpr:
    line = op.add(op.multiply(v, _c(alpha, v)), _c(beta, v))
    return op.max(op.min(line, _c(1, v)), _c(0, v))


def hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """`alpha * x + beta` brought between 0 and 1."""
    return elementwise(x, lambda v: _hard_sigmoid(v, alpha, beta), "T_hard_sigmoid")


def hard_swish(x: Tensor) -> Tensor:
    """`x * hard_sigmoid(x, 1 / 6, 1 / 2)`."""
    return elementwise(x, lambda v: op.multiply(v, _hard_sigmoid(v, 1 / 6, 0.5)), "T_hard_swish")


def dropout(x: Tensor, rate: float = 0.5) -> list[Tensor]:
    """What dropout is when nothing is trained: `x`, and a mask of ones."""
    kept = elementwise(x, lambda v: v, "T_dropout")
    return [kept, elementwise(x, lambda v: op.const(1, v.dtype), "T_dropout_mask")]


def prelu(x: Tensor, slope: Tensor, axis: int = 1) -> Tensor:
    """`x` where positive, else `slope * x` with a slope for each place along `axis`."""
    place = normalize_axis(axis, x.ndim)
    single = slope.ndim == 1 and const_or_none(slope.shape[0]) == 1
    require_shape(slope, [1 if single else x.shape[place]], "prelu")

    def element(*i: PrimExpr) -> PrimExpr:
        value = x(*i)
        factor = slope(op.const(0, i[place].dtype) if single else i[place])
        return op.select(op.greater(value, _c(0, value)), value, op.multiply(value, factor))

    return compute(x.shape, element, "compute", tag.BROADCAST)


def bias_add(data: Tensor, bias: Tensor, axis: int = 1) -> Tensor:
    """`data` plus a number for each place along `axis`."""
    place = normalize_axis(axis, data.ndim)
    require_shape(bias, [data.shape[place]], "bias_add")
    return compute(
        data.shape, lambda *i: op.add(data(*i), bias(i[place])), "T_bias_add", tag.BROADCAST
    )


def _scale_shift(
    data: Tensor, scale: Tensor, shift: Tensor, axes: tuple[int, ...], rank: int = 4
) -> Tensor:
    require_rank(data, rank, "scale_shift")
    for factors in (scale, shift):
        require_shape(factors, [data.shape[a] for a in axes], "scale_shift")

    def element(*i: PrimExpr) -> PrimExpr:
        at = [i[a] for a in axes]
        return op.add(op.multiply(data(*i), scale(*at)), shift(*at))

    return compute(data.shape, element, "ScaleShift", tag.BROADCAST)


def scale_shift_nchw(Input: Tensor, Scale: Tensor, Shift: Tensor) -> Tensor:
    """`Input * Scale + Shift` with a pair for each channel."""
    return _scale_shift(Input, Scale, Shift, (1,))


def scale_shift_nhwc(Input: Tensor, Scale: Tensor, Shift: Tensor) -> Tensor:
    """`Input * Scale + Shift` with a pair for each channel, which is last."""
    return _scale_shift(Input, Scale, Shift, (3,))


def scale_shift_nchwc(Input: Tensor, Scale: Tensor, Shift: Tensor) -> Tensor:
    """`Input * Scale + Shift` with a pair for each channel of blocks of channels."""
    return _scale_shift(Input, Scale, Shift, (1, 4), 5)
