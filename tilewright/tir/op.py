"""The intrinsics of loop programs and the folding constructors behind Python's operators."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.expr import OPERATORS, FloatImm, IntImm, PrimExpr, PrimExprLike, as_scalar
from ..ir.op import Op, register_op
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from . import expr as E
from .expr import Broadcast, Call, CallEffectKind, Cast, Ramp, Select, StringImm, Var

Scalar = int | float


def const(value: Any, dtype: str | None = None) -> PrimExpr:
    """A constant of `dtype` (default: `bool`, `int32` or `float32` by the value's kind);
    with lanes, the same in each."""
    if dtype is None:
        return as_scalar(value)
    info = dtype_of(dtype)
    if info.lanes > 1:
        return Broadcast(const(value, info.element), info.lanes)
    if info.is_float:
        return FloatImm(dtype, float(value))
    if info.is_integral:
        return IntImm(dtype, wrap(int(value), dtype))
    raise ArgumentError(f"a constant of dtype {dtype} cannot be made from {value!r}")


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


def max_value(dtype: str) -> PrimExpr:
    """The largest finite value of `dtype`."""
    return const(dtype_of(dtype).max_value, dtype)


def min_value(dtype: str) -> PrimExpr:
    """The smallest finite value of `dtype`."""
    return const(dtype_of(dtype).min_value, dtype)


def infinity(dtype: str) -> PrimExpr:
    """Plus infinity of a floating `dtype`."""
    return const(math.inf, dtype)


def reinterpret(dtype: str, value: PrimExprLike) -> PrimExpr:
    """The bits of `value` read as `dtype`, which is as wide."""
    return Call(dtype, "tir.reinterpret", (as_scalar(value),))


# ---- common type of two operands ------------------------------------------------------------


def _common(a: object, b: object, which: str) -> tuple[PrimExpr, PrimExpr]:
    """Both operands in one type: constants follow the other side, narrow types the wide one."""
    a = getattr(a, "asobject", lambda: a)() if not isinstance(a, PrimExpr) else a
    b = getattr(b, "asobject", lambda: b)() if not isinstance(b, PrimExpr) else b
    if isinstance(a, E.IterVar):
        a = a.var
    if isinstance(b, E.IterVar):
        b = b.var
    if not isinstance(a, PrimExpr):
        a = _like(a, b.dtype) if isinstance(b, PrimExpr) else as_scalar(a)
    if not isinstance(b, PrimExpr):
        b = _like(b, a.dtype)
    if a.dtype == b.dtype:
        return a, b
    ia, ib = dtype_of(a.dtype), dtype_of(b.dtype)
    if ia.lanes != ib.lanes:
        if ia.lanes == 1:
            return _common(Broadcast(a, ib.lanes), b, which)
        if ib.lanes == 1:
            return _common(a, Broadcast(b, ia.lanes), which)
        raise ArgumentError(f"{which} of {a.dtype} and {b.dtype}: the lanes differ")
    if ia.is_handle or ib.is_handle:
        raise ArgumentError(f"{which} of {a.dtype} and {b.dtype}: an address is no number")
    wide = _wider(ia.element, ib.element)
    return cast(a, dtype_of(wide).with_lanes(ia.lanes)), cast(
        b, dtype_of(wide).with_lanes(ia.lanes)
    )


def _like(value: object, dtype: str) -> PrimExpr:
    """A Python number as a constant that meets an operand of `dtype`."""
    info = dtype_of(dtype)
    if isinstance(value, (float, np.floating)) and info.is_integral:
        return const(value, info.with_lanes(info.lanes) if info.is_float else "float32")
    if isinstance(value, (bool, np.bool_)) and not info.is_bool:
        value = int(value)
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise ArgumentError(f"expected a scalar expression, found {type(value).__name__}")
    if info.is_bool and not isinstance(value, (bool, np.bool_)):
        return as_scalar(value)
    return const(value, dtype)


def _wider(a: str, b: str) -> str:
    """The type both convert to: floats over integers, the wider of a kind, signed over unsigned
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
    return a if ia.is_int else b


# ---- arithmetic that folds ------------------------------------------------------------------


def _c_div(a: Scalar, b: Scalar) -> Scalar:
    return builtins.abs(a) // builtins.abs(b) * (1 if (a < 0) == (b < 0) else -1)


_FOLD: dict[type[PrimExpr], Callable[[Any, Any], Any]] = {
    E.Add: lambda a, b: a + b,
    E.Sub: lambda a, b: a - b,
    E.Mul: lambda a, b: a * b,
    E.FloorDiv: lambda a, b: a // b,
    E.FloorMod: lambda a, b: a % b,
    E.Div: _c_div,
    E.Mod: lambda a, b: a - b * _c_div(a, b),
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
_DIVIDES = (E.FloorDiv, E.FloorMod, E.Div, E.Mod)


def _fold(kind: type[PrimExpr], a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
    """The constant `kind(a, b)`, if both are constants and it is exact in their type."""
    x, y = const_value(a), const_value(b)
    if x is None or y is None or (kind in _DIVIDES and y == 0):
        return None
    info = dtype_of(a.dtype)
    result_type = info.with_lanes(info.lanes)
    if issubclass(kind, E.CmpExpr):
        return const(int(_FOLD[kind](x, y)), dtype_of("bool").with_lanes(info.lanes))
    if not info.is_float:
        return const(_FOLD[kind](x, y), result_type)
    return _fold_float(kind, x, y, result_type)


def _fold_float(kind: type[PrimExpr], x: Scalar, y: Scalar, dtype: str) -> PrimExpr | None:
    if kind in (E.FloorDiv, E.FloorMod, E.Div, E.Mod):
        return None
    numpy_type = dtype_of(dtype_of(dtype).element).numpy.type
    with np.errstate(all="ignore"):
        return const(float(_FOLD[kind](numpy_type(x), numpy_type(y))), dtype)


def _identity(kind: type[PrimExpr], a: PrimExpr, b: PrimExpr) -> PrimExpr | None:
    """`x + 0`, `x * 1`, `0 * n` and the like; those that hold for integers only are not tried
    on floats (`x * 0` may be NaN)."""
    x, y = const_value(a), const_value(b)
    integral = dtype_of(a.dtype).is_integral
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
            lhs, rhs = _common(lhs, rhs, name)
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
truncdiv = _binary(E.Div, "truncdiv")
truncmod = _binary(E.Mod, "truncmod")
_floordiv = _binary(E.FloorDiv, "floordiv")
_floormod = _binary(E.FloorMod, "floormod")
min = _binary(E.Min, "min", bools=True)
max = _binary(E.Max, "max", bools=True)
equal = _binary(E.EQ, "equal", bools=True)
not_equal = _binary(E.NE, "not_equal", bools=True)
less = _binary(E.LT, "less", bools=True)
less_equal = _binary(E.LE, "less_equal", bools=True)
greater = _binary(E.GT, "greater", bools=True)
greater_equal = _binary(E.GE, "greater_equal", bools=True)


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
        x, y = _common(a, b, "floormod")
        return x - floor(div(x, y)) * y
    return _floormod(a, b, span)


def div(a: object, b: object, span: Any = None) -> PrimExpr:
    """`a / b`: of floats exact to half an ulp, of integers rounded towards zero."""
    x, y = _common(a, b, "div")
    p, q = const_value(x), const_value(y)
    if dtype_of(x.dtype).is_float and p is not None and q:
        return const(_float_quotient(p, q, x.dtype), x.dtype)
    return truncdiv(x, y, span)


def _float_quotient(p: Scalar, q: Scalar, dtype: str) -> float:
    numpy_type = dtype_of(dtype_of(dtype).element).numpy.type
    with np.errstate(all="ignore"):
        return float(numpy_type(p) / numpy_type(q))


def truediv(a: object, b: object) -> PrimExpr:
    """`a / b` of floats. Raises `ArgumentError` for two integers: use `//`."""
    x, y = _common(a, b, "truediv")
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


def ceildiv(a: object, b: object, span: Any = None) -> PrimExpr:
    """The quotient rounded towards plus infinity."""
    x, y = _common(a, b, "ceildiv")
    return floordiv(add(x, subtract(y, const(1, y.dtype))), y, span)


def neg(a: PrimExpr) -> PrimExpr:
    """`-a`."""
    if dtype_of(a.dtype).is_float:
        x = const_value(a)
        return const(-x, a.dtype) if x is not None else E.Mul(a, const(-1.0, a.dtype))
    return subtract(const(0, a.dtype), a)


def cast(value: object, dtype: str, span: Any = None) -> PrimExpr:
    """`value` converted to `dtype` (a scalar dtype keeps the lanes); constants fold."""
    value = as_scalar(value)
    lanes = dtype_of(value.dtype).lanes
    info = dtype_of(dtype)
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


# ---- conditions -----------------------------------------------------------------------------


def _truth(value: object) -> PrimExpr:
    made = as_scalar(value)
    return made if dtype_of(made.dtype).is_bool else not_equal(made, const(0, made.dtype))


def logical_and(a: object, b: object, span: Any = None) -> PrimExpr:
    """Both conditions; a constant side folds."""
    x, y = _common(_truth(a), _truth(b), "logical_and")
    for one, other in ((x, y), (y, x)):
        value = const_value(one)
        if value is not None:
            return other if value else one
    return E.And(x, y, span=span)


def logical_or(a: object, b: object, span: Any = None) -> PrimExpr:
    """Either condition; a constant side folds."""
    x, y = _common(_truth(a), _truth(b), "logical_or")
    for one, other in ((x, y), (y, x)):
        value = const_value(one)
        if value is not None:
            return one if value else other
    return E.Or(x, y, span=span)


def logical_not(a: object, span: Any = None) -> PrimExpr:
    """The opposite condition; a constant folds."""
    x = _truth(a)
    value = const_value(x)
    return const(int(not value), x.dtype) if value is not None else E.Not(x, span=span)


def all(*conditions: object, span: Any = None) -> PrimExpr:
    """Every one of the conditions."""
    result: PrimExpr = const(1, "bool")
    for condition in conditions:
        result = logical_and(result, condition, span)
    return result


def any(*conditions: object, span: Any = None) -> PrimExpr:
    """At least one of the conditions."""
    result: PrimExpr = const(0, "bool")
    for condition in conditions:
        result = logical_or(result, condition, span)
    return result


def select(condition: object, yes: object, no: object, span: Any = None) -> PrimExpr:
    """`yes` where `condition` holds, else `no`; both are computed."""
    a, b = _common(yes, no, "select")
    test = _truth(condition)
    value = const_value(test)
    if value is not None:
        return a if value else b
    if dtype_of(test.dtype).lanes == 1 and (lanes := dtype_of(a.dtype).lanes) > 1:
        test = Broadcast(test, lanes)
    return Select(test, a, b, span=span)


def if_then_else(cond: object, t: object, f: object, span: Any = None) -> PrimExpr:
    """`t` if `cond` else `f`; only the one taken is computed."""
    a, b = _common(t, f, "if_then_else")
    test = _truth(cond)
    value = const_value(test)
    if value is not None:
        return a if value else b
    return Call(a.dtype, "tir.if_then_else", (test, a, b), span=span)


def likely(cond: PrimExpr, span: Any = None) -> PrimExpr:
    """`cond`, which is nearly always true."""
    return cond if const_value(cond) is not None else Call(cond.dtype, "tir.likely", (cond,))


# ---- intrinsics -----------------------------------------------------------------------------

PURE = CallEffectKind.Pure


def _intrinsic(name: str, effect: CallEffectKind = PURE, **attributes: Any) -> Op:
    return register_op(f"tir.{name}", effect=effect, **attributes)


def _unary(name: str, doc: str, fold: Callable[[Any], Any] | None = None) -> Callable[..., Any]:
    op = _intrinsic(name, numpy=fold)

    def make(x: PrimExprLike, span: Any = None) -> PrimExpr:
        value = as_scalar(x)
        info = dtype_of(value.dtype)
        if not info.is_float:
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
    op = _intrinsic(name, numpy=fold)

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
        return const(constant if constant >= 0 else -constant, value.dtype)
    return Call(value.dtype, _ABS, (value,), span=span)


_ABS = _intrinsic("fabs", numpy=np.abs)


def _predicate(name: str, doc: str, fold: Callable[[Any], Any]) -> Callable[..., PrimExpr]:
    op = _intrinsic(name, numpy=fold)

    def make(x: PrimExprLike, span: Any = None) -> PrimExpr:
        value = as_scalar(x)
        info = dtype_of(value.dtype)
        boolean = dtype_of("bool").with_lanes(info.lanes)
        if not info.is_float:
            return const(int(name == "isfinite"), boolean)
        return Call(boolean, op, (value,), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


isnan = _predicate("isnan", "Whether `x` is not a number.", np.isnan)
isinf = _predicate("isinf", "Whether `x` is infinite.", np.isinf)
isfinite = _predicate("isfinite", "Whether `x` is neither infinite nor NaN.", np.isfinite)


def _binary_float(name: str, doc: str, fold: Callable[[Any, Any], Any]) -> Callable[..., PrimExpr]:
    op = _intrinsic(name, numpy=fold)

    def make(x1: PrimExprLike, x2: PrimExprLike, span: Any = None) -> PrimExpr:
        a, b = _common(x1, x2, name)
        return Call(a.dtype, op, (a, b), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


pow = power = _binary_float("pow", "`x1` to the `x2`.", np.power)
fmod = _binary_float("fmod", "The rest of `x1 / x2`; its sign is `x1`'s.", np.fmod)
atan2 = _binary_float("atan2", "The angle of the point (x2, x1).", np.arctan2)
hypot = _binary_float("hypot", "`sqrt(x1**2 + x2**2)` without overflow.", np.hypot)
copysign = _binary_float("copysign", "`x1` with the sign of `x2`.", np.copysign)
nextafter = _binary_float("nextafter", "The float after `x1` towards `x2`.", np.nextafter)


def _bits(name: str, doc: str, fold: Callable[[int, int], int]) -> Callable[..., PrimExpr]:
    op = _intrinsic(name, numpy=fold)

    def make(x: object, y: object, span: Any = None) -> PrimExpr:
        a, b = _common(x, y, name)
        if not dtype_of(a.dtype).is_integral:
            raise ArgumentError(f"{name} needs integers, found {a.dtype}")
        p, q = const_value(a), const_value(b)
        if isinstance(p, int) and isinstance(q, int) and (not name.startswith("shift") or q >= 0):
            return const(fold(p, q), a.dtype)
        return Call(a.dtype, op, (a, b), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


shift_left = _bits("shift_left", "`x` shifted left by `y` bits.", lambda p, q: p << q)
shift_right = _bits(
    "shift_right", "`x` shifted right by `y` bits, the sign filling in.", lambda p, q: p >> q
)
bitwise_and = _bits("bitwise_and", "The bits set in both.", lambda p, q: p & q)
bitwise_or = _bits("bitwise_or", "The bits set in either.", lambda p, q: p | q)
bitwise_xor = _bits("bitwise_xor", "The bits set in one only.", lambda p, q: p ^ q)
_BITWISE_NOT = _intrinsic("bitwise_not", numpy=np.invert)
_POPCOUNT = _intrinsic("popcount")
_CLZ = _intrinsic("clz")


def bitwise_not(x: PrimExprLike, span: Any = None) -> PrimExpr:
    """Every bit turned."""
    value = as_scalar(x)
    if isinstance(value, IntImm):
        return const(~value.value, value.dtype)
    return Call(value.dtype, _BITWISE_NOT, (value,), span=span)


def popcount(x: PrimExpr) -> PrimExpr:
    """The number of bits set, in the type of `x`."""
    return Call(x.dtype, _POPCOUNT, (x,))


def clz(x: PrimExpr) -> PrimExpr:
    """The number of leading zero bits; the width for 0."""
    return Call("int32", _CLZ, (x,))


def fma(a: PrimExpr, b: PrimExpr, c: PrimExpr) -> PrimExpr:
    """`a * b + c` with one rounding."""
    return Call(a.dtype, _FMA, (a, b, c))


_FMA = _intrinsic("fma")
_intrinsic("reinterpret")
_intrinsic("likely")
_intrinsic("if_then_else")

for _name, _effect in {
    "ret": CallEffectKind.ControlJump,
    "continue_loop": CallEffectKind.ControlJump,
    "break_loop": CallEffectKind.ControlJump,
    "thread_return": CallEffectKind.ControlJump,
    "call_extern": CallEffectKind.UpdateState,
    "call_pure_extern": CallEffectKind.Pure,
    "call_llvm_intrin": CallEffectKind.UpdateState,
    "call_llvm_pure_intrin": CallEffectKind.Pure,
    "tvm_call_packed": CallEffectKind.UpdateState,
    "tvm_call_cpacked": CallEffectKind.UpdateState,
    "tvm_call_packed_lowered": CallEffectKind.UpdateState,
    "tvm_access_ptr": CallEffectKind.SpecialCallArg,
    "address_of": CallEffectKind.Pure,
    "tvm_struct_get": CallEffectKind.ReadState,
    "tvm_struct_set": CallEffectKind.UpdateState,
    "tvm_throw_last_error": CallEffectKind.UpdateState,
    "tvm_stack_alloca": CallEffectKind.UpdateState,
    "tvm_stack_make_shape": CallEffectKind.UpdateState,
    "tvm_stack_make_array": CallEffectKind.UpdateState,
    "handle_add_byte_offset": CallEffectKind.Pure,
    "isnullptr": CallEffectKind.Pure,
    "prefetch": CallEffectKind.UpdateState,
    "vectorlow": CallEffectKind.Pure,
    "vectorhigh": CallEffectKind.Pure,
    "vectorcombine": CallEffectKind.Pure,
    "vector_reduce_add": CallEffectKind.Pure,
    "vector_reduce_max": CallEffectKind.Pure,
    "vector_reduce_min": CallEffectKind.Pure,
    "assume": CallEffectKind.EmbedInfo,
    "undef": CallEffectKind.ReadState,
    "tvm_storage_sync": CallEffectKind.UpdateState,
    "lookup_param": CallEffectKind.UpdateState,
    "q_multiply_shift": CallEffectKind.Pure,
    "large_uint_imm": CallEffectKind.Pure,
    "vscale": CallEffectKind.Pure,
    "get_active_lane_mask": CallEffectKind.Pure,
    "ldexp": CallEffectKind.Pure,
    "start_profile_intrinsic": CallEffectKind.UpdateState,
    "end_profile_intrinsic": CallEffectKind.UpdateState,
}.items():
    _intrinsic(_name, _effect)


def call_intrin(dtype: str, func_name: str | Op, *args: object, span: Any = None) -> PrimExpr:
    """A call of the intrinsic `func_name`."""
    return Call(dtype, func_name, tuple(args), span=span)  # type: ignore[arg-type]


def call_extern(dtype: str, func_name: str, *args: object, span: Any = None) -> PrimExpr:
    """A call of a C function by its symbol; buffers go as the address of their first element."""
    parts = tuple(_as_argument(arg) for arg in args)
    return Call(dtype, "tir.call_extern", (StringImm(func_name), *parts), span=span)  # type: ignore[arg-type]


def call_pure_extern(dtype: str, func_name: str, *args: object, span: Any = None) -> PrimExpr:
    """A call of a C function without side effects by its symbol."""
    parts = tuple(_as_argument(arg) for arg in args)
    return Call(dtype, "tir.call_pure_extern", (StringImm(func_name), *parts), span=span)  # type: ignore[arg-type]


def call_packed(*args: object, span: Any = None) -> PrimExpr:
    """A call of a global function by name with the packed calling convention."""
    name, *rest = args
    head = StringImm(name) if isinstance(name, str) else name
    parts = tuple(_as_argument(arg) for arg in rest)
    return Call("int32", "tir.tvm_call_packed", (head, *parts), span=span)  # type: ignore[arg-type]


def _as_argument(arg: object) -> object:
    data = getattr(arg, "data", None)
    return data if isinstance(data, Var) else arg


def address_of(obj: object, span: Any = None) -> PrimExpr:
    """The address of an element (or of the first one of a buffer)."""
    shape = getattr(obj, "shape", None)
    if shape is not None:
        obj = E.BufferLoad(obj, tuple(const(0, d.dtype) for d in shape))  # type: ignore[arg-type]
    return Call("handle", "tir.address_of", (obj,), span=span)  # type: ignore[arg-type]


def ret(value: object, span: Any = None) -> PrimExpr:
    """Leaves the function with `value`."""
    made = as_scalar(value)
    return Call(made.dtype, "tir.ret", (made,), span=span)


_ACCESS = {"r": 1, "w": 2}


def tvm_access_ptr_of(
    buffer: Any, mask: int | str, kind: str, lanes: int, offset: object, extent: object
) -> PrimExpr:
    """The call behind `Buffer.access_ptr`."""
    del kind
    if isinstance(mask, str):
        mask = sum(_ACCESS[letter] for letter in mask)
    flat = buffer.get_flattened_buffer()
    size = flat.shape[0] if extent is None else as_scalar(extent)
    start = add(buffer.elem_offset, as_scalar(offset))
    element = dtype_of(buffer.dtype).with_lanes(lanes)
    marker = Call(element, "tir.type_annotation", ())
    return Call("handle", "tir.tvm_access_ptr", (marker, buffer.data, start, size, as_scalar(mask)))


_intrinsic("type_annotation")


def simplified(value: PrimExpr) -> PrimExpr:
    """`value` simplified if the analyzer is loaded, else as it is (constants are folded)."""
    return SIMPLIFY[0](value) if SIMPLIFY else value


SIMPLIFY: list[Callable[[PrimExpr], PrimExpr]] = []
"""The analyzer's simplifier, put here by `arith`, which stands above this module."""


def ramp(base: object, stride: object, lanes: int) -> PrimExpr:
    """The vector `base, base + stride, ...`; `base` itself for one lane."""
    first = as_scalar(base)
    return first if lanes == 1 else Ramp(first, stride, lanes)  # type: ignore[arg-type]


OPERATORS.update(
    add=add, sub=subtract, mul=multiply, truediv=truediv, floordiv=floordiv, floormod=floormod,
    neg=neg, shift_left=shift_left, shift_right=shift_right, bitwise_and=bitwise_and,
    bitwise_or=bitwise_or, bitwise_xor=bitwise_xor, bitwise_not=bitwise_not, lt=less,
    le=less_equal, gt=greater, ge=greater_equal, eq=equal, ne=not_equal, cast=cast,
)  # fmt: skip


def operators() -> Sequence[str]:
    """The names of the Python operators that are defined."""
    return tuple(OPERATORS)
