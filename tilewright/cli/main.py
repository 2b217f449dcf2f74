"""The command line: `tilewright COMMAND`.

Exit codes: 0 done; 1 the work failed (an error says why); 2 the command was written wrongly;
3 a comparison found a difference.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any, ClassVar

import click

from .. import __version__
from ..support import knobs
from .failures import in_one_paragraph

DIFFERENCE = 3


class Group(click.Group):
    """Commands whose errors are one paragraph, and whose modules load when they are used."""

    COMMANDS: ClassVar = {
        "compile": ("models", "compile_command"),
        "run": ("models", "run_command"),
        "bench": ("bench", "bench_command"),
        "explain": ("explain", "explain_command"),
        "roofline": ("roofline", "roofline_command"),
        "opt": ("opt", "opt_command"),
        "onnx-tests": ("conformance", "onnx_tests_command"),
        "names": ("names", "names_command"),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of use."""
        return [*self.COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, its module imported."""
        where = self.COMMANDS.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        import importlib

        module = importlib.import_module(f"{__package__}.{where[0]}")
        command: click.Command = getattr(module, where[1])
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error of ours is shown without a traceback."""
        with nullcontext() if ctx.params.get("traceback") else in_one_paragraph(ctx):
            return super().invoke(ctx)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tilewright")
@click.option("--traceback", is_flag=True, help="Show where in tilewright an error was raised.")
def main(traceback: bool) -> None:
    """Compile deep-learning models to fast native code, and run them.

    \b
    A first session:
      tilewright compile model.onnx -o model.so     compile once
      tilewright run model.so                       run it on random inputs
      tilewright bench model.onnx --against onnxruntime
      tilewright explain model.onnx                 where the time goes
    """
    del traceback


@main.command("knobs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def knobs_command(as_json: bool) -> None:
    """List the settings (environment variables) with their values."""
    rows = [
        {"name": knob.variable, "value": knob.get(), "default": knob.default, "doc": knob.doc}
        for knob in knobs.REGISTRY.values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']}={row['value']!s}\n    {row['doc']} (default {row['default']!r})")


@main.command("targets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def targets_command(as_json: bool) -> None:
    """List the kinds of target, and what this machine is.

    Code is generated for the first list of kinds; of the others there are the names and options.
    `-mcpu=` and `-mattr=` of a target string take the names shown here; code runs on every
    processor that has what the target names.
    """
    from ..driver.compile import CPU_KINDS
    from ..target import Target
    from ..target.machine import MachineModel

    target = Target("native")
    model = MachineModel.of(target)
    facts = {
        "kinds": sorted(CPU_KINDS),
        "names only": sorted(set(Target.list_kinds()) - set(CPU_KINDS)),
        "this machine": str(target),
        "processor": model.cpu,
        "cores": model.cores,
        "vector bits": model.vector_bits,
        "vector registers": model.vector_registers,
        "caches (bytes)": [cache.size for cache in (model.l1d, model.l2, model.l3)],
        "features": sorted(model.features),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{name:<{width}}  {shown}")


if __name__ == "__main__":
    sys.exit(main())
