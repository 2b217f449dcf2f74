"""What this machine can do at most, measured by kernels of our own: arithmetic and memory.

Measured once a machine and number of threads, and kept in the cache on disk. A figure is the best
of many short runs, so that a busy machine spoils few of them; where the cores were not to be had
even so, nothing is kept.

Model: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model
for multicore architectures", 2009. A kernel cannot be faster than its arithmetic at the peak, nor
than its bytes from the smallest level of memory that holds them all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..runtime.ndarray import array
from ..runtime.threads import num_threads, set_num_threads
from ..script.parser import from_source
from ..support.disk_cache import DiskCache, content_key
from ..support.progress import stage
from ..target import Target
from ..target.machine import MachineModel
from .compile import compile

ROOFLINES = DiskCache("rooflines")
VERSION = "2"
DTYPES = ("float32", "float64", "int32")
CHAINS = 12
"""Multiply-adds under way at once: more than latency times ports on any processor of the table."""

UNROLLED = 8
STEPS = 400_000
RUNS = 60
MEGABYTE = 1 << 20
FULL = 0.9
"""The share of the cores' time that must have been had for figures to be kept."""

LARGEST = 256 * MEGABYTE
"""Memory for the measurement of what lies beyond the caches, at most."""

PEAK = """
@T.prim_func
def kernel(a: T.Buffer((2,), "{dtype}"), out: T.Buffer(({threads}, {rows}, {lanes}), "{dtype}")):
    T.func_attr({{"tir.is_scheduled": True, "tir.noalias": True}})
    for t in T.parallel({threads}):
        with T.block(""):
            acc = T.alloc_buffer(({rows}, {lanes}), "{dtype}", scope="local")
            for r in T.unroll({rows}):
                for l in T.vectorized({lanes}):
                    acc[r, l] = a[0]
            for k in range({steps}):
                for r in T.unroll({rows}):
                    for l in T.vectorized({lanes}):
                        acc[r, l] = acc[r, l] * a[0] + a[1]
            for r in T.unroll({rows}):
                for l in T.vectorized({lanes}):
                    out[t, r, l] = acc[r, l]
"""

READ = """
@T.prim_func
def kernel(x: T.Buffer(({threads}, {count}, {rows}, {lanes}), "float32"),
           out: T.Buffer(({threads}, {rows}, {lanes}), "float32")):
    T.func_attr({{"tir.is_scheduled": True, "tir.noalias": True}})
    for t in T.parallel({threads}):
        with T.block(""):
            acc = T.alloc_buffer(({rows}, {lanes}), "float32", scope="local")
            for r in T.unroll({rows}):
                for l in T.vectorized({lanes}):
                    acc[r, l] = T.float32(0)
            for k, i in T.grid({steps}, {count}):
                for r in T.unroll({rows}):
                    for l in T.vectorized({lanes}):
                        acc[r, l] = acc[r, l] + x[t, i, r, l]
            for r in T.unroll({rows}):
                for l in T.vectorized({lanes}):
                    out[t, r, l] = acc[r, l]
"""

