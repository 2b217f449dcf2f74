"""The short tour: an image classifier from ONNX to native code, checked against ONNX Runtime."""

from __future__ import annotations

import sys
import time
from statistics import median

from rich.console import Console

from tilewright.support.errors import TVMError

from . import zoo
from .models import TOLERANCE, difference, machine, make_inputs
from .peers import OURS, PEERS, Array, Inputs

MODEL = "light_resnet50"
RUNS = 20


def compile_and_run(
    peer: str, file: str, threads: int, inputs: Inputs
) -> tuple[float, float, list[Array]]:
    """Seconds to compile, median seconds of a run, and the outputs."""
    start = time.perf_counter()
    run, fetch = PEERS[peer](file, threads, inputs)
    built = time.perf_counter() - start
    run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return built, median(times), fetch()


def main() -> int:
    """Runs the tour; 0 if tilewright and ONNX Runtime agree."""
    console = Console()
    here = machine()
    console.print(f"This machine: {here['cpu']}, {here['cores']} cores, {here['vector_bits']} bits")
    console.print(f"Model: {MODEL}, the graph that the onnx package ships, with random weights")
    file = str(zoo.path(MODEL))
    inputs = make_inputs(zoo.load(MODEL))
    outputs = {}
    for peer in ("onnxruntime", OURS):
        try:
            built, seconds, outputs[peer] = compile_and_run(peer, file, here["cores"], inputs)
        except (ImportError, AttributeError, TVMError) as error:
            console.print(f"[red]{peer} cannot run it:[/] {error}", highlight=False)
            return 1
        console.print(f"{peer:12} compiled in {built:6.2f} s, runs in {seconds * 1e3:7.2f} ms")
    gap = difference(outputs[OURS], outputs["onnxruntime"])
    agree = gap <= TOLERANCE
    console.print(f"Outputs {'agree' if agree else 'DIFFER'}: {gap:.1e} of their spread")
    return int(not agree)


if __name__ == "__main__":
    sys.exit(main())
