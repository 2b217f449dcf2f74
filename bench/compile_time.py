"""How long compilation takes: cold, and from the cache, each in a process of its own.

python -m bench.compile_time --models resnet50,bert_base --json times.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.support.progress import stage

from . import zoo
from .models import machine
from .options import COUNT, Command, Models
from .summary import markdown

DEFAULT = "resnet50,resnet18,mobilenetv2,light_densenet121,light_inception_v2,bert_base,vit_b16"

COLUMNS = ("model", "cache", "kernels", "package", "read", "compile", "load", "total", "cpu")

CHILD = """
import json, sys, time
start = time.perf_counter()
import tilewright as tw
from tilewright.frontend.onnx import from_onnx
imported, used = time.perf_counter(), time.process_time()
mod = from_onnx(sys.argv[1])
read = time.perf_counter()
executable = tw.compile(mod, "llvm")
compiled = time.perf_counter()
main = tw.relax.VirtualMachine(executable, tw.cpu())["main"]
end = time.perf_counter()
print(json.dumps({
    "package": imported - start, "read": read - imported, "compile": compiled - read,
    "load": end - compiled, "cpu": time.process_time() - used, "kernels": len(executable.objects),
}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One model. Seconds: `package` to import the package, `read` to import the model, `compile`,
    `load` into the process; `total` of the last three, and `cpu` that they took of all cores."""

    model: str
    cache: str
    kernels: int
    package: float
    read: float
    compile: float
    load: float
    total: float
    cpu: float


def once(file: str, cache: str) -> dict[str, float]:
    """The times of one process that uses the cache in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, file],
        capture_output=True, text=True, check=False,
        env={**os.environ, "TILEWRIGHT_CACHE": cache},
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(f"{file}: {done.stderr.strip().splitlines()[-1]}")
    times: dict[str, float] = json.loads(done.stdout)
    return times


def measured(model: str, file: str, repeat: int) -> list[Row]:
    """A cold and a warm row: medians of `repeat` processes each, cold ones with a new cache."""
    cold, warm = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(once(file, folder))
            warm.append(once(file, folder))
    return [_row(model, "cold", cold), _row(model, "warm", warm)]


def _row(model: str, cache: str, runs: list[dict[str, float]]) -> Row:
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    total = median(run["read"] + run["compile"] + run["load"] for run in runs)
    return Row(
        model, cache, int(middle["kernels"]), middle["package"], middle["read"],
        middle["compile"], middle["load"], total, middle["cpu"],
    )  # fmt: skip


def cells(row: Row) -> list[str]:
    """A row of the table."""
    values = [asdict(row)[name] for name in COLUMNS]
    return [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]


def table(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    shown = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in COLUMNS:
        shown.add_column(name, no_wrap=True)
    for row in rows:
        shown.add_row(*cells(row))
    return shown


@click.command(cls=Command)
@click.option(
    "--models",
    default=DEFAULT,
    type=Models(),
    show_default=True,
    help="Models of the zoo, or files.",
)
@click.option(
    "--repeat",
    default=3,
    type=COUNT,
    show_default=True,
    help="Processes a figure is the median of.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table for a document.")
@click.option("--json", "output", type=OutputFile(), help="Also write the rows to this file.")
def main(models: list[str], repeat: int, as_markdown: bool, output: str | None) -> None:
    """How long models take to compile, cold and from the cache; seconds."""
    rows: list[Row] = []
    with progress(), stage("Compile", len(models)) as step:
        for name in models:
            step(name)
            file = Path(name) if name.endswith(".onnx") else zoo.path(name)
            rows += measured(file.stem, str(file), repeat)
    if as_markdown:
        click.echo(markdown(COLUMNS, map(cells, rows)))
    else:
        Console().print(table(rows))
    if output:
        about = {**machine(), "llvmlite": version("llvmlite"), "load": os.getloadavg()}
        text = json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1)
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main()
