"""Where a model's time goes: one row a kernel, beside what the machine could do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from ..driver.facts import KernelFacts, kernel_facts
from ..driver.roofline import Roofline
from ..runtime.profiling import Report
from ..runtime.vm import VirtualMachine

SHOWN_NODES = 3
NODE = re.compile(r"ONNX node '([^']*)' \(([^)]*)\)")
ARGUMENT = re.compile(r"\w+\[[^\]]*\]|-?\d+(?![\w\[])")


@dataclass(frozen=True, slots=True)
class KernelRow:
    """All calls of one kernel together: microseconds, share of the total, rates, the share of the
    machine's roofline in percent and what bounds it there, its schedule, the model's nodes.

    Rates are None for what is no kernel, or whose work is not known.
    """

    kernel: str
    calls: int
    us: float
    percent: float
    gflops: float | None
    gbs: float | None
    roofline: float | None
    limit: str
    schedule: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The rows, the longest first; their sum; the machine that they are compared with."""

    rows: tuple[KernelRow, ...]
    total_us: float
    gflops: float
    roofline: float | None
    threads: int
    machine: Roofline | None

    def json(self) -> dict[str, Any]:
        """The fields, for `json.dumps`."""
        return asdict(self)


def breakdown(
    vm: VirtualMachine,
    values: Sequence[Any],
    *,
    threads: int,
    machine: Roofline | None,
    runs: int = 5,
) -> Breakdown:
    """Profiles `main` in `runs` runs; a call's time is the median of its times."""
    facts = kernel_facts(vm.executable) if vm.executable is not None else {}
    vm["main"](*values)
    reports = [vm.profile("main", *values) for _ in range(runs)]
    return of_reports(reports, facts, threads=threads, machine=machine)


def of_reports(
    reports: Sequence[Report],
    facts: Mapping[str, KernelFacts],
    *,
    threads: int,
    machine: Roofline | None,
) -> Breakdown:
    """The calls of equal runs, by kernel."""
    groups: dict[str, _Group] = {}
    for same in zip(*(report.calls for report in reports), strict=False):
        name = str(same[0]["Name"])
        group = groups.setdefault(name, _Group(facts.get(name), machine))
        group.add(same[0], median(float(call["Duration (us)"]) for call in same))
    total = sum(group.us for group in groups.values())
    ordered = sorted(groups.items(), key=lambda item: -item[1].us)
    flops = sum(group.flops for group in groups.values())
    best = sum(group.best for group in groups.values())
    return Breakdown(
        tuple(group.row(name, total) for name, group in ordered),
        total,
        flops / total / 1e3 if total else 0.0,
        100 * best / total if machine and total else None,
        threads,
        machine,
    )


class _Group:
    """The calls of one kernel."""

    def __init__(self, facts: KernelFacts | None, machine: Roofline | None) -> None:
        self.facts = facts
        self.machine = machine
        self.calls = 0
        self.us = self.best = 0.0
        self.flops = self.bytes = 0
        self.known = facts is not None
        self.limits: dict[str, float] = {}
        self.nodes: dict[str, None] = {}

    def add(self, call: Mapping[str, Any], us: float) -> None:
        """One more call of so many microseconds."""
        self.calls += 1
        self.us += us
        self.nodes.update(dict.fromkeys(nodes_of(str(call.get("Span", "")))))
        if self.facts is None:
            return
        flops, size = self.facts.at(scalars_of(str(call.get("Argument Shapes", ""))))
        if flops is None or size is None:
            self.known = False
            return
        self.flops += flops
        self.bytes += size
        if self.machine is not None:
            dtype = self.facts.dtype
            seconds = self.machine.seconds(flops, size, dtype)
            limit = self.machine.limit(flops, size, dtype)
            self.best += seconds * 1e6
            self.limits[limit] = self.limits.get(limit, 0.0) + seconds

    def row(self, name: str, total: float) -> KernelRow:
        """The row of the kernel `name`."""
        known = self.known and self.us > 0
        return KernelRow(
            name,
            self.calls,
            self.us,
            100 * self.us / total if total else 0.0,
            self.flops / self.us / 1e3 if known else None,
            self.bytes / self.us / 1e3 if known else None,
            100 * self.best / self.us if known and self.machine else None,
            max(self.limits, key=lambda limit: self.limits[limit], default=""),
            self.facts.schedule if self.facts else "",
            tuple(self.nodes),
        )


def nodes_of(span: str) -> list[str]:
    """The model's nodes in a span: `conv1 (Conv)`; the span itself if it names none."""
    found = [f"{name} ({kind})" for name, kind in NODE.findall(span)]
    return found or ([span] if span else [])


def scalars_of(arguments: str) -> list[int]:
    """The integers among the arguments of a call, which follow the arrays."""
    return [int(text) for text in ARGUMENT.findall(arguments) if "[" not in text]


def table_of(found: Breakdown, top: int = 0) -> Table:
    """The rows for the terminal, `top` of them if that is not 0."""
    table = Table(title=f"{found.threads} thread{'s' if found.threads > 1 else ''}")
    table.add_column("kernel", overflow="fold", ratio=3)
    for column in ("calls", "us", "%", "GFLOP/s", "GB/s", "roofline"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("schedule", overflow="fold", ratio=4)
    table.add_column("nodes of the model", overflow="fold", ratio=3)
    for row in found.rows[: top or None]:
        table.add_row(
            row.kernel, str(row.calls), f"{row.us:.1f}", f"{row.percent:.1f}", _cell(row.gflops),
            _cell(row.gbs), _share(row.roofline, row.limit), row.schedule, _some(row.nodes),
        )  # fmt: skip
    table.add_section()
    calls = sum(row.calls for row in found.rows)
    table.add_row("total", str(calls), f"{found.total_us:.1f}", "100.0", f"{found.gflops:.1f}", "",
                  _share(found.roofline, ""), "", "")  # fmt: skip
    return table


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _share(percent: float | None, limit: str) -> str:
    return "" if percent is None else f"{percent:.0f}% {limit}".strip()


def _some(nodes: Sequence[str]) -> str:
    rest = len(nodes) - SHOWN_NODES
    text = ", ".join(nodes[:SHOWN_NODES])
    return f"{text} and {rest} more" if rest > 0 else text
