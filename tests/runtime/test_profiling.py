"""Reports as tables, CSV and JSON."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tilewright.runtime import FunctionModule, cpu, tensor
from tilewright.runtime.profiling import Report, argument_text, profile_function
from tilewright.support.errors import ArgumentError


def row(name: str, duration: float) -> dict:
    return {"Name": name, "Duration (us)": duration, "Percent": duration, "Device": "cpu:0",
            "Count": 1, "Argument Shapes": "float32[2]", "Span": f"{name}1"}  # fmt: skip


REPORT = Report(
    [row("conv", 10.0), row("add", 30.0), row("conv", 40.0)],
    {"cpu:0": {"Duration (us)": 100.0, "Percent": 100.0, "Count": 3}},
    {"executor": "interpreter"},
)


def test_the_table_merges_sorts_and_sums() -> None:
    assert [line.split()[:4] for line in str(REPORT).splitlines()] == [
        ["Name", "Duration", "(us)", "Percent"],
        [str(REPORT).splitlines()[1]],
        ["conv", "50.00", "50.00", "cpu:0"],
        ["add", "30.00", "30.00", "cpu:0"],
        ["Sum", "80.00", "80.00", "3"],
        ["Total", "on", "cpu:0", "100.00"],
    ]


def test_the_table_can_keep_order_and_rows() -> None:
    lines = REPORT.table(sort=False, aggregate=False, col_sums=False).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["conv", "add", "conv", "Total"]
    assert len(REPORT.calls) == 3 and REPORT.calls[0]["Duration (us)"] == 10.0


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(REPORT.csv())))
    assert [r["Name"] for r in rows] == ["conv", "add", "conv"]
    assert float(rows[2]["Duration (us)"]) == 40.0


def test_json_and_back() -> None:
    assert Report.from_json(REPORT.json()) == REPORT
    with pytest.raises(ArgumentError, match="no report"):
        Report.from_json("{}")


def test_an_empty_report_is_a_table_too() -> None:
    assert Report([]).table().startswith("Name")


def test_arguments_as_text() -> None:
    args = (tensor([1, 2]), (np.zeros((2, 3), "int8"), 4), "s", None)
    assert argument_text(args) == "int64[2], (int8[2, 3], 4), s, NoneType"


def test_profile_function_counts_what_collectors_count() -> None:
    class Collector:
        def start(self) -> None:
            self.started = len(calls)

        def stop(self) -> dict[str, float]:
            return {"calls": len(calls) - self.started}

    calls: list[int] = []
    module = FunctionModule({"main": calls.append})
    metrics = profile_function(module, cpu(0), [Collector()], warmup_iters=3)(1)
    assert metrics["calls"] == 1 and metrics["Duration (us)"] >= 0 and len(calls) == 4
