"""Random sequences of schedule primitives over a corpus of programs.

`python -m bench.schedules -n 10000 --seed 0` takes random steps on each program in turn. After
every step the program must be well formed and the schedule's own books right; at the end its native
result must be that of the unscheduled program, and its trace, also as Python text and simplified
as JSON, must give the same text. Refusals (`ScheduleError`) are part of the game; any other
exception is a failure. Exits with 1 on any, each shown with its seed and the shortest trace;
`-n 1 --seed SEED` repeats one (with the same `--programs`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tilewright.cli.files import OutputFile
from tilewright.cli.lists import Words

from ..options import COUNT, Command
from .trial import PROGRAMS, Failure, Outcome
from .workers import Job, run_all

LINE_EVERY = 200


def jobs_of(count: int, seed: int, steps: int, programs: Iterable[str]) -> list[Job]:
    """`count` sequences, the programs taking turns; a seed always has the same program."""
    names = list(programs)
    return [(names[k % len(names)], k, steps) for k in range(seed, seed + count)]


def gather(jobs: list[Job], workers: int, console: Console) -> list[Outcome]:
    """Runs all jobs with a bar, or a line now and then where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    outcomes: list[Outcome] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("sequences", total=len(jobs))
        failed = 0
        for outcome in run_all(jobs, workers):
            outcomes.append(outcome)
            if outcome.failure is not None:
                failed += 1
                show_failure(outcome.failure, console)
            bars.update(task, advance=1, description=f"sequences ({failed} failed)")
            if not console.is_terminal and len(outcomes) % LINE_EVERY == 0:
                console.print(f"{len(outcomes)} sequences, {failed} failed")
    return outcomes


def show_failure(failure: Failure, console: Console) -> None:
    """The failure with its trace."""
    console.print(f"[red]{failure.program}, seed {failure.seed}: {escape(failure.what)}[/red]")
    if failure.detail:
        console.print(escape(failure.detail.strip()))
    if failure.trace:
        console.print(escape(failure.trace))


def table_of(outcomes: list[Outcome]) -> Table:
    """Steps by primitive."""
    tried: Counter[str] = Counter()
    applied: Counter[str] = Counter()
    for outcome in outcomes:
        tried += outcome.tried
        applied += outcome.applied
    table = Table("primitive", "tried", "applied", "refused")
    for name in sorted(tried):
        row = (tried[name], applied[name], tried[name] - applied[name])
        table.add_row(name, *map(str, row))
    total = (tried.total(), applied.total(), tried.total() - applied.total())
    table.add_section()
    table.add_row("all", *map(str, total))
    return table


@click.command(cls=Command, help=__doc__)
@click.option(
    "-n", "--sequences", default=300, type=COUNT, show_default=True, help="How many sequences."
)
@click.option(
    "--seed",
    default=0,
    type=click.IntRange(0),
    show_default=True,
    help="The seed of the first; they count up.",
)
@click.option("--steps", default=10, type=COUNT, show_default=True, help="Steps a sequence.")
@click.option(
    "--workers",
    default=max(1, (os.cpu_count() or 2) - 1),
    type=COUNT,
    show_default=True,
    help="Processes.",
)
@click.option(
    "--programs", type=Words(PROGRAMS), help="Names of programs, with commas; default all."
)
@click.option("--json", "output", type=OutputFile(), help="Also write counts and failures here.")
def main(
    sequences: int,
    seed: int,
    steps: int,
    workers: int,
    programs: list[str] | None,
    output: str | None,
) -> None:
    """Runs the sequences."""
    names = programs or list(PROGRAMS)
    console = Console()
    start = time.monotonic()
    outcomes = gather(jobs_of(sequences, seed, steps, names), workers, console)
    failures = [o.failure for o in outcomes if o.failure is not None]
    console.print(table_of(outcomes))
    console.print(
        f"{len(outcomes)} sequences over {len(names)} programs in "
        f"{time.monotonic() - start:.0f} s: {len(failures)} failed"
    )
    slowest = max(outcomes, key=lambda o: o.seconds)
    console.print(
        f"{sum(o.seconds for o in outcomes):.0f} s of the processor, the longest "
        f"{slowest.seconds:.1f} s: {slowest.program}, seed {slowest.seed}"
    )
    for what, number in Counter(f.what for f in failures).most_common():
        console.print(f"  {number:5} {escape(what)}")
    if output:
        write(output, outcomes, failures)
    sys.exit(1 if failures else 0)


def write(path: str, outcomes: list[Outcome], failures: list[Failure]) -> None:
    """The counts and failures as JSON."""
    tried: Counter[str] = Counter()
    applied: Counter[str] = Counter()
    for outcome in outcomes:
        tried += outcome.tried
        applied += outcome.applied
    data = {
        "sequences": len(outcomes),
        "tried": dict(tried),
        "applied": dict(applied),
        "failures": [asdict(f) for f in failures],
    }
    with open(path, "w") as file:
        json.dump(data, file, indent=1)


if __name__ == "__main__":
    main()
