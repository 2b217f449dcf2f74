"""Indexing by tensors of indices, as NumPy does, and writing into slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import Sample, Tensors, op, sample
from ._samples import array


def _places(info: TensorStructInfo, indices: Any) -> list[TensorStructInfo]:
    given = _infer.tensors(indices, "`indices`")
    if not given:
        raise CompileError("no index tensors are given")
    if info.ndim != -1 and len(given) > info.ndim:
        raise CompileError(f"{len(given)} index tensors for {info.ndim} dimensions")
    for one in given:
        if one.dtype and not dtype_of(one.dtype).is_integral:
            raise CompileError(f"indices must be integers, found {one.dtype}")
    return given


def _infer_index_tensor(data: Any, indices: Any) -> TensorStructInfo:
    info = _infer.tensor(data)
    given = _places(info, indices)
    front = _infer.broadcast(*given, dtype="int64")
    if info.ndim == -1 or front.ndim == -1:
        return _infer.like(info, None)
    rank = front.ndim + info.ndim - len(given)
    if front.dims is None or info.dims is None:
        return _infer.like(info, None, rank)
    return _infer.like(info, (*front.dims, *info.dims[len(given) :]))


@op(
    "index_tensor",
    infer=_infer_index_tensor,
    lower=lambda data, indices: topi.index_tensor(data, indices),
    reference=lambda data, indices: data[tuple(indices)],
    samples=lambda: [
        sample(array((4, 5, 2)), (np.array([[0, 3]]), np.array([[1], [-1]]))),
        sample(array((4, 5)), (np.array([2, 2, 0], "int32"),)),
    ],
    pattern="injective",
)
def index_tensor(data: Expr, indices: Tensors) -> Expr:
    """`data[indices[0], indices[1], ...]`; the index tensors broadcast, negative ones count from
    the end."""


def _index_put(data: Any, indices: Any, values: Any, accumulate: bool) -> Any:
    out = data.copy()
    if accumulate:
        np.add.at(out, tuple(indices), values)
    else:
        out[tuple(indices)] = values
    return out


def _infer_index_put(data: Any, indices: Any, values: Any, accumulate: bool) -> TensorStructInfo:
    info = _infer.tensor(data)
    _places(info, indices)
    _infer.common_dtype(info, _infer.tensor(values, "`values`"))
    return info


def _index_put_samples() -> list[Sample]:
    rows, columns = np.array([0, 3, 0]), np.array([1, -1, 1])
    return [
        sample(array((4, 5)), (rows, np.array([1, -1, 2])), array((3,), seed=1)),
        sample(array((4, 5)), (rows, columns), array((3,), seed=1), True),
        sample(array((4, 5)), (np.array([[2], [1]]),), array((5,), seed=1)),
    ]


@op(
    "index_put",
    infer=_infer_index_put,
    lower=lambda data, indices, values, accumulate: topi.index_put(
        data, indices, values, accumulate
    ),
    reference=_index_put,
    samples=_index_put_samples,
)
def index_put(data: Expr, indices: Tensors, values: Expr, accumulate: bool = False) -> Expr:
    """`data` with `data[indices[0], indices[1], ...]` set to `values`, or increased by them if
    `accumulate`. Index tensors broadcast, values broadcast to what they pick."""


def _slice_scatter(input_tensor: Any, src: Any, start: int, end: int, step: int, axis: int) -> Any:
    out = input_tensor.copy()
    where: list[Any] = [slice(None)] * out.ndim
    where[axis] = slice(start, end, step)
    out[tuple(where)] = src
    return out


def _infer_slice_scatter(input_tensor: Any, src: Any, *rest: Any) -> TensorStructInfo:
    info, part = _infer.tensor(input_tensor), _infer.tensor(src, "`src`")
    if -1 not in (info.ndim, part.ndim) and info.ndim != part.ndim:
        raise CompileError(f"{part.ndim} dimensions are written into {info.ndim}")
    _infer.normalize_axis(rest[-1], info.ndim)
    _infer.common_dtype(info, part)
    return info


@op(
    "slice_scatter",
    infer=_infer_slice_scatter,
    lower=lambda input_tensor, src, start, end, step, axis: topi.slice_scatter(
        input_tensor, src, start, end, step, axis
    ),
    reference=_slice_scatter,
    samples=lambda: [
        sample(array((5, 4)), array((2, 4), seed=1), 1, 3, 1, 0),
        sample(array((3, 7)), array((3, 3), seed=1), 0, 6, 2, 1),
    ],
)
def slice_scatter(
    input_tensor: Expr, src: Expr, start: int, end: int, step: int = 1, axis: int = 0
) -> Expr:
    """`input_tensor` with its slice `start:end:step` along `axis` replaced by `src`."""


__all__ = ["index_put", "index_tensor", "slice_scatter"]
