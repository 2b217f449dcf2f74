"""Named targets: a table from `vendor/device` to a target's pieces."""

from __future__ import annotations

import copy
from typing import Any

from tilewright.support.errors import ArgumentError

from .kind import did_you_mean

_NVIDIA = {
    "sm_50": "geforce-940m geforce-940mx geforce-gtx-750 geforce-gtx-750-ti geforce-gtx-850m "
    "geforce-gtx-860m geforce-gtx-950m geforce-gtx-960m quadro-k620 quadro-k1200 quadro-k2200 "
    "quadro-m500m quadro-m600m quadro-m620 quadro-m1000m quadro-m1200 quadro-m2000m nvs-810 "
    "tesla-m10",
    "sm_52": "geforce-gtx-950 geforce-gtx-960 geforce-gtx-965m geforce-gtx-970 geforce-gtx-970m "
    "geforce-gtx-980 geforce-gtx-980-ti geforce-gtx-980m geforce-gtx-titan-x quadro-m2000 "
    "quadro-m2200 quadro-m3000m quadro-m4000 quadro-m4000m quadro-m5000 quadro-m5000m "
    "quadro-m5500m quadro-m6000 quadro-m6000-24gb tesla-m40 tesla-m60",
    "sm_53": "jetson-nano jetson-tx1",
    "sm_60": "nvidia-p100 quadro-gp100 tesla-p100",
    "sm_61": "geforce-gt-1030 geforce-gtx-1050 geforce-gtx-1050-ti geforce-gtx-1060 "
    "geforce-gtx-1070 geforce-gtx-1070-ti geforce-gtx-1080 geforce-gtx-1080-ti gtx1080ti "
    "nvidia-titan-x nvidia-titan-xp quadro-p400 quadro-p500 quadro-p520 quadro-p600 quadro-p620 "
    "quadro-p1000 quadro-p2000 quadro-p2200 quadro-p3000 quadro-p3200 quadro-p4000 quadro-p4200 "
    "quadro-p5000 quadro-p5200 quadro-p6000 tesla-p4 tesla-p40 titan-x titan-xp",
    "sm_62": "jetson-tx2",
    "sm_70": "nvidia-titan-v quadro-gv100 tesla-v100 titan-v",
    "sm_75": "geforce-gtx-1630 geforce-gtx-1650 geforce-gtx-1650-super geforce-gtx-1650-ti "
    "geforce-gtx-1660 geforce-gtx-1660-super geforce-gtx-1660-ti geforce-rtx-2060 "
    "geforce-rtx-2060-super geforce-rtx-2070 geforce-rtx-2070-super geforce-rtx-2080 "
    "geforce-rtx-2080-super geforce-rtx-2080-ti nvidia-t4 nvidia-t400 nvidia-t500 nvidia-t600 "
    "nvidia-t1000 nvidia-titan-rtx quadro-rtx-3000 quadro-rtx-4000 quadro-rtx-5000 "
    "quadro-rtx-6000 quadro-rtx-8000 quadro-t1000 quadro-t2000 tesla-t4 titan-rtx",
    "sm_80": "nvidia-a100 nvidia-a100-80gb nvidia-a30 nvidia-a800",
    "sm_86": "geforce-rtx-3050 geforce-rtx-3050-ti geforce-rtx-3060 geforce-rtx-3060-ti "
    "geforce-rtx-3070 geforce-rtx-3070-ti geforce-rtx-3080 geforce-rtx-3080-ti "
    "geforce-rtx-3090 geforce-rtx-3090-ti nvidia-a2 nvidia-a10 nvidia-a10g nvidia-a16 nvidia-a40 "
    "nvidia-rtx-a2000 nvidia-rtx-a3000 nvidia-rtx-a4000 nvidia-rtx-a4500 nvidia-rtx-a5000 "
    "nvidia-rtx-a5500 nvidia-rtx-a6000 rtx-a2000 rtx-a3000 rtx-a4000 rtx-a5000 rtx-a6000",
    "sm_89": "geforce-rtx-4050 geforce-rtx-4060 geforce-rtx-4060-ti geforce-rtx-4070 "
    "geforce-rtx-4070-super geforce-rtx-4070-ti geforce-rtx-4070-ti-super geforce-rtx-4080 "
    "geforce-rtx-4080-super geforce-rtx-4090 nvidia-l4 nvidia-l40 nvidia-l40s "
    "nvidia-rtx-4000-ada nvidia-rtx-5000-ada nvidia-rtx-6000-ada",
    "sm_90a": "nvidia-gh200 nvidia-h100 nvidia-h100-nvl nvidia-h200 nvidia-h800",
    "sm_100a": "nvidia-b100 nvidia-b200 nvidia-gb200",
    "sm_120": "geforce-rtx-5070 geforce-rtx-5070-ti geforce-rtx-5080 geforce-rtx-5090",
}
_L2_MEGABYTES = {"nvidia-a100": 40, "nvidia-a100-80gb": 40, "nvidia-a30": 24, "tesla-v100": 6}
_L2_MEGABYTES |= {"nvidia-h100": 50, "nvidia-h200": 50, "geforce-rtx-3090": 6}
_L2_MEGABYTES |= {"geforce-rtx-4090": 72, "nvidia-rtx-a6000": 6, "nvidia-l4": 48}


