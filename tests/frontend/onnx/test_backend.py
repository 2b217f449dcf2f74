"""`Backend`, and a fixed sample of ONNX's own backend tests; the command runs them all."""

import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tilewright.frontend.onnx.backend import Backend
from tilewright.frontend.onnx.conformance import Outcome, collect, run_case
from tilewright.support.errors import ArgumentError

NAMES = (Path(__file__).parent / "backend_names.txt").read_text().split()


@cache
def cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: case for case in collect(("node", "simple", "pytorch-converted"))}


@pytest.mark.parametrize("name", NAMES)
def test_backend_case(name: str) -> None:
    case = cases().get(name)
    if case is None:
        pytest.skip(f"this version of onnx has no {name}")
    outcome: Outcome = run_case(case)
    assert outcome.status == "passed", outcome.reason


def squares(shape: list[Any]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_a_prepared_model_runs_on_lists_and_mappings_by_any_size() -> None:
    rep = Backend.prepare(squares(["n"]))
    for size in (1, 3):
        x = np.arange(size, dtype="float32")
        np.testing.assert_array_equal(rep.run([x])[0], x * x)
        np.testing.assert_array_equal(rep.run({"x": x}).y, x * x)


def test_run_model_and_run_node() -> None:
    x = np.array([[3.0, -1.0]], "float32")
    np.testing.assert_array_equal(Backend.run_model(squares([1, 2]), [x])[0], x * x)
    node = helper.make_node("Relu", ["x"], ["y"])
    np.testing.assert_array_equal(Backend.run_node(node, [x]).y, np.maximum(x, 0))


def test_values_that_decide_the_program_are_compiled_in() -> None:
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"])
    x = np.array([3.0, 1.0, 2.0], "float32")
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]),
         helper.make_tensor_value_info("k", TensorProto.INT64, [1])],
        [helper.make_empty_tensor_value_info("v"), helper.make_empty_tensor_value_info("i")],
    )  # fmt: skip
    rep = Backend.prepare(helper.make_model(graph))
    assert rep.fixed == ["k"]
    for k in (1, 2):
        values, places = rep.run([x, np.array([k])])
        np.testing.assert_array_equal(places, [0, 2][:k])
        np.testing.assert_array_equal(values, x[[0, 2][:k]])
    assert len(rep.machines) == 2


def test_a_wrong_device_and_wrong_inputs_are_refused() -> None:
    assert Backend.supports_device("CPU") and not Backend.supports_device("CUDA")
    with pytest.raises(ArgumentError, match="no device"):
        Backend.prepare(squares([2]), "CUDA")
    with pytest.raises(ArgumentError, match="2 inputs are given, the model has x"):
        Backend.prepare(squares([2])).run([np.zeros(2, "float32")] * 2)


def test_compatible_models() -> None:
    assert Backend.is_compatible(squares([2]))
    bad = squares([2])
    bad.graph.node[0].op_type = "Nonsense"
    assert not Backend.is_compatible(bad)


def test_the_tests_of_onnx_are_not_imported_with_the_backend() -> None:
    code = "import sys, tilewright.frontend.onnx.backend; print('onnx.backend.test' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
