"""Profiles: what was called, how long it took, and which of the model's nodes it was."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np

from tilewright.ffi import core
from tilewright.support.errors import ArgumentError

COLUMNS = ("Name", "Duration (us)", "Percent", "Device", "Count", "Argument Shapes", "Span")
_SUMMED = ("Duration (us)", "Percent", "Count")


@dataclass(slots=True)
class Report:
    """Rows, one a call, in order; totals by device; and how the profile was made."""

    calls: list[dict[str, Any]]
    device_metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)

    def total_us(self) -> float:
        """Microseconds spent in all calls together."""
        return float(sum(row["Duration (us)"] for row in self.calls))

    def aggregated(self) -> list[dict[str, Any]]:
        """Calls of the same name, shapes and place merged into one row each."""
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.calls:
            key = tuple(v for k, v in row.items() if k not in _SUMMED)
            seen = merged.get(key)
            if seen is None:
                merged[key] = dict(row)
                continue
            for name in _SUMMED:
                seen[name] += row[name]
        return list(merged.values())

    def table(self, sort: bool = True, aggregate: bool = True, col_sums: bool = True) -> str:
        """The rows as text, the longest first."""
        rows = self.aggregated() if aggregate else list(self.calls)
        if sort:
            rows.sort(key=lambda row: -row["Duration (us)"])
        columns = [c for c in COLUMNS if any(c in row for row in rows)] or list(COLUMNS)
        cells = [[_cell(row.get(c, "")) for c in columns] for row in rows]
        if col_sums and rows:
            sums = {c: sum(row.get(c, 0) for row in rows) for c in _SUMMED}
            cells.append(["Sum" if c == "Name" else _cell(sums.get(c, "")) for c in columns])
        for name, metrics in self.device_metrics.items():
            facts = {"Name": f"Total on {name}", **metrics}
            cells.append([_cell(facts.get(c, "")) for c in columns])
        return _aligned([columns, *cells], columns)

    def csv(self) -> str:
        """The rows as comma-separated values with a header."""
        stream = io.StringIO()
        columns = list(dict.fromkeys(name for row in self.calls for name in row)) or list(COLUMNS)
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.calls)
        return stream.getvalue()

    def json(self) -> str:
        """The whole report as JSON; `from_json` reads it back."""
        return json.dumps(
            {
                "calls": self.calls,
                "device_metrics": self.device_metrics,
                "configuration": self.configuration,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report that `json` wrote. Raises `ArgumentError` on other text."""
        try:
            data = json.loads(text)
            return cls(
                [dict(row) for row in data["calls"]],
                dict(data["device_metrics"]),
                dict(data["configuration"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise ArgumentError(f"the text is no report: {error!r}") from None

    def __str__(self) -> str:
        return self.table()


def _cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    numeric = [c in _SUMMED for c in columns]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def argument_text(args: Sequence[Any]) -> str:
    """`float32[2, 3], int64[4], 7`."""
    return ", ".join(map(_argument, args))


def _argument(value: Any) -> str:
    if isinstance(value, (core.Tensor, np.ndarray)):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, tuple):
        return f"({argument_text(value)})"
    return str(value) if isinstance(value, (int, float, str)) else type(value).__name__


class Profiler:
    """Observes an interpreter and collects a `Report`."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._rows: list[dict[str, Any]] = []
        self._starts: list[int] = []
        self._begin = 0
        self._total = 0

    def __enter__(self) -> Profiler:
        self._begin = perf_counter_ns()
        return self

    def __exit__(self, *exc: object) -> None:
        self._total = perf_counter_ns() - self._begin

    def before(self, name: str, span: str, function: Any, args: Sequence[Any]) -> bool:
        """Notes the time."""
        self._starts.append(perf_counter_ns())
        return True

    def after(self, name: str, span: str, function: Any, args: Sequence[Any], value: Any) -> None:
        """Notes the time and the call."""
        duration = perf_counter_ns() - self._starts.pop()
        self._rows.append(
            {
                "Name": name,
                "Duration (us)": duration / 1e3,
                "Percent": 0.0,
                "Device": self._device,
                "Count": 1,
                "Argument Shapes": argument_text(args),
                "Span": span,
            }
        )

    def report(self, configuration: Mapping[str, Any] | None = None) -> Report:
        """What was collected; percentages are of the whole run."""
        total_us = self._total / 1e3
        for row in self._rows:
            row["Percent"] = 100.0 * row["Duration (us)"] / total_us if total_us else 0.0
        metrics = {"Duration (us)": total_us, "Percent": 100.0, "Count": len(self._rows)}
        return Report(self._rows, {self._device: metrics}, dict(configuration or {}))


def profile_function(
    mod: Any,
    dev: Any = None,
    collectors: Sequence[Any] = (),
    func_name: str | None = None,
    warmup_iters: int = 10,
) -> Callable[..., dict[str, float]]:
    """A function that runs `mod[func_name]` once, timed after warming up, and returns metrics.

    A collector has `start()` and `stop() -> dict of metrics`; the duration is always there.
    """
    function = mod[func_name or getattr(mod, "entry_name", "main")]

    def run(*args: Any) -> dict[str, float]:
        for _ in range(warmup_iters):
            function(*args)
        for collector in collectors:
            collector.start()
        start = perf_counter_ns()
        function(*args)
        metrics = {"Duration (us)": (perf_counter_ns() - start) / 1e3}
        for collector in collectors:
            metrics.update(collector.stop())
        return metrics

    return run
