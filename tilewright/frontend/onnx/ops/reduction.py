"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import settle

Expr = relax.Expr
Reduce = Callable[[NodeContext, Expr, "list[int] | None", bool], Expr]


def _axes(n: NodeContext, from_input: bool) -> list[int] | None:
    """The axes, None for all; raises if they are computed at run time."""
    if from_input:
        axes = [int(a) for a in n.require_constant(1, "axes").reshape(-1)] if n.has(1) else []
    else:
        axes = [int(a) for a in n.attr("axes", [])]
    rank = n.rank(0)
    return [n.normalize_axis(axis, rank) for axis in axes] or None


def _plain(function: Any) -> Reduce:
    return lambda n, x, axes, keep: function(x, axes, keepdims=keep)


def _l1(n: NodeContext, x: Expr, axes: list[int] | None, keep: bool) -> Expr:
    return R.sum(n.emit(R.abs(x)), axes, keepdims=keep)


def _sum_square(n: NodeContext, x: Expr, axes: list[int] | None, keep: bool) -> Expr:
    return R.sum(n.emit(R.multiply(x, x)), axes, keepdims=keep)


def _l2(n: NodeContext, x: Expr, axes: list[int] | None, keep: bool) -> Expr:
    return R.sqrt(n.emit(_sum_square(n, x, axes, keep)))


def _log_sum(n: NodeContext, x: Expr, axes: list[int] | None, keep: bool) -> Expr:
    return R.log(n.emit(R.sum(x, axes, keepdims=keep)))


def _log_sum_exp(n: NodeContext, x: Expr, axes: list[int] | None, keep: bool) -> Expr:
    top = n.emit(R.max(x, axes, keepdims=True))
    finite = n.emit(R.isfinite(top))
    shift = n.emit(R.where(finite, top, n.const(0, n.dtype(0))))
    total = n.emit(R.sum(n.emit(R.exp(n.emit(R.subtract(x, shift)))), axes, keepdims=True))
    result = n.emit(R.add(n.emit(R.log(total)), shift))
    return result if keep else R.squeeze(result, axes)


_REDUCE: dict[str, tuple[Reduce, int]] = {
    "ReduceSum": (_plain(R.sum), 13), "ReduceMean": (_plain(R.mean), 18),
    "ReduceMax": (_plain(R.max), 18), "ReduceMin": (_plain(R.min), 18),
    "ReduceProd": (_plain(R.prod), 18), "ReduceL1": (_l1, 18), "ReduceL2": (_l2, 18),
    "ReduceSumSquare": (_sum_square, 18), "ReduceLogSum": (_log_sum, 18),
    "ReduceLogSumExp": (_log_sum_exp, 18),
}  # fmt: skip


def _convert(function: Reduce, from_input: bool) -> Callable[[NodeContext], Result]:
    def convert(n: NodeContext) -> Result:
        axes = _axes(n, from_input)
        if axes is None and n.attr("noop_with_empty_axes", 0):
            return n[0]
        keep = bool(n.attr("keepdims", 1))
        known = n.known(0)
        if known is not None and n.op_type == "ReduceProd" and known.ndim == 1:
            total: Any = 1
            for item in known:
                total = total * item
            value = np.empty((1,), object)
            value[0] = total
            return settle(value if keep else value.reshape(()))
        return function(n, n[0], axes, keep)

    return convert


for _name, (_function, _since) in _REDUCE.items():
    onnx_op(_name)(_convert(_function, False))
    onnx_op(_name, since=_since)(_convert(_function, True))


@onnx_op("ArgMax", "ArgMin")
def arg_extreme(n: NodeContext) -> Result:
    """Where the largest or smallest is; with `select_last_index` the last of them."""
    function = R.argmax if n.op_type == "ArgMax" else R.argmin
    axis, keep = n.axis(default=0), bool(n.attr("keepdims", 1))
    if not n.attr("select_last_index", 0):
        return function(n[0], axis, keep)
    size = n.shape(0)[axis]
    found = n.emit(function(n.emit(R.flip(n[0], axis)), axis, keep))
    if isinstance(size, int):
        return R.subtract(n.const(size - 1, "int64"), found)
    last = n.emit(R.shape_to_tensor(relax.ShapeExpr((size - 1,))))
    return R.subtract(n.emit(R.reshape(last, [1] * 0)), found)


@onnx_op("CumSum")
def cumsum(n: NodeContext) -> Result:
    """Running sums along an axis."""
    axis = int(n.require_constant(1, "axis").reshape(()))
    axis = n.normalize_axis(axis, n.rank(0))
    reverse, exclusive = bool(n.attr("reverse", 0)), bool(n.attr("exclusive", 0))
    x = n.emit(R.flip(n[0], axis)) if reverse else n[0]
    result = n.emit(R.cumsum(x, axis, exclusive=exclusive))
    return R.flip(result, axis) if reverse else result
