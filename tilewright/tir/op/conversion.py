"""Conversions between types."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from ...ir.expr import OPERATORS, FloatImm, IntImm, PrimExpr, PrimExprLike, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..expr import Broadcast, Call, Cast
from .constant import wrap
from .declare import intrinsic

__all__ = [
    "cast", "reinterpret",
]  # fmt: skip

intrinsic("reinterpret")


def cast(value: object, dtype: str, span: Any = None) -> PrimExpr:
    """`value` converted to `dtype` (a scalar dtype keeps the lanes); constants fold."""
    value = as_scalar(value)
    held, info = dtype_of(value.dtype), dtype_of(dtype)
    lanes = held.lanes
    if held.is_handle and not info.is_handle:
        raise ArgumentError(f"Can't cast a handle to other types: `{value}` to {dtype}", span)
    if lanes == 1 and info.lanes > 1:
        return Broadcast(cast(value, info.element), info.lanes, span=span)
    if info.lanes == 1 and lanes > 1:
        info = dtype_of(info.with_lanes(lanes))
    dtype = info.name
    if value.dtype == dtype:
        return value
    if isinstance(value, Broadcast):
        return Broadcast(cast(value.value, info.element), value.lanes)
    folded = _cast_const(value, dtype)
    return folded if folded is not None else Cast(dtype, value, span=span)


def _cast_const(value: PrimExpr, dtype: str) -> PrimExpr | None:
    info = dtype_of(dtype)
    if dtype_of(value.dtype).is_custom:
        return None
    if isinstance(value, IntImm):
        if info.is_float:
            return FloatImm(dtype, float(info.numpy.type(value.value)))
        if info.is_integral:
            return IntImm(dtype, wrap(value.value, dtype))
    if isinstance(value, FloatImm) and info.is_float:
        with np.errstate(all="ignore"):
            return FloatImm(dtype, float(info.numpy.type(value.value)))
    if isinstance(value, FloatImm) and info.is_bool:
        return IntImm("bool", int(value.value != 0))
    if isinstance(value, FloatImm) and info.is_integral and math.isfinite(value.value):
        clipped = builtins.min(builtins.max(int(value.value), info.min_value), info.max_value)
        return IntImm(dtype, int(clipped))
    return None


def reinterpret(dtype: str, value: PrimExprLike, span: Any = None) -> PrimExpr:
    """The bits of `value` read as `dtype`, which is as wide."""
    return Call(dtype, "tir.reinterpret", (as_scalar(value),), span=span)


OPERATORS["cast"] = cast