def _cuda(arch: str, **more: Any) -> dict[str, Any]:
    limits = {"max_threads_per_block": 1024, "max_shared_memory_per_block": 49152}
    warp = {"thread_warp_size": 32, "registers_per_block": 65536}
    return {"kind": "cuda", "arch": arch, **limits, **warp, **more}


def _aarch64(cpu: str, cores: int, *features: str) -> dict[str, Any]:
    return {
        "kind": "llvm",
        "mtriple": "aarch64-linux-gnu",
        "mcpu": cpu,
        "mattr": list(features) or ["+neon"],
        "num-cores": cores,
    }


def _with_self_as_host(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "host": dict(config)}


def _nvidia_tags() -> dict[str, dict[str, Any]]:
    tags = {}
    for arch, names in _NVIDIA.items():
        for name in names.split():
            l2 = _L2_MEGABYTES.get(name)
            more = {"l2_cache_size_bytes": l2 << 20} if l2 else {}
            tags[f"nvidia/{name}"] = _cuda(arch, **more)
    return tags


def _jetson(arch: str, cpu: str, cores: int, registers: int = 65536) -> dict[str, Any]:
    host = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": cpu, "num-cores": cores}
    return {**_cuda(arch), "registers_per_block": registers, "host": host}


def _apple_gpu(threads: int = 1024) -> dict[str, Any]:
    return {
        "kind": "metal",
        "max_threads_per_block": threads,
        "max_shared_memory_per_block": 32768,
        "thread_warp_size": 32,
        "host": {"kind": "llvm", "mtriple": "arm64-apple-macos", "mcpu": "apple-latest"},
    }


_C5_CORES = {
    "large": 1,
    "xlarge": 2,
    "2xlarge": 4,
    "4xlarge": 8,
    "9xlarge": 18,
    "12xlarge": 24,
    "18xlarge": 36,
    "24xlarge": 48,
}

TAGS: dict[str, dict[str, Any]] = {
    **_nvidia_tags(),
    "nvidia/jetson-agx-xavier": _jetson("sm_72", "carmel", 8),
    "nvidia/jetson-orin-nano": _jetson("sm_87", "cortex-a78", 6),
    "nvidia/jetson-agx-orin-32gb": _jetson("sm_87", "cortex-a78", 8),
    "nvidia/jetson-agx-orin-64gb": _jetson("sm_87", "cortex-a78", 12),
    "apple/m1-gpu": _apple_gpu(),
    "apple/m1-gpu-restricted": _apple_gpu(256),
    "apple/m2-gpu": _apple_gpu(),
    "raspberry-pi/3b-aarch64": _with_self_as_host(_aarch64("cortex-a53", 4)),
    "raspberry-pi/4b-aarch64": _with_self_as_host(_aarch64("cortex-a72", 4)),
    "raspberry-pi/5b-aarch64": _with_self_as_host(_aarch64("cortex-a76", 4)),
    **{
        f"aws/cpu/c5.{size}": {"kind": "llvm", "mcpu": "skylake-avx512", "num-cores": cores}
        for size, cores in _C5_CORES.items()
    },
}
"""Tag -> the pieces of its target."""


def config_of_tag(name: str) -> dict[str, Any]:
    """The pieces of the target with tag `name`. Raises `ArgumentError` with near matches."""
    if name not in TAGS:
        raise ArgumentError(f"unknown target tag {name!r}", hint=did_you_mean(name, TAGS))
    return {**copy.deepcopy(TAGS[name]), "tag": name}


def list_tags() -> dict[str, dict[str, Any]]:
    """All tags with the pieces of their targets."""
    return copy.deepcopy(TAGS)


def register_tag(name: str, config: dict[str, Any], override: bool = False) -> None:
    """Gives a target's pieces a name. Raises `ArgumentError` if it has another already."""
    if name in TAGS and not override and TAGS[name] != config:
        raise ArgumentError(
            f"target tag {name!r} is taken", hint="pass override=True to replace it"
        )
    TAGS[name] = copy.deepcopy(config)