COPY = """
@T.prim_func
def kernel(x: T.Buffer(({threads}, {count}, {rows}, {lanes}), "float32"),
           y: T.Buffer(({threads}, {count}, {rows}, {lanes}), "float32")):
    T.func_attr({{"tir.is_scheduled": True, "tir.noalias": True}})
    for t in T.parallel({threads}):
        for k, i in T.grid({steps}, {count}):
            for r in T.unroll({rows}):
                for l in T.vectorized({lanes}):
                    y[t, i, r, l] = x[t, i, r, l] + T.Cast("float32", k)
"""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of memory: how many bytes it holds for these threads together (0: no limit), and
    GB/s of all threads that read, or that copy (bytes read and written counted)."""

    name: str
    size: int
    read: float
    copy: float


@dataclass(frozen=True, slots=True)
class Roofline:
    """The most that `threads` threads do: GFLOP/s by dtype, a multiply-add counted as two, and
    memory from the nearest level to the farthest. `share`: how much of the threads' time was had
    in the worst of these measurements; far below 1 if other programs used the cores."""

    cpu: str
    threads: int
    gflops: dict[str, float]
    levels: tuple[Level, ...]
    share: float = 1.0

    def peak(self, dtype: str) -> float:
        """GFLOP/s in a dtype; those of float32 for one that was not measured."""
        return self.gflops.get(dtype, self.gflops["float32"])

    def level(self, size: int) -> Level:
        """The nearest level that holds so many bytes."""
        return next((l for l in self.levels if l.size >= size), self.levels[-1])

    def bandwidth(self, size: int) -> float:
        """GB/s at most of a kernel that touches so many bytes."""
        found = self.level(size)
        return max(found.read, found.copy)

    def seconds(self, flops: int, size: int, dtype: str) -> float:
        """The shortest time for so many operations on so many bytes."""
        return max(flops / self.peak(dtype), size / self.bandwidth(size)) / 1e9

    def limit(self, flops: int, size: int, dtype: str) -> str:
        """What bounds it: `arithmetic`, or the name of a level."""
        memory = size / self.bandwidth(size)
        return "arithmetic" if flops / self.peak(dtype) >= memory else self.level(size).name


def roofline(threads: int = 1, *, again: bool = False) -> Roofline:
    """The roofline of this machine with so many threads; measured where the cache has none, or
    `again`."""
    machine = MachineModel.of(Target("llvm"))
    key = content_key(VERSION, repr(machine_key(machine)), str(threads))
    stored = None if again else ROOFLINES.get(key)
    if stored is not None:
        try:
            return from_json(stored.decode())
        except (ValueError, KeyError, TypeError):  # damaged, or of another version
            pass
    made = measure(machine, threads)
    if made.share >= FULL:
        ROOFLINES.put(key, json.dumps(asdict(made)).encode())
    return made


def machine_key(machine: MachineModel) -> tuple[object, ...]:
    """What tells one machine from another."""
    caches = (machine.l1d, machine.l2, machine.l3)
    return (machine.cpu, sorted(machine.features), machine.vector_bits, machine.cores, caches)


def from_json(text: str) -> Roofline:
    """The roofline that was written as JSON of its fields."""
    row = json.loads(text)
    return Roofline(**{**row, "levels": tuple(Level(**level) for level in row["levels"])})


def measure(machine: MachineModel, threads: int, runs: int = RUNS) -> Roofline:
    """The roofline, measured now: each figure the best of `runs` runs of about a millisecond."""
    sizes = level_sizes(machine, threads)
    shares: list[float] = []
    with _threads(threads), stage("Measure the machine", len(DTYPES) + len(sizes)) as step:
        peaks = {}
        for dtype in DTYPES:
            peaks[dtype] = _peak(machine, threads, dtype, runs, shares)
            step(dtype)
        levels = []
        for name, (size, used) in sizes.items():
            ways = (_bandwidth(machine, threads, used, way, runs, shares) for way in (READ, COPY))
            levels.append(Level(name, size, *ways))
            step(name)
    return Roofline(machine.cpu, threads, peaks, tuple(levels), min(shares))


def level_sizes(machine: MachineModel, threads: int) -> dict[str, tuple[int, int]]:
    """Levels by name: how much each holds, and the bytes to measure it with, of all threads."""
    found = {}
    for name, size in (
        ("L1", machine.l1d.size * threads),
        ("L2", machine.l2.size * threads),
        ("L3", machine.l3.size),
    ):
        if size:
            found[name] = (size, size // 2)
    last = max((size for size, _ in found.values()), default=0)
    found["memory"] = (0, min(max(4 * last, 64 * MEGABYTE), LARGEST))
    return found


def _peak(machine: MachineModel, threads: int, dtype: str, runs: int, shares: list[float]) -> float:
    lanes = machine.lanes(dtype)
    shape = {"threads": threads, "rows": CHAINS, "lanes": lanes}
    kernel = _compiled(PEAK, dtype=dtype, steps=STEPS, **shape)
    start = array(np.array([0, 1], dtype))
    out = array(np.zeros((threads, CHAINS, lanes), dtype))
    seconds, used = _best(lambda: kernel(start, out), runs)
    shares.append(used / seconds / threads)
    return 2 * STEPS * threads * CHAINS * lanes / seconds / 1e9


def _bandwidth(
    machine: MachineModel, threads: int, size: int, way: str, runs: int, shares: list[float]
) -> float:
    """GB/s of reading, or of copying between two halves."""
    lanes = machine.lanes("float32")
    arrays = 1 if way is READ else 2
    row = UNROLLED * lanes
    count = max(1, size // arrays // threads // (4 * row))
    total = arrays * threads * count * row * 4
    steps = max(1, 32 * MEGABYTE // total)
    kernel = _compiled(way, threads=threads, count=count, rows=UNROLLED, lanes=lanes, steps=steps)
    x = array(np.ones((threads, count, UNROLLED, lanes), "float32"))
    shape = (threads, UNROLLED, lanes) if way is READ else x.shape
    y = array(np.zeros(shape, "float32"))
    seconds, used = _best(lambda: kernel(x, y), runs)
    shares.append(used / seconds / threads)
    return total * steps / seconds / 1e9


def _compiled(text: str, **sizes: Any) -> Callable[..., object]:
    function: Callable[..., object] = compile(from_source(text.format(**sizes)), "llvm")["kernel"]
    return function


def _best(run: Callable[[], object], runs: int) -> tuple[float, float]:
    """The shortest of the times of a function in seconds, and the processors' time in it."""
    run()
    found = []
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - start, time.process_time() - used))
    return min(found)


@contextmanager
def _threads(count: int) -> Any:
    before = num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)
