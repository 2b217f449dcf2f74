"""Softmax and its logarithm, in four steps: the largest, exponentials, their sum, the quotient."""

from __future__ import annotations

from collections.abc import Callable

from ... import te
from ...ir.expr import PrimExpr
from ...te.reducer import Reducer
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..reduction import accumulator
from ..utils import compute, index_dtype, normalize_axis, reduce_over

__all__ = ["fast_softmax", "log_softmax", "softmax", "softmax_common"]


class _Rows:
    """A tensor seen as rows along `axis`."""

    def __init__(self, x: Tensor, axis: int) -> None:
        self.x = x
        self.place = normalize_axis(axis, x.ndim)
        self.rest = [d for k, d in enumerate(x.shape) if k != self.place]
        self.kept = accumulator(x.dtype)

    def row(self, i: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        return i[: self.place] + i[self.place + 1 :]

    def reduce(self, reducer: Reducer, value: Callable[..., PrimExpr], name: str) -> Tensor:
        k = reduce_over(self.x.shape[self.place], "k", index_dtype(self.x))

        def element(*i: PrimExpr) -> PrimExpr:
            made: PrimExpr = reducer(value(*i[: self.place], k.var, *i[self.place :]), k)
            return made

        return compute(self.rest, element, name, tag.COMM_REDUCE)

    def largest(self) -> Tensor:
        return self.reduce(te.max, lambda *i: self.x(*i), "T_softmax_maxelem")


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """`exp(x) / sum(exp(x))` along `axis`, computed from `x` less its largest element."""
    return _softmax(x, axis, op.div)


def fast_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """`softmax` with one division a row, by whose result its elements are multiplied: one more
    rounding, so half a unit in the last place less exact."""
    return _softmax(x, axis, lambda a, b: op.multiply(a, op.div(op.const(1, b.dtype), b)))


def _softmax(x: Tensor, axis: int, divide: Callable[[PrimExpr, PrimExpr], PrimExpr]) -> Tensor:
    rows = _Rows(x, axis)
    high = rows.largest()

    def exponential(*i: PrimExpr) -> PrimExpr:
        low = op.subtract(op.cast(x(*i), rows.kept), op.cast(high(*rows.row(i)), rows.kept))
        made: PrimExpr = op.exp(low)
        return made

    exponentials = compute(x.shape, exponential, "T_softmax_exp", tag.INJECTIVE)
    total = rows.reduce(te.sum, lambda *i: exponentials(*i), "T_softmax_expsum")
    return compute(
        x.shape,
        lambda *i: op.cast(divide(exponentials(*i), total(*rows.row(i))), x.dtype),
        "T_softmax_norm",
        "softmax_output",
        axis=rows.place,
    )


def softmax_common(x: Tensor, axis: int, use_fast_exp: bool) -> Tensor:
    """`softmax`, or `fast_softmax` with `use_fast_exp`."""
    return fast_softmax(x, axis) if use_fast_exp else softmax(x, axis)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """`x - log(sum(exp(x)))` along `axis`, computed from `x` less its largest element."""
    rows = _Rows(x, axis)
    high = rows.largest()

    def lowered(i: tuple[PrimExpr, ...]) -> PrimExpr:
        return op.subtract(op.cast(x(*i), rows.kept), op.cast(high(*rows.row(i)), rows.kept))

    total = rows.reduce(te.sum, lambda *i: op.exp(lowered(i)), "compute")
    return compute(
        x.shape,
        lambda *i: op.cast(op.subtract(lowered(i), op.log(total(*rows.row(i)))), x.dtype),
        "compute",
        "log_softmax_output",
        axis=rows.place,
    )
