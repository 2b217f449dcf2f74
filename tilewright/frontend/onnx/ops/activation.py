"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op

Expr = relax.Expr


@onnx_op("LeakyRelu")
def leaky_relu(n: NodeContext) -> Result:
    """`x` where positive, else `alpha * x`."""
    return R.nn.leakyrelu(n[0], n.attr("alpha", 0.01))


@onnx_op("PRelu", since=1)
def prelu_by_channel(n: NodeContext) -> Result:
    """`x` where positive, else `slope * x`; one slope a channel (opsets below 7)."""
    if n.rank(1) == 1 and n.rank(0) > 2:
        slope = n.emit(R.reshape(n[1], [1, -1, *[1] * (n.rank(0) - 2)]))
        return prelu(n.renamed("PRelu", [n[0], slope]))
    return prelu(n)


@onnx_op("PRelu", since=7)
def prelu(n: NodeContext) -> Result:
    """`x` where positive, else `slope * x`; the slope broadcasts."""
    x, slope = n[0], n[1]
    zero = n.const(0, n.dtype(0))
    return R.where(n.emit(R.less(x, zero)), n.emit(R.multiply(x, slope)), x)


@onnx_op("Elu")
def elu(n: NodeContext) -> Result:
    """`x` where positive, else `alpha * (exp(x) - 1)`."""
    return _below_zero(n, n[0], lambda x: _scaled_expm1(n, x, n.attr("alpha", 1.0)))


@onnx_op("Selu")
def selu(n: NodeContext) -> Result:
    """`gamma * elu(x, alpha)`."""
    alpha = n.attr("alpha", 1.67326319217681884765625)
    gamma = n.attr("gamma", 1.05070102214813232421875)
    inner = n.emit(_below_zero(n, n[0], lambda x: _scaled_expm1(n, x, alpha)))
    return R.multiply(inner, n.const(gamma, n.dtype(0)))


