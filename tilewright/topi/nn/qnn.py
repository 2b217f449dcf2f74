"""Quantization played through in floating point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..utils import compute, normalize_axis, require_rank

__all__ = [
    "SQNN_CODE_TO_DTYPE", "SQNN_DISABLE", "SQNN_DTYPE_TO_CODE", "SQNN_INT32", "SQNN_INT8",
    "SQNN_UINT8", "simulated_dequantize", "simulated_quantize",
]  # fmt: skip

SQNN_DISABLE, SQNN_INT8, SQNN_UINT8, SQNN_INT32 = range(4)
SQNN_DTYPE_TO_CODE = {
    "disable": SQNN_DISABLE, "int8": SQNN_INT8, "uint8": SQNN_UINT8, "int32": SQNN_INT32,
}  # fmt: skip
SQNN_CODE_TO_DTYPE = {code: dtype for dtype, code in SQNN_DTYPE_TO_CODE.items()}
"""Types of simulated quantization, as numbers that a program may hold."""


def _of_channel(value: Any, default: float, i: tuple[PrimExpr, ...], axis: int) -> PrimExpr:
    """A scale or zero point: one number, or one of each channel."""
    if not isinstance(value, Tensor):
        return op.cast(as_scalar(default if value is None else value), "float32")
    if value.ndim == 0:
        return op.cast(value(), "float32")
    at = op.floormod(i[axis], value.shape[0])
    return op.cast(value(at), "float32")


def _by_type(kind: Any, passed: PrimExpr, element: Callable[[str], PrimExpr]) -> PrimExpr:
    """`element(dtype)`, or `passed` where quantization is disabled; a tensor without dimensions
    holds the type's code."""
    if isinstance(kind, Tensor):
        require_rank(kind, 0, "the type of simulated quantization")
        for dtype, code in SQNN_DTYPE_TO_CODE.items():
            if code != SQNN_DISABLE:
                passed = op.if_then_else(op.equal(kind(), code), element(dtype), passed)
        return passed
    if kind in ("disable", "float32"):
        return passed
    if kind not in SQNN_DTYPE_TO_CODE:
        raise ArgumentError(
            f"simulated quantization is to int8, uint8 or int32, or disabled, found {kind}"
        )
    return element(kind)


def simulated_quantize(
    data: Tensor,
    out_dtype: str | Tensor,
    output_scale: Any = None,
    output_zero_point: Any = None,
    axis: int = -1,
) -> Tensor:
    """The numbers that quantization to `out_dtype` (or its code, in a tensor) gives, as float32."""
    place = normalize_axis(axis, data.ndim)

    def element(*i: PrimExpr) -> PrimExpr:
        value = op.cast(data(*i), "float32")
        moved = op.round(op.div(value, _of_channel(output_scale, 1.0, i, place)))
        moved = op.add(moved, _of_channel(output_zero_point, 0.0, i, place))

        def within(dtype: str) -> PrimExpr:
            info = dtype_of(dtype)
            low, high = (op.const(float(v), "float32") for v in (info.min_value, info.max_value))
            return op.max(op.min(moved, high), low)

        return _by_type(out_dtype, value, within)

    return compute(data.shape, element, "simulated_quantize", tag.INJECTIVE)


def simulated_dequantize(
    data: Tensor,
    in_dtype: str | Tensor,
    input_scale: Any = None,
    input_zero_point: Any = None,
    axis: int = -1,
) -> Tensor:
    """The numbers that `data`, quantized to `in_dtype` and held as float32, stands for."""
    place = normalize_axis(axis, data.ndim)

    def element(*i: PrimExpr) -> PrimExpr:
        value = op.cast(data(*i), "float32")
        zero = _of_channel(input_zero_point, 0.0, i, place)
        scaled = op.multiply(op.subtract(value, zero), _of_channel(input_scale, 1.0, i, place))
        return _by_type(in_dtype, value, lambda dtype: scaled)

    return compute(data.shape, element, "simulated_dequantize", tag.INJECTIVE)
