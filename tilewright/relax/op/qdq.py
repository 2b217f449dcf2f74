"""Quantization: floats as small integers with a scale and a zero point, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...tir import op as tir_op
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _infer_scaled(
    data: Any, scale: Any, zero_point: Any, axis: int, out_dtype: str, kind: str
) -> Any:
    info = _infer.tensor(data)
    place = _infer.normalize_axis(axis, info.ndim)
    for given, what in ((scale, "`scale`"), (zero_point, "`zero_point`")):
        part = _infer.tensor(given, what)
        if part.ndim > 1:
            raise CompileError(f"{what} is a scalar or a vector, found {part.ndim} dimensions")
        if part.dims and info.dims is not None:
            _infer.require_equal(part.dims[0], info.dims[place], f"{what} along axis {axis}")
    if kind == "float" and info.dtype and not dtype_of(info.dtype).is_float:
        raise CompileError(f"only floats are quantized, found {info.dtype}")
    if kind == "int" and not dtype_of(out_dtype).is_float:
        raise CompileError(f"dequantized values are floats, found {out_dtype}")
    return _infer.with_dtype(out_dtype)(info)


def _limits(dtype: str) -> tuple[float, float]:
    low, high = tir_op.min_value(dtype), tir_op.max_value(dtype)
    return tir_op.const_value(low), tir_op.const_value(high)  # type: ignore[return-value]


def _along(part: Any, data: Any, axis: int) -> Any:
    """A scale or zero point that broadcasts with `data` along `axis`."""
    if len(part.shape) == 0:
        return part
    rank = len(data.shape)
    shape = [1] * rank
    shape[axis % rank] = part.shape[0]
    return part.reshape(shape) if isinstance(part, np.ndarray) else topi.reshape(part, shape)


def _lower_quantize(data: Any, scale: Any, zero_point: Any, axis: int, out_dtype: str) -> Any:
    wide = topi.cast(data, "float32")
    steps = topi.divide(wide, topi.cast(_along(scale, data, axis), "float32"))
    shift = topi.cast(_along(zero_point, data, axis), "float32")
    moved = topi.add(topi.round(steps), shift)
    low, high = _limits(out_dtype)
    return topi.cast(topi.clip(moved, low, high), out_dtype)


def _quantize(data: Any, scale: Any, zero_point: Any, axis: int, out_dtype: str) -> Any:
    steps = data.astype("float32") / _along(scale, data, axis).astype("float32")
    moved = np.rint(steps) + _along(zero_point, data, axis).astype("float32")
    return np.clip(moved, *_limits(out_dtype)).astype(dtype_of(out_dtype).numpy)


def _quantize_samples() -> list[Sample]:
    x = array((2, 3, 4), low=-9.0, high=9.0)
    scales = np.array([0.5, 0.013, 2.0], "float32")
    return [
        sample(x, np.array(0.1, "float32"), np.array(3, "int8")),
        sample(x, scales, np.array([0, 1, -5], "int8"), 1),
        sample(x, scales, np.array([0, 130, 255], "uint8"), -2, "uint8"),
    ]


@op(
    "quantize",
    infer=lambda data, scale, zero_point, axis, out_dtype: _infer_scaled(
        data, scale, zero_point, axis, out_dtype, "float"
    ),
    lower=_lower_quantize,
    reference=_quantize,
    samples=_quantize_samples,
)
def quantize(
    data: Expr, scale: Expr, zero_point: Expr, axis: int = -1, out_dtype: str = "int8"
) -> Expr:
    """`round(data / scale) + zero_point` held within `out_dtype`, ties to even.

    Scale and zero point are scalars, or vectors along `axis`.
    """


def _lower_dequantize(data: Any, scale: Any, zero_point: Any, axis: int, out_dtype: str) -> Any:
    wide = "int32" if dtype_of(data.dtype).is_integral else "float32"
    shift = topi.cast(_along(zero_point, data, axis), wide)
    steps = topi.cast(topi.subtract(topi.cast(data, wide), shift), "float32")
    factor = topi.cast(_along(scale, data, axis), "float32")
    low, high = _limits(out_dtype) if out_dtype == "float16" else (None, None)
    made = topi.multiply(steps, factor)
    return topi.cast(made if low is None else topi.clip(made, low, high), out_dtype)


def _dequantize(data: Any, scale: Any, zero_point: Any, axis: int, out_dtype: str) -> Any:
    steps = data.astype("float64") - _along(zero_point, data, axis).astype("float64")
    made = (steps * _along(scale, data, axis).astype("float32")).astype("float32")
    if out_dtype == "float16":
        made = np.clip(made, *_limits(out_dtype))
    return made.astype(dtype_of(out_dtype).numpy)


def _dequantize_samples() -> list[Sample]:
    x = array((2, 3, 4), "int8", low=-20, high=20)
    scales = np.array([0.5, 0.013, 2.0], "float32")
    return [
        sample(x, np.array(0.1, "float32"), np.array(3, "int8")),
        sample(x, scales, np.array([0, 1, -5], "int8"), 1),
        sample(x, scales.astype("float16"), np.array(0, "int8"), 1, "float16"),
    ]


@op(
    "dequantize",
    infer=lambda data, scale, zero_point, axis, out_dtype: _infer_scaled(
        data, scale, zero_point, axis, out_dtype, "int"
    ),
    lower=_lower_dequantize,
    reference=_dequantize,
    samples=_dequantize_samples,
)
def dequantize(
    data: Expr, scale: Expr, zero_point: Expr, axis: int = -1, out_dtype: str = "float32"
) -> Expr:
    """`(data - zero_point) * scale`; scale and zero point are scalars, or vectors along `axis`."""


__all__ = ["dequantize", "quantize"]
