"""Whether two models that run at once keep their share: in two processes, and in one.

python -m bench.sharing --models mobilenetv2,minilm --threads 2 --json sharing.json

Each model runs alone, then both at once for as long. A `share` is the rate of runs of a model
beside the other over its rate alone; `together`, their sum, is 1 where running at once costs
nothing over running one after the other, and more where cores were idle.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import click
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.cli.lists import Words
from tilewright.frontend.onnx.importer import load_model
from tilewright.support.progress import stage

from .models import machine, make_inputs, resolve
from .options import COUNT, SECONDS, Command, Models
from .peers import PEERS, installed
from .turns import REST

DEFAULT = "mobilenetv2,minilm"
WAYS = ("two processes", "one process")


@dataclass(frozen=True, slots=True)
class Row:
    """Two models at once in one engine, in one of `WAYS`; shares are medians over the rounds."""

    engine: str
    way: str
    threads: int
    models: tuple[str, str]
    shares: tuple[float, float] | None
    together: float | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """Runs a second of both models: each alone, and both at once in each of `WAYS`."""

    alone: tuple[float, float]
    at_once: dict[str, tuple[float, float]]


class Engine:
    """Processes of one engine: one a model, and one that holds both."""

    def __init__(self, name: str, files: tuple[str, str], threads: int, stack: ExitStack) -> None:
        held = ([files[0]], [files[1]], list(files))
        self.first, self.second, self.both = (
            stack.enter_context(_Process(name, some, threads)) for some in held
        )

    def build(self) -> None:
        """Compiles the models, one process after the other: builds use all cores."""
        for process in (self.first, self.second, self.both):
            process.start([])
            process.rates()

    def round(self, seconds: float) -> Round:
        """Four turns of so many seconds."""
        alone = (self._turn((self.first, seconds))[0], self._turn((self.second, seconds))[0])
        apart = self._turn((self.first, seconds), (self.second, seconds))
        inside = self._turn((self.both, seconds))
        return Round(alone, dict(zip(WAYS, (_pair(apart), _pair(inside)), strict=True)))

    def _turn(self, *asked: tuple[_Process, float]) -> list[float]:
        time.sleep(REST)
        for process, seconds in asked:
            process.start([seconds])
        return [rate for process, _ in asked for rate in process.rates()]


def _pair(rates: Sequence[float]) -> tuple[float, float]:
    first, second = rates
    return first, second


class _Process:
    """A process that holds models and runs them at once when it is told."""

    def __init__(self, engine: str, files: Sequence[str], threads: int) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        arguments = (other, engine, list(files), threads)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def start(self, turn: list[float]) -> None:
        """Tells the process to build, by an empty list, or to run for some seconds."""
        self.pipe.send(turn)

    def rates(self) -> list[float]:
        """The answer. Raises `RuntimeError` with what went wrong in the process."""
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join(5)
            raise RuntimeError(f"the process died ({self.process.exitcode})") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return list(answer)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.terminate()


def _serve(pipe: Connection, engine: str, files: Sequence[str], threads: int) -> None:
    """Builds, then runs all models at once in each turn, until the other end closes."""
    runs: list[Callable[[], object]] = []
    try:
        while True:
            turn = pipe.recv()
            if turn:
                pipe.send(rates_of(runs, *turn))
                continue
            for file in files:
                inputs = make_inputs(load_model(file)[0])
                runs.append(PEERS[engine](file, threads, inputs)[0])
                runs[-1]()
            pipe.send([])
    except EOFError:
        return
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def rates_of(runs: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """How often a second each function returns when all are called at once, a thread each."""
    together = threading.Barrier(len(runs))

    def rate(run: Callable[[], object]) -> float:
        together.wait()
        start = time.perf_counter()
        count, spent = 0, 0.0
        while spent < seconds:
            run()
            count, spent = count + 1, time.perf_counter() - start
        return count / spent

    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(rate, runs))


def rows_of(
    engine: str, models: tuple[str, str], threads: int, rounds: Sequence[Round]
) -> list[Row]:
    """The rows of one engine, a way each."""
    rows = []
    for way in WAYS:
        ratios = np.array([np.divide(r.at_once[way], r.alone) for r in rounds])
        shares = (float(median(ratios[:, 0])), float(median(ratios[:, 1])))
        rows.append(Row(engine, way, threads, models, shares, float(median(ratios.sum(1)))))
    return rows


def measured(
    engine: str, files: tuple[Path, Path], threads: int, rounds: int, seconds: float
) -> list[Row]:
    """Measures one engine; one that fails says why."""
    models = (files[0].stem, files[1].stem)
    with ExitStack() as stack:
        try:
            made = Engine(engine, (str(files[0]), str(files[1])), threads, stack)
            made.build()
            return rows_of(engine, models, threads, [made.round(seconds) for _ in range(rounds)])
        except RuntimeError as error:
            return [Row(engine, way, threads, models, None, None, str(error)) for way in WAYS]


def table_of(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    table = Table("engine", "at once in", title="share of its rate alone that each model keeps")
    for model in rows[0].models:
        table.add_column(model, justify="right")
    table.add_column("together", justify="right")
    for row in rows:
        figures = (None, None, None) if row.shares is None else (*row.shares, row.together)
        cells = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
        table.add_row(row.engine, row.way, *cells)
    return table


@click.command(cls=Command)
@click.option(
    "--models", default=DEFAULT, type=Models(), show_default=True, help="Two of the zoo, or files."
)
@click.option(
    "--engines",
    default="tilewright,onnxruntime",
    type=Words(PEERS),
    show_default=True,
    help="By commas.",
)
@click.option("--threads", default=2, show_default=True, type=COUNT)
@click.option("--rounds", default=5, show_default=True, type=COUNT)
@click.option("--seconds", default=2.0, type=SECONDS, show_default=True, help="Length of a turn.")
@click.option("--json", "output", type=OutputFile(), help="Also write the rows to this file.")
def main(
    models: list[str],
    engines: list[str],
    threads: int,
    rounds: int,
    seconds: float,
    output: str | None,
) -> None:
    """Whether two models that run at once keep their share. Fails if an engine does."""
    if len(models) != 2:
        raise click.BadParameter(f"--models takes two models, found {len(models)}")
    present = [engine for engine in engines if installed(engine)]
    files = (resolve(models[0]), resolve(models[1]))
    rows: list[Row] = []
    with progress(), stage("Measure sharing", len(present)) as step:
        for engine in present:
            rows += measured(engine, files, threads, rounds, seconds)
            step(engine)
    console = Console()
    if rows:
        console.print(table_of(rows))
    for row in rows:
        if row.failure:
            console.print(f"[red]{row.engine} failed:[/] {escape(row.failure)}")
    if output:
        record = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        Path(output).write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(any(row.failure for row in rows))


if __name__ == "__main__":
    main()
