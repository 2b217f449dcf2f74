"""`tilewright onnx-tests`: how many of ONNX's own backend tests pass."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..frontend.onnx.conformance import KINDS, Outcome, collect, counts, run_all
from ..frontend.onnx.coverage import document
from ..support.errors import ArgumentError
from . import common
from .files import OutputFile

STATUSES = ("passed", "failed", "skipped")


@click.command("onnx-tests")
@click.option("--filter", "pattern", default="", metavar="REGEX", help="Only tests so named.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Only tests of this kind (may be repeated).  [default: all but real]",
)
@click.option("--models", is_flag=True, help="Also the large models that are at hand.")
@click.option("--jobs", "-j", default=0, type=common.SIZE,
              help="Worker processes.  [default: one a core]")  # fmt: skip
@click.option("--names", is_flag=True, help="List the tests that pass, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print every outcome as JSON.")
@click.option("--write", type=OutputFile(), help="Write the document of coverage.")
@click.option(
    "--require", default=0, type=common.SIZE, metavar="N", help="Fail if fewer than N tests pass."
)
@click.pass_context
def onnx_tests_command(
    ctx: click.Context,
    pattern: str,
    kinds: Sequence[str],
    models: bool,
    jobs: int,
    names: bool,
    as_json: bool,
    write: str | None,
    require: int,
) -> None:  # fmt: skip
    """Run ONNX's own backend tests and count those that pass."""
    chosen = list(kinds) or [k for k in KINDS if models or k != "real"]
    try:
        cases = collect(chosen, pattern)
    except re.error as error:
        what = f"{pattern!r} is no regular expression: {error}"
        raise click.BadParameter(what, param_hint="'--filter'") from None
    if not cases:
        raise ArgumentError(f"no test of {', '.join(chosen)} has {pattern!r} in its name")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"), console=Console(stderr=True),
    ) as progress:  # fmt: skip
        task = progress.add_task("ONNX backend tests", total=len(cases), failed=0)
        failed = 0

        def report(outcome: Outcome) -> None:
            nonlocal failed
            failed += outcome.status == "failed"
            progress.update(task, advance=1, failed=failed)

        outcomes = run_all(cases, jobs, report)
    fixed = sum(o.status == "passed" and o.fixed > 0 for o in outcomes)
    if write:
        Path(write).write_text(document(counts(outcomes), fixed))
    if as_json:
        click.echo(json.dumps([asdict(o) for o in outcomes], indent=1))
    elif names:
        click.echo("\n".join(o.name for o in outcomes if o.status == "passed"))
    else:
        console = Console()
        console.print(failures(outcomes))
        console.print(summary(outcomes))
        console.print(f"{fixed} of those passed were compiled for the values of some inputs.")
    passed = sum(o.status == "passed" for o in outcomes)
    if passed < require:
        click.echo(f"error: {passed} tests pass, fewer than {require}", err=True)
        ctx.exit(1)


def summary(outcomes: Iterable[Outcome]) -> Table:
    """Numbers of tests by kind and status."""
    table = Table("kind", *STATUSES, title="ONNX backend tests")
    for kind, count in counts(outcomes).items():
        table.add_row(kind, *(str(count[status]) for status in STATUSES))
    return table


def failures(outcomes: Iterable[Outcome]) -> Table:
    """Operators with failing tests, most first, each with one test and its first error line."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status == "failed":
            groups.setdefault(outcome.operator, []).append(outcome)
    table = Table("operator", "failed", "such as", "because", title="Failures")
    for operator, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        table.add_row(operator, str(len(group)), group[0].name, first_line(group[0].reason))
    return table


def first_line(reason: str) -> str:
    """The first line that says something."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return " ".join(lines[:3])[:150] if lines else ""
