"""Peak memory: what a row holds, and each engine in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from bench import memory


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model of `y = x + x`."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])],
    )
    file = tmp_path / "doubling.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), file
    )
    return file


def _row(engine: str, peak: float | None) -> memory.Row:
    return memory.Row("m", 1, engine, "1", 1.0, 2.0, peak, peak, None, "" if peak else "no")


def test_ratios_are_ours_over_each() -> None:
    rows = memory.with_ratios([_row("tilewright", 50.0), _row("a", 200.0), _row("b", None)])
    assert [row.ratio for row in rows] == [1.0, 0.25, None]
    assert [row.ratio for row in memory.with_ratios([_row("a", 200.0)])] == [None]


def test_the_mean_ratio_to_a_peer_is_geometric() -> None:
    rows = [
        row
        for peak in (50.0, 800.0)
        for row in memory.with_ratios([_row("tilewright", peak), _row("a", 200.0)])
    ]
    assert memory.mean_ratios(rows) == {"a": pytest.approx(1.0)}


def test_each_engine_is_measured_and_none_loads_a_compiler(doubling: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    options = ["--models", str(doubling), "--engines", "tilewright,onnxruntime", "--json", file]
    result = CliRunner().invoke(memory.main, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    record = json.loads(file.read_text())
    assert [row["engine"] for row in record["rows"]] == ["tilewright", "onnxruntime"]
    for row in record["rows"]:
        assert row["failure"] == ""
        assert 0 < row["import_mb"] <= row["peak_mb"] < 500
        assert 0 < row["running_mb"] <= row["peak_mb"]


def test_a_file_that_does_not_load_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "broken.onnx"
    file.write_text("this is no model")
    (row,) = memory.rows_of(file, ["onnxruntime"], {}, 1)
    assert row.peak_mb is None and "Protobuf" in row.failure


def test_an_unknown_engine_is_refused() -> None:
    result = CliRunner().invoke(memory.main, ["--engines", "nobody"])
    assert result.exit_code == 2 and "'nobody' is none of tilewright" in result.output
