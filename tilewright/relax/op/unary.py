"""Elementwise operators of one tensor, made by one constructor from a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ..base import Expr
from ..struct_info import TensorStructInfo
from . import _infer, _samples
from ._declare import Sample, op, sample

Array = Any


def unary_op(
    name: str,
    reference: Callable[[Array], Array],
    doc: str,
    *,
    infer: Callable[..., Any] = _infer.float_unary,
    samples: Callable[[], list[Sample]] | None = None,
    lower: Callable[[Any], Any] | None = None,
    onnx: str = "",
) -> Callable[[Expr], Expr]:
    """Declares `relax.<name>` of one tensor; it lowers to the function of `topi` of its name."""

    def declare(x: Expr) -> Expr:
        raise NotImplementedError

    short = name.rsplit(".", 1)[-1]
    declare.__name__ = declare.__qualname__ = short
    declare.__doc__ = doc

    def to_topi(x: Any) -> Any:
        return getattr(topi, short)(x)

    made: Callable[[Expr], Expr] = op(
        name,
        infer=infer,
        lower=lower or to_topi,
        reference=lambda x: (
            np.asarray(reference(x)).astype(np.asarray(x).dtype, copy=False)
            if infer is not _BOOL
            else reference(x)
        ),
        samples=samples or _samples.unary(),
        onnx=onnx,
        elementwise=True,
    )(declare)
    return made


_BOOL = _infer.with_dtype("bool")
_NUMBERS = _samples.unary((*_samples.FLOATS, "int32"))
_POSITIVE = _samples.unary(low=0.1, high=4.0)
_UNIT = _samples.unary(low=-0.9, high=0.9)


def erf_reference(x: Array) -> Array:
    """The error function of each element."""
    return np.vectorize(math.erf, otypes=[np.float64])(x) if np.size(x) else np.asarray(x)


def _odd_values() -> list[Sample]:
    return [sample(np.array([0.0, np.nan, np.inf, -np.inf, 1.5], "float32"))]


abs = unary_op("abs", np.abs, "The absolute value.", infer=_infer.same_as_first, samples=_NUMBERS)
acos = unary_op("acos", np.arccos, "The inverse of cosine, in radians.", samples=_UNIT)
acosh = unary_op("acosh", np.arccosh, "The inverse of cosh.",
                 samples=_samples.unary(low=1.1, high=4.0))  # fmt: skip
asin = unary_op("asin", np.arcsin, "The inverse of sine, in radians.", samples=_UNIT)
asinh = unary_op("asinh", np.arcsinh, "The inverse of sinh.")
atan = unary_op("atan", np.arctan, "The inverse of tangent, in radians.")
atanh = unary_op("atanh", np.arctanh, "The inverse of tanh.", samples=_UNIT)
ceil = unary_op("ceil", np.ceil, "Rounded up.", infer=_infer.same_as_first)
cos = unary_op("cos", np.cos, "The cosine of radians.")
cosh = unary_op("cosh", np.cosh, "The hyperbolic cosine.")
erf = unary_op("erf", erf_reference, "The error function.")
exp = unary_op("exp", np.exp, "e to the `x`.")
floor = unary_op("floor", np.floor, "Rounded down.", infer=_infer.same_as_first)
log = unary_op("log", np.log, "The natural logarithm.", samples=_POSITIVE)
negative = unary_op("negative", np.negative, "`-x`.", infer=_infer.same_as_first, samples=_NUMBERS)
round = unary_op("round", np.rint, "The nearest integer, ties to even.",
                 infer=_infer.same_as_first)  # fmt: skip
rsqrt = unary_op("rsqrt", lambda x: 1 / np.sqrt(x), "One over the square root.", samples=_POSITIVE)
sigmoid = unary_op("sigmoid", lambda x: 1 / (1 + np.exp(-x)), "`1 / (1 + exp(-x))`.")
sign = unary_op("sign", np.sign, "-1, 0 or 1.", infer=_infer.same_as_first, samples=_NUMBERS)
sin = unary_op("sin", np.sin, "The sine of radians.")
sinh = unary_op("sinh", np.sinh, "The hyperbolic sine.")
sqrt = unary_op("sqrt", np.sqrt, "The square root.", samples=_POSITIVE)
tan = unary_op("tan", np.tan, "The tangent of radians.", samples=_UNIT)
tanh = unary_op("tanh", np.tanh, "The hyperbolic tangent.")
trunc = unary_op("trunc", np.trunc, "Rounded towards zero.", infer=_infer.same_as_first)
square = unary_op(
    "square", np.square, "`x * x`.", infer=_infer.same_as_first, samples=_NUMBERS,
    lower=lambda x: topi.multiply(x, x),
)  # fmt: skip
bitwise_not = unary_op(
    "bitwise_not", np.invert, "Every bit turned.", infer=_infer.same_as_first,
    samples=_samples.unary(("int32", "uint8", "bool")),
)  # fmt: skip
logical_not = unary_op(
    "logical_not", np.logical_not, "The opposite.", infer=_BOOL, samples=_samples.unary(("bool",))
)
isfinite = unary_op("isfinite", np.isfinite, "Neither infinite nor NaN.", infer=_BOOL,
                    samples=_odd_values)  # fmt: skip
isinf = unary_op("isinf", np.isinf, "Infinite.", infer=_BOOL, samples=_odd_values)
isnan = unary_op("isnan", np.isnan, "Not a number.", infer=_BOOL, samples=_odd_values)


def _limits(x: Any, low: float, high: float) -> tuple[Any, Any]:
    info = dtype_of(str(x.dtype))
    if info.is_float:
        return low, high
    least, most = info.min_value, info.max_value
    return (least if low < least else low), (most if high > most else high)


def _clip(x: Array, min: float, max: float) -> Array:
    low, high = _limits(x, min, max)
    kind = x.dtype.type
    return np.minimum(np.maximum(x, kind(low)), kind(high))


@op(
    "clip",
    infer=lambda x, min, max: _infer.tensor(x),
    lower=lambda x, min, max: topi.clip(x, *_limits(x, min, max)),
    reference=_clip,
    samples=lambda: [
        sample(_samples.array((3, 5)), -0.5, 1.0),
        sample(_samples.array((4,), "int32"), -2, 3),
        sample(np.array([np.nan, np.inf, -np.inf], "float32"), 0.0, 6.0),
    ],
)
def clip(x: Expr, min: Any, max: Any) -> Expr:
    """`x` between `min` and `max`; NaN stays."""


def _astype(x: Array, dtype: str) -> Array:
    target = dtype_of(dtype)
    if target.is_integral and not target.is_bool and np.issubdtype(x.dtype, np.floating):
        wide = np.trunc(x.astype(np.float64))
        bounded = np.clip(wide, float(target.min_value), float(target.max_value))
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(wide), 0.0, bounded).astype(target.numpy)
    return x.astype(target.numpy)


def _infer_astype(x: Any, dtype: str) -> TensorStructInfo:
    info = _infer.tensor(x)
    return TensorStructInfo(info.shape, dtype, info.vdevice, info.ndim)


@op(
    "astype",
    infer=_infer_astype,
    lower=lambda x, dtype: topi.cast(x, dtype),
    reference=_astype,
    samples=lambda: [
        sample(_samples.array((3, 4)), "int32"),
        sample(_samples.array((3, 4), "int32"), "float16"),
        sample(_samples.array((3, 4)), "bfloat16"),
        sample(_samples.array((3, 4)), "bool"),
        sample(_samples.array((2,), "bool"), "float32"),
    ],
)
def astype(x: Expr, dtype: str) -> Expr:
    """`x` converted to `dtype`: floats to integers round towards zero and saturate."""
