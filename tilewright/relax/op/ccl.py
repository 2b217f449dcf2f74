"""Collective communication: what the workers of a group exchange.

The runtime's functions `runtime.disco.*` do it; a group of one worker computes the references.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.expr import IntImm
from ...support.errors import CompileError
from ..base import Expr, ShapeExpr
from ..dims import simplify
from ..expr import PrimValue
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import op, sample
from ._samples import array
from .base import call_dps_packed

OPERATIONS = {"sum": 0, "prod": 1, "min": 2, "max": 3, "avg": 4}
"""The number by which the runtime knows how `allreduce` combines."""


def _infer_reduce(x: Any, op_type: str, in_group: bool) -> TensorStructInfo:
    if op_type not in OPERATIONS:
        raise CompileError(f"op_type is one of {', '.join(OPERATIONS)}, found {op_type!r}")
    return _infer.tensor(x)


def _reduce(x: Expr, op_type: str, in_group: bool, call: Any) -> Expr:
    kind = ShapeExpr((OPERATIONS[op_type],))  # type: ignore[arg-type]
    args = [x, kind, PrimValue(in_group)]  # type: ignore[arg-type]
    return call_dps_packed("runtime.disco.allreduce", args, call.struct_info)


@op(
    "ccl.allreduce",
    infer=_infer_reduce,
    decompose=_reduce,
    reference=lambda x, op_type, in_group: x,
    samples=lambda: [sample(array((2, 3))), sample(array((4,)), "max", False)],
)
def allreduce(x: Expr, op_type: str = "sum", in_group: bool = True) -> Expr:
    """The tensors of all workers (of the group, if `in_group`) combined elementwise, on each."""


def _infer_gather(x: Any, num_workers: int, in_group: bool) -> TensorStructInfo:
    info = _infer.tensor(x)
    if not info.dims:
        return info
    return _infer.like(info, (simplify(info.dims[0] * num_workers), *info.dims[1:]))


@op(
    "ccl.allgather",
    infer=_infer_gather,
    decompose=lambda x, num_workers, in_group, call: call_dps_packed(
        "runtime.disco.allgather", [x, PrimValue(in_group)], call.struct_info
    ),
    reference=lambda x, num_workers, in_group: np.concatenate([x] * num_workers),
    samples=lambda: [sample(array((2, 3)), 1), sample(array((2, 3)), 2)],
)
def allgather(x: Expr, num_workers: int, in_group: bool = True) -> Expr:
    """The tensors of all workers one after another along the first axis, on each."""


@op(
    "ccl.broadcast_from_worker0",
    infer=_infer.same_as_first,
    decompose=lambda x, call: call_dps_packed(
        "runtime.disco.broadcast_from_worker0",
        [x, PrimValue(False)],  # type: ignore[arg-type]
        call.struct_info,
    ),
    reference=lambda x: x,
    samples=lambda: [sample(array((2, 3)))],
)
def broadcast_from_worker0(x: Expr) -> Expr:
    """The tensor of worker 0, on every worker."""


def _infer_scatter(x: Any, num_workers: int, axis: int) -> TensorStructInfo:
    info = _infer.tensor(x)
    place = _infer.normalize_axis(axis, info.ndim)
    if info.dims is None:
        return info
    size = info.dims[place]
    if isinstance(size, IntImm) and size.value % num_workers:
        raise CompileError(f"axis {place} of extent {size} does not divide by {num_workers}")
    dims = list(info.dims)
    dims[place] = simplify(size // num_workers)
    return _infer.like(info, dims)


def _scatter(x: Expr, num_workers: int, axis: int, call: Any) -> Expr:
    """Parts along `axis` come first, so that each worker's part is contiguous."""
    from .manipulate import reshape
    from .rearrange import permute_dims

    info = x.struct_info
    assert isinstance(info, TensorStructInfo) and info.dims is not None
    place = axis % info.ndim
    if place:
        dims = list(info.dims)
        dims[place : place + 1] = [IntImm("int64", num_workers), call.struct_info.dims[place]]
        order = (place, *(i for i in range(info.ndim + 1) if i != place))
        x = permute_dims(reshape(x, dims), order)
    return call_dps_packed(
        "runtime.disco.scatter_from_worker0",
        [x, PrimValue(False)],  # type: ignore[arg-type]
        call.struct_info,
    )


@op(
    "ccl.scatter_from_worker0",
    infer=_infer_scatter,
    decompose=_scatter,
    reference=lambda x, num_workers, axis: np.split(x, num_workers, axis)[0],
    samples=lambda: [sample(array((4, 3)), 1), sample(array((4, 6)), 2, 1)],
)
def scatter_from_worker0(x: Expr, num_workers: int, axis: int = 0) -> Expr:
    """Part i, of `num_workers` along `axis`, of worker 0's tensor, on worker i."""
