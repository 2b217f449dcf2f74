"""The most that a machine does: the model's arithmetic, and measuring it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tilewright.driver import roofline as module
from tilewright.driver.roofline import Level, Roofline, from_json, level_sizes, measure, roofline
from tilewright.support.knobs import CACHE
from tilewright.target import MachineModel, Target

LEVELS = (
    Level("L1", 1000, 200.0, 100.0),
    Level("L2", 10_000, 50.0, 60.0),
    Level("memory", 0, 10.0, 8.0),
)
SMALL = Roofline("a", 1, {"float32": 100.0, "float64": 50.0}, LEVELS)


def test_a_kernel_is_bound_by_arithmetic_or_by_the_level_that_holds_its_bytes() -> None:
    assert SMALL.seconds(100_000, 1000, "float32") == pytest.approx(1e-6)
    assert SMALL.limit(100_000, 1000, "float32") == "arithmetic"
    assert SMALL.seconds(100_000, 1000, "float64") == pytest.approx(2e-6)
    assert SMALL.seconds(1, 6000, "float32") == pytest.approx(1e-7)
    assert SMALL.limit(1, 6000, "float32") == "L2"
    assert SMALL.limit(1, 10_001, "float32") == "memory"
    assert SMALL.seconds(0, 10_000_000, "") == pytest.approx(1e-3)


def test_json_and_back() -> None:
    assert from_json(json.dumps(asdict(SMALL))) == SMALL


def test_levels_grow_with_threads_where_each_core_has_its_own() -> None:
    machine = MachineModel.of(Target("llvm -mcpu=znver4 -num-cores=2"))
    one, two = level_sizes(machine, 1), level_sizes(machine, 2)
    assert list(one) == ["L1", "L2", "L3", "memory"]
    assert two["L1"][0] == 2 * one["L1"][0] and two["L3"] == one["L3"]
    assert one["memory"][0] == 0 and one["memory"][1] > one["L3"][0]


def test_this_machine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DTYPES", ("float32",))
    monkeypatch.setattr(module, "STEPS", 1000)
    monkeypatch.setattr(module, "LARGEST", 1 << 20)
    found = measure(MachineModel.of(Target("llvm")), 1, runs=2)
    assert found.threads == 1 and found.gflops["float32"] > 0.1
    assert found.levels[-1].name == "memory"
    assert all(level.read > 0.1 and level.copy > 0.1 for level in found.levels)


def test_a_machine_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def once(machine: MachineModel, threads: int) -> Roofline:
        made.append(threads)
        return replace(SMALL, threads=threads)

    monkeypatch.setattr(module, "measure", once)
    with CACHE.set(str(tmp_path)):
        assert roofline(1) == roofline(1)
        assert roofline(2).threads == 2
        assert made == [1, 2]
        roofline(1, again=True)
        assert made == [1, 2, 1]


def test_a_busy_machine_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def busy(machine: MachineModel, threads: int) -> Roofline:
        made.append(0.5)
        return replace(SMALL, share=0.5)

    monkeypatch.setattr(module, "measure", busy)
    with CACHE.set(str(tmp_path)):
        roofline(1)
        roofline(1)
    assert len(made) == 2
