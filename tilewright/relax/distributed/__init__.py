"""Tensors spread over a mesh of devices: meshes, placements and the struct info of such tensors."""

from .device_mesh import DeviceMesh, device_mesh
from .placement import Placement, PlacementSpec, PlacementSpecKind
from .propagate import infer_distributed
from .struct_info import DTensorStructInfo

__all__ = [
    "DTensorStructInfo", "DeviceMesh", "Placement", "PlacementSpec", "PlacementSpecKind",
    "device_mesh", "infer_distributed",
]  # fmt: skip
