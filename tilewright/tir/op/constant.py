"""Constants of any type, and what they hold."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import FloatImm, IntImm, PrimExpr, as_scalar
from ...support.dtypes import DType, dtype_name, dtype_of
from ...support.errors import ArgumentError
from ..expr import Broadcast

__all__ = [
    "const", "const_value", "folded", "infinity", "is_const_int", "max_value", "min_value", "wrap",
]  # fmt: skip


def const(value: Any, dtype: str | None = None, span: Any = None) -> PrimExpr:
    """A constant of `dtype`; with lanes, the same in each. A float becomes an integer by rounding
    towards zero. Without `dtype`, NumPy's scalars keep theirs, and Python's are `bool`, `int32` or
    `float32`, or twice as wide where the value needs it.

    Raises `ArgumentError` for what is no number, and for a number that `dtype` does not hold.
    """
    if dtype is None:
        return as_scalar(value) if isinstance(value, PrimExpr) else const(value, _dtype_of(value))
    if not isinstance(dtype, str):
        dtype = dtype_name(dtype)
    info = dtype_of(dtype)
    if info.lanes > 1:
        return Broadcast(const(value, info.element), info.lanes, span=span)
    is_real = info.is_float or info.is_custom
    if not (is_real or info.is_integral):
        raise ArgumentError(f"a constant of dtype {dtype} cannot be made from {value!r}", span)
    try:
        number = float(value) if is_real else int(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(
            f"{value!r} is no number that {dtype} holds", span, hint="write a number of its range"
        ) from None
    if is_real:
        return FloatImm(dtype, number, span=span)
    return IntImm(dtype, int(number), span=span)


def folded(value: Any, dtype: str) -> PrimExpr:
    """The constant that arithmetic in `dtype` makes of `value`: integers wrap around."""
    info = dtype_of(dtype)
    return const(wrap(int(value), info.element) if info.is_integral else value, dtype)


def _dtype_of(value: Any) -> str:
    if isinstance(value, (np.generic, np.ndarray)):
        return dtype_name(value.dtype)
    if isinstance(value, float) and math.isfinite(value):
        return "float32" if builtins.abs(value) <= _FLOAT32.max_value else "float64"
    return as_scalar(value).dtype


_FLOAT32 = dtype_of("float32")


def wrap(value: int, dtype: str) -> int:
    """`value` as an integer of `dtype` holds it: modulo a power of two; a `bool` as 0 or 1."""
    info = dtype_of(dtype)
    if info.is_bool:
        return int(value != 0)
    value &= (1 << info.bits) - 1
    return value - (1 << info.bits) if info.is_int and value >> (info.bits - 1) else value


def is_const_int(value: object, expected: int | None = None) -> bool:
    """True if `value` is an integer constant (equal to `expected`)."""
    return isinstance(value, IntImm) and (expected is None or value.value == expected)


def const_value(value: object) -> int | float | None:
    """The number that a constant (or a broadcast one) holds; None if it is not constant."""
    if isinstance(value, Broadcast):
        value = value.value
    return value.value if isinstance(value, (IntImm, FloatImm)) else None


def max_value(dtype: str, span: Any = None) -> PrimExpr:
    """The largest finite value of `dtype`."""
    return const(dtype_of(dtype).max_value, dtype, span)


CUSTOM_MINIMA: dict[str, Callable[[int], PrimExpr]] = {}
"""By custom type, a function of its bits that gives its smallest value."""


def _custom_minimum(info: DType) -> PrimExpr:
    make = CUSTOM_MINIMA.get(info.code)
    if make is None:
        raise ArgumentError(
            f"the smallest value of {info.name} is not known",
            hint="target.datatype.register_min_func tells it",
        )
    return make(info.bits)


def min_value(dtype: str, span: Any = None) -> PrimExpr:
    """The smallest finite value of `dtype`. Raises `ArgumentError` for a custom type without one
    (`target.datatype.register_min_func`)."""
    info = dtype_of(dtype)
    if info.is_custom:
        return _custom_minimum(info)
    return const(dtype_of(dtype).min_value, dtype, span)


def infinity(dtype: str, span: Any = None) -> PrimExpr:
    """Plus infinity of a floating `dtype`."""
    return const(math.inf, dtype, span)
