"""This machine: its processor and features as LLVM names them, its caches, its usable cores."""

from __future__ import annotations

import os
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from .cpus import ALIASES, CPUS

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@cache
def host_cpu() -> str:
    """LLVM's name of this machine's processor, such as `znver4`."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


@cache
def host_triple() -> str:
    """LLVM's triple of this machine."""
    import llvmlite.binding as llvm

    return str(llvm.get_process_triple())


@cache
def host_features() -> dict[str, bool]:
    """LLVM's features -> whether this machine has them."""
    import llvmlite.binding as llvm

    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:  # an architecture for which LLVM cannot tell
        return {}


@cache
def host_caches(folder: Path = _CACHES) -> dict[int, tuple[int, int, int]]:
    """Level -> bytes, ways and bytes of a line of the data caches; empty if unknown."""
    caches = {}
    for index in sorted(folder.glob("index*")):
        try:
            if _read(index / "type") == "Instruction":
                continue
            ways = int(_read(index / "ways_of_associativity"))
            line = int(_read(index / "coherency_line_size"))
            caches[int(_read(index / "level"))] = (_bytes(_read(index / "size")), ways, line)
        except (OSError, ValueError):
            continue
    return caches


def host_cores(quota: Path = _QUOTA) -> int:
    """The cores that this process may use: its affinity, cut to its control group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cores = os.cpu_count() or 1
    try:
        limit, period = _read(quota).split()
        return max(1, min(cores, ceil(int(limit) / int(period))))
    except (OSError, ValueError):  # no quota, or `max`
        return cores


def host_config() -> dict[str, Any]:
    """The pieces of the target `native`: processor, triple, cores, and features that it lacks."""
    cpu = host_cpu()
    known = CPUS.get(ALIASES.get(cpu, cpu))
    has = host_features()
    lacking = (
        sorted(f"-{name}" for name in known.features if not has.get(name, True)) if known else []
    )
    config = {"kind": "llvm", "mcpu": cpu, "mtriple": host_triple(), "num-cores": host_cores()}
    return {**config, "mattr": lacking} if lacking else config


def _read(file: Path) -> str:
    return file.read_text().strip()


def _bytes(text: str) -> int:
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)
