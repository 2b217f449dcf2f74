"""Reductions and running sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from ...tir import op as tir_op
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array

Axes = int | Sequence[int] | None


def reduction_samples() -> list[Sample]:
    """Every way to choose axes."""
    x: Any = array((2, 3, 4))
    choices: list[tuple[Any, bool]] = [
        (None, False), (None, True), (1, False), ((0, -1), True), ((), False),
    ]  # fmt: skip
    return [sample(x, axis=a, keepdims=k) for a, k in choices]


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


def reduction_op(
    name: str,
    reference: Callable[..., Any],
    doc: str,
    lower: Callable[..., Any] | None = None,
    samples: Callable[[], list[Sample]] = reduction_samples,
) -> Any:
    """Declares `relax.<name>` over axes; it lowers to the function of `topi` of its name."""

    def declare(x: Expr, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expr:
        raise NotImplementedError

    declare.__name__, declare.__doc__ = name, doc

    def to_topi(x: Any, axis: Any, keepdims: bool) -> Any:
        return getattr(topi, name)(x, axis, keepdims)

    return op(
        name,
        infer=_infer.reduction,
        lower=lower or to_topi,
        reference=lambda x, axis, keepdims: np.asarray(
            reference(x, axis=_axes(axis), keepdims=keepdims)
        ).astype(x.dtype, copy=False),
        samples=samples,
    )(declare)


def _count(x: Any, axis: Any) -> PrimExpr:
    """How many elements go into one result."""
    total: PrimExpr = IntImm("int64", 1)
    for index in _infer.normalize_axes(axis, len(x.shape)):
        total = total * tir_op.cast(x.shape[index], "int64")
    return total


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    total = topi.sum(x, axis, keepdims)
    count = _count(x, axis)
    if dtype_of(x.dtype).is_float:
        return topi.divide(total, tir_op.cast(count, x.dtype))
    return topi.trunc_divide(total, tir_op.cast(count, x.dtype))


def _variance(x: Any, axis: Any, keepdims: bool) -> Any:
    centred = topi.subtract(x, _mean(x, axis, True))
    return _mean(topi.multiply(centred, centred), axis, keepdims)


sum = reduction_op("sum", np.sum, "The sum over `axis` (None: all), in the dtype of `x`.")
prod = reduction_op("prod", np.prod, "The product over `axis` (None: all).")
_NOT_EMPTY = reduction_samples
max = reduction_op("max", np.max, "The largest over `axis` (None: all); NaN if one is.")
min = reduction_op("min", np.min, "The smallest over `axis` (None: all); NaN if one is.")
mean = reduction_op("mean", np.mean, "The mean over `axis` (None: all).", _mean)
variance = reduction_op("variance", np.var, "The mean squared distance from the mean.", _variance)
std = reduction_op(
    "std", np.std, "The square root of the variance.",
    lambda x, axis, keepdims: topi.sqrt(_variance(x, axis, keepdims)),
)  # fmt: skip


def _infer_running(data: Any, axis: int | None, dtype: str | None, exclusive: Any) -> Any:
    info = _infer.tensor(data)
    if axis is not None:
        _infer.normalize_axis(axis, info.ndim)
        return _infer.with_dtype(dtype or info.dtype)(info)
    dims = info.dims
    if dims is None:
        return _infer.like(info, None, 1, dtype)
    total: PrimExpr = IntImm("int64", 1)
    for d in dims:
        total = total * d
    return _infer.like(info, (total,), dtype=dtype)


def _running(name: str, reference: Callable[..., Any], identity: int) -> Any:
    def declare(
        data: Expr, axis: int | None = None, dtype: str | None = None, exclusive: bool = False
    ) -> Expr:
        raise NotImplementedError

    def evaluate(data: Any, axis: Any, dtype: Any, exclusive: bool) -> Any:
        kind = dtype_of(dtype or str(data.dtype)).numpy
        made = reference(data, axis, dtype=kind)
        if not exclusive:
            return made
        along = 0 if axis is None else axis
        shifted = np.roll(made, 1, along)
        first = [slice(None)] * made.ndim
        first[along] = slice(0, 1)
        shifted[tuple(first)] = identity
        return shifted

    declare.__name__ = name
    declare.__doc__ = "Running results along `axis` (None: over all), the own element left out if"\
        " `exclusive`."  # fmt: skip
    return op(
        name,
        infer=_infer_running,
        lower=lambda data, axis, dtype, exclusive: getattr(topi, name)(
            data, axis, dtype, exclusive
        ),
        reference=evaluate,
        samples=lambda: [
            sample(array((3, 4)), 1), sample(array((3, 4)), 0, None, True),
            sample(array((2, 3), "int32"), None, "int64"),
        ],
    )(declare)  # fmt: skip


cumsum = _running("cumsum", np.cumsum, 0)
cumprod = _running("cumprod", np.cumprod, 1)
