"""The target of a device that is present."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tilewright.support.errors import ArgumentError

from .host import host_config
from .kind import KINDS
from .parse import Config

_LIMITS = {
    "max_threads_per_block": "max_threads_per_block",
    "max_shared_memory_per_block": "max_shared_memory_per_block",
    "thread_warp_size": "warp_size",
    "l2_cache_size_bytes": "l2_cache_size_bytes",
}
"""Option of a target -> attribute of a device."""


def config_of_device(device: Any) -> Config:
    """The pieces of the target of `device`: a device, or a text such as `cuda:0`.

    Raises `ArgumentError` if it is not there.
    """
    if isinstance(device, str):
        name, _, index = device.partition(":")
        device = import_module("tilewright.runtime").device(name, int(index or 0))
    kinds = [k for k in KINDS.values() if k.device_type == int(device.device_type)]
    if not kinds:
        raise ArgumentError(f"no target is known for device {device}")
    if kinds[0].name == "llvm":
        return host_config()
    if not device.exist:
        raise ArgumentError(f"device {device} is not there")
    kind = kinds[0]
    limits = {
        option: getattr(device, attribute, None)
        for option, attribute in _LIMITS.items()
        if option in kind.options
    }
    config: Config = {"kind": kind.name, **{k: v for k, v in limits.items() if v is not None}}
    if kind.name == "cuda" and device.compute_version:
        config["arch"] = f"sm_{device.compute_version.replace('.', '')}"
    return config
