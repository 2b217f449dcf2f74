"""Quantized tensors: to and from integers, products of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ....support.dtypes import dtype_of
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import element_dtype
from .linear import conv

Expr = relax.Expr


def spread(n: NodeContext, x: Expr, rank: int, axis: int, size: Any, block: int) -> Expr:
    """A scale or zero point in the shape of the data: one value, one a slice, or one a block."""
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    if info.ndim == 0:
        return x
    if info.ndim == 1 and not (block and rank == 1):
        if info.static_shape == (1,):
            return n.emit(R.reshape(x, []))
        return n.emit(R.reshape(x, [-1 if i == axis else 1 for i in range(rank)]))
    if not block:
        return x
    wide = n.emit(R.repeat(x, block, axis))
    dims = wide.struct_info.dims
    if isinstance(size, int) and int(dims[axis]) == size:
        return wide
    return n.emit(R.strided_slice(wide, [axis], [0], [size]))


def _axis(n: NodeContext) -> int:
    rank = n.rank(0)
    axis = int(n.attr("axis", 1))
    return axis + rank if axis < 0 else axis


@onnx_op("DequantizeLinear")
def dequantize_linear(n: NodeContext) -> Result:
    """`(x - zero_point) * scale` in the type of the scale."""
    rank, axis = n.rank(0), _axis(n)
    block = int(n.attr("block_size", 0))
    size = n.shape(0)[axis] if axis < rank else 1
    code = int(n.attr("output_dtype", 0))
    dtype = element_dtype(code) if code else n.dtype(1)
    source = n.dtype(0)
    wide = "float32" if dtype_of(dtype).bits < 32 else dtype
    x = n.emit(R.astype(n[0], wide))
    if n.has(2) and dtype_of(source).is_integral:
        zero = n.emit(R.astype(spread(n, n[2], rank, axis, size, block), wide))
        x = n.emit(R.subtract(x, zero))
    scale = spread(n, n[1], rank, axis, size, block)
    x = n.emit(R.multiply(x, scale if n.dtype(1) == wide else n.emit(R.astype(scale, wide))))
    return x if dtype == wide else R.astype(x, dtype)


@onnx_op("QuantizeLinear")
def quantize_linear(n: NodeContext) -> Result:
    """`saturate(round(x / scale) + zero_point)`."""
    rank, axis = n.rank(0), _axis(n)
    block = int(n.attr("block_size", 0))
    size = n.shape(0)[axis] if axis < rank else 1
    code = int(n.attr("output_dtype", 0))
    logical = element_dtype(code) if code else n.element(2) if n.has(2) else "uint8"
    scale = spread(n, n[1], rank, axis, size, block)
    zero = spread(n, n[2], rank, axis, size, block) if n.has(2) else None
    return quantized(n, n[0], scale, zero, logical, bool(n.attr("saturate", 1)))


def quantized(
    n: NodeContext, x: Expr, scale: Expr, zero: Expr | None, logical: str, saturate: bool = True
) -> Expr:
    """`saturate(round(x / scale) + zero)` as `logical`, which may be narrower than its storage."""
    wide = "float64" if dtype_of(logical).bits > 16 else "float32"
    ratio = n.emit(R.divide(_as(n, x, wide), _as(n, scale, wide)))
    if dtype_of(logical).is_float:
        return n.converted(ratio, logical, saturate)
    made = n.emit(R.round(ratio))
    if zero is not None:
        made = n.emit(R.add(made, _as(n, zero, wide)))
    limits = dtype_of(logical)
    made = n.emit(R.clip(made, float(limits.min_value), float(limits.max_value)))
    return R.astype(made, n.storage(logical))


def _as(n: NodeContext, x: Expr, dtype: str) -> Expr:
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    return x if info.dtype == dtype else n.emit(R.astype(x, dtype))


@onnx_op("MatMulInteger")
def matmul_integer(n: NodeContext) -> Result:
    """The product of `a - a_zero` and `b - b_zero` in int32."""
    a, b = _centred(n, 0, 2, rows=True), _centred(n, 1, 3, rows=False)
    return R.matmul(a, b)


def _centred(n: NodeContext, index: int, zero: int, rows: bool) -> Expr:
    x = n.emit(R.astype(n[index], "int32"))
    if not n.has(zero):
        return x
    point = n.emit(R.astype(n[zero], "int32"))
    info = point.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    if info.ndim == 1 and info.static_shape != (1,) and rows:
        point = n.emit(R.expand_dims(point, [1]))
    return n.emit(R.subtract(x, point))


@onnx_op("QLinearMatMul")
def qlinear_matmul(n: NodeContext) -> Result:
    """The product of two quantized matrices, quantized."""
    a = n.emit(R.subtract(n.emit(R.astype(n[0], "int32")), _point(n, 2, rows=True)))
    b = n.emit(R.subtract(n.emit(R.astype(n[3], "int32")), _point(n, 5, rows=False)))
    product = n.emit(R.astype(n.emit(R.matmul(a, b)), "float32"))
    left = _as(n, _shaped(n, n[1], rows=True), "float32")
    factor = n.emit(R.multiply(left, _as(n, _shaped(n, n[4], rows=False), "float32")))
    real = n.emit(R.multiply(product, factor))
    return quantized(n, real, n[6], n[7], n.element(7))


def _shaped(n: NodeContext, x: Expr, rows: bool) -> Expr:
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    if info.ndim == 1 and info.static_shape != (1,) and rows:
        return n.emit(R.expand_dims(x, [1]))
    return x


def _point(n: NodeContext, index: int, rows: bool) -> Expr:
    return n.emit(R.astype(_shaped(n, n[index], rows), "int32"))


def _convolved(n: NodeContext, x: tuple[int, int], w: tuple[int, int], extra: list[str]) -> Expr:
    """The convolution of inputs minus their zero points, in int32."""
    data = n.emit(R.astype(n[x[0]], "int32"))
    if n.has(x[1]):
        data = n.emit(R.subtract(data, n.emit(R.astype(n[x[1]], "int32"))))
    weight = n.emit(R.astype(n[w[0]], "int32"))
    if n.has(w[1]):
        point = n.emit(R.astype(n[w[1]], "int32"))
        info = point.struct_info
        assert isinstance(info, relax.TensorStructInfo)
        if info.ndim == 1:
            point = n.emit(R.reshape(point, [-1, *[1] * (n.rank(w[0]) - 1)]))
        weight = n.emit(R.subtract(weight, point))
    made = conv(n.renamed("Conv", [data, weight], extra))
    assert isinstance(made, relax.Expr)
    return n.emit(made)


@onnx_op("ConvInteger")
def conv_integer(n: NodeContext) -> Result:
    """The convolution of quantized tensors, in int32."""
    return _convolved(n, (0, 2), (1, 3), [])


@onnx_op("QLinearConv")
def qlinear_conv(n: NodeContext) -> Result:
    """The convolution of quantized tensors, quantized."""
    bias = [n.proto.input[8]] if n.has(8) else []
    made = n.emit(R.astype(_convolved(n, (0, 2), (3, 5), bias), "float32"))
    scale = n[4]
    if n.rank(4) == 1:
        scale = n.emit(R.reshape(scale, [1, -1, *[1] * (n.rank(0) - 2)]))
    factor = n.emit(R.multiply(scale, n[1]))
    return quantized(n, n.emit(R.multiply(made, factor)), n[6], n[7], n.element(7))


@onnx_op("DynamicQuantizeLinear")
def dynamic_quantize_linear(n: NodeContext) -> Result:
    """Quantized to uint8 by the range of the data, with the scale and zero point used."""
    zero = n.const(0, "float32")
    low = n.emit(R.minimum(n.emit(R.min(n[0])), zero))
    high = n.emit(R.maximum(n.emit(R.max(n[0])), zero))
    scale = n.emit(R.divide(n.emit(R.subtract(high, low)), n.const(255, "float32")))
    point = n.emit(R.round(n.emit(R.divide(n.emit(R.negative(low)), scale))))
    point = n.emit(R.astype(n.emit(R.clip(point, 0.0, 255.0)), "uint8"))
    return [quantized(n, n[0], scale, point, "uint8"), scale, point]


__all__ = ["np"]
