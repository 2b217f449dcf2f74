"""Quantization played through in floating point."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..utils import compute, normalize_axis

__all__ = ["simulated_dequantize", "simulated_quantize"]


def _of_channel(value: Any, default: float, i: tuple[PrimExpr, ...], axis: int) -> PrimExpr:
    """A scale or zero point: one number, or one of each channel."""
    if not isinstance(value, Tensor):
        return op.cast(as_scalar(default if value is None else value), "float32")
    if value.ndim == 0:
        return op.cast(value(), "float32")
    at = op.floormod(i[axis], value.shape[0])
    return op.cast(value(at), "float32")


def _passed_through(dtype: str) -> bool:
    if dtype in ("disable", "float32"):
        return True
    if dtype not in ("int8", "uint8", "int32"):
        raise ArgumentError(
            f"simulated quantization is to int8, uint8 or int32, or disabled, found {dtype}"
        )
    return False


def simulated_quantize(
    data: Tensor,
    out_dtype: str,
    output_scale: Any = None,
    output_zero_point: Any = None,
    axis: int = -1,
) -> Tensor:
    """The numbers that quantization to `out_dtype` gives, as float32."""
    passed = _passed_through(out_dtype)
    place = normalize_axis(axis, data.ndim)

    def element(*i: PrimExpr) -> PrimExpr:
        value = op.cast(data(*i), "float32")
        if passed:
            return value
        info = dtype_of(out_dtype)
        moved = op.round(op.div(value, _of_channel(output_scale, 1.0, i, place)))
        moved = op.add(moved, _of_channel(output_zero_point, 0.0, i, place))
        low, high = (op.const(float(v), "float32") for v in (info.min_value, info.max_value))
        return op.max(op.min(moved, high), low)

    return compute(data.shape, element, "simulated_quantize", tag.INJECTIVE)


def simulated_dequantize(
    data: Tensor,
    in_dtype: str,
    input_scale: Any = None,
    input_zero_point: Any = None,
    axis: int = -1,
) -> Tensor:
    """The numbers that `data`, quantized to `in_dtype` and held as float32, stands for."""
    passed = _passed_through(in_dtype)
    place = normalize_axis(axis, data.ndim)

    def element(*i: PrimExpr) -> PrimExpr:
        value = op.cast(data(*i), "float32")
        if passed:
            return value
        zero = _of_channel(input_zero_point, 0.0, i, place)
        return op.multiply(op.subtract(value, zero), _of_channel(input_scale, 1.0, i, place))

    return compute(data.shape, element, "simulated_dequantize", tag.INJECTIVE)
