"""Elementwise operators of one, two and three inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ....support.dtypes import dtype_of
from ....tir import op as tir_op
from ..align import aligned
from ..narrow import EXPONENT, powers_of_two
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import Known, element_dtype, is_symbolic, settle
from .text import cast_text, string_equal

Expr = relax.Expr

_UNARY: dict[str, Callable[[Expr], Expr]] = {
    "Abs": R.abs, "Acos": R.acos, "Acosh": R.acosh, "Asin": R.asin, "Asinh": R.asinh,
    "Atan": R.atan, "Atanh": R.atanh, "Ceil": R.ceil, "Cos": R.cos, "Cosh": R.cosh,
    "Erf": R.erf, "Exp": R.exp, "Floor": R.floor, "Log": R.log, "Neg": R.negative,
    "Not": R.logical_not, "Round": R.round, "Sign": R.sign, "Sin": R.sin, "Sinh": R.sinh,
    "Sqrt": R.sqrt, "Tan": R.tan, "Tanh": R.tanh, "Sigmoid": R.sigmoid, "IsNaN": R.isnan,
    "BitwiseNot": R.bitwise_not, "Relu": R.nn.relu,
}  # fmt: skip


def _unary(function: Callable[[Expr], Expr]) -> Callable[[NodeContext], Result]:
    return lambda n: function(n[0])


for _name, _function in _UNARY.items():
    onnx_op(_name)(_unary(_function))


@onnx_op("Identity")
def identity(n: NodeContext) -> Result:
    """The input itself."""
    return n.value(0)


@onnx_op("Reciprocal")
def reciprocal(n: NodeContext) -> Result:
    """One over the input."""
    return R.divide(n.const(1, n.dtype(0)), n[0])


@onnx_op("IsInf")
def isinf(n: NodeContext) -> Result:
    """Whether infinite, of the signs asked for."""
    positive, negative = n.attr("detect_positive", 1), n.attr("detect_negative", 1)
    if positive and negative:
        return R.isinf(n[0])
    if not positive and not negative:
        return R.zeros(n.shape(0), "bool")
    limit = np.inf if positive else -np.inf
    return R.equal(n[0], n.const(limit, n.dtype(0)))


# ---- two inputs, followed while importing where both are known ------------------------------


def _fold(function: Callable[[Any, Any], Any], a: Known, b: Known) -> Known:
    symbolic = np.frompyfunc(function, 2, 1)
    x, y = np.asarray(a, object), np.asarray(b, object)
    return settle(np.asarray(symbolic(x, y), object).reshape(np.broadcast_shapes(a.shape, b.shape)))


def _c_quotient(a: Any, b: Any) -> Any:
    return (
        tir_op.truncdiv(a, b)
        if not isinstance(a, int) or not isinstance(b, int)
        else (abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else 0)
    )


_SYMBOLIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a // b,
}


def _both_known(n: NodeContext) -> tuple[Known, Known] | None:
    a, b = n.known(0), n.known(1)
    if a is None or b is None or not n.importer.is_small(a) or not n.importer.is_small(b):
        return None
    return a, b


def _arithmetic(
    function: Callable[[Expr, Expr], Expr], numpy: Callable[[Any, Any], Any]
) -> Callable[[NodeContext], Result]:
    def convert(n: NodeContext) -> Result:
        pair = _both_known(n)
        if pair is not None:
            a, b = pair
            if a.dtype != object and b.dtype != object:
                with np.errstate(all="ignore"):
                    return np.asarray(numpy(a, b))
            if n.op_type in _SYMBOLIC:
                return _fold(_SYMBOLIC[n.op_type], a, b)
        return function(*_broadcast_legacy(n))

    return convert


def _broadcast_legacy(n: NodeContext) -> tuple[Expr, Expr]:
    """Operands; before opset 7 the second is aligned at `axis`."""
    a, b = n[0], n[1]
    if n.has_attr("broadcast") and n.has_attr("axis") and n.rank(1) < n.rank(0):
        trailing = n.rank(0) - n.axis(0) - n.rank(1)
        b = R.expand_dims(b, [n.rank(1) + i for i in range(trailing)]) if trailing else b
        b = n.emit(b)
    x, y = aligned(n, a, b)
    return x, y


def _integer_quotient(a: Any, b: Any) -> Any:
    if not np.issubdtype(a.dtype, np.integer):
        return a / b
    safe = np.where(b == 0, 1, b)
    return np.where(b == 0, 0, np.fix(a / safe).astype(a.dtype) if a.dtype.itemsize < 8 else (
        np.sign(a) * np.sign(safe) * (np.abs(a) // np.abs(safe))
    )).astype(a.dtype)  # fmt: skip


def _divide(a: Expr, b: Expr) -> Expr:
    info = a.struct_info
    if isinstance(info, relax.TensorStructInfo) and dtype_of(info.dtype).is_integral:
        return R.trunc_divide(a, b)
    return R.divide(a, b)


for _name, _relax, _numpy in (
    ("Add", R.add, np.add),
    ("Sub", R.subtract, np.subtract),
    ("Mul", R.multiply, np.multiply),
    ("Div", _divide, _integer_quotient),
):
    onnx_op(_name)(_arithmetic(_relax, _numpy))

_COMPARE: dict[str, tuple[Callable[[Expr, Expr], Expr], Callable[[Any, Any], Any]]] = {
    "Equal": (R.equal, np.equal), "Less": (R.less, np.less), "Greater": (R.greater, np.greater),
    "LessOrEqual": (R.less_equal, np.less_equal),
    "GreaterOrEqual": (R.greater_equal, np.greater_equal),
    "And": (R.logical_and, np.logical_and), "Or": (R.logical_or, np.logical_or),
    "Xor": (R.logical_xor, np.logical_xor), "BitwiseAnd": (R.bitwise_and, np.bitwise_and),
    "BitwiseOr": (R.bitwise_or, np.bitwise_or), "BitwiseXor": (R.bitwise_xor, np.bitwise_xor),
}  # fmt: skip


def _compare(name: str) -> Callable[[NodeContext], Result]:
    function, numpy = _COMPARE[name]

    def convert(n: NodeContext) -> Result:
        pair = _both_known(n)
        if pair is not None:
            a, b = pair
            if not is_symbolic(a) and not is_symbolic(b):
                return np.asarray(numpy(settle(a), settle(b)))
            decided = _decide_equal(a, b) if name == "Equal" else None
            if decided is not None:
                return decided
        if name == "Equal" and n.is_text(0):
            return string_equal(n)
        return function(*_broadcast_legacy(n))

    return convert


def _decide_equal(a: Known, b: Known) -> Known | None:
    """Equality of symbolic dimensions with negative numbers is known: they are never equal."""
    x, y = np.broadcast_arrays(np.asarray(a, object), np.asarray(b, object))
    out = []
    for p, q in zip(x.flat, y.flat, strict=True):
        if isinstance(p, int) and isinstance(q, int):
            out.append(p == q)
        elif (isinstance(p, int) and p < 0) or (isinstance(q, int) and q < 0):
            out.append(False)
        elif p is q:
            out.append(True)
        else:
            return None
    return np.array(out, bool).reshape(x.shape)


for _name in _COMPARE:
    onnx_op(_name)(_compare(_name))


@onnx_op("Pow")
def power(n: NodeContext) -> Result:
    """The first to the power of the second, in the first's type."""
    exponent = n.constant(1)
    if exponent is not None and exponent.size == 1 and dtype_of(n.dtype(0)).is_float:
        value = float(exponent.reshape(()))
        if value == 2.0:
            return R.multiply(n[0], n[0])
        if value == 0.5:
            return R.sqrt(n[0])
    base, other = n.dtype(0), n.dtype(1)
    right = n[1] if base == other else n.emit(R.astype(n[1], base))
    if dtype_of(other).is_float and not dtype_of(base).is_float:
        wide = n.emit(R.astype(n[0], other))
        return R.astype(n.emit(R.power(wide, n[1])), base)
    if not dtype_of(base).is_float:
        wide, high = n.emit(R.astype(n[0], "float64")), n.emit(R.astype(right, "float64"))
        return R.astype(n.emit(R.power(wide, high)), base)
    return R.power(n[0], right)


