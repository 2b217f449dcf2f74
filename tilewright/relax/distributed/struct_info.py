"""What is known of a tensor that is spread over a mesh."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...ir.node import node
from ...support.errors import ArgumentError
from ..base import Expr, StructInfo
from ..struct_info import TensorStructInfo
from .device_mesh import DeviceMesh
from .placement import Placement, as_placement


@node("relax.DTensorStructInfo")
class DTensorStructInfo(StructInfo):
    """The tensor that `tensor_sinfo` describes as a whole, lying on `device_mesh` as `placement`
    says."""

    tensor_sinfo: TensorStructInfo
    device_mesh: DeviceMesh
    placement: Placement

    def __post_init__(self) -> None:
        placement: Any = self.placement
        self.placement = as_placement(placement)  # type: ignore[misc]
        specs = self.placement.dim_specs
        if len(specs) != len(self.device_mesh.shape):
            raise ArgumentError(
                f"a mesh of {len(self.device_mesh.shape)} dimensions with a placement of "
                f"{len(specs)}: {self.placement.text}"
            )
        rank = self.tensor_sinfo.ndim
        for spec in specs:
            if spec.is_sharding and rank != -1 and spec.axis >= rank:
                raise ArgumentError(f"{spec.text} of a tensor of {rank} dimensions")

    @property
    def shape(self) -> Expr | None:
        """The shape of the whole tensor."""
        return self.tensor_sinfo.shape

    @property
    def dims(self) -> tuple[PrimExpr, ...] | None:
        """The dimensions of the whole tensor."""
        return self.tensor_sinfo.dims

    @property
    def ndim(self) -> int:
        """How many dimensions it has (-1: not known)."""
        return self.tensor_sinfo.ndim

    @property
    def dtype(self) -> str:
        """The element type."""
        return self.tensor_sinfo.dtype
