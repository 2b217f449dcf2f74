"""The nine image classifiers that the `onnx` package ships as graphs, with real weights drawn.

The package stores every weight as one constant (`ConstantOfShape` of 0.02). They are replaced by
seeded random initializers that keep the scale of activations from layer to layer; the statistics
of batch normalizations are measured on a random image.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.backend
from numpy.typing import NDArray
from onnx import numpy_helper

NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
INPUT_SHAPE = (1, 3, 224, 224)
Floats = NDArray[np.float32]


def load(name: str, seed: int = 0, batch: int = 1) -> onnx.ModelProto:
    """Network `name` of `NAMES`: one input of `INPUT_SHAPE`, of `batch` images of that, weights as
    initializers."""
    model = onnx.load(str(_folder() / f"light_{name}.onnx"))
    shapes = _pop_constant_shapes(model.graph)
    roles = _roles(model.graph)
    for weight, shape in shapes.items():
        rng = np.random.default_rng([seed, zlib.crc32(weight.encode())])
        array = _draw(roles.get(weight, ""), shape, rng)
        model.graph.initializer.append(numpy_helper.from_array(array, weight))
    _drop_weight_inputs(model)
    if any(_batch_norms(model.graph)):
        _measure_batch_norms(model, seed)
    _scale_logits(model, seed)
    if batch != INPUT_SHAPE[0]:
        _set_batch(model.graph, batch)
    return model


def _set_batch(graph: onnx.GraphProto, batch: int) -> None:
    """Gives the input, the outputs and the shapes of reshapes another number of images."""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del graph.value_info[:]
    weights = {i.name for i in graph.initializer if len(i.dims) != 1}
    shapes = {n.input[1] for n in graph.node
              if n.op_type == "Reshape" and n.input[0] not in weights}  # fmt: skip
    known = {i.name: numpy_helper.to_array(i) for i in graph.initializer if i.name in shapes}
    for tensor in graph.initializer:
        if tensor.name in known and known[tensor.name][0] == INPUT_SHAPE[0]:
            sizes = np.concatenate([[batch], known[tensor.name][1:]]).astype(np.int64)
            tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))


def _folder() -> Path:
    return Path(onnx.backend.__path__[0]) / "test" / "data" / "light"


def _pop_constant_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Removes the nodes that fill weights; their outputs and shapes."""
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    fills = [n for n in graph.node if n.op_type == "ConstantOfShape"]
    used = {n.input[0] for n in fills}
    for node in fills:
        graph.node.remove(node)
    for initializer in [i for i in graph.initializer if i.name in used]:
        graph.initializer.remove(initializer)
    return {n.output[0]: tuple(int(d) for d in values[n.input[0]]) for n in fills}


def _views(graph: onnx.GraphProto) -> dict[str, str]:
    """`view -> value` of the nodes that only change a weight's shape."""
    return {n.output[0]: n.input[0] for n in graph.node if n.op_type in ("Unsqueeze", "Reshape")}


def _roles(graph: onnx.GraphProto) -> dict[str, str]:
    """`weight name -> operator.position` of its first reader, looking through views."""
    views = _views(graph)
    roles: dict[str, str] = {}
    for node in graph.node:
        if node.output[0] not in views:
            for position, name in enumerate(node.input):
                roles.setdefault(views.get(name, name), f"{node.op_type}.{position}")
    return roles


def _draw(role: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """A weight for its role: He-scaled kernels, positive scales near one, small biases."""
    if role in ("Conv.1", "Gemm.1"):
        variance = 2.0 / math.prod(shape[1:]) if role == "Conv.1" else 1.0 / shape[-1]
        return _normal(rng, shape, variance**0.5)
    if role in ("BatchNormalization.1", "BatchNormalization.4", "Mul.1", "Mul.0"):
        return rng.uniform(0.7, 1.3, shape).astype(np.float32)
    return _normal(rng, shape, 0.05)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Floats:
    values: Floats = rng.standard_normal(shape, np.float32)
    values *= np.float32(scale)
    return values


def _drop_weight_inputs(model: onnx.ModelProto) -> None:
    """Leaves only the image among the graph's inputs, as files of IR version 4 and later do."""
    weights = {i.name for i in model.graph.initializer}
    for value in [v for v in model.graph.input if _is_weight(v, weights)]:
        model.graph.input.remove(value)
    model.ir_version = max(model.ir_version, 8)


def _is_weight(value: onnx.ValueInfoProto, weights: set[str]) -> bool:
    rank = len(value.type.tensor_type.shape.dim)
    return value.name in weights or value.name.endswith("__SHAPE") or rank != len(INPUT_SHAPE)


def _batch_norms(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    return (n for n in graph.node if n.op_type == "BatchNormalization")


def _measure_batch_norms(model: onnx.ModelProto, seed: int) -> None:
    """Sets mean and variance of every batch normalization to what a random image has there."""
    norms = list(_batch_norms(model.graph))
    found = _run(_with_instance_norms(model), [n.input[0] for n in norms], seed)
    measured: dict[str, Floats] = {}
    for node, value in zip(norms, found, strict=True):
        measured[node.input[3]] = value.mean(axis=(0, 2, 3))
        measured[node.input[4]] = value.var(axis=(0, 2, 3)) + np.float32(1e-3)
    _replace(model.graph, measured)


def _scale_logits(model: onnx.ModelProto, seed: int) -> None:
    """Scales the last layer so that its outputs have a spread of two: no softmax saturates."""
    last = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm")][-1]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    _expose(probe.graph, last.output[0])
    (logits,) = _run(probe, [last.output[0]], seed)
    name = _views(model.graph).get(last.input[1], last.input[1])
    weight = next(i for i in model.graph.initializer if i.name == name)
    scaled = numpy_helper.to_array(weight) * np.float32(2.0 / logits.std())
    _replace(model.graph, {weight.name: scaled})


def _replace(graph: onnx.GraphProto, arrays: dict[str, Floats]) -> None:
    for tensor in graph.initializer:
        if tensor.name in arrays:
            tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))


def _expose(graph: onnx.GraphProto, name: str) -> None:
    value = onnx.helper.make_empty_tensor_value_info(name)
    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    graph.output.append(value)


def _run(model: onnx.ModelProto, outputs: list[str], seed: int) -> list[Floats]:
    """The named values for a random image."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(seed).standard_normal(INPUT_SHAPE, np.float32)
    return list(session.run(outputs, {model.graph.input[0].name: image}))


def _with_instance_norms(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that normalizes by the image's own statistics and returns what it normalizes."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    for node in _batch_norms(probe.graph):
        node.op_type = "InstanceNormalization"
        del node.input[3:]
        del node.output[1:]
        kept = [a for a in node.attribute if a.name == "epsilon"]
        del node.attribute[:]
        node.attribute.extend(kept)
        _expose(probe.graph, node.input[0])
    return probe