@onnx_op("Celu")
def celu(n: NodeContext) -> Result:
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`."""
    alpha = n.attr("alpha", 1.0)

    def negative(x: Expr) -> Expr:
        return _scaled_expm1(n, n.emit(R.divide(x, n.const(alpha, n.dtype(0)))), alpha)

    return _below_zero(n, n[0], negative)


def _scaled_expm1(n: NodeContext, x: Expr, alpha: float) -> Expr:
    dtype = n.dtype(0)
    minus_one = n.emit(R.subtract(n.emit(R.exp(x)), n.const(1, dtype)))
    return n.emit(R.multiply(minus_one, n.const(alpha, dtype)))


def _below_zero(n: NodeContext, x: Expr, function: Callable[[Expr], Expr]) -> Expr:
    """`x` where not negative, else `function(x)`, which never sees large positive values."""
    zero = n.const(0, n.dtype(0))
    negative = n.emit(R.minimum(x, zero))
    return R.where(n.emit(R.less(x, zero)), function(negative), x)


@onnx_op("ThresholdedRelu")
def thresholded_relu(n: NodeContext) -> Result:
    """`x` where above `alpha`, else 0."""
    dtype = n.dtype(0)
    above = n.emit(R.greater(n[0], n.const(n.attr("alpha", 1.0), dtype)))
    return R.where(above, n[0], n.const(0, dtype))


@onnx_op("HardSigmoid")
def hard_sigmoid(n: NodeContext) -> Result:
    """`alpha * x + beta` between 0 and 1."""
    return _hard_sigmoid(n, n.attr("alpha", 0.2), n.attr("beta", 0.5))


def _hard_sigmoid(n: NodeContext, alpha: float, beta: float) -> Expr:
    dtype = n.dtype(0)
    scaled = n.emit(R.multiply(n[0], n.const(alpha, dtype)))
    return n.emit(R.clip(n.emit(R.add(scaled, n.const(beta, dtype))), 0.0, 1.0))


@onnx_op("HardSwish")
def hard_swish(n: NodeContext) -> Result:
    """`x * clip(x / 6 + 1/2, 0, 1)`."""
    return R.multiply(n[0], _hard_sigmoid(n, 1.0 / 6.0, 0.5))


@onnx_op("Softplus")
def softplus(n: NodeContext) -> Result:
    """`log(1 + exp(x))`."""
    return R.nn.softplus(n[0])


@onnx_op("Softsign")
def softsign(n: NodeContext) -> Result:
    """`x / (1 + |x|)`."""
    below = n.emit(R.add(n.emit(R.abs(n[0])), n.const(1, n.dtype(0))))
    return R.divide(n[0], below)


@onnx_op("Mish")
def mish(n: NodeContext) -> Result:
    """`x * tanh(softplus(x))`."""
    return R.multiply(n[0], n.emit(R.tanh(n.emit(R.nn.softplus(n[0])))))


@onnx_op("Gelu")
@onnx_op("Gelu", "FastGelu", domain="com.microsoft")
def gelu(n: NodeContext) -> Result:
    """GELU, exact or by the tanh approximation."""
    x = n[0]
    if n.op_type == "FastGelu":
        x = n.emit(R.add(x, n[1])) if n.has(1) else x
        return R.nn.gelu_tanh(x)
    return R.nn.gelu_tanh(x) if n.attr("approximate", "none") == "tanh" else R.nn.gelu(x)


@onnx_op("BiasGelu", domain="com.microsoft")
def bias_gelu(n: NodeContext) -> Result:
    """GELU of the sum of two inputs."""
    return R.nn.gelu(n.emit(R.add(n[0], n[1])))


@onnx_op("Swish")
def swish(n: NodeContext) -> Result:
    """`x * sigmoid(alpha * x)`."""
    alpha = n.attr("alpha", 1.0)
    inner = n[0] if alpha == 1.0 else n.emit(R.multiply(n[0], n.const(alpha, n.dtype(0))))
    return R.multiply(n[0], n.emit(R.sigmoid(inner)))


@onnx_op("Shrink")
def shrink(n: NodeContext) -> Result:
    """Pulled towards zero by `bias` outside `[-lambd, lambd]`, 0 inside."""
    dtype, limit, bias = n.dtype(0), n.attr("lambd", 0.5), n.attr("bias", 0.0)
    x, zero = n[0], n.const(0, dtype)
    low = n.emit(R.less(x, n.const(-limit, dtype)))
    high = n.emit(R.greater(x, n.const(limit, dtype)))
    up, down = n.emit(R.add(x, n.const(bias, dtype))), n.emit(R.subtract(x, n.const(bias, dtype)))
    return R.where(low, up, n.emit(R.where(high, down, zero)))


@onnx_op("Softmax", "LogSoftmax", "Hardmax", since=1)
def softmax_flat(n: NodeContext) -> Result:
    """Over all axes from `axis` on, seen as one (opsets below 13)."""
    axis, rank = n.axis(default=1), n.rank(0)
    if axis == rank - 1:
        return _softmax(n, n[0], axis)
    shape = n.shape(0)
    rows: Any = 1
    for d in shape[:axis]:
        rows = rows * d
    columns: Any = 1
    for d in shape[axis:]:
        columns = columns * d
    flat = n.emit(R.reshape(n[0], [rows, columns]))
    return R.reshape(n.emit(_softmax(n, flat, 1)), shape)


@onnx_op("Softmax", "LogSoftmax", "Hardmax", since=13)
def softmax(n: NodeContext) -> Result:
    """Over one axis."""
    return _softmax(n, n[0], n.axis(default=-1))


def _softmax(n: NodeContext, x: Expr, axis: int) -> Expr:
    if n.op_type == "Softmax":
        return R.nn.softmax(x, axis)
    if n.op_type == "LogSoftmax":
        return R.nn.log_softmax(x, axis)
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo) and isinstance(info.shape, relax.ShapeExpr)
    size = info.shape.values[axis]
    best = n.emit(R.argmax(x, axis, keepdims=True))
    order: list[Any] = [size, *[1] * (len(info.shape.values[axis:]) - 1)]
    places = n.emit(R.reshape(R.arange(size, dtype="int64"), order))
    return R.astype(n.emit(R.equal(places, best)), info.dtype)


__all__ = ["np"]
