"""One row a model: our median beside the peers', the ratio to the better one, means by family."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table

from . import zoo
from .peers import OURS


@dataclass(frozen=True, slots=True)
class Row:
    """One peer on one model: times in milliseconds, `difference` relative to the largest output.

    `speedup` is the peer's median over ours: above 1, we are faster.
    """

    model: str
    threads: int
    peer: str
    version: str
    build_s: float | None
    median_ms: float | None
    best_ms: float | None
    speedup: float | None
    difference: float | None
    agrees: bool | None
    failure: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A model with a number of threads: medians in milliseconds, ours and each peer's.

    `ratio`: ours over the better peer's, below 1 where we are faster. `difference`: the largest
    of our outputs from a peer's, over the largest value. None where somebody failed.
    """

    model: str
    family: str
    threads: int
    ours_ms: float | None
    peers_ms: dict[str, float | None]
    ratio: float | None
    difference: float | None
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Mean:
    """The geometric mean of the ratios of `models` models of a family, or of all."""

    family: str
    threads: int
    models: int
    ratio: float


def geometric_mean(values: Iterable[float]) -> float:
    """The root of the product; NaN of nothing."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


def summarized(rows: Sequence[Row]) -> list[Summary]:
    """The rows of each model and number of threads as one, in order of their first."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.threads), []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(rows: list[Row]) -> Summary:
    ours = next((row for row in rows if row.peer == OURS), None)
    peers = {row.peer: row.median_ms for row in rows if row.peer != OURS}
    better = min((ms for ms in peers.values() if ms is not None), default=None)
    mine = ours.median_ms if ours else None
    return Summary(
        rows[0].model,
        zoo.family(rows[0].model),
        rows[0].threads,
        mine,
        peers,
        mine / better if mine is not None and better is not None else None,
        ours.difference if ours else None,
        ours.agrees if ours else None,
    )


def means(summaries: Sequence[Summary]) -> list[Mean]:
    """The means of each family of more than one model, and of all, by number of threads."""
    found = []
    for threads in dict.fromkeys(s.threads for s in summaries):
        here = [s for s in summaries if s.threads == threads and s.ratio is not None]
        for name in dict.fromkeys(s.family for s in here):
            ratios = [s.ratio for s in here if s.family == name and s.ratio is not None]
            if len(ratios) > 1:
                found.append(Mean(name, threads, len(ratios), geometric_mean(ratios)))
        if len(here) > 1:
            every = geometric_mean(s.ratio for s in here if s.ratio is not None)
            found.append(Mean("all", threads, len(here), every))
    return found


def summary_table(summaries: Sequence[Summary]) -> Table:
    """The summaries for the terminal, with the means below them."""
    peers = list(dict.fromkeys(peer for s in summaries for peer in s.peers_ms))
    table = Table(title="median milliseconds; ratio: ours over the better peer's")
    table.add_column("model", no_wrap=True)
    for column in ("threads", OURS, *peers, "ratio", "difference"):
        table.add_column(column, justify="right")
    for s in summaries:
        times = [_cell(s.ours_ms), *(_cell(s.peers_ms.get(peer)) for peer in peers)]
        gap = "" if s.difference is None else f"{s.difference:.0e}"
        gap = f"[red]NO: {gap}" if s.agrees is False else gap
        table.add_row(s.model, str(s.threads), *times, _cell(s.ratio, 2), gap)
    found = means(summaries)
    if found:
        table.add_section()
    for mean in found:
        blank = [""] * (1 + len(peers))
        label = f"{mean.family} ({mean.models}), geometric mean"
        table.add_row(label, str(mean.threads), *blank, _cell(mean.ratio, 2), "")
    return table


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as the documentation shows it."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: float | None, digits: int | None = None) -> str:
    """A figure with `digits`, else with three that count; a dash where there is none."""
    if value is None:
        return "-"
    if digits is None:
        digits = 1 if value >= 10 else 2 if value >= 1 else 4
    return f"{value:.{digits}f}"
