"""`tilewright bench`: latency, side by side with a peer in turns."""

from __future__ import annotations

import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from ..driver.roofline import roofline
from ..runtime import set_num_threads
from ..runtime.vm import VirtualMachine
from ..support.errors import ArgumentError
from . import common, kernels
from .main import DIFFERENCE

Run = Callable[[], Any]
TOLERANCE = 1e-4


def _onnxruntime(path: str, threads: int, values: dict[str, Any]) -> Run:
    if importlib.util.find_spec("onnxruntime") is None:
        raise ArgumentError("onnxruntime is not installed", hint="pip install 'tilewright[bench]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    feed = dict(zip(names, values.values(), strict=True))
    return lambda: session.run(None, feed)


PEERS: dict[str, Callable[[str, int, dict[str, Any]], Run]] = {"onnxruntime": _onnxruntime}


def interleaved(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each run, taken in turns after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    return times


@click.command("bench")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--against", type=click.Choice(sorted(PEERS)), help="A peer to compare with.")
@click.option("--threads", default=1, type=common.COUNT, show_default=True,
              help="Threads of both.")  # fmt: skip
@click.option("--rounds", default=20, type=common.COUNT, show_default=True,
              help="Measured runs of each.")  # fmt: skip
@click.option("--size", default=1, type=common.SIZE, show_default=True,
              help="Size of dimensions that are not fixed.")  # fmt: skip
@click.option("--profile", is_flag=True, help="Also show every kernel, as `explain` does.")
@common.model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench_command(
    model: str,
    against: str | None,
    threads: int,
    rounds: int,
    size: int,
    profile: bool,
    target: str,
    shape: tuple[str, ...],
    opset: int | None,
    as_json: bool,
) -> None:
    """Time MODEL, and compare its results and latency with a peer's.

    Both run in turns in one process; medians are compared. Exits with 3 if results differ by more
    than 1e-4 of the largest value.

    \b
      tilewright bench model.onnx --against onnxruntime --threads 2
      tilewright bench model.onnx -s x=8,3,224,224
    """
    if against and common.is_library(model):
        raise click.BadParameter(f"--against needs the ONNX model, found the library {model}")
    with common.progress(not as_json):
        vm = common.machine(model, target, shape, opset)
    set_num_threads(threads)
    values = common.random_inputs(common.parameters(vm), size)
    function = vm["main"]
    runs: dict[str, Run] = {"tilewright": lambda: function(*values.values())}
    if against:
        runs[against] = PEERS[against](model, threads, values)
    worst = _worst(runs, against) if against else None
    times = interleaved(runs, rounds)
    medians = {name: statistics.median(t) for name, t in times.items()}
    rows = [
        {"engine": name, "median ms": medians[name], "min ms": min(t), "max ms": max(t),
         "ratio": medians["tilewright"] / medians[name]}
        for name, t in times.items()
    ]  # fmt: skip
    found = _profiled(vm, list(values.values()), threads, as_json) if profile else None
    _show(rows, worst, threads, found, as_json)
    if worst is not None and not worst <= TOLERANCE:
        raise click.exceptions.Exit(DIFFERENCE)


def _worst(runs: dict[str, Run], against: str) -> float:
    ours = common.outputs(runs["tilewright"]())
    theirs = [np.asarray(a) for a in runs[against]()]
    if len(ours) != len(theirs):
        return float("inf")
    return max(common.difference(a, b) for a, b in zip(ours, theirs, strict=True))


def _profiled(
    vm: VirtualMachine, values: list[Any], threads: int, as_json: bool
) -> kernels.Breakdown:
    with common.progress(not as_json):
        machine = roofline(threads)
    return kernels.breakdown(vm, values, threads=threads, machine=machine)


def _show(
    rows: list[dict[str, Any]],
    worst: float | None,
    threads: int,
    found: kernels.Breakdown | None,
    as_json: bool,
) -> None:
    if as_json:
        record = {"rows": rows, "difference": worst, "threads": threads}
        more = {"profile": found.json()} if found else {}
        click.echo(json.dumps({**record, **more}))
        return
    table = Table("engine", "median ms", "min ms", "max ms", "tilewright / engine")
    for row in rows:
        table.add_row(row["engine"], f"{row['median ms']:.3f}", f"{row['min ms']:.3f}",
                      f"{row['max ms']:.3f}", f"{row['ratio']:.2f}")  # fmt: skip
    Console().print(table)
    if worst is not None:
        click.echo(f"largest difference / largest value: {worst:.2e}")
    if found:
        Console(width=max(140, Console().width)).print(kernels.table_of(found))
