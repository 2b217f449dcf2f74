"""The table of gradients, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...ir.expr import IntImm
from ...ir.op import Op
from ...support.errors import CompileError
from ..base import Expr, ShapeExpr
from ..dims import Dims, all_equal, product
from ..expr import Call, const
from ..struct_info import TensorStructInfo

Gradient: TypeAlias = Callable[[Any, Call, Any, Any], Sequence["Expr | None"]]
GRADIENTS: dict[str, Gradient] = {}
"""Gradients by the full name of the operator."""


def gradient(*names: str) -> Callable[[Gradient], Gradient]:
    """Declares the gradient of these operators (named without `relax.`)."""

    def declare(function: Gradient) -> Gradient:
        for name in names:
            GRADIENTS[f"relax.{name}"] = function
        return function

    return declare


def gradient_of(call: Call) -> Gradient | None:
    """The gradient of a call's operator: a registered one, else the declared one."""
    if not isinstance(call.op, Op):
        return None
    registered: Gradient | None = call.op.get_attr("FPrimalGradient")
    return registered or GRADIENTS.get(call.op.name)


def dims_of(expr: Expr) -> Dims:
    """The dimensions of a tensor. Raises `CompileError` if they are not known."""
    info = expr.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None:
        raise CompileError(f"a gradient needs the shape of `{info}`", expr.span)
    return info.dims


def dtype_of(expr: Expr) -> str:
    """The element type of a tensor."""
    return str(expr.struct_info.dtype)


def number(value: float, like: Expr) -> Expr:
    """A scalar of the type of a tensor."""
    return const(value, dtype_of(like))


def fit(grad: Expr, arg: Expr) -> Expr:
    """The gradient of a result that `arg` was broadcast to, as one of `arg`."""
    from ..op import collapse_sum_to

    have, want = dims_of(grad), dims_of(arg)
    return grad if all_equal(have, want) else collapse_sum_to(grad, ShapeExpr(want))


def along(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes of a reduction, from the front."""
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(sorted(a % rank for a in given))


def spread(grad: Expr, arg: Expr, axis: Any, keepdims: bool) -> Expr:
    """The gradient of a reduced tensor at each element of the tensor."""
    from ..op import broadcast_to, expand_dims

    dims = dims_of(arg)
    axes = along(axis, len(dims))
    if not keepdims and axes:
        grad = expand_dims(grad, axes)
    return broadcast_to(grad, ShapeExpr(dims))


def one_over_count(arg: Expr, axis: Any) -> Expr:
    """One over the number of elements that a mean joins."""
    dims = dims_of(arg)
    total = product(dims[a] for a in along(axis, len(dims)))
    if not isinstance(total, IntImm):
        raise CompileError(f"the gradient of a mean of {total} elements needs their number")
    return number(1.0 / max(total.value, 1), arg)
