"""`tilewright names`: how much of TVM's Python API resolves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..support.names import TABLE, Coverage, coverage, share
from . import common


@click.command("names")
@click.argument("table", default=str(TABLE), type=click.Path(exists=True, dir_okay=False))
@click.option("--alias", "-a", "aliases", multiple=True, help="Only this alias (may be repeated).")
@click.option(
    "--missing",
    default=20,
    type=common.SIZE,
    show_default=True,
    help="Missing names shown an alias.",
)
@click.option("--least", default=0.0, metavar="PERCENT", help="Fail below this share of uses.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def names_command(
    ctx: click.Context, table: str, aliases: Sequence[str], missing: int, least: float,
    as_json: bool,
) -> None:  # fmt: skip
    """List which names that scripts for TVM use are here, and which are missing.

    TABLE holds sections `## alias = module` of entries `.name uses/files`; without one, the table
    that was counted over TVM's own scripts and tests.
    """
    rows = coverage(aliases, table)
    total = share(rows)
    if as_json:
        click.echo(
            json.dumps({"share": total, "aliases": [_record(row) for row in rows]}, indent=2)
        )
    else:
        _show(rows, missing)
        click.echo(f"{total:.2f} % of {sum(row.uses for row in rows)} uses resolve")
    if total < least:
        click.echo(f"error: that is below {least} %", err=True)
        ctx.exit(1)


def _record(row: Coverage) -> dict[str, Any]:
    return {
        "alias": row.alias, "names": row.names, "uses": row.uses, "share": row.share,
        "missing": [asdict(entry) for entry in row.missing],
    }  # fmt: skip


def _show(rows: Sequence[Coverage], most: int) -> None:
    shown = Table("alias", "names", "uses", "share %", "missing (uses)")
    for column in shown.columns[1:4]:
        column.justify = "right"
    for row in rows:
        lost = [f"{entry.name} {entry.uses}" for entry in row.missing]
        more = [f"and {len(lost) - most} more"] if len(lost) > most else []
        shown.add_row(
            row.alias, str(row.names), str(row.uses), f"{row.share:.2f}",
            ", ".join([*lost[:most], *more]),
        )  # fmt: skip
    Console().print(shown)
