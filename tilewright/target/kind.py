"""The kinds of targets: what each is called, which options it takes and what they default to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from tilewright.support.errors import ArgumentError, listing

Value = bool | int | str | list[str]
"""What an option may hold."""


@dataclass(frozen=True, slots=True)
class Option:
    """The type of an option's value (`bool`, `int`, `str`, or `list` of strings), its default."""

    type: type
    default: Value | None = None


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A family of targets: `device_type` is DLPack's number, the keys select schedules."""

    name: str
    device_type: int
    default_keys: tuple[str, ...]
    options: Mapping[str, Option] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


CPU, CUDA, OPENCL, VULKAN, METAL, ROCM, EXT_DEV, WEBGPU, HEXAGON = 1, 2, 4, 7, 8, 10, 12, 15, 16

_COMMON = {
    "model": Option(str),
    "device": Option(str),
    "libs": Option(list),
    "from_device": Option(int),
    "target_device_type": Option(int),
}
_LLVM_CPU = {
    "mcpu": Option(str),
    "mtriple": Option(str),
    "mattr": Option(list),
}
_GPU_LIMITS = {
    "max_threads_per_block": Option(int),
    "max_shared_memory_per_block": Option(int),
}


def _gpu(threads: int, warp: int) -> dict[str, Option]:
    limits = {"max_num_threads": Option(int, threads), "thread_warp_size": Option(int, warp)}
    return {**_GPU_LIMITS, **limits}


def _options(type: type, *names: str) -> dict[str, Option]:
    return {name: Option(type) for name in names}


_LLVM = {
    **_LLVM_CPU,
    **_options(str, "mfloat-abi", "mabi", "jit"),
    **_options(int, "num-cores", "opt-level", "vector-width"),
    **_options(bool, "fast-math", "fast-math-nnan", "fast-math-ninf", "fast-math-nsz"),
    **_options(bool, "fast-math-arcp", "fast-math-contract", "fast-math-reassoc"),
    "cl-opt": Option(list),
}
_C = {
    **_options(str, "mcpu", "march"),
    **_options(int, "workspace-byte-alignment", "constants-byte-alignment", "num-cores"),
}
_CUDA = {
    **_gpu(1024, 32),
    **_options(str, "mcpu"),
    "arch": Option(str, "sm_80"),
    **_options(int, "registers_per_block", "l2_cache_size_bytes"),
}
_OPENCL = {
    **_gpu(256, 1),
    "texture_spatial_limit": Option(int, 16384),
    "max_function_args": Option(int, 128),
    "image_base_address_alignment": Option(int, 64),
}
_METAL = {
    **_gpu(256, 16),
    "max_shared_memory_per_block": Option(int, 32768),
    "max_function_args": Option(int, 31),
}
_ROCM = {
    **_gpu(256, 64),
    **_LLVM_CPU,
    "max_threads_per_block": Option(int, 256),
    "max_shared_memory_per_block": Option(int, 65536),
}
_VULKAN = {
    **_gpu(256, 1),
    "mattr": Option(list),
    "supports_float32": Option(bool, True),
    "supports_int32": Option(bool, True),
    **_options(bool, "supports_float16", "supports_float64", "supports_int8", "supports_int16"),
    **_options(bool, "supports_int64", "supports_8bit_buffer", "supports_16bit_buffer"),
    **_options(bool, "supports_storage_buffer_storage_class", "supports_push_descriptor"),
    **_options(bool, "supports_dedicated_allocation", "supports_integer_dot_product"),
    **_options(bool, "supports_cooperative_matrix"),
    **_options(int, "supported_subgroup_operations", "max_push_constants_size"),
    **_options(int, "max_block_size_x", "max_block_size_y", "max_block_size_z"),
    **_options(int, "max_uniform_buffer_range", "max_storage_buffer_range"),
    **_options(int, "max_per_stage_descriptor_storage_buffer", "driver_version"),
    **_options(int, "vulkan_api_version", "max_spirv_version"),
    **_options(str, "device_type", "device_name", "driver_name"),
}
_HEXAGON = {
    **_LLVM_CPU,
    "llvm-options": Option(list),
    **_options(int, "num-cores", "vtcm-capacity"),
}
_NVPTX = {
    "mcpu": Option(str),
    "mtriple": Option(str),
    "max_num_threads": Option(int, 1024),
    "thread_warp_size": Option(int, 32),
}

KINDS: dict[str, TargetKind] = {
    kind.name: kind
    for kind in (
        TargetKind("llvm", CPU, ("cpu",), _LLVM),
        TargetKind("c", CPU, ("cpu",), _C),
        TargetKind("cuda", CUDA, ("cuda", "gpu"), _CUDA),
        TargetKind("nvptx", CUDA, ("cuda", "gpu"), _NVPTX),
        TargetKind("rocm", ROCM, ("rocm", "gpu"), _ROCM),
        TargetKind("opencl", OPENCL, ("opencl", "gpu"), _OPENCL),
        TargetKind("metal", METAL, ("metal", "gpu"), _METAL),
        TargetKind("vulkan", VULKAN, ("vulkan", "gpu"), _VULKAN),
        TargetKind("webgpu", WEBGPU, ("webgpu", "gpu"), _gpu(256, 1)),
        TargetKind("hexagon", HEXAGON, ("hexagon", "cpu"), _HEXAGON),
        TargetKind("ext_dev", EXT_DEV, ()),
        TargetKind("hybrid", CPU, ()),
        TargetKind("composite", CPU, (), {"devices": Option(list)}),
        TargetKind("test", CPU, ()),
    )
}


def kind_of(name: str) -> TargetKind:
    """The kind called `name`. Raises `ArgumentError` with near matches."""
    kind = KINDS.get(name)
    if kind is None:
        raise ArgumentError(f"unknown target kind {name!r}", hint=did_you_mean(name, KINDS))
    return kind


def option_of(kind: TargetKind, name: str) -> Option:
    """How option `name` of `kind` is declared. Raises `ArgumentError` with near matches."""
    option = kind.options.get(name) or _COMMON.get(name)
    if option is None:
        known = {**kind.options, **_COMMON, "keys": None, "host": None, "tag": None}
        raise ArgumentError(
            f"target kind {kind.name!r} has no option {name!r}", hint=did_you_mean(name, known)
        )
    return option


def did_you_mean(name: str, known: Mapping[str, object]) -> str:
    """A hint: what is like `name`, or else all that is known."""
    near = get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known are {listing(sorted(known), 40)}"
