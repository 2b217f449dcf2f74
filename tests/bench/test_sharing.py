"""Two models at once: what a row holds, and that both ways run."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from bench import sharing


def _saved(kind: str, folder: Path) -> str:
    """A model of one node."""
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["y"])],
        kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(made, folder / f"{kind}.onnx")
    return str(folder / f"{kind}.onnx")


def test_a_share_is_the_rate_beside_the_other_over_the_rate_alone() -> None:
    ways = {"two processes": (50.0, 2.5), "one process": (25.0, 5.0)}
    rows = sharing.rows_of("e", ("a", "b"), 2, [sharing.Round((100.0, 10.0), ways)])
    assert [(row.way, row.shares, row.together) for row in rows] == [
        ("two processes", (0.5, 0.25), 0.75),
        ("one process", (0.25, 0.5), 0.75),
    ]


def test_functions_run_at_once_a_thread_each() -> None:
    met = threading.Barrier(2, timeout=10)
    rates = sharing.rates_of([met.wait, met.wait], 1e-9)  # each returns only beside the other
    assert len(rates) == 2 and min(rates) > 0


@pytest.mark.parametrize("engine", ["tilewright", "onnxruntime"])
def test_both_ways_are_measured(tmp_path: Path, engine: str) -> None:
    file, models = tmp_path / "rows.json", [_saved(kind, tmp_path) for kind in ("Exp", "Tanh")]
    options = ["--models", ",".join(models), "--engines", engine, "--json", str(file)]
    options += ["--rounds", "1", "--seconds", "0.01"]
    result = CliRunner().invoke(sharing.main, options)
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text())["rows"]
    assert [(row["engine"], row["way"]) for row in rows] == [(engine, way) for way in sharing.WAYS]
    assert all(row["models"] == ["Exp", "Tanh"] and min(row["shares"]) > 0 for row in rows)


def test_a_model_that_does_not_load_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "broken.onnx"
    file.write_text("this is no model")
    rows = sharing.measured("onnxruntime", (file, file), 1, 1, 0.01)
    assert len(rows) == 2 and all(row.shares is None and row.failure for row in rows)


def test_other_than_two_models_are_refused() -> None:
    result = CliRunner().invoke(sharing.main, ["--models", "mlp"])
    assert result.exit_code == 2 and "takes two models, found 1" in result.output
