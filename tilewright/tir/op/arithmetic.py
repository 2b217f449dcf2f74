"""Arithmetic and comparisons that bring operands to a common type and fold constants."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import OPERATORS, FloatImm, IntImm, PrimExpr, PrimExprLike, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from .. import expr as E
from ..expr import Broadcast
from .common import Scalar, common
from .constant import const, const_value, folded
from .conversion import cast
from .elementary import floor

__all__ = [
    "add", "ceildiv", "div", "equal", "floordiv", "floormod", "greater", "greater_equal",
    "indexdiv", "indexmod", "less", "less_equal", "max", "min", "multiply", "neg", "not_equal",
    "subtract", "truediv", "truncdiv", "truncmod",
]  # fmt: skip


def c_div(a: Scalar, b: Scalar) -> Scalar:
    """The quotient rounded towards zero."""
    return builtins.abs(a) // builtins.abs(b) * (1 if (a < 0) == (b < 0) else -1)


_FOLD: dict[type[PrimExpr], Callable[[Any, Any], Any]] = {
    E.Add: lambda a, b: a + b,
    E.Sub: lambda a, b: a - b,
    E.Mul: lambda a, b: a * b,
    E.FloorDiv: lambda a, b: a // b,
    E.FloorMod: lambda a, b: a % b,
    E.Div: c_div,
    E.Mod: lambda a, b: a - b * c_div(a, b),
    E.Min: lambda a, b: a if math.isnan(a) else b if math.isnan(b) else builtins.min(a, b),
    E.Max: lambda a, b: a if math.isnan(a) else b if math.isnan(b) else builtins.max(a, b),
    E.EQ: lambda a, b: a == b,
    E.NE: lambda a, b: a != b,
    E.LT: lambda a, b: a < b,
    E.LE: lambda a, b: a <= b,
    E.GT: lambda a, b: a > b,
    E.GE: lambda a, b: a >= b,
}
_CONSTANTS = frozenset((IntImm, FloatImm, Broadcast))
_INDICES = frozenset(("int32", "int64"))
_RESTS = (E.FloorMod, E.Mod)
_DIVIDES = (E.FloorDiv, E.Div, *_RESTS)


def _fold(kind: type[PrimExpr], a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
    """The constant `kind(a, b)`, if both are constants and it is exact in their type."""
    x, y = const_value(a), const_value(b)
    if y == 0 and kind in _DIVIDES and (x is not None or dtype_of(a.dtype).is_integral):
        raise ArgumentError(f"division of `{a}` by zero")
    if x is None or y is None or (kind in _RESTS and a.dtype not in _INDICES):
        return None
    info = dtype_of(a.dtype)
    if x == 0 and y > 0 and kind is E.Sub and info.is_uint:
        raise ArgumentError(f"0 - {y} in {a.dtype} would be negative", hint="add, or widen both")
    if info.is_custom:
        return None
    result_type = info.with_lanes(info.lanes)
    if issubclass(kind, E.CmpExpr):
        return const(int(_FOLD[kind](x, y)), dtype_of("bool").with_lanes(info.lanes))
    if not info.is_float:
        return folded(_FOLD[kind](x, y), result_type)
    return _fold_float(kind, x, y, result_type)


def _fold_float(kind: type[PrimExpr], x: Scalar, y: Scalar, dtype: str) -> PrimExpr | None:
    if kind in _DIVIDES:
        return None
    numpy_type = dtype_of(dtype_of(dtype).element).numpy.type
    with np.errstate(all="ignore"):
        return folded(float(_FOLD[kind](numpy_type(x), numpy_type(y))), dtype)


def _identity(kind: type[PrimExpr], a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
    """`x + 0`, `x * 1`, `0 * n` and the like; those that hold for integers only are not tried
    on floats (`x * 0` may be NaN)."""
    x, y = const_value(a), const_value(b)
    integral = dtype_of(a.dtype).is_integral
    if dtype_of(a.dtype).is_custom:
        return None
    if kind is E.Add:
        if x == 0 and integral:
            return b
        if y == 0 and integral:
            return a
    elif kind is E.Sub:
        if y == 0 and integral:
            return a
    elif kind is E.Mul:
        if x == 1 or (y == 0 and integral):
            return b
        if y == 1 or (x == 0 and integral):
            return a
    elif kind in (E.FloorDiv, E.Div):
        if y == 1 or (x == 0 and integral and y != 0 and y is not None):
            return a
    elif kind in (E.FloorMod, E.Mod):
        if integral and (y == 1 or (x == 0 and y is not None and y != 0)):
            return const(0, a.dtype)
    elif kind in (E.Min, E.Max) and a is b:
        return a
    return None


def _binary(kind: Any, name: str, *, bools: bool = False) -> Callable[..., PrimExpr]:
    def make(lhs: object, rhs: object, span: Any = None) -> PrimExpr:
        if not (isinstance(lhs, PrimExpr) and isinstance(rhs, PrimExpr) and lhs.dtype == rhs.dtype):
            lhs, rhs = common(lhs, rhs, name)
        if not bools and lhs.dtype.startswith("bool"):
            lhs, rhs = cast(lhs, "int32"), cast(rhs, "int32")
        if type(lhs) in _CONSTANTS or type(rhs) in _CONSTANTS or lhs is rhs:
            folded = _fold(kind, lhs, rhs)
            if folded is None:
                folded = _identity(kind, lhs, rhs)
            if folded is not None:
                return folded
        made: PrimExpr = kind(lhs, rhs, span=span)
        return made

    make.__name__ = make.__qualname__ = name
    make.__doc__ = (kind.__doc__ or "") + " Operands are brought to a common type; folds."
    return make


add = _binary(E.Add, "add")
subtract = _binary(E.Sub, "subtract")
multiply = _binary(E.Mul, "multiply")
_truncdiv = _binary(E.Div, "truncdiv")
_truncmod = _binary(E.Mod, "truncmod")
_floordiv = _binary(E.FloorDiv, "floordiv")
_floormod = _binary(E.FloorMod, "floormod")
_min = _binary(E.Min, "min", bools=True)
_max = _binary(E.Max, "max", bools=True)
_equal = _binary(E.EQ, "equal", bools=True)
not_equal = _binary(E.NE, "not_equal", bools=True)
less = _binary(E.LT, "less", bools=True)
less_equal = _binary(E.LE, "less_equal", bools=True)
greater = _binary(E.GT, "greater", bools=True)
greater_equal = _binary(E.GE, "greater_equal", bools=True)


def min(lhs: object, rhs: object, *more: object, span: Any = None) -> PrimExpr:
    """The least of the values. Operands are brought to a common type; folds."""
    return functools.reduce(_min, more, _min(lhs, rhs, span))


def max(lhs: object, rhs: object, *more: object, span: Any = None) -> PrimExpr:
    """The greatest of the values. Operands are brought to a common type; folds."""
    return functools.reduce(_max, more, _max(lhs, rhs, span))


def equal(lhs: object, rhs: object, span: Any = None) -> PrimExpr:
    """`a == b`. Operands are brought to a common type; folds."""
    if is_vscale(lhs) and is_vscale(rhs):
        return const(1, "bool")
    return _equal(lhs, rhs, span)


def is_vscale(value: object) -> bool:
    """True of a call of `vscale`, which is one number wherever it stands."""
    return isinstance(value, E.Call) and getattr(value.op, "name", None) == "tir.vscale"


def _is_floating(value: object) -> bool:
    if isinstance(value, PrimExpr):
        return dtype_of(value.dtype).is_float
    return isinstance(value, (float, np.floating))


def floordiv(a: object, b: object, span: Any = None) -> PrimExpr:
    """The quotient rounded towards minus infinity."""
    if _is_floating(a) or _is_floating(b):
        return floor(div(a, b))
    return _floordiv(a, b, span)


def floormod(a: object, b: object, span: Any = None) -> PrimExpr:
    """What `floordiv` leaves over; the sign is `b`'s."""
    if _is_floating(a) or _is_floating(b):
        x, y = common(a, b, "floormod")
        return x - floor(div(x, y)) * y
    return _floormod(a, b, span)


