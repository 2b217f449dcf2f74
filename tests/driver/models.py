"""Small ONNX models for tests of the whole way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def convolution_model(batch: int | str = 1, seed: int = 0) -> onnx.ModelProto:
    """Convolution, batch norm, relu, pooling, a residual sum, flatten, a dense layer, softmax."""
    rng = np.random.default_rng(seed)

    def weight(name: str, *shape: int, positive: bool = False) -> onnx.TensorProto:
        value = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:], initial=1.0))
        value = np.abs(value) + 0.5 if positive else value
        return numpy_helper.from_array(value.astype("float32"), name)

    weights = [
        weight("w1", 20, 3, 3, 3), weight("scale", 20), weight("shift", 20), weight("mean", 20),
        weight("var", 20, positive=True), weight("w2", 20, 20, 3, 3), weight("b2", 20),
        weight("w3", 20, 10), weight("b3", 10),
    ]  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "first", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r1"], ["a1"]),
        helper.make_node("Relu", ["a1"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p1"]),
        helper.make_node("Flatten", ["p1"], ["f1"]),
        helper.make_node("Gemm", ["f1", "w3", "b3"], ["g1"]),
        helper.make_node("Softmax", ["g1"], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 13, 17])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 10])],
        weights,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def scaled_softplus(batch: int | str = 1) -> onnx.ModelProto:
    """`softplus(x * scale)` on rows of 12: the least that compiles one kernel with a constant."""
    scale = numpy_helper.from_array(np.linspace(-2, 2, 12, dtype="float32"), "scale")
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Softplus", ["scaled"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 12])],
        [scale],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    """The model as a file."""
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def image(batch: int = 1, seed: int = 1) -> np.ndarray[Any, Any]:
    """An input of `convolution_model`."""
    return np.random.default_rng(seed).standard_normal((batch, 3, 13, 17)).astype("float32")


def reference(model: onnx.ModelProto, *inputs: np.ndarray[Any, Any]) -> list[Any]:
    """The outputs that ONNX Runtime gives."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feed = dict(zip([i.name for i in session.get_inputs()], inputs, strict=True))
    return list(session.run(None, feed))