@onnx_op("Mod")
def mod(n: NodeContext) -> Result:
    """The rest: with the sign of the divisor, or of the dividend if `fmod`."""
    if n.attr("fmod", 0):
        return R.mod(n[0], n[1])
    return R.floor_mod(n[0], n[1])


@onnx_op("BitShift")
def bit_shift(n: NodeContext) -> Result:
    """Shifted left or right by the second input."""
    shift = R.left_shift if n.attr("direction") == "LEFT" else R.right_shift
    return shift(n[0], n[1])


def _variadic(function: Callable[[Expr, Expr], Expr]) -> Callable[[NodeContext], Result]:
    def convert(n: NodeContext) -> Result:
        total, *rest = aligned(n, *n.inputs())
        for item in rest:
            total = n.emit(function(total, item))
        return total

    return convert


onnx_op("Sum")(_variadic(R.add))
onnx_op("Max")(_variadic(R.maximum))
onnx_op("Min")(_variadic(R.minimum))


@onnx_op("Mean")
def mean(n: NodeContext) -> Result:
    """The mean of all inputs, elementwise."""
    total: Any = _variadic(R.add)(n)
    return R.divide(total, n.const(n.num_inputs, n.dtype(0)))


@onnx_op("Where")
def where(n: NodeContext) -> Result:
    """The second input where the first holds, else the third."""
    known = [n.known(i) for i in range(3)]
    if all(k is not None and n.importer.is_small(k) for k in known):
        c, a, b = (k for k in known if k is not None)
        if not is_symbolic(c):
            return settle(np.asarray(np.where(settle(c).astype(bool), a, b)))
    return R.where(*aligned(n, n[0], n[1], n[2]))


