"""`tilewright explain`: every kernel with the model's nodes in it, its time and its schedule."""

from __future__ import annotations

import json
from contextlib import nullcontext

import click
from rich.console import Console

from ..driver import CompiledExecutable
from ..driver.roofline import roofline
from ..ir.module import IRModule
from ..runtime import set_num_threads
from ..support import knobs
from ..support.errors import ArgumentError
from . import common, kernels


@click.command("explain")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--kernel", "-k", help="Show the script of this kernel instead.")
@click.option("--size", default=1, type=common.SIZE, show_default=True,
              help="Size of dimensions that are not fixed.")  # fmt: skip
@click.option("--top", default=0, type=common.SIZE,
              help="Show only so many kernels, the slowest first.")  # fmt: skip
@click.option("--threads", default=1, type=common.COUNT, show_default=True,
              help="Threads that kernels use.")  # fmt: skip
@click.option("--runs", default=5, type=common.COUNT, show_default=True,
              help="Runs of which a time is the median.")  # fmt: skip
@click.option("--roofline/--no-roofline", "compare", default=True,
              help="Compare with what the machine can do (measured at first use).")  # fmt: skip
@common.model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(
    model: str,
    kernel: str | None,
    size: int,
    top: int,
    threads: int,
    runs: int,
    compare: bool,
    target: str,
    shape: tuple[str, ...],
    opset: int | None,
    as_json: bool,
) -> None:
    """Show where the time of MODEL goes, kernel by kernel: the model's nodes in each, its rates,
    its share of the machine's roofline, and which schedule it has and why.

    MODEL is an ONNX file or a compiled library. A kernel's arguments count once, where they fit:
    100 % of the roofline is arithmetic at the peak, or memory at its full rate.

    \b
      tilewright explain model.onnx --top 10
      tilewright explain model.onnx --kernel fused_conv2d_relu     its loops, as lowered
    """
    if kernel and common.is_library(model):
        raise click.BadParameter(f"--kernel needs the ONNX model, found the library {model}")
    cached = knobs.CACHE.set("off") if kernel else nullcontext()  # cached code has no script
    with common.progress(not as_json), cached:
        if kernel:
            script = _script(common.compiled(model, target, shape, opset), kernel)
            shown = json.dumps({"kernel": kernel, "script": script}) if as_json else script
            click.echo(shown)
            return
        vm = common.machine(model, target, shape, opset)
        machine = roofline(threads) if compare else None
    set_num_threads(threads)
    values = common.random_inputs(common.parameters(vm), size)
    found = kernels.breakdown(
        vm, list(values.values()), threads=threads, machine=machine, runs=runs
    )
    if as_json:
        record = found.json()
        record["rows"] = record["rows"][: top or None]
        click.echo(json.dumps(record))
        return
    Console(width=max(140, Console().width)).print(kernels.table_of(found, top))


def _script(made: CompiledExecutable, name: str) -> str:
    mod: IRModule | None = made.lowered
    if mod is None or name not in mod:
        names = mod.names() if mod is not None else []
        raise ArgumentError(f"there is no kernel {name!r}", note=", ".join(names))
    return str(mod[name].with_attr("global_symbol", name).script())
