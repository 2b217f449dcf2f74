"""Operators that fold channels into space and flatten batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir.expr import IntImm
from ....support.errors import CompileError
from ...base import Expr
from ...dims import product, simplify
from ...struct_info import TensorStructInfo
from .. import _infer
from .._declare import op, sample
from .._samples import array


def _infer_flatten(data: Any) -> TensorStructInfo:
    info = _infer.tensor(data)
    if info.ndim == 0:
        raise CompileError("a scalar has no batch")
    if info.dims is None:
        return _infer.like(info, None, 2)
    return _infer.like(info, (info.dims[0], product(info.dims[1:])))


def _flatten(data: Expr, call: Any) -> Expr:
    from ..manipulate import reshape

    return reshape(data, call.struct_info.shape)


@op(
    "nn.batch_flatten",
    infer=_infer_flatten,
    decompose=_flatten,
    reference=lambda data: data.reshape(data.shape[0], -1),
    samples=lambda: [sample(array((2, 3, 4))), sample(array((5,)))],
)
def batch_flatten(data: Expr) -> Expr:
    """`data` as a matrix with a row for each element of its first dimension."""


def _infer_shuffle(data: Any, upscale_factor: int) -> TensorStructInfo:
    info = _infer.tensor(data)
    if upscale_factor < 1:
        raise CompileError(f"upscale_factor is at least 1, found {upscale_factor}")
    if info.ndim != -1 and info.ndim < 3:
        raise CompileError(f"images have channels, height and width, found {info.ndim} dimensions")
    if info.dims is None:
        return info
    *batch, channels, height, width = info.dims
    square = upscale_factor * upscale_factor
    if isinstance(channels, IntImm) and channels.value % square:
        raise CompileError(f"{channels} channels do not divide by {square}")
    dims = [channels // square, height * upscale_factor, width * upscale_factor]
    return _infer.like(info, (*batch, *map(simplify, dims)))


def _shuffle(data: Expr, upscale_factor: int, call: Any) -> Expr:
    from ..manipulate import reshape
    from ..rearrange import permute_dims

    r = upscale_factor
    *batch, _, height, width = data.struct_info.dims
    out = call.struct_info
    apart = reshape(data, (*batch, out.dims[-3], r, r, height, width))
    n = len(batch)
    mixed = permute_dims(apart, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(mixed, out.shape)


def _shuffle_reference(data: Any, upscale_factor: int) -> Any:
    r, n = upscale_factor, data.ndim - 3
    *batch, channels, height, width = data.shape
    apart = data.reshape(*batch, channels // (r * r), r, r, height, width)
    mixed = np.transpose(apart, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return mixed.reshape(*batch, channels // (r * r), height * r, width * r)


@op(
    "nn.pixel_shuffle",
    infer=_infer_shuffle,
    decompose=_shuffle,
    reference=_shuffle_reference,
    samples=lambda: [sample(array((2, 8, 3, 4)), 2), sample(array((9, 2, 2)), 3)],
)
def pixel_shuffle(data: Expr, upscale_factor: int) -> Expr:
    """(..., c r r, h, w) -> (..., c, h r, w r): channels become the pixels of blocks of r by r."""


__all__ = ["batch_flatten", "pixel_shuffle"]
