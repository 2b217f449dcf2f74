"""The short tour: an image classifier from ONNX to native code, checked against ONNX Runtime.

Compiles the ResNet-50 that the `onnx` package ships (with seeded random weights), runs it beside
ONNX Runtime, writes it as one library, and runs that in a fresh process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

import tilewright as tw
from tilewright.cli.common import difference, progress
from tilewright.codegen.llvm.linkers import LinkError
from tilewright.driver import CompiledExecutable
from tilewright.frontend.onnx import from_onnx

from . import zoo
from .models import TOLERANCE, machine
from .options import Command
from .peers import Array

MODEL = "light_resnet50"
RUNS = 10

FRESH = """
import sys, time
import numpy as np
import tilewright as tw
start = time.perf_counter()
library = tw.runtime.load_module(sys.argv[1])
vm = tw.relax.VirtualMachine(library, tw.cpu())
data = np.load(sys.argv[2])
result = vm["main"](tw.nd.array(data["image"])).numpy()
gap = np.abs(result - data["result"]).max() / np.abs(data["result"]).max()
print(f"{time.perf_counter() - start:.2f} {gap:.3e}")
"""


def in_turns(runs: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds of each function, run in turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(RUNS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    return times


def exported(executable: CompiledExecutable, folder: Path) -> Path:
    """The library that was written; an archive where the machine has no linker."""
    try:
        return Path(executable.export_library(folder / f"{MODEL}.so"))
    except LinkError:
        return Path(executable.export_library(folder / f"{MODEL}.tw"))


def in_a_fresh_process(library: Path, image: Array, result: Array) -> tuple[float, float]:
    """Seconds to load and run the library in a process of its own, and its difference."""
    data = library.with_suffix(".npz")
    np.savez(data, image=image, result=result)
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(library), str(data)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, gap = done.stdout.split()
    return float(seconds), float(gap)


@click.command(cls=Command, help=__doc__)
def main() -> None:
    """Runs the tour; exits with 1 if results differ."""
    console = Console()
    here = machine()
    console.print(f"This machine: {here['cpu']}, {here['cores']} cores, {here['vector_bits']} bits")
    console.print(f"Model: {MODEL}, the graph that the onnx package ships, with random weights")
    file = str(zoo.path(MODEL))
    start = time.perf_counter()
    with progress():
        executable = tw.compile(from_onnx(file), target="llvm")
        vm = tw.relax.VirtualMachine(executable, tw.cpu())
    console.print(f"Compiled in {time.perf_counter() - start:.1f} s")

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype("float32")
    tensor = tw.nd.array(image)
    reference = session.run(None, {name: image})[0]
    result = vm["main"](tensor).numpy()
    gap = difference(result, reference)

    engines: dict[str, Callable[[], object]] = {
        "tilewright": lambda: vm["main"](tensor),
        "ONNX Runtime": lambda: session.run(None, {name: image}),
    }
    times = in_turns(engines)
    table = Table("engine", "median ms", "best ms", title=f"{MODEL}, batch 1, in turns")
    for engine, taken in times.items():
        table.add_row(engine, f"{median(taken):.1f}", f"{min(taken):.1f}")
    console.print(table)
    console.print(f"Largest difference / largest value: {gap:.1e} (allowed {TOLERANCE:.0e})")

    with tempfile.TemporaryDirectory() as folder:
        library = exported(executable, Path(folder))
        size = library.stat().st_size / 1e6
        seconds, again = in_a_fresh_process(library, image, result)
    console.print(f"Exported as {library.name} ({size:.0f} MB, weights included)")
    console.print(f"Loaded and run in a fresh process in {seconds:.2f} s, difference {again:.0e}")
    sys.exit(not (gap <= TOLERANCE and again == 0.0))


if __name__ == "__main__":
    main()
