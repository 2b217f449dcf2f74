"""Element types narrower than a byte, kept in a wider one; conversions as ONNX defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import relax
from ...relax import op as R
from ...support.dtypes import dtype_name, dtype_of

if TYPE_CHECKING:
    from .node import NodeContext

STORAGE = {
    "int4": "int8", "int2": "int8", "uint4": "uint8", "uint2": "uint8",
    "float4_e2m1fn": "float8_e4m3fn", "float6_e2m3fn": "float8_e4m3fn",
}  # fmt: skip
"""In what a program keeps values of a type narrower than a byte."""

_STEPS = {"float4_e2m1fn": (0.5, 6.0), "float6_e2m3fn": (0.125, 7.5)}
"""The smallest step (below 2) and the largest value."""


def storage(dtype: str) -> str:
    """The data type that holds values of `dtype` in a program."""
    return STORAGE.get(dtype, dtype)


def stored(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str | None]:
    """An array as a program keeps it, and its own data type if that is another."""
    if array.dtype.kind in "OSUbiufc" and array.dtype.name not in STORAGE:
        return array, None
    name = array.dtype.name
    if name not in STORAGE:
        return array, None
    return array.astype(dtype_of(STORAGE[name]).numpy), name


def convert(n: NodeContext, x: relax.Expr, dtype: str, saturate: bool = True) -> relax.Expr:
    """`x` converted to `dtype`, in its storage."""
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    if dtype in _STEPS:
        return _few_bits(n, x, dtype)
    if dtype in STORAGE:
        return _few_integers(n, x, dtype)
    if info.dtype == dtype:
        return x
    target = dtype_of(dtype)
    if target.code.startswith("float8") and saturate:
        return _saturated(n, x, dtype)
    return n.emit(R.astype(x, dtype))


def _few_integers(n: NodeContext, x: relax.Expr, dtype: str) -> relax.Expr:
    """The lowest bits of the integer part, with its sign."""
    bits = dtype_of(dtype).bits
    whole = n.emit(R.astype(x, "int32"))
    shift = n.const(32 - bits, "int32")
    if dtype.startswith("u"):
        kept = n.emit(R.bitwise_and(whole, n.const((1 << bits) - 1, "int32")))
    else:
        kept = n.emit(R.right_shift(n.emit(R.left_shift(whole, shift)), shift))
    return n.emit(R.astype(kept, STORAGE[dtype]))


def _few_bits(n: NodeContext, x: relax.Expr, dtype: str) -> relax.Expr:
    """The nearest value of a small float type, ties to even; beyond the range the largest."""
    step, largest = _STEPS[dtype]
    wide = n.emit(R.astype(x, "float32"))
    size = n.emit(R.minimum(n.emit(R.abs(wide)), n.const(largest, "float32")))
    coarse = n.emit(
        R.where(
            n.emit(R.less(size, n.const(4.0, "float32"))),
            n.const(2 * step, "float32"),
            n.const(4 * step, "float32"),
        )
    )
    below = n.emit(R.less(size, n.const(2.0, "float32")))
    steps = n.emit(R.where(below, n.const(step, "float32"), coarse))
    rounded = n.emit(R.multiply(n.emit(R.round(n.emit(R.divide(size, steps)))), steps))
    negative = n.emit(R.less(wide, n.const(0.0, "float32")))
    signed = n.emit(R.where(negative, n.emit(R.negative(rounded)), rounded))
    return n.emit(R.astype(signed, STORAGE[dtype]))


def _saturated(n: NodeContext, x: relax.Expr, dtype: str) -> relax.Expr:
    """Beyond the range the largest finite value; NaN stays."""
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    wide = info.dtype if info.dtype in ("float32", "float64") else "float32"
    x = x if info.dtype == wide else n.emit(R.astype(x, wide))
    largest = float(dtype_of(dtype).max_value)
    kept = n.emit(R.clip(x, -largest, largest))
    made = n.emit(R.where(n.emit(R.isnan(x)), x, kept))
    return n.emit(R.astype(made, dtype))


__all__ = ["STORAGE", "convert", "dtype_name", "storage", "stored"]
