"""Conversions between types."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from ...ir.expr import OPERATORS, FloatImm, IntImm, PrimExpr, PrimExprLike, as_scalar
from ...support.dtypes import DType, dtype_of
from ...support.errors import ArgumentError
from ..expr import Broadcast, Call, Cast, StringImm
from .constant import wrap
from .declare import intrinsic

__all__ = [
    "cast", "convert", "reinterpret",
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


def convert(expr: object) -> PrimExpr:
    """`expr` as an expression: itself, or the constant that a number or a text stands for.

    Raises `ArgumentError` for what stands for none.
    """
    return StringImm(expr) if isinstance(expr, str) else as_scalar(expr)


def reinterpret(dtype: str, value: PrimExprLike, span: Any = None) -> PrimExpr:
    """The bits of `value` read as `dtype`. Raises `ArgumentError` unless that is as wide."""
    made, kind = as_scalar(value), dtype_of(dtype)
    given = dtype_of(made.dtype)
    if given.name == kind.name:
        return made
    if not (given.is_scalable or kind.is_scalable) and _widths(given).isdisjoint(_widths(kind)):
        raise ArgumentError(
            f"reinterpret reads {kind.name} from as many bits, found {made} of {given.name}", span,
            hint="convert the value, as in T.Cast(dtype, value)",
        )  # fmt: skip
    return Call(kind.name, "tir.reinterpret", (made,), span=span)


def _widths(kind: DType) -> set[int]:
    """How many bits a value may take: elements of four bits stand together or a byte each."""
    return {kind.bits * kind.lanes, (8 if kind.code == "float4_e2m1fn" else kind.bits) * kind.lanes}


OPERATORS["cast"] = cast
