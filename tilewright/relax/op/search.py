"""Choosing, searching and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...tir.op import is_const_int
from ..base import Expr
from ..struct_info import TensorStructInfo, TupleStructInfo
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _infer_where(condition: Any, x1: Any, x2: Any) -> TensorStructInfo:
    c = _infer.tensor(condition, "the condition")
    a, b = _infer.tensor(x1, "the second argument"), _infer.tensor(x2, "the third argument")
    if c.dtype not in ("bool", ""):
        raise CompileError(f"the condition must be bool, found {c.dtype}")
    return _infer.broadcast(c, a, b, dtype=_infer.common_dtype(a, b))


@op(
    "where",
    infer=_infer_where,
    lower=lambda condition, x1, x2: topi.where(condition, x1, x2),
    reference=np.where,
    samples=lambda: [
        sample(array((3, 4), "bool"), array((3, 4)), array((4,), seed=2)),
        sample(array((2, 1), "bool"), array((), "int32"), array((1, 3), "int32")),
    ],
)
def where(condition: Expr, x1: Expr, x2: Expr) -> Expr:
    """`x1` where `condition` holds, else `x2`; all three broadcast."""


def _arg(name: str, reference: Any, extreme: Any, doc: str) -> Any:
    def declare(x: Expr, axis: int | None = None, keepdims: bool = False) -> Expr:
        raise NotImplementedError

    def evaluate(x: Any, axis: Any, keepdims: bool) -> Any:
        found = reference(x, axis)
        if keepdims and axis is None:
            return np.asarray(found).reshape((1,) * x.ndim)
        return np.expand_dims(found, axis) if keepdims else np.asarray(found)

    def infer(x: Any, axis: Any, keepdims: bool) -> TensorStructInfo:
        dims = _infer.tensor(x).dims or ()
        for reduced in _infer.normalize_axes(axis, len(dims)) if dims else ():
            if is_const_int(dims[reduced], 0):
                raise CompileError(f"axis {reduced} has no elements of which one could be found")
        return _infer.reduction(x, axis, keepdims, "int64")

    declare.__name__, declare.__doc__ = name, doc
    return op(
        name,
        infer=infer,
        lower=lambda *given: topi.cast(topi.place_of(extreme, *given), "int64"),
        reference=evaluate,
        samples=lambda: [
            sample(array((2, 3, 4)), 1), sample(array((2, 3, 4)), -1, True),
            sample(array((5,), "int32"), 0), sample(array((2, 3)), None),
        ],
    )(declare)  # fmt: skip


argmax = _arg(
    "argmax",
    np.argmax,
    topi.max,
    "Where along `axis` the largest is, the first of equals or of NaN.",
)
argmin = _arg(
    "argmin",
    np.argmin,
    topi.min,
    "Where along `axis` the smallest is, the first of equals or of NaN.",
)


def _sorted(x: Any, axis: int, descending: bool) -> Any:
    made = np.sort(x, axis, kind="stable")
    return np.flip(made, axis) if descending else made


@op(
    "sort",
    infer=lambda x, axis, descending: _infer.tensor(x),
    lower=lambda x, axis, descending: topi.sort(x, axis, not descending),
    reference=_sorted,
    samples=lambda: [sample(array((3, 5)), -1), sample(array((4, 2)), 0, True)],
)
def sort(x: Expr, axis: int = -1, descending: bool = False) -> Expr:
    """`x` sorted along `axis`."""


def _argsorted(data: Any, axis: int, descending: bool, dtype: str) -> Any:
    if not descending:
        return np.argsort(data, axis, kind="stable").astype(dtype_of(dtype).numpy)
    size = data.shape[axis]
    back = np.argsort(np.flip(data, axis), axis, kind="stable")
    return np.flip(size - 1 - back, axis).astype(dtype_of(dtype).numpy)


@op(
    "argsort",
    infer=lambda data, axis, descending, dtype: _infer.with_dtype(dtype)(data),
    lower=lambda data, axis, descending, dtype: topi.argsort(
        data, axis=axis, is_ascend=not descending, dtype=dtype
    ),
    reference=_argsorted,
    samples=lambda: [sample(array((3, 5)), -1), sample(array((4, 2)), 0, True, "int64")],
)
def argsort(data: Expr, axis: int = -1, descending: bool = False, dtype: str = "int32") -> Expr:
    """The places of the elements in sorted order along `axis`; equal ones keep their order."""


def _infer_topk(data: Any, k: int, axis: int, ret_type: str, largest: bool, dtype: str) -> Any:
    info = _infer.tensor(data)
    axis = _infer.normalize_axis(axis, info.ndim)
    dims = None
    if info.dims is not None:
        size = info.dims[axis]
        if isinstance(size, IntImm) and k > size.value:
            raise CompileError(f"k is {k}, axis {axis} has {size} elements")
        kept = IntImm("int64", k) if k > 0 else size
        dims = tuple(kept if i == axis else d for i, d in enumerate(info.dims))
    values = _infer.made(dims, info.dtype, info.vdevice, info.ndim)
    indices = _infer.made(dims, dtype, info.vdevice, info.ndim)
    both = {"values": values, "indices": indices, "both": TupleStructInfo((values, indices))}
    return both[ret_type]


def _topk(data: Any, k: int, axis: int, ret_type: str, largest: bool, dtype: str) -> Any:
    order = _argsorted(data, axis, largest, dtype)
    kept = np.take(order, np.arange(k if k > 0 else data.shape[axis]), axis)
    values = np.take_along_axis(data, kept.astype("int64"), axis)
    return {"values": values, "indices": kept, "both": (values, kept)}[ret_type]


def _topk_samples() -> list[Sample]:
    return [sample(array((3, 8)), 2, -1, "both", True, "int64"),
            sample(array((6, 2)), 3, 0, "both", False, "int32")]  # fmt: skip


@op(
    "topk",
    infer=_infer_topk,
    lower=lambda data, k, axis, ret_type, largest, dtype: topi.topk(
        data, k, axis, ret_type, not largest, dtype
    ),
    reference=_topk,
    samples=_topk_samples,
)
def topk(
    data: Expr,
    k: int = 1,
    axis: int = -1,
    ret_type: str = "both",
    largest: bool = True,
    dtype: str = "int32",
) -> Expr:
    """The `k` largest (or smallest) along `axis` in order: values, indices or both."""


@op(
    "bucketize",
    infer=lambda input_tensor, boundaries, out_int32, right: _infer_bucketize(
        input_tensor, boundaries, out_int32
    ),
    lower=lambda input_tensor, boundaries, out_int32, right: topi.searchsorted(
        boundaries, input_tensor, right, "int32" if out_int32 else "int64"
    ),
    reference=lambda input_tensor, boundaries, out_int32, right: np.searchsorted(
        boundaries, input_tensor, "right" if right else "left"
    ).astype("int32" if out_int32 else "int64"),
    samples=lambda: [
        sample(array((2, 3)), np.array([-1, 0, 0.5, 1], "float32")),
        sample(array((6,), "int32"), np.array([-3, 0, 2], "int32"), True, True),
    ],
)
def bucketize(
    input_tensor: Expr, boundaries: Expr, out_int32: bool = False, right: bool = False
) -> Expr:
    """The number of `boundaries`, in ascending order, that are below each element (`right`: or
    equal to it)."""


def _infer_bucketize(input_tensor: Any, boundaries: Any, out_int32: bool) -> TensorStructInfo:
    info, edges = _infer.tensor(input_tensor), _infer.tensor(boundaries, "`boundaries`")
    if edges.ndim not in (1, -1):
        raise CompileError(f"`boundaries` is a vector, found {edges.ndim} dimensions")
    dtype = "int32" if out_int32 else "int64"
    return TensorStructInfo(info.shape, dtype, info.vdevice, info.ndim)
