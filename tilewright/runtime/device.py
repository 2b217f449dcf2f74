"""Devices, and the registry of what each kind of device can do."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, SupportsIndex

from tilewright.ffi import Device as BaseDevice
from tilewright.ffi import DLDeviceType, core
from tilewright.support.errors import ArgumentError, listing

_KINDS = (
    "cpu", "cuda", "rocm", "opencl", "vulkan", "metal", "webgpu", "hexagon", "vpi", "ext_dev",
)  # fmt: skip
_ALIASES = {
    "llvm": "cpu", "c": "cpu", "gpu": "cuda", "nvptx": "cuda", "cl": "opencl",
    "hip": "rocm", "mps": "metal", "wgpu": "webgpu",
}  # fmt: skip


class DeviceAPI(Protocol):
    """What a kind of device offers to the runtime. `index` counts devices of the kind."""

    def exists(self, index: int) -> bool:
        """Whether there is such a device."""

    def attribute(self, index: int, name: str) -> Any:
        """A property such as `warp_size`, None where it has no meaning."""

    def allocate(self, shape: tuple[int, ...], dtype: str, index: int, scope: str) -> core.Tensor:
        """An uninitialized tensor in the device's memory."""

    def copy(self, source: core.Tensor, target: core.Tensor) -> None:
        """Copies between two tensors of which at least one lies on this device."""

    def synchronize(self, index: int, stream: int) -> None:
        """Returns when all work of the stream is done."""


_APIS: dict[str, DeviceAPI] = {}


def register_device_api(kind: str, api: DeviceAPI) -> None:
    """Makes devices of `kind` (`cuda`, ...) usable."""
    _APIS[kind] = api


def device_api(device: core.Device) -> DeviceAPI:
    """What devices of this kind offer. Raises `ArgumentError` if the kind is not available."""
    kind = device.type
    if kind not in _APIS:
        raise ArgumentError(
            f"device {device} is not available: no runtime for {kind!r} is loaded",
            hint=f"available kinds: {listing(sorted(_APIS))}",
        )
    return _APIS[kind]


class Device(BaseDevice):
    """A device: its kind and its number among the devices of that kind."""

    __slots__ = ()

    @property
    def exist(self) -> bool:
        """Whether the device can be used here."""
        api = _APIS.get(self.type)
        return api is not None and api.exists(self.index)

    def _attribute(self, name: str) -> Any:
        return device_api(self).attribute(self.index, name)

    def sync(self, stream: int = 0) -> None:
        """Returns when all work given to the device is done."""
        device_api(self).synchronize(self.index, stream)


def _attribute(name: str, doc: str) -> property:
    def read(self: Device) -> Any:
        return self._attribute(name)

    read.__doc__ = f"{doc}; None where it has no meaning."
    return property(read)


_ATTRIBUTES = {
    "api_version": "The version of the device's programming interface",
    "available_global_memory": "Free memory in bytes",
    "compute_version": "The compute capability, as in `9.0`",
    "device_name": "The name that the vendor gives",
    "driver_version": "The version of the driver",
    "l2_cache_size_bytes": "The size of the second-level cache",
    "max_clock_rate": "The highest clock rate in kHz",
    "max_registers_per_block": "Registers that a block may use",
    "max_shared_memory_per_block": "Bytes of shared memory that a block may use",
    "max_thread_dimensions": "The largest block, by dimension",
    "max_threads_per_block": "Threads that a block may have",
    "multi_processor_count": "Number of cores or multiprocessors",
    "texture_spatial_limit": "The largest extent of an image",
    "total_global_memory": "Memory in bytes",
    "warp_size": "Threads that run in lockstep",
}
for _name, _doc in _ATTRIBUTES.items():
    setattr(Device, _name, _attribute(_name, _doc))
core._set_class_device(Device)


def device(dev: str | int | Device = "cpu", index: int | None = None) -> Device:
    """The device called `cpu`, `cpu:0`, `cuda:1`, or of a DLPack device number."""
    if isinstance(dev, Device):
        return dev
    try:
        return Device(_canonical(dev) if isinstance(dev, str) else int(dev), index)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(
            f"unknown device {dev!r}: {error}", hint=f"known kinds: {listing(_KINDS)}"
        ) from None


def _canonical(name: str) -> str:
    words = name.split()
    kind, colon, index = (words[0] if words else "").partition(":")
    return _ALIASES.get(kind, kind) + colon + index


def enabled(target: str) -> bool:
    """Whether code for that kind of target can run here."""
    kind = target.split()[0] if target.split() else ""
    try:
        return device(kind).exist
    except ArgumentError:
        return False


def _maker(kind: DLDeviceType, name: str) -> Callable[..., Device]:
    def make(dev_id: int = 0) -> Device:
        if not isinstance(dev_id, SupportsIndex) or not 0 <= operator.index(dev_id) < 1 << 31:
            raise ArgumentError(f"dev_id: expected a number from 0 to 2147483647, found {dev_id!r}")
        return Device(kind, operator.index(dev_id))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"The {name} device number `dev_id`. Raises `ArgumentError` for another value."
    return make


cpu = _maker(DLDeviceType.kDLCPU, "cpu")
cuda = _maker(DLDeviceType.kDLCUDA, "cuda")
rocm = _maker(DLDeviceType.kDLROCM, "rocm")
opencl = _maker(DLDeviceType.kDLOpenCL, "opencl")
metal = _maker(DLDeviceType.kDLMetal, "metal")
vulkan = _maker(DLDeviceType.kDLVulkan, "vulkan")
vpi = _maker(DLDeviceType.kDLVPI, "vpi")
ext_dev = _maker(DLDeviceType.kDLExtDev, "ext_dev")
hexagon = _maker(DLDeviceType.kDLHexagon, "hexagon")
webgpu = _maker(DLDeviceType.kDLWebGPU, "webgpu")


# ---- attributes of the host -------------------------------------------------------------------


def _read_number(path: str, scale: int = 1) -> int | None:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    units = {"K": 1 << 10, "M": 1 << 20}
    factor = units.get(text[-1:], 1)
    digits = text.rstrip("KM")
    return int(digits) * factor * scale if digits.isdigit() else None


def _cpu_name() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _memory(pages: str) -> int | None:
    try:
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


_CPU_ROOT = "/sys/devices/system/cpu/cpu0"
_CPU_ATTRIBUTES: dict[str, Callable[[], Any]] = {
    "available_global_memory": lambda: _memory("SC_AVPHYS_PAGES"),
    "device_name": lru_cache(_cpu_name),
    "l2_cache_size_bytes": lambda: _read_number(f"{_CPU_ROOT}/cache/index2/size"),
    "max_clock_rate": lambda: _read_number(f"{_CPU_ROOT}/cpufreq/cpuinfo_max_freq"),
    "max_threads_per_block": lambda: 1,
    "multi_processor_count": lambda: (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    ),
    "total_global_memory": lambda: _memory("SC_PHYS_PAGES"),
    "warp_size": lambda: 1,
}


def cpu_attribute(name: str) -> Any:
    """A property of the host processor, None where it has no meaning or is not known."""
    return _CPU_ATTRIBUTES.get(name, lambda: None)()
