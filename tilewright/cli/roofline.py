"""`tilewright roofline`: the most that this machine can do, measured."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from ..driver.roofline import FULL, Roofline, roofline
from . import common
from .lists import Counts


@click.command("roofline")
@click.option("--threads", default="1", type=Counts(), show_default=True,
              help="Numbers of threads, by commas.")  # fmt: skip
@click.option("--again", is_flag=True, help="Measure even if the cache knows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def roofline_command(threads: list[int], again: bool, as_json: bool) -> None:
    """Show what this machine does at most: GFLOP/s, and GB/s of each level of memory.

    Measured by our own kernels once a machine and number of threads, then kept in the cache.

    \b
      tilewright roofline --threads 1,2
    """
    with common.progress(not as_json):
        found = [roofline(count, again=again) for count in threads]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found]))
        return
    Console().print(_table(found))
    for row in found:
        if row.share < FULL:
            had = f"{row.share:.0%} of the cores' time was free with {row.threads} threads"
            click.echo(f"only {had}: figures are too low, and not kept")


def _table(found: list[Roofline]) -> Table:
    table = Table("", title=found[0].cpu)
    for row in found:
        table.add_column(f"{row.threads} thread{'s' if row.threads > 1 else ''}", justify="right")
    for dtype in found[0].gflops:
        table.add_row(f"{dtype} GFLOP/s", *(f"{row.gflops[dtype]:.0f}" for row in found))
    for index, level in enumerate(found[0].levels):
        for way in ("read", "copy"):
            figures = (getattr(row.levels[index], way) for row in found)
            table.add_row(f"{level.name} {way} GB/s", *(f"{figure:.0f}" for figure in figures))
    return table
