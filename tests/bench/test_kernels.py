"""Kernels beside NumPy and torch: cases, rows, families, and the command."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.kernels.__main__ import by_family, main
from bench.kernels.cases import FAMILIES, MATMULS, cases
from bench.kernels.engines import prepare_numpy, prepare_tilewright
from bench.kernels.measuring import Row, environment, in_turns, row_of
from tilewright.driver.roofline import Level, Roofline

MACHINE = Roofline("a", 1, {"float32": 100.0}, (Level("memory", 0, 10.0, 10.0),))


def _row(case: str, ratio: float | None, family: str = "matmul", share: float = 50.0) -> Row:
    return Row(family, case, 1, 1.0, {}, ratio, 1.0, share, 0.0, True)


def test_the_shapes_of_products_are_eighty_different_ones() -> None:
    assert len(MATMULS) == len(set(MATMULS)) == 80


def test_cases_have_names_of_their_own_and_arguments() -> None:
    every = cases(list(FAMILIES), [])
    assert len({(case.family, case.name) for case in every}) == len(every)
    assert {case.family for case in every} == set(FAMILIES)
    for case in every:
        assert case.inputs and case.flops >= 0, case.name


def test_cases_are_chosen_by_text() -> None:
    assert [case.name for case in cases(["matmul"], ["17x31", "255x"])] == [
        "17x31x13", "255x255x255",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "name"),
    [("matmul", "17x31x13"), ("gather", "1000x16x8"), ("softmax", "1x1000"),
     ("pooling", "mean 2048@7")],
)  # fmt: skip
def test_ours_computes_what_numpy_does(family: str, name: str) -> None:
    (case,) = cases([family], [name])
    arrays = case.arrays()
    ours, theirs = prepare_tilewright(case, arrays), prepare_numpy(case, arrays)
    assert theirs is not None
    np.testing.assert_allclose(ours[1](), theirs[1](), rtol=1e-4, atol=1e-5)
    assert 0 < ours[2] <= 1


def test_a_row_compares_with_the_best_of_the_others() -> None:
    (case,) = cases(["matmul"], ["17x31x13"])
    arrays = case.arrays()
    right, wrong = arrays[0] @ arrays[1], arrays[0] @ arrays[1] + 1
    us = {"tilewright": 2.0, "numpy": 8.0, "torch": 4.0}
    results = {"tilewright": right, "numpy": right, "torch": right}
    row = row_of(case, 1, us, results, arrays, MACHINE)
    assert (row.ratio, row.agrees, row.others_us["onednn"]) == (0.5, True, None)
    assert row.gflops == pytest.approx(2 * 17 * 31 * 13 / 2000)
    size = 4 * (17 * 31 + 31 * 13 + 17 * 13)
    assert row.roofline == pytest.approx(100 * max(size / 10e3, 2 * 17 * 31 * 13 / 100e3) / 2)
    assert row_of(case, 1, us, {**results, "torch": wrong}, arrays, None).agrees is False


def test_families_have_a_mean_and_a_worst_case() -> None:
    rows = [_row("a", 0.5), _row("b", 2.0), _row("c", None), _row("d", 4.0, "softmax", 10.0)]
    first, second, every = by_family(rows)
    assert (first.family, first.cases, first.worst, first.worst_case) == ("matmul", 2, 2.0, "b")
    assert first.ratio == pytest.approx(1.0) and first.roofline == pytest.approx(50.0)
    assert (second.family, second.ratio) == ("softmax", 4.0)
    assert (every.family, every.cases) == ("all", 3)


def test_engines_take_turns() -> None:
    seen: list[str] = []
    runs = {name: (lambda name=name: seen.append(name)) for name in "ab"}
    assert {name: len(t) for name, t in in_turns(runs, 0.0).items()} == {"a": 5, "b": 5}
    assert "".join(seen) == "aabb" * 5  # a run to warm up, and one that counts


def test_openblas_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    with environment(2):
        assert "OPENBLAS_CORETYPE" not in os.environ
        assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


def test_the_command_writes_rows_and_families(tmp_path: Path) -> None:
    file = tmp_path / "kernels.json"
    options = "--family matmul --shapes 17x31x13 --engines tilewright,numpy --seconds 0.001"
    result = CliRunner().invoke(main, [*options.split(), "--no-roofline", "--json", str(file)])
    assert result.exit_code == 0, result.output
    record = json.loads(file.read_text())
    (row,) = record["rows"]
    assert (row["case"], row["agrees"], row["roofline"]) == ("17x31x13", True, None)
    assert record["families"][0]["ratio"] == pytest.approx(row["ratio"])


def test_an_unknown_family_is_refused() -> None:
    result = CliRunner().invoke(main, ["--family", "convex"])
    assert result.exit_code == 2 and "'convex' is none of matmul" in result.output


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(
    ("family", "name"), [("matmul", "17x31x13"), ("grouped", "104@28"), ("strided", "3@224-32")]
)
def test_onednn_computes_what_torch_does(family: str, name: str) -> None:
    from bench.kernels.engines import prepare_onednn, prepare_torch

    (case,) = cases([family], [name])
    arrays = case.arrays()
    theirs, reordered = prepare_torch(case, arrays), prepare_onednn(case, arrays)
    assert reordered is not None
    np.testing.assert_allclose(reordered[1](), theirs[1](), rtol=1e-4, atol=1e-4)
