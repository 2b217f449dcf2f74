"""How much memory inference takes: each engine loads a model and runs it in a process of its own.

python -m bench.memory --models resnet50,bert_base --json memory.json
python -m bench.memory --set issue --engines tilewright,onnxruntime

tilewright loads the library that `export_library` wrote, with no compiler; its peers load the ONNX
file. A figure is the process's largest resident memory less that of the same process before
it imports the engine (Python, NumPy and the inputs). `running` leaves out what loading took for a
moment: it is the largest while the model runs, after its first run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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

from .models import chosen_models, machine, make_inputs, resolve
from .options import COUNT, Command, Models
from .peers import OURS, Inputs, installed, version_of
from .summary import geometric_mean
from .zoo import SETS

DEFAULT = "resnet50,mobilenetv2,bert_base,vit_b16,gpt2,t5_small_encoder,mlp"
RUNS = 10
MEGABYTE = 1 << 20

MEASURING = """
import json, sys
import numpy as np
def resident(name):
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(l.split()[1]) for l in lines if l.startswith(name)) << 10
    except (OSError, StopIteration):
        import resource
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
file, threads = sys.argv[1], int(sys.argv[3])
archive = np.load(sys.argv[2])
inputs = {name: archive[name] for name in archive.files}
before = resident("VmRSS")
"""

ENGINES = {
    OURS: """
from tilewright.runtime import cpu, load_module, set_num_threads
from tilewright.runtime.ndarray import array
from tilewright.runtime.vm import VirtualMachine
set_num_threads(threads)
imported = resident("VmRSS")
main = VirtualMachine(load_module(file), cpu())["main"]
arguments = [array(value) for value in inputs.values()]
run = lambda: main(*arguments)
""",
    "onnxruntime": """
import onnxruntime
imported = resident("VmRSS")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
run = lambda: session.run(None, inputs)
""",
    "openvino": """
import openvino
imported = resident("VmRSS")
settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"}
request = openvino.Core().compile_model(file, "CPU", settings).create_infer_request()
run = lambda: request.infer(inputs, share_inputs=True)
""",
}

REPORT = f"""
run()
peak = resident("VmHWM")
try:
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark begins again
except OSError:
    pass
for _ in range({RUNS}):
    run()
