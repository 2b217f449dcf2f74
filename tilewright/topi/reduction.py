"""Reductions over axes: one table, and the indices of extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import te
from ..ir.expr import IntImm, PrimExpr
from ..support.dtypes import dtype_of
from ..te import reducer as R
from ..te.tensor import Tensor
from ..tir import op
from ..tir.expr import IterVar
from . import tag
from .kinds import Axes
from .math import cast
from .utils import (
    compute,
    flat_index,
    index_dtype,
    is_float,
    is_wide_float,
    normalize_axes,
    product,
    reduce_over,
)

__all__ = [
    "all", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", "place_of", "prod", "sum",
]  # fmt: skip


class Plan:
    """Which axes of a tensor are reduced, and how the axes of the result lie in it."""

    def __init__(self, data: Tensor, axis: Axes, keepdims: bool) -> None:
        self.data = data
        self.axes = normalize_axes(axis, data.ndim)
        self.keepdims = keepdims
        dtype = index_dtype(data)
        self.reduced = {
            x: reduce_over(data.shape[x], f"k{x}", dtype if data.shape else "int32")
            for x in self.axes
        }
        one = IntImm(dtype, 1)
        self.shape = [
            one if k in self.reduced else d
            for k, d in enumerate(data.shape)
            if keepdims or k not in self.reduced
        ]

    @property
    def axis_vars(self) -> list[IterVar]:
        """The reduction axes."""
        return list(self.reduced.values())

    @property
    def count(self) -> PrimExpr:
        """How many elements are reduced to one."""
        return product([self.data.shape[x] for x in self.axes], index_dtype(self.data))

    def source(self, i: Sequence[PrimExpr]) -> list[PrimExpr]:
        """The indices into the tensor for a point of the result and of the reduction axes."""
        own = iter(i)
        out: list[PrimExpr] = []
        for k in range(self.data.ndim):
            if k in self.reduced:
                out.append(self.reduced[k].var)
                if self.keepdims:
                    next(own)
            else:
                out.append(next(own))
        return out

    def kept(self, i: Sequence[PrimExpr]) -> list[PrimExpr]:
        """The indices into a reduction that kept its axes, for a point of the result."""
        own = iter(i)
        zero = IntImm(index_dtype(self.data), 0)
        return [
            zero if k in self.reduced and not self.keepdims else next(own)
            for k in range(self.data.ndim)
        ]

    def place(self, source: Sequence[PrimExpr]) -> PrimExpr:
        """The number of an element among those reduced with it, in the order of memory."""
        shape = [self.data.shape[x] for x in self.axes]
        return flat_index([source[x] for x in self.axes], shape, index_dtype(self.data))


def accumulator(dtype: str) -> str:
    """The type in which a sum of `dtype` is kept: float32 for narrower floats."""
    return "float32" if is_float(dtype) and not is_wide_float(dtype) else dtype


def reduce_with(
    reducer: R.Reducer,
    data: Tensor,
    axis: Axes,
    keepdims: bool,
    name: str,
    dtype: str | None = None,
    function: Callable[[PrimExpr], PrimExpr] = lambda x: x,
) -> Tensor:
    """`function` of the elements of `data`, as `dtype`, reduced over `axis`."""
    plan = Plan(data, axis, keepdims)
    kind = dtype or data.dtype

    def element(*i: PrimExpr) -> PrimExpr:
        value = function(op.cast(data(*plan.source(i)), kind))
        made: PrimExpr = reducer(value, plan.axis_vars) if plan.axes else value
        return made

    return compute(plan.shape, element, name, tag.COMM_REDUCE if plan.axes else tag.ELEMWISE)


def _summing(reducer: R.Reducer, data: Tensor, axis: Axes, keepdims: bool, name: str) -> Tensor:
    result = "int32" if data.dtype == "bool" else data.dtype
    kept = accumulator(result)
    made = reduce_with(reducer, data, axis, keepdims, name, kept)
    narrowed: Tensor = made if kept == result else cast(made, result)
    return narrowed


def sum(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis`, a number, a list, or None for all; floats of 16 bits and less are
    summed in float32."""
    return _summing(R.sum, data, axis, keepdims, f"{data.name}_red")


