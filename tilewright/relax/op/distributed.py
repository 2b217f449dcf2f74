"""Operators on tensors that are spread over a mesh of devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import GlobalVar, IntImm, PrimExpr
from ...ir.global_info import lookup_global_info
from ...ir.op import Op, register_op
from ...support.errors import ArgumentTypeError, CompileError
from ..base import Expr, ShapeExpr, StructInfo
from ..dims import simplify
from ..distributed.device_mesh import DeviceMesh
from ..distributed.placement import Placement, PlacementSpec, as_placement
from ..distributed.struct_info import DTensorStructInfo
from ..expr import Attrs, Call
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import op
from .base import _described, _dps_args, _out_info
from .base import call_tir as call_tir


def as_mesh(value: Any) -> DeviceMesh:
    """A mesh from itself or from its name in the module being written, such as `"mesh[0]"`."""
    found = lookup_global_info(value) if isinstance(value, str) else value
    if not isinstance(found, DeviceMesh):
        raise ArgumentTypeError(
            f"expected a device mesh, found {type(found).__name__}",
            hint='write R.device_mesh((2,), I.Range(0, 2)), or the name of one, "mesh[0]"',
        )
    return found


_PLACED = {"device_mesh": as_mesh, "placement": as_placement}


def _require_dtensor(info: Any) -> DTensorStructInfo:
    if not isinstance(info, DTensorStructInfo):
        raise CompileError(f"the argument must be a distributed tensor, found `{info}`")
    return info


@op(
    "dist.annotate_sharding",
    infer=lambda input, device_mesh, placement: input,
    decompose=lambda input, device_mesh, placement: input,
    reference=lambda input, device_mesh, placement: input,
    convert=_PLACED,
    distributed=True,
)
def annotate_sharding(input: Expr, device_mesh: DeviceMesh, placement: Placement) -> Expr:
    """`input`, wished to lie on the mesh as `placement` says."""


@op(
    "dist.redistribute",
    infer=lambda input, device_mesh, placement: DTensorStructInfo(
        _require_dtensor(input).tensor_sinfo, device_mesh, placement
    ),
    reference=lambda input, device_mesh, placement: input,
    convert=_PLACED,
    distributed=True,
)
def redistribute(input: Expr, device_mesh: DeviceMesh, placement: Placement) -> Expr:
    """`input` moved to where `placement` says on the mesh."""


def _infer_shard(input: Any, num_workers: int, axis: int) -> StructInfo:
    whole = input.tensor_sinfo if isinstance(input, DTensorStructInfo) else _infer.tensor(input)
    place = _infer.normalize_axis(axis, whole.ndim)
    if whole.dims is not None:
        size = whole.dims[place]
        if isinstance(size, IntImm) and size.value % num_workers:
            raise CompileError(f"axis {place} of extent {size} does not divide by {num_workers}")
    if isinstance(input, DTensorStructInfo):
        if len(input.device_mesh.shape) != 1:
            raise CompileError("only a mesh of one dimension is cut by the number of workers")
        cut = Placement((PlacementSpec.sharding(place),))
        return DTensorStructInfo(whole, input.device_mesh, cut)
    if whole.dims is None:
        return whole
    dims = list(whole.dims)
    dims[place] = simplify(dims[place] // num_workers)
    return _infer.like(whole, dims)


@op(
    "dist.redistribute_replica_to_shard",
    infer=_infer_shard,
    distributed=True,
)
def redistribute_replica_to_shard(input: Expr, num_workers: int, axis: int) -> Expr:
    """Of a tensor that all `num_workers` workers hold, each worker's part along `axis`."""


register_op("relax.dist.call_tir_local_view", infer=_described, FPurity=True)


def call_tir_local_view(
    gvar: GlobalVar,
    args: Expr | Sequence[Expr],
    out_sinfo: DTensorStructInfo | TensorStructInfo | Sequence[StructInfo],
    tir_vars: ShapeExpr | Sequence[PrimExpr] | None = None,
) -> Call:
    """`call_tir` of a kernel that each device runs on its own parts of the tensors."""
    op_ = Op.get("relax.dist.call_tir_local_view")
    return Call(op_, _dps_args(gvar, args, tir_vars), Attrs(), (_out_info(out_sinfo),))
