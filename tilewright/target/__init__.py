"""What code is generated for: targets, their kinds and tags, and models of processors."""

from . import codegen
from .builders import (
    adreno,
    arm_cpu,
    bifrost,
    create,
    cuda,
    hexagon,
    intel_graphics,
    mali,
    metal,
    rasp,
    riscv_cpu,
    rocm,
    stm32,
)
from .kind import TargetKind
from .machine import Cache, MachineModel
from .tag import list_tags, register_tag
from .target import Target, TargetLike, as_target
from .virtual_device import VirtualDevice

__all__ = [
    "Cache",
    "MachineModel",
    "Target",
    "TargetKind",
    "TargetLike",
    "VirtualDevice",
    "adreno",
    "arm_cpu",
    "as_target",
    "bifrost",
    "codegen",
    "create",
    "cuda",
    "hexagon",
    "intel_graphics",
    "list_tags",
    "mali",
    "metal",
    "rasp",
    "register_tag",
    "riscv_cpu",
    "rocm",
    "stm32",
]
