"""Gradients of reductions and running sums."""

from __future__ import annotations

from typing import Any

from .. import op as O
from ..base import Expr, ShapeExpr
from ..expr import Call
from ._table import dims_of, dtype_of, gradient, number, one_over_count, spread

Result = list["Expr | None"]


@gradient("sum")
def sum(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Every element gets it."""
    return [spread(grad, call.args[0], call.attrs.axis, call.attrs.keepdims)]


@gradient("mean")
def mean(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Every element gets its share."""
    x = call.args[0]
    part = O.multiply(grad, one_over_count(x, call.attrs.axis))
    return [spread(part, x, call.attrs.axis, call.attrs.keepdims)]


@gradient("variance")
def variance(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d var = 2 / n (x - mean) dx"""
    x, axis = call.args[0], call.attrs.axis
    centred = O.subtract(x, O.mean(x, axis, True))
    wide = spread(grad, x, axis, call.attrs.keepdims)
    double = O.multiply(one_over_count(x, axis), number(2, x))
    return [O.multiply(O.multiply(wide, double), centred)]


@gradient("max", "min")
def extreme(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The elements that are the result share it equally."""
    x, axis, kept = call.args[0], call.attrs.axis, call.attrs.keepdims
    hit = O.astype(O.equal(x, spread(var, x, axis, kept)), dtype_of(x))
    shared = O.divide(hit, O.sum(hit, axis, True))
    return [O.multiply(spread(grad, x, axis, kept), shared)]


@gradient("prod")
def prod(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """d prod = prod / x dx, for elements that are not 0."""
    x, axis, kept = call.args[0], call.attrs.axis, call.attrs.keepdims
    wide = spread(O.multiply(grad, var), x, axis, kept)
    return [O.divide(wide, x)]


@gradient("cumsum")
def cumsum(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """The running sum from the other end."""
    x, axis = call.args[0], call.attrs.axis
    place = 0 if axis is None else axis
    back = O.flip(O.cumsum(O.flip(grad, place), place, exclusive=call.attrs.exclusive), place)
    made = back if dtype_of(back) == dtype_of(x) else O.astype(back, dtype_of(x))
    return [made if axis is not None else O.reshape(made, ShapeExpr(dims_of(x)))]
