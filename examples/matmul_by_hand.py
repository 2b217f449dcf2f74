"""A matrix product scheduled by hand, step by step, each step timed beside NumPy.

python examples/matmul_by_hand.py --threads 1
taskset -c 1 python examples/matmul_by_hand.py    # kept on one core

docs/tensorir.md explains the steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import click
import numpy as np

import tilewright as tw
from tilewright import tir
from tilewright.runtime.threads import set_num_threads
from tilewright.script import tir as T
from tilewright.target.machine import MachineModel

Array = np.ndarray[Any, Any]

ROWS = 8
"""Rows of the register tile."""
VECTORS = 2
"""Vectors in a row of the tile."""
REST = 0.1
"""Seconds between two turns, for spinning threads to fall asleep."""
TOLERANCE = 1e-5
"""Largest difference to NumPy, relative to the largest value."""


def matmul(n: int) -> tir.PrimFunc:
    """C = A @ B, square, as one writes it down.

    `tir.is_scheduled` tells `build` not to schedule it: this is what we do ourselves.
    """

    @T.prim_func
    def matmul(
        A: T.Buffer((n, n), "float32"),
        B: T.Buffer((n, n), "float32"),
        C: T.Buffer((n, n), "float32"),
    ):
        T.func_attr({"tir.noalias": True, "tir.is_scheduled": True})
        for i, j, k in T.grid(n, n, n):
            with T.block("C"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = T.float32(0)
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]

    return matmul


def lanes() -> int:
    """Floats in a vector of this machine."""
    return MachineModel.of(tw.target.Target("llvm")).lanes("float32")


def steps(sch: tir.Schedule, width: int) -> Iterator[str]:
    """Schedules `matmul` with vectors of `width` floats; yields what each step has done."""
    yield "as written"

    block = sch.get_block("C")
    i, j, k = sch.get_loops(block)
    i0, i1 = sch.split(i, [None, ROWS])
    j0, j1, j2 = sch.split(j, [None, VECTORS, width])
    sch.reorder(j0, i0, k, i1, j1, j2)
    yield "tile"

    sch.vectorize(j2)
    yield "vectorize"

    panels = sch.cache_read(block, 1, "global")
    panel = VECTORS * width
    sch.transform_layout(block, ("read", 1), lambda k, j: (j // panel, k, j % panel))
    row, column = sch.get_loops(panels)
    sch.vectorize(sch.split(column, [None, width])[1])
    yield "B in panels"

    tile = sch.cache_write(block, 0, "local")
    sch.reverse_compute_at(tile, i0)
    tile_row, tile_column = sch.get_loops(tile)[-2:]
    tile_vector, lane = sch.split(tile_column, [None, width])
    sch.vectorize(lane)
    yield "tile of its own"

    for loop in (i1, j1, tile_row, tile_vector):
        sch.unroll(loop)
    yield "unroll"

    sch.parallel(j0)
    sch.parallel(row)
    yield "parallel"

    sch.decompose_reduction(block, k)
    yield "zeros before the sum"


def compiled(func: tir.PrimFunc) -> Callable[..., Any]:
    """The function as native code."""
    return tw.build(func, "llvm")["matmul"]


def best(run: Callable[[], Any], seconds: float) -> float:
    """The shortest of the runs that fit into `seconds`, the first apart; of one at least."""
    start = time.perf_counter()
    run()
    if time.perf_counter() - start > seconds:
        return time.perf_counter() - start
    times: list[float] = []
    while not times or sum(times) < seconds:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


class NumPy:
    """NumPy's product in a process of its own, with its own best kernel on so many threads."""

    def __init__(self, a: Array, b: Array, threads: int) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, a, b), daemon=True)
        with _environment(threads):
            self._process.start()
        other.close()
        self.result: Array = self._pipe.recv()

    def best(self, seconds: float) -> float:
        """As `best`, there."""
        self._pipe.send(seconds)
        time_of_run: float = self._pipe.recv()
        return time_of_run

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    saved = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _serve(pipe: Connection, a: Array, b: Array) -> None:
    out = a @ b
    pipe.send(out)
    try:
        while True:
            pipe.send(best(lambda: np.matmul(a, b, out=out), pipe.recv()))
    except EOFError:
        return


def measure(
    run: Callable[[], Any], numpy: NumPy, rounds: int, seconds: float
) -> tuple[float, float]:
    """The shortest times of ours and NumPy's in `rounds` of one turn each."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(best(run, seconds))
        time.sleep(REST)
        theirs.append(numpy.best(seconds))
        time.sleep(REST)
        if ours[-1] > 10 * theirs[-1]:  # no need to be exact
            break
    return min(ours), min(theirs)


def check(step: str, ours: Array, theirs: Array) -> None:
    """Raises if the products differ by more than rounding."""
    if not np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max():
        raise click.ClickException(f"{step}: the result is not NumPy's")


@click.command()
@click.option("--size", default=1024, show_default=True, help="Rows and columns, a multiple of 64.")
@click.option("--threads", default=1, show_default=True, help="Threads of each side.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each side at a step.")
@click.option("--seconds", default=0.1, show_default=True, help="Length of a turn.")
@click.option("--show", is_flag=True, help="Print the loops after each step.")
def main(size: int, threads: int, rounds: int, seconds: float, show: bool) -> None:
    """Times every step of the schedule beside NumPy."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    numpy = NumPy(a, b, threads)
    set_num_threads(threads)
    arguments = tw.nd.array(a), tw.nd.array(b), tw.nd.array(np.zeros_like(a))
    sch = tir.Schedule(matmul(size))

    def row(step: str, function: Callable[..., Any]) -> None:
        ours, theirs = measure(lambda: function(*arguments), numpy, rounds, seconds)
        check(step, arguments[2].numpy(), numpy.result)
        rates = [2 * size**3 / t / 1e9 for t in (ours, theirs)]
        print(f"{step:22}{ours * 1e3:9.2f}{rates[0]:9.1f}", end="")
        print(f"{theirs * 1e3:10.2f}{rates[1]:9.1f}{theirs / ours:7.2f}", flush=True)

    print(f"{size} x {size} x {size}, float32, threads: {threads}; shortest times")
    print(f"{'step':22}{'ms':>9}{'GFLOP/s':>9}{'NumPy ms':>10}{'GFLOP/s':>9}{'ratio':>7}")
    for step in steps(sch, lanes()):
        row(step, compiled(sch.mod["main"]))
        if show:
            print(sch.mod["main"].script())
    row("compiler's own", compiled(matmul(size).without_attr("tir.is_scheduled")))
    numpy.close()


if __name__ == "__main__":
    main()
