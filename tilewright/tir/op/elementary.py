"""Elementary functions of floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import PrimExpr, PrimExprLike, as_scalar
from ...ir.op import Op
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..expr import Call
from .common import common
from .constant import const, const_value, folded
from .conversion import cast
from .declare import intrinsic

__all__ = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos",
    "cosh", "erf", "exp", "exp10", "exp2", "expm1", "floor", "fma", "fmod", "hypot", "isfinite",
    "isinf", "isnan", "log", "log10", "log1p", "log2", "nearbyint", "nextafter", "pow", "power",
    "round", "rsqrt", "sigmoid", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
]  # fmt: skip


def _unary(name: str, doc: str, fold: Callable[[Any], Any] | None = None) -> Callable[..., Any]:
    op = intrinsic(name, numpy=fold)

    def make(x: PrimExprLike, span: Any = None) -> PrimExpr:
        value = as_scalar(x)
        info = dtype_of(value.dtype)
        if not (info.is_float or info.is_custom):
            value = cast(value, dtype_of("float32").with_lanes(info.lanes))
        return Call(value.dtype, op, (value,), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


exp = _unary("exp", "e to the `x`.", np.exp)
exp2 = _unary("exp2", "2 to the `x`.", np.exp2)
exp10 = _unary("exp10", "10 to the `x`.", lambda x: np.power(10.0, x))
expm1 = _unary("expm1", "`exp(x) - 1`, accurate near 0.", np.expm1)
log = _unary("log", "The natural logarithm.", np.log)
log2 = _unary("log2", "The logarithm to base 2.", np.log2)
log10 = _unary("log10", "The logarithm to base 10.", np.log10)
log1p = _unary("log1p", "`log(1 + x)`, accurate near 0.", np.log1p)
sqrt = _unary("sqrt", "The square root, correctly rounded.", np.sqrt)
rsqrt = _unary("rsqrt", "One over the square root.", lambda x: 1 / np.sqrt(x))
sin = _unary("sin", "The sine of `x` radians.", np.sin)
cos = _unary("cos", "The cosine of `x` radians.", np.cos)
tan = _unary("tan", "The tangent of `x` radians.", np.tan)
asin = _unary("asin", "The inverse of sine, in radians.", np.arcsin)
acos = _unary("acos", "The inverse of cosine, in radians.", np.arccos)
atan = _unary("atan", "The inverse of tangent, in radians.", np.arctan)
sinh = _unary("sinh", "The hyperbolic sine.", np.sinh)
cosh = _unary("cosh", "The hyperbolic cosine.", np.cosh)
tanh = _unary("tanh", "The hyperbolic tangent.", np.tanh)
asinh = _unary("asinh", "The inverse of sinh.", np.arcsinh)
acosh = _unary("acosh", "The inverse of cosh.", np.arccosh)
atanh = _unary("atanh", "The inverse of tanh.", np.arctanh)
erf = _unary("erf", "The error function.", _erf)
sigmoid = _unary("sigmoid", "`1 / (1 + exp(-x))`.", lambda x: 1 / (1 + np.exp(-x)))


def _rounding(name: str, doc: str, fold: Callable[[Any], Any]) -> Callable[..., PrimExpr]:
    op = intrinsic(name, numpy=fold)

    def make(x: PrimExprLike, span: Any = None) -> PrimExpr:
        value = as_scalar(x)
        if dtype_of(value.dtype).is_integral:
            return value
        constant = const_value(value)
        if constant is not None:
            return const(float(fold(constant)), value.dtype)
        return Call(value.dtype, op, (value,), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


floor = _rounding("floor", "Rounded towards minus infinity.", np.floor)
ceil = _rounding("ceil", "Rounded towards plus infinity.", np.ceil)
trunc = _rounding("trunc", "Rounded towards zero.", np.trunc)
round = _rounding("round", "Rounded to the nearest, ties to even.", np.rint)
nearbyint = _rounding("nearbyint", "Rounded to the nearest, ties to even.", np.rint)


def abs(x: PrimExprLike, span: Any = None) -> PrimExpr:
    """The absolute value."""
    value = as_scalar(x)
    info = dtype_of(value.dtype)
    if info.is_uint or info.is_bool:
        return value
    constant = const_value(value)
    if constant is not None:
        return folded(constant if constant >= 0 else -constant, value.dtype)
    return Call(value.dtype, _ABS, (value,), span=span)


_ABS = intrinsic("fabs", numpy=np.abs)


def _predicate(name: str, doc: str, fold: Callable[[Any], Any]) -> Callable[..., PrimExpr]:
    op = intrinsic(name, numpy=fold)

    def make(x: PrimExprLike, span: Any = None) -> PrimExpr:
        value = as_scalar(x)
        info = dtype_of(value.dtype)
        boolean = dtype_of("bool").with_lanes(info.lanes)
        if not info.is_float:
            return const(int(name == "isfinite"), boolean)
        if name == "isnan" and info.bits < 32:
            value = cast(value, "float32")
        return Call(boolean, op, (value,), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


isnan = _predicate("isnan", "Whether `x` is not a number.", np.isnan)
isinf = _predicate("isinf", "Whether `x` is infinite.", np.isinf)
isfinite = _predicate("isfinite", "Whether `x` is neither infinite nor NaN.", np.isfinite)


def _binary_float(name: str, doc: str, fold: Callable[[Any, Any], Any]) -> Callable[..., PrimExpr]:
    op = intrinsic(name, numpy=fold)

    def make(x1: PrimExprLike, x2: PrimExprLike, span: Any = None) -> PrimExpr:
        return _of_two(op, name, x1, x2, span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


def _of_two(op: Op, name: str, x: PrimExprLike, y: PrimExprLike, span: Any) -> PrimExpr:
    a, b = common(x, y, name)
    return Call(a.dtype, op, (a, b), span=span)


_POW = intrinsic("pow", numpy=np.power)
_FMOD = intrinsic("fmod", numpy=np.fmod)


def power(x: PrimExprLike, y: PrimExprLike, span: Any = None) -> PrimExpr:
    """`x` to the `y`. Raises `ArgumentError` for two integers."""
    a, b = common(x, y, "power")
    if not (dtype_of(a.dtype).is_float or dtype_of(a.dtype).is_custom):
        raise ArgumentError(
            f"`power` needs floats, found {a.dtype}", span,
            hint="convert an operand, as in `x.astype('float32')`, or multiply",
        )  # fmt: skip
    return integral_power(a, b, span)


def integral_power(x: PrimExprLike, y: PrimExprLike, span: Any = None) -> PrimExpr:
    """`x` to the `y`, which may be integers: the product wraps around."""
    return _of_two(_POW, "pow", x, y, span)


def fmod(x: PrimExprLike, y: PrimExprLike, span: Any = None) -> PrimExpr:
    """The rest of `x / y`; its sign is `x`'s."""
    return _of_two(_FMOD, "fmod", x, y, span)


pow = power
atan2 = _binary_float("atan2", "The angle of the point (x2, x1).", np.arctan2)
hypot = _binary_float("hypot", "`sqrt(x1**2 + x2**2)` without overflow.", np.hypot)
copysign = _binary_float("copysign", "`x1` with the sign of `x2`.", np.copysign)
nextafter = _binary_float("nextafter", "The float after `x1` towards `x2`.", np.nextafter)


def fma(a: PrimExpr, b: PrimExpr, c: PrimExpr) -> PrimExpr:
    """`a * b + c` with one rounding."""
    first = as_scalar(a)
    return Call(first.dtype, _FMA, (first, b, c))


_FMA = intrinsic("fma")