running = resident("VmHWM")
print(json.dumps({{
    "imported": imported - before, "peak": max(peak, running) - before,
    "running": running - before, "compiler": "llvmlite" in sys.modules,
}}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One engine on one model, in megabytes (2**20 bytes): the file that it loads, what importing
    the engine takes, the peak with loading, the peak of `RUNS` runs after the first. `ratio`: our
    peak over this one."""

    model: str
    threads: int
    engine: str
    version: str
    file_mb: float | None
    import_mb: float | None
    peak_mb: float | None
    running_mb: float | None
    ratio: float | None
    failure: str


def measured(engine: str, file: Path, inputs: Inputs, threads: int) -> dict[str, int]:
    """The bytes that a new process reports. Raises `RuntimeError` with its last words."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "inputs.npz"
        np.savez(data, **dict(inputs))  # type: ignore[arg-type]  # names are the model's
        code = MEASURING + ENGINES[engine] + REPORT
        done = subprocess.run(
            [sys.executable, "-c", code, str(file), str(data), str(threads)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)},
        )  # fmt: skip
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(words[-1])
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    if found["compiler"]:
        raise RuntimeError("the process loaded a compiler")
    return found


def exported(file: Path, folder: Path) -> Path:
    """Our library of a model, made by another process; an archive if there is no linker."""
    code = (
        "import sys\n"
        "import tilewright as tw\n"
        "from tilewright.codegen.llvm.linkers import LinkError\n"
        "from tilewright.frontend.onnx import from_onnx\n"
        "made = tw.compile(from_onnx(sys.argv[1]), 'llvm')\n"
        "try:\n"
        "    print(made.export_library(sys.argv[2] + '.so'))\n"
        "except LinkError:\n"
        "    print(made.export_library(sys.argv[2] + '.tw'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(folder / file.stem)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return Path(done.stdout.splitlines()[-1])


def rows_of(file: Path, engines: Sequence[str], inputs: Inputs, threads: int) -> list[Row]:
    """A row an engine; one that fails says why."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for engine in engines:
            try:
                loads = exported(file, Path(folder)) if engine == OURS else file
                found = measured(engine, loads, inputs, threads)
                rows.append(_row(file.stem, threads, engine, loads, found))
            except RuntimeError as error:
                rows.append(_row(file.stem, threads, engine, failure=str(error)))
    return with_ratios(rows)


def _row(
    model: str,
    threads: int,
    engine: str,
    file: Path | None = None,
    found: Mapping[str, int] | None = None,
    failure: str = "",
) -> Row:
    size = file.stat().st_size / MEGABYTE if file else None
    imported, peak, running = (
        found[name] / MEGABYTE if found else None for name in ("imported", "peak", "running")
    )
    version = version_of(engine)
    return Row(model, threads, engine, version, size, imported, peak, running, None, failure)


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """The rows of one model with our peak over each one's."""
    ours = next((row.peak_mb for row in rows if row.engine == OURS), None)
    return [
        Row(**{**asdict(row), "ratio": ours / row.peak_mb if ours and row.peak_mb else None})
        for row in rows
    ]


def table_of(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    table = Table(title="megabytes above Python, NumPy and the inputs; ratio: our peak over it")
    for column in ("model", "engine", "file", "import", "peak", "running", "ratio"):
        table.add_column(column, justify="left" if column in ("model", "engine") else "right")
    previous = ""
    for row in rows:
        if previous not in ("", row.model):
            table.add_section()
        previous = row.model
        sizes = (row.file_mb, row.import_mb, row.peak_mb, row.running_mb)
        table.add_row(
            row.model, row.engine, *(_cell(size, 1) for size in sizes), _cell(row.ratio, 2)
        )
    table.add_section()
    for engine, mean in mean_ratios(rows).items():
        table.add_row("geometric mean", engine, "", "", "", "", _cell(mean, 2))
    return table


def mean_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """The geometric mean of the ratios to each peer, over the models that both can run."""
    ratios: dict[str, list[float]] = {}
    for row in rows:
        if row.ratio is not None and row.engine != OURS:
            ratios.setdefault(row.engine, []).append(row.ratio)
    return {engine: geometric_mean(found) for engine, found in ratios.items()}


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


@click.command(cls=Command)
@click.option("--models", type=Models(), help=f"Models of the zoo, or files; without: {DEFAULT}.")
@click.option("--set", "group", type=click.Choice([*SETS, "all"]), help="A list of models.")
@click.option(
    "--engines",
    default=",".join(ENGINES),
    type=Words(ENGINES),
    show_default=True,
    help="Whom to measure, by commas.",
)
@click.option("--threads", default=1, show_default=True, type=COUNT)
@click.option("--batch", default=1, show_default=True, type=COUNT)
@click.option("--sequence", default=128, show_default=True, type=COUNT)
@click.option("--json", "output", type=OutputFile(), help="Also write the rows to this file.")
def main(
    models: list[str] | None,
    group: str | None,
    engines: list[str],
    threads: int,
    batch: int,
    sequence: int,
    output: str | None,
) -> None:
    """Peak memory of inference, engine by engine. Fails if an engine does."""
    console = Console()
    present = [engine for engine in engines if installed(engine)]
    sizes = {"batch": batch, "sequence": sequence}
    names = chosen_models(models, group, DEFAULT)
    rows: list[Row] = []
    with progress(), stage("Measure memory", len(names)) as step:
        for name in names:
            file = resolve(name, **sizes)
            inputs = make_inputs(load_model(file)[0], sizes=sizes)
            rows += rows_of(file, present, inputs, threads)
            step(file.stem)
    console.print(table_of(rows))
    for row in rows:
        if row.failure:
            console.print(f"[red]{row.engine} failed on {row.model}:[/] {escape(row.failure)}")
    if output:
        record = {"machine": machine(), "runs": RUNS, "rows": [asdict(row) for row in rows]}
        Path(output).write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(any(row.failure for row in rows))


if __name__ == "__main__":
    main()
