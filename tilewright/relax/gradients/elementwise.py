"""Gradients of elementwise operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import op as O
from ..base import Expr
from ..expr import Call
from ._table import dtype_of, fit, gradient, number

Result = list["Expr | None"]


@gradient("add")
def add(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Both sides get it as it is."""
    return [fit(grad, a) for a in call.args]


@gradient("subtract")
def subtract(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The right side gets its negative."""
    return [fit(grad, call.args[0]), fit(O.negative(grad), call.args[1])]


@gradient("multiply")
def multiply(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Each side gets it times the other."""
    x, y = call.args
    return [fit(O.multiply(grad, y), x), fit(O.multiply(grad, x), y)]


@gradient("divide")
def divide(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d(x / y) = dx / y - x dy / y^2"""
    x, y = call.args
    bottom = O.divide(O.multiply(O.negative(grad), x), O.multiply(y, y))
    return [fit(O.divide(grad, y), x), fit(bottom, y)]


@gradient("power")
def power(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d(x^y) = y x^(y - 1) dx + x^y ln(x) dy"""
    x, y = call.args
    base = O.multiply(O.multiply(grad, y), O.power(x, O.subtract(y, number(1, y))))
    return [fit(base, x), fit(O.multiply(O.multiply(grad, var), O.log(x)), y)]


def _chosen(first: Callable[[Expr, Expr], Expr]) -> Any:
    def rule(var: Any, call: Call, grad: Any, builder: Any) -> Result:
        x, y = call.args
        taken = first(x, y)
        zero = O.zeros_like(grad)
        return [fit(O.where(taken, grad, zero), x), fit(O.where(taken, zero, grad), y)]

    return rule


gradient("maximum")(_chosen(O.greater_equal))
gradient("minimum")(_chosen(O.less_equal))


@gradient("ewise_fma")
def ewise_fma(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """As of `x * y + z`."""
    x, y, z = call.args
    return [fit(O.multiply(grad, y), x), fit(O.multiply(grad, x), y), fit(grad, z)]


@gradient("where")
def where(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Each side gets it where it was taken."""
    condition, x, y = call.args
    zero = O.zeros_like(grad)
    return [None, fit(O.where(condition, grad, zero), x), fit(O.where(condition, zero, grad), y)]


def _unary(name: str, slope: Callable[[Expr, Expr], Expr]) -> None:
    """Declares that the gradient is that of the result times `slope(argument, result)`."""

    def rule(var: Any, call: Call, grad: Any, builder: Any) -> Result:
        return [O.multiply(grad, slope(call.args[0], var))]

    gradient(name)(rule)


def _minus_square(value: Expr) -> Expr:
    return O.subtract(number(1, value), O.multiply(value, value))


_unary("negative", lambda x, y: number(-1, x))
_unary("abs", lambda x, y: O.sign(x))
_unary("exp", lambda x, y: y)
_unary("log", lambda x, y: O.divide(number(1, x), x))
_unary("sqrt", lambda x, y: O.divide(number(0.5, x), y))
_unary("rsqrt", lambda x, y: O.multiply(number(-0.5, x), O.divide(y, x)))
_unary("square", lambda x, y: O.multiply(number(2, x), x))
_unary("sin", lambda x, y: O.cos(x))
_unary("cos", lambda x, y: O.negative(O.sin(x)))
_unary("tan", lambda x, y: O.add(number(1, x), O.multiply(y, y)))
_unary("sinh", lambda x, y: O.cosh(x))
_unary("cosh", lambda x, y: O.sinh(x))
_unary("tanh", lambda x, y: _minus_square(y))
_unary("asin", lambda x, y: O.rsqrt(_minus_square(x)))
_unary("acos", lambda x, y: O.negative(O.rsqrt(_minus_square(x))))
_unary("atan", lambda x, y: O.divide(number(1, x), O.add(number(1, x), O.multiply(x, x))))
_unary("sigmoid", lambda x, y: O.multiply(y, O.subtract(number(1, y), y)))
_unary("erf", lambda x, y: O.multiply(
    number(1.1283791670955126, x), O.exp(O.negative(O.multiply(x, x)))
))  # fmt: skip


@gradient("astype")
def astype(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Converted back."""
    return [O.astype(grad, dtype_of(call.args[0]))]


@gradient("clip")
def clip(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Only where nothing was cut off."""
    x = call.args[0]
    kept = O.equal(x, var)
    return [O.where(kept, grad, O.zeros_like(grad)), *(None for _ in call.args[1:])]


@gradient(
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and",
    "logical_or", "logical_not", "logical_xor", "floor", "ceil", "round", "trunc", "sign",
    "zeros_like", "ones_like", "full_like", "argmax", "argmin", "one_hot", "full", "zeros", "ones",
    "arange", "grad.no_grad", "isnan", "isinf", "isfinite", "floor_divide", "argsort", "eye",
    "eye_like", "shape_of",
)  # fmt: skip
def nothing(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The result does not change with small changes of the arguments, or is not to be followed."""
    return [None for _ in call.args]


@gradient("grad.start_checkpoint", "grad.end_checkpoint", "hint_on_device")
def itself(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The value itself."""
    return [grad]
