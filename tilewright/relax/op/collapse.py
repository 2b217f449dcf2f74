"""Sums that undo broadcasting, for gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.errors import CompileError
from ..base import Expr
from ..dims import Dims, is_different
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import Shape, op, sample
from ._samples import array


def summed_axes(dims: Any, target: Any) -> tuple[int, ...]:
    """The axes of `dims` over which a sum gives `target`: leading ones, and those kept as 1."""
    extra = len(dims) - len(target)
    if extra < 0:
        raise CompileError(f"{list(dims)} cannot be collapsed to {list(target)}: it has fewer axes")
    one = [i + extra for i, d in enumerate(target) if _infer.is_one(d)]
    return (*range(extra), *(i for i in one if not _infer.is_one(dims[i])))


def _collapsed(info: TensorStructInfo, target: Dims | None, ndim: int) -> TensorStructInfo:
    if info.dims is None or target is None:
        return _infer.like(info, target, ndim)
    extra = len(info.dims) - len(target)
    gone = summed_axes(info.dims, target)
    for i, wanted in enumerate(target):
        have = info.dims[i + extra]
        if i + extra not in gone and is_different(have, wanted):
            raise CompileError(f"{list(info.dims)} cannot be collapsed to {list(target)}")
        if i + extra not in gone:
            _infer.require_equal(have, wanted, f"dimension {i}")
    return _infer.like(info, target)


def _lower(data: Any, shape: Any) -> Any:
    gone = summed_axes(data.shape, shape)
    if not gone:
        return topi.identity(data)
    return topi.reshape(topi.sum(data, gone, keepdims=True), list(shape))


def _reference(data: Any, shape: Any) -> Any:
    extra = data.ndim - len(shape)
    gone = (*range(extra), *(i + extra for i, d in enumerate(shape) if d == 1))
    return np.sum(data, gone, keepdims=True).reshape(tuple(shape)).astype(data.dtype)


def _infer_to(data: Any, shape: Any) -> TensorStructInfo:
    target = _infer.shape(shape)
    return _collapsed(_infer.tensor(data), target.values, target.ndim)


@op(
    "collapse_sum_to",
    infer=_infer_to,
    lower=_lower,
    reference=_reference,
    samples=lambda: [
        sample(array((3, 4, 5)), (4, 5)),
        sample(array((3, 4, 5)), (3, 1, 1)),
        sample(array((3, 4)), (3, 4)),
        sample(array((2, 3, 4)), ()),
    ],
)
def collapse_sum_to(data: Expr, shape: Shape) -> Expr:
    """`data` summed over the axes along which a tensor of `shape` was broadcast to it."""


def _infer_like(data: Any, collapse_target: Any) -> TensorStructInfo:
    target = _infer.tensor(collapse_target, "`collapse_target`")
    return _collapsed(_infer.tensor(data), target.dims, target.ndim)


@op(
    "collapse_sum_like",
    infer=_infer_like,
    lower=lambda data, collapse_target: _lower(data, collapse_target.shape),
    reference=lambda data, collapse_target: _reference(data, collapse_target.shape),
    samples=lambda: [sample(array((3, 4, 5)), array((4, 1))), sample(array((3, 4)), array((3, 4)))],
)
def collapse_sum_like(data: Expr, collapse_target: Expr) -> Expr:
    """`data` summed over the axes along which `collapse_target` was broadcast to it."""


__all__ = ["collapse_sum_like", "collapse_sum_to"]
