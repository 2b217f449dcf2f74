"""Devices as the ABI knows them: a DLPack kind and a number."""

from __future__ import annotations

from typing import Any, ClassVar

from ._load import core


class Device(core.Device):
    """A device: its kind and its number among the devices of that kind."""

    __slots__ = ()
    DEVICE_NAME_TO_TYPE: ClassVar[dict[str, int]] = {
        "llvm": 1, "cpu": 1, "c": 1, "cuda": 2, "nvptx": 2, "cl": 4, "opencl": 4, "vulkan": 7,
        "metal": 8, "vpi": 9, "rocm": 10, "ext_dev": 12, "webgpu": 15, "hexagon": 16,
    }  # fmt: skip

    @property
    def device_type(self) -> int:
        """The DLPack number of the kind."""
        return self.dlpack_device_type()

    @property
    def device_id(self) -> int:
        """The number among the devices of this kind."""
        return self.index

    def __reduce__(self) -> Any:
        return (type(self), (self.dlpack_device_type(), self.index))


for _kind in core.DLDeviceType:
    setattr(Device, _kind.name, int(_kind))
core._set_class_device(Device)
