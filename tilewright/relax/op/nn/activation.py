"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import topi
from ....tir import op as tir_op
from ...base import Expr
from .. import _infer, _samples
from .._declare import op, sample
from .._samples import array
from ..unary import erf_reference, unary_op

relu = unary_op(
    "nn.relu", lambda x: np.maximum(x, x.dtype.type(0)), "`x` where positive, else 0.",
    infer=_infer.same_as_first, samples=_samples.unary((*_samples.FLOATS, "int32")),
    lower=lambda x: topi.nn.relu(x), onnx="Relu",
)  # fmt: skip
relu6 = unary_op(
    "nn.relu6", lambda x: np.clip(x, 0, 6), "`x` between 0 and 6.",
    infer=_infer.same_as_first, lower=lambda x: topi.clip(x, 0, 6),
)  # fmt: skip


def _half(x: Any, value: float) -> Any:
    return tir_op.const(value, x.dtype)


def _gelu(x: Any) -> Any:
    """x/2 * (1 + erf(x / sqrt 2))"""
    inner = topi.erf(topi.multiply(x, _half(x, 0.7071067811865476)))
    return topi.multiply(topi.multiply(x, _half(x, 0.5)), topi.add(inner, _half(x, 1.0)))


def _gelu_tanh(x: Any) -> Any:
    """x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))"""
    cube = topi.multiply(topi.multiply(x, x), x)
    inner = topi.add(x, topi.multiply(cube, _half(x, 0.044715)))
    bent = topi.tanh(topi.multiply(inner, _half(x, 0.7978845608028654)))
    return topi.multiply(topi.multiply(x, _half(x, 0.5)), topi.add(bent, _half(x, 1.0)))


gelu = unary_op(
    "nn.gelu", lambda x: 0.5 * x * (1 + erf_reference(x * 0.7071067811865476)),
    "`x` times the normal distribution's cumulative function at `x`.", lower=_gelu,
)  # fmt: skip
gelu_tanh = unary_op(
    "nn.gelu_tanh",
    lambda x: 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "GELU by the approximation with tanh.", lower=_gelu_tanh,
)  # fmt: skip
silu = unary_op(
    "nn.silu", lambda x: x / (1 + np.exp(-x)), "`x * sigmoid(x)`.",
    lower=lambda x: topi.multiply(x, topi.sigmoid(x)),
)  # fmt: skip
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
selu = unary_op(
    "nn.selu",
    lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "`1.0507 * x` where positive, else `1.0507 * 1.6733 * (exp(x) - 1)` (Klambauer et al., 2017).",
    lower=lambda x: topi.nn.selu(x),
)  # fmt: skip


@op(
    "nn.leakyrelu",
    infer=lambda data, alpha: _infer.float_unary(data),
    lower=lambda data, alpha: topi.nn.leaky_relu(data, alpha),
    reference=lambda data, alpha: np.where(data > 0, data, data * data.dtype.type(alpha)),
    samples=_samples.unary(alpha=0.2),
)
def leakyrelu(data: Expr, alpha: float = 0.01) -> Expr:
    """`data` where positive, else `alpha * data`."""


def _softplus(data: Any, beta: float, threshold: float) -> Any:
    scaled = data.astype(np.float64) * beta
    soft = np.maximum(scaled, 0) + np.log1p(np.exp(-np.abs(scaled)))
    return np.where(scaled > threshold, data, soft / beta).astype(data.dtype)


def _lower_softplus(data: Any, beta: float, threshold: float) -> Any:
    """max(z, 0) + log1p(exp(-|z|)) with z = beta * x: no overflow, exact at both ends."""
    z = topi.multiply(data, tir_op.const(beta, data.dtype))
    soft = topi.log1p(topi.exp(topi.negative(topi.abs(z))))
    total = topi.divide(topi.add(topi.maximum(z, tir_op.const(0, data.dtype)), soft),
                        tir_op.const(beta, data.dtype))  # fmt: skip
    return topi.where(topi.greater(z, tir_op.const(threshold, data.dtype)), data, total)


@op(
    "nn.softplus",
    infer=lambda data, beta, threshold: _infer.float_unary(data),
    lower=_lower_softplus,
    reference=_softplus,
    samples=_samples.unary(low=-30, high=30),
)
def softplus(data: Expr, beta: float = 1.0, threshold: float = 20.0) -> Expr:
    """`log(1 + exp(beta * x)) / beta`; `x` itself where `beta * x` is above `threshold`."""


@op(
    "nn.prelu",
    infer=lambda data, alpha, axis: _infer.float_unary(data),
    lower=lambda data, alpha, axis: topi.nn.prelu(
        data, alpha, _infer.normalize_axis(axis, len(data.shape))
    ),
    reference=lambda data, alpha, axis: np.where(
        data > 0, data, data * alpha.reshape([-1 if i == axis % data.ndim else 1
                                              for i in range(data.ndim)])
    ),
    samples=lambda: [sample(array((2, 3, 4)), array((3,), seed=1), 1)],
)  # fmt: skip
def prelu(data: Expr, alpha: Expr, axis: int = 1) -> Expr:
    """`data` where positive, else `data` times the slope of its place along `axis`."""


def _softmax(data: Any, axis: int) -> Any:
    wide = data.astype(np.float64)
    if not wide.size:
        return data
    exp = np.exp(wide - np.max(wide, axis, keepdims=True))
    return (exp / exp.sum(axis, keepdims=True)).astype(data.dtype)


def _infer_softmax(data: Any, axis: int) -> Any:
    info = _infer.float_unary(data)
    _infer.normalize_axis(axis, info.ndim)  # type: ignore[attr-defined]
    return info


@op(
    "nn.softmax",
    infer=_infer_softmax,
    lower=lambda data, axis: topi.nn.fast_softmax(data, axis),
    reference=_softmax,
    samples=lambda: [sample(array((2, 3, 4)), -1), sample(array((2, 3, 4)), 1)],
)
def softmax(data: Expr, axis: int = -1) -> Expr:
    """`exp(x) / sum(exp(x))` along `axis`, computed without overflow."""


@op(
    "nn.log_softmax",
    infer=_infer_softmax,
    lower=lambda data, axis: topi.nn.log_softmax(data, axis),
    reference=lambda data, axis: np.log(_softmax(data.astype(np.float64), axis)).astype(data.dtype),
    samples=lambda: [sample(array((2, 5)), -1)],
)
def log_softmax(data: Expr, axis: int = -1) -> Expr:
    """The logarithm of `softmax` along `axis`."""
