"""Measuring: inputs, agreement, speedups, and peers in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from bench import models, turns
from bench.turns import Measurement


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model of `y = x + x` for a symbolic batch."""
    shape = ["batch", 3]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    file = tmp_path / "doubling.onnx"
    onnx.save(model, str(file))
    return file


def test_inputs_follow_the_model(doubling: Path) -> None:
    inputs = models.make_inputs(onnx.load(str(doubling)))
    assert {name: (a.shape, a.dtype) for name, a in inputs.items()} == {"x": ((1, 3), np.float32)}


def test_tokens_and_masks() -> None:
    names = ("input_ids", "attention_mask", "token_type_ids")
    values = [helper.make_tensor_value_info(n, TensorProto.INT64, [1, "sequence"]) for n in names]
    inputs = models.make_inputs(helper.make_model(helper.make_graph([], "tokens", values, [])))
    assert all(a.shape == (1, 128) and a.dtype == np.int64 for a in inputs.values())
    assert inputs["attention_mask"].min() == 1
    assert inputs["token_type_ids"].max() == 0
    assert np.unique(inputs["input_ids"]).size > 50


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([0.0, 2.0], 0.0),
        ([0.0, 2.5], 0.25),
        ([0.0, float("nan")], float("inf")),
        ([0.0], float("inf")),
    ],
)
def test_difference_is_relative_to_the_largest_value(output: list[float], expected: float) -> None:
    assert models.difference([np.array(output)], [np.array([0.0, 2.0])]) == expected


def test_rows_compare_with_ours_and_with_the_reference() -> None:
    one, other = [np.array([1.0, 2.0])], [np.array([1.0, 3.0])]
    found = [
        Measurement("tilewright", 1.0, [0.002, 0.002], other),
        Measurement("onnxruntime", 2.0, [0.003, 0.005, 0.004], one),
        Measurement("openvino", error="no"),
    ]
    ours, peer, failed = models.rows_of("m", 1, found)
    assert (peer.median_ms, peer.best_ms, peer.speedup, peer.agrees) == (4.0, 3.0, 2.0, None)
    assert (ours.agrees, ours.difference, ours.speedup) == (False, 0.5, 1.0)
    assert (failed.failure, failed.median_ms) == ("no", None)


def test_peers_take_turns(doubling: Path) -> None:
    inputs = {"x": np.ones((1, 3), np.float32)}
    first, second = turns.measure(
        ["onnxruntime", "onnxruntime"], str(doubling), 1, inputs, rounds=2, seconds=0.001
    )
    assert first.error == second.error == ""
    assert len(first.times) >= 2 and first.best <= first.median
    np.testing.assert_array_equal(second.outputs[0], 2 * inputs["x"])


def test_a_failing_peer_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "broken.onnx"
    file.write_text("this is no model")
    (found,) = turns.measure(["onnxruntime"], str(file), 1, {}, rounds=1)
    assert "compile_onnxruntime" in found.error or "InvalidProtobuf" in found.error


def test_the_command_writes_what_it_found(doubling: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    options = f"--models {doubling} --peers onnxruntime --rounds 1 --seconds 0.001 --json {file}"
    result = CliRunner().invoke(models.main, options.split())
    assert result.exit_code == 0, result.output
    assert "onnxruntime" in result.output
    record = json.loads(file.read_text())
    (row,) = record["rows"]
    assert record["sizes"] == {"batch": 1, "sequence": 128}
    assert record["summaries"][0]["peers_ms"].keys() == {"onnxruntime"}
    assert record["geometric_means"] == []
    assert (row["model"], row["peer"], row["failure"]) == ("doubling", "onnxruntime", "")


def test_an_unknown_peer_is_refused() -> None:
    result = CliRunner().invoke(models.main, ["--peers", "nobody"])
    assert result.exit_code == 2 and "'nobody' is none of tilewright" in result.output


def test_models_are_named_or_of_a_set() -> None:
    assert models.chosen_models(["a", "b"], None) == ["a", "b"]
    assert models.chosen_models(None, None) == models.DEFAULT.split(",")
    assert len(models.chosen_models(None, "unseen")) == 10
    assert len(models.chosen_models(None, "all")) > 20
    with pytest.raises(click.UsageError, match="not both"):
        models.chosen_models(["a"], "unseen")
