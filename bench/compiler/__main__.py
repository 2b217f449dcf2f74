"""The compiler's own speed against its budgets; exits with 1 if one is missed.

python -m bench.compiler --json compiler.json
python -m bench.compiler --groups arithmetic,script --markdown
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.cli.lists import Words
from tilewright.support.progress import stage

from ..models import machine
from ..options import COUNT, Command
from ..summary import markdown
from . import measures  # noqa: F401  # fills `GROUPS`
from .measuring import GROUPS, Effort, Figure

COLUMNS = ("group", "figure", "of", "value", "budget", "verdict")


def cells(figure: Figure) -> tuple[str, ...]:
    """A row of the table."""
    unit = f" {figure.unit}" if figure.unit else ""
    return (
        figure.group, figure.name, str(figure.count), f"{figure.value:.3g}{unit}",
        f"{figure.budget:g}{unit}", figure.verdict,
    )  # fmt: skip


def show(figures: Sequence[Figure]) -> None:
    """The table on the terminal."""
    table = Table(*COLUMNS)
    for figure in figures:
        table.add_row(*cells(figure), style=None if figure.kept else "red")
    Console().print(table)


@click.command(
    cls=Command,
    epilog="Budgets marked * are the design's; the others hold what was reached.",
)
@click.option(
    "--groups",
    default=",".join(GROUPS),
    type=Words(GROUPS),
    show_default=True,
    help="What to measure.",
)
@click.option(
    "--repeat",
    default=7,
    type=COUNT,
    show_default=True,
    help="The shortest of so many runs counts.",
)
@click.option(
    "--kernels", default=32, type=click.IntRange(4), show_default=True, help="The n of `growth`."
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table for a document.")
@click.option("--json", "output", type=OutputFile(), help="Also write the figures to this file.")
def main(
    groups: list[str], repeat: int, kernels: int, as_markdown: bool, output: str | None
) -> None:
    """How fast nodes, arithmetic, script, schedules and lowering are."""
    effort, figures = Effort(repeat, kernels), list[Figure]()
    with progress(), stage("Measure", len(groups)) as step:
        for name in groups:
            step(name)
            figures += GROUPS[name](effort)
    if as_markdown:
        click.echo(markdown(COLUMNS, map(cells, figures)))
    else:
        show(figures)
    if output:
        about = {**machine(), "llvmlite": version("llvmlite"), "load": os.getloadavg()}
        rows = [{**asdict(f), "kept": f.kept} for f in figures]
        Path(output).write_text(json.dumps({"machine": about, "figures": rows}, indent=1) + "\n")
    sys.exit(not all(figure.kept for figure in figures))


if __name__ == "__main__":
    main()
