"""`tilewright compile` and `tilewright run`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np

from . import common
from .files import OutputFile


@click.command("compile")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--output", "-o", required=True, type=OutputFile(),
              help="Library to write: .so, or .tw (no linker).")  # fmt: skip
@common.model_options
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def compile_command(
    model: str, output: str, target: str, shape: tuple[str, ...], opset: int | None, as_json: bool
) -> None:
    """Compile MODEL (an ONNX file) into one library, weights included.

    The library runs with `tilewright run`, from Python with `tilewright.runtime.load_module`, or
    from C++ without Python.

    \b
      tilewright compile model.onnx -o model.so
      tilewright compile model.onnx -o model.so -s image=n,3,224,224    any batch
      tilewright compile model.onnx -o model.so -t "llvm -mcpu=x86-64-v3"
    """
    if not common.is_library(output):
        raise click.BadParameter(
            f"expected a name that ends in {', '.join(common.LIBRARIES)}; found {output!r}",
            param_hint="'--output'",
        )
    start = time.perf_counter()
    with common.progress(not as_json):
        made = common.compiled(model, target, shape, opset)
        made.export_library(output)
    facts = {
        "model": model,
        "output": output,
        "target": target,
        "seconds": round(time.perf_counter() - start, 3),
        "bytes": Path(output).stat().st_size,
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        common.echo_mapping(facts)


@click.command("run")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--input", "-i", "inputs", multiple=True, metavar="NAME=FILE.npy",
              help="An input's value; inputs that are not given are random.")  # fmt: skip
@click.option("--output", "-o", type=OutputFile(),
              help="Write the results to this .npz file.")  # fmt: skip
@click.option("--size", default=1, type=common.SIZE, show_default=True,
              help="Size of dimensions that are not fixed.")  # fmt: skip
@click.option(
    "--seed", default=0, type=common.SIZE, show_default=True, help="Seed of random inputs."
)
@common.model_options
@click.option("--json", "as_json", is_flag=True, help="Print a summary of the results as JSON.")
def run_command(
    model: str,
    inputs: tuple[str, ...],
    output: str | None,
    size: int,
    seed: int,
    target: str,
    shape: tuple[str, ...],
    opset: int | None,
    as_json: bool,
) -> None:
    """Run MODEL (a compiled library, or an ONNX file) once, and show its results.

    \b
      tilewright run model.so                             on random inputs
      tilewright run model.so -i image=cat.npy -o out.npz
      tilewright run model.onnx --size 8 --json
    """
    with common.progress(not as_json):
        vm = common.machine(model, target, shape, opset)
    specs = common.parameters(vm)
    values = {**common.random_inputs(specs, size, seed), **common.given_inputs(inputs)}
    results = common.outputs(vm["main"](**values))
    if output:
        np.savez(output, *results)
    rows = [
        {
            "output": index,
            "shape": list(r.shape),
            "dtype": str(r.dtype),
            "mean": float(np.mean(r.astype("float64"))) if r.size else None,
            "max": float(np.max(r.astype("float64"))) if r.size else None,
        }
        for index, r in enumerate(results)
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        common.echo_mapping(row)