@onnx_op("Clip", since=1)
def clip_attributes(n: NodeContext) -> Result:
    """Between two attributes."""
    limits = dtype_of(n.dtype(0))
    low = n.attr("min", float(limits.min_value))
    high = n.attr("max", float(limits.max_value))
    return R.clip(n[0], low, high)


@onnx_op("Clip", since=11)
def clip(n: NodeContext) -> Result:
    """Between two optional inputs."""
    result = n[0]
    low, high = n.constant(1), n.constant(2)
    absent_low, absent_high = not n.has(1), not n.has(2)
    if (low is not None or absent_low) and (high is not None or absent_high):
        if absent_low and absent_high:
            return result
        limits = dtype_of(n.dtype(0))
        least = float("-inf") if limits.is_float else limits.min_value
        most = float("inf") if limits.is_float else limits.max_value
        lower = least if low is None else low.reshape(()).item()
        upper = most if high is None else high.reshape(()).item()
        return R.clip(result, lower, upper)
    if not absent_low:
        result = n.emit(R.maximum(result, n[1]))
    return result if absent_high else R.minimum(result, n[2])


@onnx_op("Cast")
def cast(n: NodeContext) -> Result:
    """Converted to another data type."""
    return convert_to(n, element_dtype(int(n.attr("to"))), bool(n.attr("saturate", 1)))


@onnx_op("CastLike")
def cast_like(n: NodeContext) -> Result:
    """Converted to the data type of the second input."""
    return convert_to(n, n.element(1), bool(n.attr("saturate", 1)))


def convert_to(n: NodeContext, dtype: str, saturate: bool = True) -> Result:
    """The first input in `dtype`; known integers are followed."""
    if dtype == "object" or n.is_text(0):
        return cast_text(n, dtype)
    if n.element(0) == EXPONENT and dtype != EXPONENT:
        return n.converted(powers_of_two(n, n[0]), dtype, saturate)
    known = n.known(0)
    if known is not None and n.importer.is_small(known):
        if is_symbolic(known):
            if dtype in ("int64", "int32"):
                return known
        elif settle(known).dtype.kind in "biuf" and dtype_of(dtype).numpy.kind in "biuf":
            with np.errstate(all="ignore"):
                return settle(known).astype(dtype_of(dtype).numpy)
    return n.converted(n[0], dtype, saturate)