def prod(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`."""
    return _summing(R.prod, data, axis, keepdims, f"{data.name}_red")


def max(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis`; NaN if one is."""
    return reduce_with(R.max, data, axis, keepdims, f"{data.name}_red")


def min(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis`; NaN if one is."""
    return reduce_with(R.min, data, axis, keepdims, f"{data.name}_red")


def all(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over `axis` hold."""
    return reduce_with(R.logical_all, data, axis, keepdims, f"{data.name}_red", "bool")


def any(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether an element over `axis` holds."""
    return reduce_with(R.logical_any, data, axis, keepdims, f"{data.name}_red", "bool")


def mean(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`; of integers, in float32."""
    result = data.dtype if is_float(data.dtype) else "float32"
    kept = accumulator(result)
    plan = Plan(data, axis, keepdims)
    total = reduce_with(R.sum, data, axis, keepdims, f"{data.name}_red", kept)
    count = op.cast(plan.count, kept)
    return compute(
        total.shape,
        lambda *i: op.cast(op.div(total(*i), count), result),
        "T_mean",
        tag.ELEMWISE,
    )


def logsumexp(data: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The logarithm of the sum of `exp` over `axis`, without overflow."""
    high = max(data, axis, True)
    plan = Plan(data, axis, keepdims)
    kept = accumulator(data.dtype)

    def top(i: Sequence[PrimExpr]) -> PrimExpr:
        value = op.cast(high(*i), kept)
        return op.select(op.isfinite(value), value, op.const(0, kept))

    def term(*i: PrimExpr) -> PrimExpr:
        value = op.cast(data(*plan.source(i)), kept)
        made: PrimExpr = R.sum(op.exp(op.subtract(value, top(plan.kept(i)))), plan.axis_vars)
        return made

    total = compute(plan.shape, term, "T_exp_sum", tag.COMM_REDUCE)
    return compute(
        plan.shape,
        lambda *i: op.cast(op.add(op.log(total(*i)), top(plan.kept(i))), data.dtype),
        "T_logsumexp",
        tag.ELEMWISE,
    )


def _extreme(name: str, better: Callable[..., PrimExpr], worst: Callable[[str], PrimExpr]) -> Any:
    reducers = {}
    for last in (False, True):

        def combine(a: Any, b: Any, last: bool = last) -> tuple[PrimExpr, PrimExpr]:
            earlier = op.greater(a[0], b[0]) if last else op.less(a[0], b[0])
            keep = op.logical_or(better(a[1], b[1]), op.logical_and(op.equal(a[1], b[1]), earlier))
            return op.select(keep, a[0], b[0]), op.select(keep, a[1], b[1])

        def identity(index: str, value: str, last: bool = last) -> tuple[PrimExpr, PrimExpr]:
            return op.const(-1, index) if last else op.max_value(index), worst(value)

        reducers[last] = te.comm_reducer(combine, identity, name)

    def find(
        data: Tensor, axis: Axes = None, keepdims: bool = False, select_last_index: bool = False
    ) -> Tensor:
        plan = Plan(data, axis, keepdims)
        dtype = index_dtype(data)
        if not plan.axes:
            return compute(plan.shape, lambda *i: op.const(0, dtype), f"T_{name}", tag.INJECTIVE)

        def element(*i: PrimExpr) -> Any:
            source = plan.source(i)
            pair = (plan.place(source), data(*source))
            return reducers[select_last_index](pair, plan.axis_vars)

        names = [f"ax{k}" for k in range(len(plan.shape))]
        pair = te.compute(
            plan.shape, lambda *i: element(*i), f"{data.name}_red_temp",
            tag.COMM_REDUCE_IDX, varargs_names=names,
        )  # fmt: skip
        index = pair[0]
        return compute(plan.shape, lambda *i: index(*i), f"{data.name}_red", tag.COMM_REDUCE_IDX)

    find.__name__ = find.__qualname__ = name
    find.__doc__ = (
        f"Where the {name[3:]}imum over `axis` (several: as one) lies first, or last if "
        "`select_last_index`; the type is that of indices into `data`."
    )
    return find


def _worst(lowest: bool) -> Callable[[str], PrimExpr]:
    def value(dtype: str) -> PrimExpr:
        if dtype_of(dtype).is_float and dtype_of(dtype).bits >= 16:
            return -op.infinity(dtype) if lowest else op.infinity(dtype)
        return op.min_value(dtype) if lowest else op.max_value(dtype)

    return value


argmax = _extreme("argmax", op.greater, _worst(True))
argmin = _extreme("argmin", op.less, _worst(False))


def place_of(extreme: Callable[..., Tensor], data: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """Where over `axis` (several: as one) the first element lies that `extreme`, `max` or `min`,
    finds; the first NaN if there is one, as in NumPy.

    Two plain reductions, each of which is a vector's work, instead of one of pairs as `argmax`.
    """
    plan = Plan(data, axis, keepdims)
    best = extreme(data, axis, True)
    count = op.const_value(plan.count)
    dtype = "int32" if isinstance(count, int) and count < 1 << 31 else "int64"

    def element(*i: PrimExpr) -> PrimExpr:
        source = plan.source(i)
        value = data(*source)
        found = op.equal(value, best(*plan.kept(i)))
        if is_float(data.dtype):
            found = op.logical_or(found, op.isnan(value))
        place = op.select(found, op.cast(plan.place(source), dtype), op.max_value(dtype))
        made: PrimExpr = R.min(place, plan.axis_vars) if plan.axes else op.const(0, dtype)
        return made

    kind = tag.COMM_REDUCE_IDX if plan.axes else tag.INJECTIVE
    return compute(plan.shape, element, f"{data.name}_place", kind)
