"""`tilewright explain`: every kernel with the model's nodes in it, its time and its script."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..driver import CompiledExecutable
from ..ir.module import IRModule
from ..support import knobs
from ..support.errors import ArgumentError
from . import common


@click.command("explain")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--kernel", "-k", help="Show the script of this kernel instead.")
@click.option("--size", default=1, type=common.SIZE, show_default=True,
              help="Size of dimensions that are not fixed.")  # fmt: skip
@click.option("--top", default=0, type=common.SIZE,
              help="Show only so many kernels, the slowest first.")  # fmt: skip
@common.model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(
    model: str,
    kernel: str | None,
    size: int,
    top: int,
    target: str,
    shape: tuple[str, ...],
    opset: int | None,
    as_json: bool,
) -> None:
    """Show where the time of MODEL goes, kernel by kernel, with the model's nodes in each.

    MODEL is an ONNX file or, for times alone, a compiled library.

    \b
      tilewright explain model.onnx --top 10
      tilewright explain model.onnx --kernel fused_conv2d_relu     its loops, as lowered
    """
    if kernel and common.is_library(model):
        raise click.BadParameter(f"--kernel needs the ONNX model, found the library {model}")
    cached = knobs.CACHE.set("off") if kernel else nullcontext()  # cached code has no script
    with common.progress(not as_json), cached:
        if kernel:
            click.echo(_script(common.compiled(model, target, shape, opset), kernel))
            return
        vm = common.machine(model, target, shape, opset)
    values = common.random_inputs(common.parameters(vm), size)
    vm["main"](*values.values())
    report = vm.profile("main", *values.values())
    rows = sorted(report.calls, key=lambda c: -float(c["Duration (us)"]))
    rows = rows[:top] if top else rows
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    _show(rows, report.total_us())


def _script(made: CompiledExecutable, name: str) -> str:
    mod: IRModule | None = made.lowered
    if mod is None or name not in mod:
        names = mod.names() if mod is not None else []
        raise ArgumentError(f"there is no kernel {name!r}", note=", ".join(names))
    return str(mod[name].with_attr("global_symbol", name).script())


def _show(rows: list[dict[str, Any]], total: float) -> None:
    table = Table("kernel", "us", "%", "nodes of the model")
    for row in rows:
        us = float(row["Duration (us)"])
        table.add_row(str(row["Name"]), f"{us:.1f}", f"{100 * us / total:.1f}",
                      str(row.get("Span", "")))  # fmt: skip
    Console().print(table)
    click.echo(f"total {total / 1e3:.3f} ms in {len(rows)} calls")
