"""Timing functions."""

from __future__ import annotations

import time

import pytest

from tilewright.runtime import BenchmarkResult, FunctionModule, cpu
from tilewright.support.errors import ArgumentError


def test_a_summary() -> None:
    result = BenchmarkResult([1e-3, 2e-3, 6e-3])
    assert (result.mean, result.median) == (pytest.approx(3e-3), 2e-3)
    assert (result.min, result.max) == (1e-3, 6e-3)
    assert result.std == pytest.approx(2.1602e-3, rel=1e-4)
    assert str(result).splitlines() == [
        "Execution time over 3 measurements:",
        "     mean (ms)   median (ms)      max (ms)      min (ms)      std (ms)",
        "        3.0000        2.0000        6.0000        1.0000        2.1602",
    ]


def test_it_runs_as_often_as_asked_and_once_to_warm_up() -> None:
    calls: list[int] = []
    prepared: list[int] = []
    module = FunctionModule({"main": calls.append})
    evaluator = module.time_evaluator(
        "main", cpu(0), number=3, repeat=4, f_preproc=lambda x: prepared.append(x)
    )
    result = evaluator(7)
    assert len(result.results) == 4 and all(r >= 0 for r in result.results)
    assert calls == [7] * 13 and prepared == [7] * 4


def test_number_grows_until_a_measurement_is_long_enough() -> None:
    module = FunctionModule({"main": lambda: time.sleep(1e-4)})
    start = time.perf_counter()
    result = module.time_evaluator("main", cpu(0), number=1, repeat=2, min_repeat_ms=20)()
    assert time.perf_counter() - start > 0.04
    assert result.min >= 1e-4


def test_bad_counts() -> None:
    with pytest.raises(ArgumentError, match="needs repeat >= 1, found 0"):
        FunctionModule({"main": lambda: 0}).time_evaluator("main", cpu(0), repeat=0)
    with pytest.raises(ArgumentError, match="cannot find global function"):
        FunctionModule({"main": lambda: 0}).time_evaluator("main", cpu(0), f_preproc="no.such")
