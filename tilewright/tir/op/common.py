"""The common type of two operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.expr import PrimExpr, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..expr import Broadcast
from .constant import const
from .conversion import cast

__all__ = [
    "Scalar", "common",
]  # fmt: skip

Scalar = int | float


def common(a: object, b: object, which: str) -> tuple[PrimExpr, PrimExpr]:
    """Both operands in one type: constants follow the other side, narrow types the wide one."""
    a, b = _meant(a), _meant(b)
    if not isinstance(a, PrimExpr):
        a = _like(a, b.dtype) if isinstance(b, PrimExpr) else as_scalar(a)
    if not isinstance(b, PrimExpr):
        b = _like(b, a.dtype)
    if a.dtype == b.dtype:
        return a, b
    ia, ib = dtype_of(a.dtype), dtype_of(b.dtype)
    if ia.lanes != ib.lanes:
        if ia.lanes == 1:
            return common(Broadcast(a, ib.lanes), b, which)
        if ib.lanes == 1:
            return common(a, Broadcast(b, ia.lanes), which)
        raise ArgumentError(f"{which} of {a.dtype} and {b.dtype}: the lanes differ")
    if ia.is_handle or ib.is_handle:
        raise ArgumentError(f"{which} of {a.dtype} and {b.dtype}: an address is no number")
    wide = _wider(ia.element, ib.element)
    dtype = dtype_of(wide).with_lanes(ia.lanes)
    return cast(a, dtype), cast(b, dtype)


def _meant(value: object) -> object:
    """The expression that an axis, a region or an element of a tensor stands for."""
    if isinstance(value, PrimExpr):
        return value
    for name in ("asobject", "as_expr"):
        if hasattr(value, name):
            return getattr(value, name)()
    return value


def _like(value: object, dtype: str) -> PrimExpr:
    """A Python number as a constant that meets an operand of `dtype`: in that type if it fits."""
    info = dtype_of(dtype)
    if isinstance(value, (float, np.floating)) and info.is_integral:
        return const(value, info.with_lanes(info.lanes) if info.is_float else "float32")
    if isinstance(value, (bool, np.bool_)) and not info.is_bool:
        value = int(value)
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise ArgumentError(
            f"expected a scalar expression, found {type(value).__name__}",
            hint="write a number, or an expression of variables and elements of buffers",
        )
    if info.is_bool and not isinstance(value, (bool, np.bool_)):
        return as_scalar(value)
    has_range = info.is_float or info.is_integral
    if not has_range or info.min_value <= value <= info.max_value:
        return const(value, dtype)
    return _beyond(value, dtype)


def _beyond(value: Any, dtype: str) -> PrimExpr:
    """A number that `dtype` does not hold, in a type of its own, to which the other is widened."""
    info = dtype_of(dtype)
    if info.is_float:
        is_wide = info.bits >= 32 or info.holds(value)
        return const(value, dtype) if is_wide else as_scalar(float(value))
    if value < 0 and info.bits >= 32:
        raise ArgumentError(
            f"{value} meets an operand of {dtype}, which is never negative",
            hint="convert the operand, as in `x.astype('int64')`, or subtract",
        )
    return as_scalar(value)


def _wider(a: str, b: str) -> str:
    """The type both convert to: floats over integers, the wider of a kind, unsigned over signed
    of the same width, `bool` to anything."""
    ia, ib = dtype_of(a), dtype_of(b)
    if ia.is_float != ib.is_float:
        return a if ia.is_float else b
    if ia.is_bool or ib.is_bool:
        return b if ia.is_bool else a
    if ia.bits != ib.bits:
        return a if ia.bits > ib.bits else b
    if ia.is_float:
        raise ArgumentError(f"no common type of {a} and {b}", hint="convert one with astype")
    return a if ia.is_uint else b