def truncdiv(a: object, b: object, span: Any = None) -> PrimExpr:
    """`a / b` rounded to zero. Operands are brought to a common type; folds."""
    return _truncdiv(a, b, span)


def truncmod(a: object, b: object, span: Any = None) -> PrimExpr:
    """What `a / b`, rounded to zero, leaves. Operands are brought to a common type; folds."""
    return _truncmod(a, b, span)


def div(a: object, b: object, span: Any = None) -> PrimExpr:
    """`a / b`: of floats exact to half an ulp, of integers rounded towards zero."""
    x, y = common(a, b, "div")
    p, q = const_value(x), const_value(y)
    if dtype_of(x.dtype).is_float and p is not None and q is not None:
        if q == 0:
            raise ArgumentError(f"division of `{x}` by zero")
        return folded(_float_quotient(p, q, x.dtype), x.dtype)
    return truncdiv(x, y, span)


def _float_quotient(p: Scalar, q: Scalar, dtype: str) -> float:
    numpy_type = dtype_of(dtype_of(dtype).element).numpy.type
    with np.errstate(all="ignore"):
        return float(numpy_type(p) / numpy_type(q))


def truediv(a: object, b: object) -> PrimExpr:
    """`a / b` of floats. Raises `ArgumentError` for two integers: use `//`."""
    x, y = common(a, b, "truediv")
    if not dtype_of(x.dtype).is_float:
        raise ArgumentError(
            f"`/` of two integers ({x.dtype})", hint="use // to round down, or tir.truncdiv"
        )
    return div(x, y)


def indexdiv(a: object, b: object, span: Any = None) -> PrimExpr:
    """The quotient of two indices that are not negative."""
    return floordiv(a, b, span)


def indexmod(a: object, b: object, span: Any = None) -> PrimExpr:
    """The rest of two indices that are not negative."""
    return floormod(a, b, span)


def ceildiv(lhs: object, rhs: object, span: Any = None) -> PrimExpr:
    """The quotient rounded towards plus infinity."""
    x, y = common(lhs, rhs, "ceildiv")
    return floordiv(add(x, subtract(y, const(1, y.dtype))), y, span)


def neg(a: PrimExprLike) -> PrimExpr:
    """`-a`."""
    a = as_scalar(a)
    if dtype_of(a.dtype).is_float:
        x = const_value(a)
        return const(-x, a.dtype) if x is not None else E.Mul(a, const(-1.0, a.dtype))
    if dtype_of(a.dtype).is_uint:
        return subtract(const(0, a.dtype), a)
    return multiply(a, folded(-1, a.dtype))


OPERATORS.update(
    add=add, sub=subtract, mul=multiply, truediv=truediv, floordiv=floordiv, floormod=floormod,
    neg=neg, lt=less, le=less_equal, gt=greater, ge=greater_equal, eq=equal, ne=not_equal,
)  # fmt: skip
