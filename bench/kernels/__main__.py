"""How fast kernels are: ours beside NumPy (OpenBLAS) and torch (its own, and oneDNN), in turns.

python -m bench.kernels --family matmul,conv3x3 --threads 1,2 --json kernels.json
python -m bench.kernels --family matmul --shapes 128x768,3136x96
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.cli.lists import Counts, Words
from tilewright.support.progress import stage

from ..models import machine
from ..options import SECONDS, Command
from ..peers import OURS
from ..summary import geometric_mean
from .cases import FAMILIES, cases
from .engines import ENGINES, PACKAGES, installed
from .measuring import Row, measure


@dataclass(frozen=True, slots=True)
class Family:
    """The ratios of a family: geometric mean, the worst and its case; the mean share of the
    roofline in percent."""

    family: str
    threads: int
    cases: int
    ratio: float
    worst: float
    worst_case: str
    roofline: float | None


def by_family(rows: Sequence[Row]) -> list[Family]:
    """A line a family and number of threads, and one for all of them."""
    found = []
    for threads in dict.fromkeys(row.threads for row in rows):
        here = [row for row in rows if row.threads == threads and row.ratio is not None]
        families = dict.fromkeys(row.family for row in here)
        for name in families:
            found.append(_family(name, threads, [row for row in here if row.family == name]))
        if len(families) > 1:
            found.append(_family("all", threads, here))
    return found


def _family(name: str, threads: int, rows: list[Row]) -> Family:
    ratios = {row.case: row.ratio for row in rows if row.ratio is not None}
    worst = max(ratios, key=lambda case: ratios[case])
    shares = [row.roofline for row in rows if row.roofline is not None]
    mean = sum(shares) / len(shares) if shares else None
    return Family(
        name, threads, len(rows), geometric_mean(ratios.values()), ratios[worst], worst, mean
    )


def table_of(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    others = [e for e in ENGINES if any(row.others_us.get(e) is not None for row in rows)]
    table = Table(title="median microseconds; ratio: ours over the best other")
    table.add_column("family")
    table.add_column("case", no_wrap=True)
    for column in ("threads", OURS, *others, "ratio", "GFLOP/s", "roofline", "difference"):
        table.add_column(column, justify="right")
    previous = ""
    for row in rows:
        if previous not in ("", row.family):
            table.add_section()
        previous = row.family
        times = [row.ours_us, *(row.others_us.get(e) for e in others)]
        gap = "" if row.difference is None else f"{row.difference:.0e}"
        table.add_row(
            row.family, row.case, str(row.threads), *(_cell(t, 1) for t in times),
            _cell(row.ratio, 2), _cell(row.gflops, 1),
            "" if row.roofline is None else f"{row.roofline:.0f}%",
            f"[red]NO: {gap}" if row.agrees is False else gap,
        )  # fmt: skip
    return table


def family_table(families: Sequence[Family]) -> Table:
    """The families for the terminal."""
    table = Table("family", "threads", "cases", "ratio, geometric mean", "worst", "of", "roofline")
    for f in families:
        share = "" if f.roofline is None else f"{f.roofline:.0f}%"
        figures = (f"{f.ratio:.2f}", f"{f.worst:.2f}", f.worst_case, share)
        table.add_row(f.family, str(f.threads), str(f.cases), *figures)
    return table


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


@click.command(cls=Command)
@click.option(
    "--family",
    type=Words(FAMILIES),
    help=f"Families by commas, all by default: {', '.join(FAMILIES)}.",
)
@click.option("--shapes", help="Only cases whose names hold one of these texts, by commas.")
@click.option(
    "--engines", type=Words(ENGINES), help=f"Whom to measure, by commas: {', '.join(ENGINES)}."
)
@click.option(
    "--threads",
    default="1",
    type=Counts(),
    show_default=True,
    help="Numbers of threads, by commas.",
)
@click.option(
    "--seconds", default=0.2, type=SECONDS, show_default=True, help="Time for each engine and case."
)
@click.option("--roofline/--no-roofline", "compare", default=True, help="Show shares of it.")
@click.option("--json", "output", type=OutputFile(), help="Also write the rows to this file.")
def main(
    family: list[str] | None,
    shapes: str | None,
    engines: list[str] | None,
    threads: list[int],
    seconds: float,
    compare: bool,
    output: str | None,
) -> None:
    """Measures kernels of ours and of others in turns. Fails if results differ."""
    families = family or list(FAMILIES)
    chosen = [e for e in engines or ENGINES if installed(e)]
    texts = shapes.split(",") if shapes else []
    total = len(cases(families, texts)) * len(threads)
    if total == 0:
        raise click.BadParameter(
            f"no case of {', '.join(families)} holds {' or '.join(texts)} in its name; without "
            "--shapes all are measured and listed",
            param_hint="'--shapes'",
        )
    rows: list[Row] = []
    with progress(), stage("Measure kernels", total) as step:
        for count in threads:
            for row in measure(families, texts, chosen, count, seconds, compare):
                rows.append(row)
                step(f"{row.family} {row.case}")
    console = Console(width=max(130, Console().width))
    console.print(table_of(rows))
    console.print(family_table(by_family(rows)))
    for row in rows:
        if row.failure:
            console.print(f"[red]{row.family} {row.case} failed:[/] {escape(row.failure)}")
    if output:
        record = {
            "machine": machine(),
            "versions": {engine: _version(PACKAGES[engine]) for engine in chosen},
            "rows": [asdict(row) for row in rows],
            "families": [asdict(f) for f in by_family(rows)],
        }
        Path(output).write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(any(row.failure or row.agrees is False for row in rows))


if __name__ == "__main__":
    main()
