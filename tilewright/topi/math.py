"""Operators of one operand, element by element: one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..ir.expr import PrimExpr, as_scalar
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..te.tensor import TENSOR_OPERATORS, Tensor, as_shape
from ..tir import op
from . import tag
from .kinds import Operand, Sizes
from .utils import compute, is_float, truth

__all__ = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "bitwise_not", "cast", "ceil",
    "ceil_log2", "clip", "cos", "cosh", "erf", "exp", "exp10", "exp2", "expm1", "fast_erf",
    "fast_exp", "fast_tanh", "fixed_point_multiply", "floor", "full", "full_like", "identity",
    "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not", "negative",
    "ones", "reciprocal", "reinterpret", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc", "zeros",
]  # fmt: skip

Scalar = PrimExpr | int | float


def elementwise(
    x: Tensor, function: Callable[[PrimExpr], PrimExpr], name: str = "compute"
) -> Tensor:
    """`function` of every element of `x`."""
    return compute(x.shape, lambda *i: function(x(*i)), name, tag.ELEMWISE)


def _operator(
    name: str, function: Callable[..., PrimExpr], doc: str, block: str = "compute"
) -> Callable[..., Any]:
    def operate(x: Operand) -> Any:
        return _mapped(x, function, block)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


def _mapped(x: Operand, function: Callable[..., PrimExpr], block: str) -> Any:
    return elementwise(x, function, block) if isinstance(x, Tensor) else function(as_scalar(x))


def in_float32(function: Callable[[PrimExpr], PrimExpr]) -> Callable[[PrimExpr], PrimExpr]:
    """`function` computed in float32 for narrower floats, in their own type for wider ones."""

    def widened(x: PrimExpr) -> PrimExpr:
        if dtype_of(x.dtype).is_float and dtype_of(x.dtype).bits < 32:
            return op.cast(function(op.cast(x, "float32")), x.dtype)
        return function(x)

    return widened


def sign_of(x: PrimExpr) -> PrimExpr:
    """-1, 0 or 1 by the sign of `x`; NaN stays."""
    zero, one = op.const(0, x.dtype), op.const(1, x.dtype)
    if dtype_of(x.dtype).is_uint or dtype_of(x.dtype).is_bool:
        return op.select(op.greater(x, zero), one, zero)
    minus = op.select(op.less(x, zero), op.const(-1, x.dtype), x if is_float(x.dtype) else zero)
    return op.select(op.greater(x, zero), one, minus)


def _sigmoid(x: PrimExpr) -> PrimExpr:
    made: PrimExpr = op.sigmoid(x)
    return made


identity = _operator("identity", lambda x: x, "Every element as it is.")
negative = _operator("negative", lambda x: -x, "Every element with the other sign.")
abs = _operator("abs", op.abs, "The absolute value.")
sign = _operator("sign", sign_of, "-1, 0 or 1 by the sign.", "T_sign")
exp = _operator("exp", op.exp, "e to the `x`.")
exp2 = _operator("exp2", op.exp2, "2 to the `x`.")
exp10 = _operator("exp10", op.exp10, "10 to the `x`.")
expm1 = _operator("expm1", op.expm1, "`exp(x) - 1`, accurate near 0.")
log = _operator("log", op.log, "The natural logarithm.")
log2 = _operator("log2", op.log2, "The logarithm to base 2.")
log10 = _operator("log10", op.log10, "The logarithm to base 10.")
log1p = _operator("log1p", op.log1p, "`log(1 + x)`, accurate near 0.")
sqrt = _operator("sqrt", op.sqrt, "The square root.")
rsqrt = _operator("rsqrt", op.rsqrt, "One over the square root.")
sin = _operator("sin", op.sin, "The sine of radians.")
cos = _operator("cos", op.cos, "The cosine of radians.")
tan = _operator("tan", op.tan, "The tangent of radians.")
asin = _operator("asin", op.asin, "The inverse of sine.")
acos = _operator("acos", op.acos, "The inverse of cosine.")
atan = _operator("atan", op.atan, "The inverse of tangent.")
sinh = _operator("sinh", op.sinh, "The hyperbolic sine.")
cosh = _operator("cosh", op.cosh, "The hyperbolic cosine.")
tanh = _operator("tanh", op.tanh, "The hyperbolic tangent.")
asinh = _operator("asinh", op.asinh, "The inverse of sinh.")
acosh = _operator("acosh", op.acosh, "The inverse of cosh.")
atanh = _operator("atanh", op.atanh, "The inverse of tanh.")
erf = _operator("erf", op.erf, "The error function.")
sigmoid = _operator("sigmoid", _sigmoid, "`1 / (1 + exp(-x))`.")
floor = _operator("floor", op.floor, "Rounded towards minus infinity.")
ceil = _operator("ceil", op.ceil, "Rounded towards plus infinity.")
trunc = _operator("trunc", op.trunc, "Rounded towards zero.")
round = _operator("round", op.round, "Rounded to the nearest, ties to even.")
isnan = _operator("isnan", op.isnan, "Whether it is not a number.")
isinf = _operator("isinf", op.isinf, "Whether it is infinite.")
isfinite = _operator("isfinite", op.isfinite, "Whether it is neither infinite nor NaN.")


def logical_not(data: Any) -> Any:
    """Whether the element is zero (does not hold)."""
    return _mapped(data, lambda x: op.logical_not(truth(x)), "T_logical_not")


def bitwise_not(data: Any) -> Any:
    """The element with every bit turned."""
    return _mapped(data, op.bitwise_not, "T_bitwise_not")


square = _operator("square", lambda x: op.multiply(x, x), "The element times itself.")
reciprocal = _operator(
    "reciprocal", lambda x: op.div(op.const(1, x.dtype), x), "One over the element."
)
fast_exp = _operator("fast_exp", op.exp, "`exp`: ours is fast already.", "T_fast_exp")
fast_tanh = _operator("fast_tanh", op.tanh, "`tanh`: ours is fast already.", "T_fast_tanh")
fast_erf = _operator("fast_erf", op.erf, "`erf`: ours is fast already.", "T_fast_erf")


def ceil_log2(x: Operand) -> Any:
    """The logarithm to base 2, rounded up; of integers exactly, through their bits."""

    def element(value: PrimExpr) -> PrimExpr:
        info = dtype_of(value.dtype)
        if info.is_float:
            return op.ceil(op.log2(value))
        before = op.subtract(value, op.const(1, value.dtype))
        return op.cast(op.subtract(op.const(info.bits, "int32"), op.clz(before)), value.dtype)

    return elementwise(x, element) if isinstance(x, Tensor) else element(as_scalar(x))


def cast(x: Operand, dtype: str, span: Any = None) -> Any:
    """Every element converted to `dtype`."""
    if isinstance(x, Tensor):
        return elementwise(x, lambda value: op.cast(value, dtype))
    return op.cast(x, dtype, span)


def reinterpret(x: Operand, dtype: str) -> Any:
    """The bits of every element read as `dtype`, which is as wide."""
    x = x if isinstance(x, Tensor) else as_scalar(x)
    if dtype_of(dtype).bits != dtype_of(x.dtype).bits:
        raise ArgumentError(f"reinterpret: {x.dtype} and {dtype} differ in width")
    if isinstance(x, Tensor):
        return elementwise(x, lambda value: op.reinterpret(dtype, value), "tensor")
    return op.reinterpret(dtype, x)


def clip(x: Operand, a_min: Scalar | None = None, a_max: Scalar | None = None) -> Any:
    """Every element brought between `a_min` and `a_max` (None: no bound); NaN stays.

    Bounds are numbers or tensors of no dimensions; `a_max` wins where it is below `a_min`.
    """

    def bound(value: Any, like: PrimExpr) -> PrimExpr:
        dtype = like.dtype if is_float(like.dtype) else None
        made = value() if isinstance(value, Tensor) else as_scalar(value, dtype)
        return op.cast(_clipped_constant(made, like.dtype), like.dtype)

    def element(value: PrimExpr) -> PrimExpr:
        if a_min is not None:
            value = op.max(value, bound(a_min, value))
        return value if a_max is None else op.min(value, bound(a_max, value))

    return elementwise(x, element) if isinstance(x, Tensor) else element(as_scalar(x))


def _clipped_constant(value: PrimExpr, dtype: str) -> PrimExpr:
    """A constant bound brought into the range of an integer `dtype`."""
    number = op.const_value(value)
    info = dtype_of(dtype)
    if number is None or info.is_float:
        return value
    if math.isinf(number):
        return op.max_value(dtype) if number > 0 else op.min_value(dtype)
    return op.const(int(max(info.min_value, min(info.max_value, number))), dtype)


def fixed_point_multiply(x: Tensor, multiplier: int, shift: int) -> Tensor:
    """`x * multiplier * 2 ** (shift - 31)` of `int32`, rounded half up."""

    def element(value: PrimExpr) -> PrimExpr:
        total = 31 - shift
        wide = op.cast(value, "int64") * op.const(multiplier, "int64")
        rounded = op.shift_right(
            wide + op.const(1 << (total - 1) if total > 0 else 0, "int64"),
            op.const(max(total, 0), "int64"),
        )
        if total < 0:
            rounded = op.shift_left(wide, op.const(-total, "int64"))
        return op.cast(rounded, value.dtype)

    return elementwise(x, element)


def full(shape: Sizes, dtype: str, fill_value: Any) -> Tensor:
    """A tensor of `shape` filled with a number (or a tensor of no dimensions)."""
    value = fill_value() if isinstance(fill_value, Tensor) else as_scalar(fill_value, dtype)
    return compute(as_shape(shape), lambda *i: op.cast(value, dtype), "T_full", tag.ELEMWISE)


def full_like(x: Tensor, fill_value: Any) -> Tensor:
    """A tensor like `x` filled with a number."""
    value = fill_value() if isinstance(fill_value, Tensor) else as_scalar(fill_value, x.dtype)
    return compute(x.shape, lambda *i: op.cast(value, x.dtype), "T_full_like", tag.ELEMWISE)


def zeros(shape: Sizes, dtype: str = "float32") -> Tensor:
    """A tensor of zeros."""
    return full(shape, dtype, 0)


def ones(shape: Sizes, dtype: str = "float32") -> Tensor:
    """A tensor of ones."""
    return full(shape, dtype, 1)


TENSOR_OPERATORS.update(negative=negative, cast=cast)
