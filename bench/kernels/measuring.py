"""Measuring cases: the engines in turns, in one process for each number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median

import numpy as np

from tilewright.driver.roofline import Roofline, roofline

from ..models import TOLERANCE, difference
from ..peers import OURS, Array
from .cases import Case, cases
from .engines import ENGINES, Prepared, set_threads

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FOREIGN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Settings under which OpenBLAS would not take its own best kernel for this machine."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case: medians in microseconds, ours and the others' (None: no such function); `ratio`
    to the best of them, below 1 where we are faster; ours in GFLOP/s and in percent of the
    roofline; the largest difference to the others over the largest value."""

    family: str
    case: str
    threads: int
    ours_us: float | None
    others_us: dict[str, float | None]
    ratio: float | None
    gflops: float | None
    roofline: float | None
    difference: float | None
    agrees: bool | None
    failure: str = ""


def measured_case(
    case: Case, engines: Sequence[str], threads: int, seconds: float, machine: Roofline | None
) -> Row:
    """One case by all engines in turns."""
    arrays = case.arrays()
    prepared: dict[str, Prepared] = {}
    try:
        for engine in engines:
            set_threads(engine, threads)
            made = ENGINES[engine](case, arrays)
            if made is not None:
                prepared[engine] = made
    except Exception as error:
        reason = f"{engine}: {type(error).__name__}: {str(error).splitlines()[0]}"
        return Row(
            case.family, case.name, threads, None, {}, None, None, None, None, None, reason[:300]
        )
    times = in_turns({engine: run for engine, (run, _, _) in prepared.items()}, seconds)
    us = {engine: median(times[engine]) * share * 1e6 for engine, (_, _, share) in prepared.items()}
    results = {engine: result() for engine, (_, result, _) in prepared.items()}
    return row_of(case, threads, us, results, arrays, machine)


def row_of(
    case: Case,
    threads: int,
    us: dict[str, float],
    results: dict[str, Array],
    arrays: list[Array],
    machine: Roofline | None,
) -> Row:
    """The row from the medians and the results of the engines."""
    ours = us.get(OURS)
    others = {engine: us.get(engine) for engine in ENGINES if engine != OURS}
    best = min((t for t in others.values() if t is not None), default=None)
    gap = None
    if OURS in results and len(results) > 1:
        gap = max(
            difference([results[OURS]], [result]) for e, result in results.items() if e != OURS
        )
    size = touched(case, arrays, next(iter(results.values())))
    least = machine.seconds(case.flops, size, "float32") * 1e6 if machine else None
    return Row(
        case.family,
        case.name,
        threads,
        ours,
        others,
        ours / best if ours is not None and best is not None else None,
        case.flops / ours / 1e3 if ours and case.flops else None,
        100 * least / ours if ours and least is not None else None,
        gap,
        None if gap is None else gap <= TOLERANCE,
    )


def touched(case: Case, arrays: Sequence[Array], result: Array) -> int:
    """Bytes of arguments and result; of a table only the rows that are taken."""
    if case.integers is not None:
        return arrays[case.integers[0]].nbytes + 2 * result.nbytes
    return sum(array.nbytes for array in arrays) + result.nbytes


def in_turns(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """The times of each function in seconds: short turns, until all had `seconds` (at least five
    runs)."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    turn = seconds / 5
    for _ in range(5):
        for name, run in runs.items():
            run()
            end = time.perf_counter() + turn
            while True:
                start = time.perf_counter()
                run()
                now = time.perf_counter()
                times[name].append(now - start)
                if now >= end:
                    break
    return times


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """What children inherit: so many threads, and OpenBLAS as it chooses by itself."""
    before = dict(os.environ)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(dict.fromkeys(THREADS, str(threads)), OMP_WAIT_POLICY="PASSIVE")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure(
    families: list[str],
    shapes: list[str],
    engines: Sequence[str],
    threads: int,
    seconds: float,
    compare: bool = True,
) -> Iterator[Row]:
    """The rows of all cases, from a process of their own, as they come."""
    context = get_context("spawn")
    pipe, other = context.Pipe()
    arguments = (other, families, shapes, list(engines), threads, seconds, compare)
    process = context.Process(target=_serve, args=arguments, daemon=True)
    with environment(threads):
        process.start()
    other.close()
    try:
        while True:
            row = pipe.recv()
            if row is None:
                return
            yield row
    except EOFError:
        process.join(5)
        raise RuntimeError(f"the process died (exit code {process.exitcode})") from None
    finally:
        process.join(2)
        if process.is_alive():
            process.terminate()


def _serve(
    pipe: Connection,
    families: list[str],
    shapes: list[str],
    engines: list[str],
    threads: int,
    seconds: float,
    compare: bool,
) -> None:
    machine = roofline(threads) if compare else None
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    np.seterr(all="ignore")
    for case in cases(families, shapes):
        pipe.send(measured_case(case, engines, threads, seconds, machine))
    pipe.send(None)
