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
    "float8_e8m0fnu": "uint8",
}  # fmt: skip
"""In what a program keeps values of a type narrower than a byte, and powers of two (as their
biased exponents)."""

EXPONENT = "float8_e8m0fnu"

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
    if name == EXPONENT:
        return np.ascontiguousarray(array).view("uint8"), name
    return array.astype(dtype_of(STORAGE[name]).numpy), name


def restored(array: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """What `stored` was given, for a data type that is stored in another."""
    return array.view(wanted) if wanted.name == EXPONENT else array.astype(wanted)


def convert(n: NodeContext, x: relax.Expr, dtype: str, saturate: bool = True) -> relax.Expr:
    """`x` converted to `dtype`, in its storage."""
    info = x.struct_info
    assert isinstance(info, relax.TensorStructInfo)
    if dtype == EXPONENT:
        return _exponents(n, x)
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


def _exponents(n: NodeContext, x: relax.Expr) -> relax.Expr:
    """The biased exponents of powers of two; `round_mode` says how others are rounded."""
    bits = n.emit(R.reinterpret(n.emit(R.astype(x, "float32")), "int32"))
    exponent = n.emit(R.right_shift(bits, n.const(23, "int32")))
    exponent = n.emit(R.bitwise_and(exponent, n.const(255, "int32")))
    rest = n.emit(R.bitwise_and(bits, n.const(0x7FFFFF, "int32")))
    mode = n.attr("round_mode", "up")
    if mode != "down":
        limit = 0 if mode == "up" else 0x3FFFFF
        more = n.emit(R.astype(n.emit(R.greater(rest, n.const(limit, "int32"))), "int32"))
        exponent = n.emit(R.minimum(n.emit(R.add(exponent, more)), n.const(254, "int32")))
    undefined = n.emit(R.isnan(n.emit(R.astype(x, "float32"))))
    made = n.emit(R.where(undefined, n.const(255, "int32"), exponent))
    return n.emit(R.astype(made, "uint8"))


def powers_of_two(n: NodeContext, exponents: relax.Expr) -> relax.Expr:
    """The float32 values of biased exponents; 255 is NaN."""
    wide = n.emit(R.astype(exponents, "int32"))
    bits = n.emit(R.left_shift(wide, n.const(23, "int32")))
    zero = n.emit(R.equal(wide, n.const(0, "int32")))
    bits = n.emit(R.where(zero, n.const(1 << 22, "int32"), bits))
    undefined = n.emit(R.equal(wide, n.const(255, "int32")))
    value = n.emit(R.reinterpret(bits, "float32"))
    return n.emit(R.where(undefined, n.const(np.nan, "float32"), value))


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
