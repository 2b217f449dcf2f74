"""How long compilation takes: cold, and from the cache, each in a process of its own.

python -m bench.compile_time --models resnet50,bert_base --json times.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from . import zoo
from .models import machine

DEFAULT = "resnet50,resnet18,mobilenetv2,light_densenet121,light_inception_v2,bert_base,vit_b16"

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


def show(rows: list[Row]) -> None:
    """The rows as a table."""
    names = ("model", "cache", "kernels", "package", "read", "compile", "load", "total", "cpu")
    table = Table(*names)
    for row in rows:
        values = asdict(row)
        table.add_row(*(
            f"{values[n]:.2f}" if isinstance(values[n], float) else str(values[n]) for n in names
        ))  # fmt: skip
    Console().print(table)


@click.command()
@click.option("--models", default=DEFAULT, show_default=True, help="Models of the zoo, or files.")
@click.option("--repeat", default=3, show_default=True, help="Processes a figure is the median of.")
@click.option("--json", "output", type=click.Path(), help="Also write the rows to this file.")
def main(models: str, repeat: int, output: str | None) -> None:
    """How long models take to compile, cold and from the cache."""
    rows: list[Row] = []
    for name in models.split(","):
        file = Path(name) if name.endswith(".onnx") else zoo.path(name)
        rows += measured(file.stem, str(file), repeat)
        show(rows)
    if output:
        about = {**machine(), "llvmlite": version("llvmlite"), "load": os.getloadavg()}
        text = json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1)
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main()
