"""Gradients of operators that rearrange elements."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm
from ...support.errors import CompileError
from .. import op as O
from ..base import Expr, ShapeExpr
from ..expr import Call, Tuple
from ._table import dims_of, fit, gradient

Result = list["Expr | None"]


@gradient("permute_dims")
def permute_dims(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Permuted back."""
    axes = call.attrs.axes
    if axes is None:
        return [O.permute_dims(grad)]
    rank = len(axes)
    order = [a % rank for a in axes]
    return [O.permute_dims(grad, tuple(order.index(i) for i in range(rank)))]


@gradient("reshape", "expand_dims", "squeeze", "flatten", "nn.batch_flatten")
def reshaped(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Reshaped back."""
    back = O.reshape(grad, ShapeExpr(dims_of(call.args[0])))
    return [back, *(None for _ in call.args[1:])]


@gradient("broadcast_to")
def broadcast_to(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Summed over what was repeated."""
    return [fit(grad, call.args[0]), None]


@gradient("collapse_sum_to", "collapse_sum_like")
def collapse(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Repeated over what was summed."""
    return [O.broadcast_to(grad, ShapeExpr(dims_of(call.args[0]))), None]


@gradient("concat")
def concat(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Cut into the parts."""
    axis = call.attrs.axis or 0
    source = call.args[0]
    count = len(source.struct_info.items)
    sizes = [i.dims[axis] for i in source.struct_info.items]
    if not all(isinstance(s, IntImm) for s in sizes[:-1]):
        raise CompileError("the gradient of a concatenation needs the sizes of its parts")
    ends, total = [], 0
    for size in sizes[:-1]:
        total += size.value
        ends.append(total)
    if count == 1:
        return [Tuple((grad,))]
    parts = builder.emit(O.split(grad, ends, axis))
    return [Tuple(tuple(parts[i] for i in range(count)))]


@gradient("split")
def split(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Joined again."""
    return [O.concat(grad, call.attrs.axis)]


@gradient("take")
def take(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Added where it came from."""
    x, indices = call.args
    if call.attrs.mode == "wrap":
        raise CompileError("the gradient of take with mode='wrap' is not known", call.span)
    return [O.grad.take_backward(grad, x, indices, call.attrs.axis), None]


@gradient("flip")
def flip(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Turned back."""
    return [O.flip(grad, call.attrs.axis)]


@gradient("tril")
def tril(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Only where an element stayed."""
    return [O.tril(grad, call.attrs.k)]


@gradient("triu")
def triu(var: Any, call: Call, grad: Any, builder: Any) -> Result:
    """Only where an element stayed."""
    return [O.triu(grad, call.attrs.k)]
