"""Operators that pick and place elements by indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _require_integers(info: TensorStructInfo, what: str) -> None:
    if info.dtype and not dtype_of(info.dtype).is_integral:
        raise CompileError(f"{what} must be integers, found {info.dtype}")


def _infer_take(x: Any, indices: Any, axis: int | None, mode: str) -> TensorStructInfo:
    info, places = _infer.tensor(x), _infer.tensor(indices, "`indices`")
    _require_integers(places, "indices")
    if axis is None:
        if info.ndim not in (1, -1):
            raise CompileError(f"axis=None needs a vector, found {info.ndim} dimensions")
        axis = 0
    axis = _infer.normalize_axis(axis, info.ndim)
    rank = -1 if -1 in (info.ndim, places.ndim) else info.ndim + places.ndim - 1
    if info.dims is None or places.dims is None:
        return _infer.like(info, None, rank)
    return _infer.like(info, (*info.dims[:axis], *places.dims, *info.dims[axis + 1 :]))


def _take(x: Any, indices: Any, axis: int | None, mode: str) -> Any:
    return np.take(
        x, indices, 0 if axis is None else axis, mode="wrap" if mode == "wrap" else "clip"
    )


@op(
    "take",
    infer=_infer_take,
    lower=lambda x, indices, axis, mode: topi.take(
        x, indices, 0 if axis is None else axis, mode="clip" if mode == "fast" else mode
    ),
    reference=_take,
    samples=lambda: [
        sample(array((5, 3)), np.array([[0, 4], [2, 2]]), 0),
        sample(array((2, 5)), np.array(3), 1),
        sample(array((5,)), np.array([-1, 7]), 0, "wrap"),
    ],
    pattern="injective",
)
def take(x: Expr, indices: Expr, axis: int | None = None, mode: str = "fast") -> Expr:
    """Slices of `x` along `axis` at `indices`. Outside the axis: `clip` and `fast` take the
    nearest end, `wrap` counts round."""


def _infer_gather_elements(data: Any, indices: Any, axis: int) -> TensorStructInfo:
    info, places = _infer.tensor(data), _infer.tensor(indices, "`indices`")
    _require_integers(places, "indices")
    _infer.normalize_axis(axis, info.ndim)
    return TensorStructInfo(places.shape, info.dtype, info.vdevice, places.ndim)


@op(
    "gather_elements",
    infer=_infer_gather_elements,
    lower=lambda data, indices, axis: topi.gather(data, axis, indices),
    reference=lambda data, indices, axis: np.take_along_axis(data, indices, axis),
    samples=lambda: [
        sample(array((3, 4)), np.array([[0, 3], [1, 1], [2, 0]]), 1),
        sample(array((3, 4)), np.array([[2, 0, 1, 1]]), 0),
    ],
)
def gather_elements(data: Expr, indices: Expr, axis: int = 0) -> Expr:
    """The element of `data` at the place of each index, its `axis` replaced by the index."""


def _infer_gather_nd(data: Any, indices: Any, batch_dims: int) -> TensorStructInfo:
    info, places = _infer.tensor(data), _infer.tensor(indices, "`indices`")
    _require_integers(places, "indices")
    if info.dims is None or places.dims is None:
        return _infer.like(info, None)
    last = places.dims[-1]
    if not isinstance(last, IntImm):
        return _infer.like(info, None)
    used = batch_dims + last.value
    if used > info.ndim:
        raise CompileError(f"tuples of {last} indices for {info.ndim - batch_dims} dimensions")
    return _infer.like(info, (*places.dims[:-1], *info.dims[used:]))


def _gather_nd(data: Any, indices: Any, batch_dims: int) -> Any:
    batch = data.shape[:batch_dims]
    count = indices.shape[-1]
    out = indices.shape[:-1] + data.shape[batch_dims + count :]
    flat = data.reshape((-1, *data.shape[batch_dims:]))
    places = indices.reshape((flat.shape[0], -1, count))
    rows = [flat[b][tuple(places[b].T)] for b in range(flat.shape[0])]
    del batch
    return np.stack(rows).reshape(out) if rows else np.zeros(out, data.dtype)


@op(
    "gather_nd",
    infer=_infer_gather_nd,
    lower=lambda data, indices, batch_dims: topi.gather_nd_batched(data, indices, batch_dims),
    reference=_gather_nd,
    samples=lambda: [
        sample(array((3, 4, 2)), np.array([[0, 1], [2, 3]])),
        sample(array((2, 3, 4)), np.array([[[0]], [[2]]]), 1),
    ],
)
def gather_nd(data: Expr, indices: Expr, batch_dims: int = 0) -> Expr:
    """Slices of `data` at the tuples of indices in the last axis of `indices` (as in ONNX)."""


_UPDATES: dict[str, Any] = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "max": np.maximum,
    "min": np.minimum,
}


def _scatter_elements(data: Any, indices: Any, updates: Any, axis: int, reduction: str) -> Any:
    out = data.copy()
    for place in np.ndindex(*indices.shape):
        target = list(place)
        target[axis] = indices[place]
        out[tuple(target)] = _UPDATES[reduction](out[tuple(target)], updates[place])
    return out


def _scatter_samples() -> list[Sample]:
    places = np.array([[1, 0, 2], [0, 2, 1]])
    return [
        sample(array((3, 3)), places, array((2, 3), seed=1), 0, "update"),
        sample(array((3, 3)), places, array((2, 3), seed=1), 1, "add"),
    ]


@op(
    "scatter_elements",
    infer=lambda data, indices, updates, axis, reduction: _infer.tensor(data),
    lower=lambda data, indices, updates, axis, reduction: topi.scatter_elements(
        data, indices, updates, axis, reduction
    ),
    reference=_scatter_elements,
    samples=_scatter_samples,
)
def scatter_elements(
    data: Expr, indices: Expr, updates: Expr, axis: int = 0, reduction: str = "update"
) -> Expr:
    """`data` with the elements that `indices` name along `axis` updated, in order."""


def _scatter_nd(data: Any, indices: Any, updates: Any, reduction: str) -> Any:
    out = data.copy()
    for place in np.ndindex(*indices.shape[:-1]):
        target = tuple(indices[place])
        out[target] = _UPDATES[reduction](out[target], updates[place])
    return out


@op(
    "scatter_nd",
    infer=lambda data, indices, updates, reduction: _infer.tensor(data),
    lower=lambda data, indices, updates, reduction: topi.scatter_nd_into(
        data, indices, updates, reduction
    ),
    reference=_scatter_nd,
    samples=lambda: [
        sample(array((4, 3)), np.array([[1], [3]]), array((2, 3), seed=1)),
        sample(array((4, 3)), np.array([[1, 2], [1, 2]]), array((2,), seed=1), "add"),
    ],
)
def scatter_nd(data: Expr, indices: Expr, updates: Expr, reduction: str = "update") -> Expr:
    """`data` with the slices at tuples of indices updated, in order (as in ONNX)."""


def _infer_dynamic_slice(x: Any, begin: Any, end: Any, strides: Any) -> TensorStructInfo:
    info = _infer.tensor(x)
    for part, what in ((begin, "begin"), (end, "end"), (strides, "strides")):
        given = _infer.tensor(part, f"`{what}`")
        if given.dtype not in ("int64", ""):
            raise CompileError(f"`{what}` must be int64, found {given.dtype}")
    return _infer.like(info, None, info.ndim)


@op(
    "dynamic_strided_slice",
    infer=_infer_dynamic_slice,
    reference=lambda x, begin, end, strides: x[
        tuple(slice(int(b), int(e), int(s)) for b, e, s in zip(begin, end, strides, strict=True))
    ],
    packed="relax.run.dynamic_strided_slice",
    samples=lambda: [
        sample(array((4, 5)), np.array([1, 0]), np.array([3, 5]), np.array([1, 2])),
        sample(array((4, 5)), np.array([3, -2]), np.array([0, 9]), np.array([-1, 1])),
    ],
)
def dynamic_strided_slice(x: Expr, begin: Expr, end: Expr, strides: Expr) -> Expr:
    """`x[begin:end:strides]` with bounds known only when the program runs."""
