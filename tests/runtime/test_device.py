"""Devices by name and number; what the host knows of itself."""

from __future__ import annotations

import pickle

import pytest

import tilewright.ffi as ffi
from tilewright.runtime import Device, cpu, cuda, device, enabled, opencl
from tilewright.support.errors import ArgumentError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cpu", cpu(0)),
        ("cpu:1", cpu(1)),
        ("llvm -mcpu=native", cpu(0)),
        ("cuda:3", cuda(3)),
        ("gpu", cuda(0)),
        ("opencl", opencl(0)),
        (2, cuda(0)),
        (cuda(1), cuda(1)),
    ],
)
def test_names(name: str | int | Device, expected: Device) -> None:
    assert device(name) == expected
    assert type(device(name)) is Device


def test_parts_and_text() -> None:
    dev = device("cuda", 2)
    assert (dev.device_type, dev.device_id, dev.type, str(dev)) == (2, 2, "cuda", "cuda:2")
    assert pickle.loads(pickle.dumps(dev)) == dev and {dev: 1}[cuda(2)] == 1
    assert type(ffi.convert(lambda d: d)(dev)) is Device
    assert Device.kDLCPU == 1 and Device.DEVICE_NAME_TO_TYPE["vulkan"] == 7


@pytest.mark.parametrize("name", ["toaster", "", "cpu:x", "cpu:1:2"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)unknown device.*known kinds: cpu, cuda"):
        device(name)


def test_the_host() -> None:
    host = cpu(0)
    assert host.exist and not cpu(1).exist
    assert host.multi_processor_count >= 1 and host.total_global_memory > 1 << 20
    assert host.warp_size == 1 and host.compute_version is None
    host.sync()


def test_kinds_without_a_runtime() -> None:
    assert not device("vulkan").exist
    with pytest.raises(ArgumentError, match="vulkan:0 is not available"):
        device("vulkan").sync()
    with pytest.raises(ArgumentError, match="not available"):
        _ = device("vulkan").max_threads_per_block
    assert enabled("llvm") and not enabled("vulkan") and not enabled("nonsense")
