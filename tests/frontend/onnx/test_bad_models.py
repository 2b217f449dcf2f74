"""Models that are damaged or inconsistent: an error that names the node."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright.frontend.onnx import from_onnx
from tilewright.support.errors import ImportModelError, OpNotImplemented

FLOAT = TensorProto.FLOAT


def value(name: str, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, shape)


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[Any]],
    outputs: list[str],
    initializers: list[onnx.TensorProto] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "g", [value(k, v) for k, v in inputs.items()], [value(o, None) for o in outputs],
        initializers or [],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, outputs, name=f"the_{op}", **attributes)


def failure(made: Any, *words: str, error: type[Exception] = ImportModelError) -> str:
    with pytest.raises(error) as caught:
        from_onnx(made)
    text = str(caught.value)
    for word in words:
        assert word in text, text
    return text


def test_bytes_that_are_no_model() -> None:
    failure(b"\x08\x01\x12\xff\xff", "not an ONNX model", "cut off")
    failure(b"", "holds no graph")


def test_a_file_cut_off(tmp_path: Path) -> None:
    whole = model([node("Relu", ["x"], ["y"])], {"x": [2]}, ["y"]).SerializeToString()
    path = tmp_path / "half.onnx"
    path.write_bytes(whole[: len(whole) // 2])
    failure(path, "half.onnx")


def test_a_missing_file() -> None:
    failure("nowhere.onnx", "there is no file nowhere.onnx")


def test_unknown_operators_are_all_listed() -> None:
    nodes = [node("Foo", ["x"], ["a"]), node("Bar", ["a"], ["b"]), node("Foo", ["b"], ["y"])]
    nodes[2].name = "second"
    text = failure(model(nodes, {"x": [2]}, ["y"]), "2 operators", error=OpNotImplemented)
    assert "Bar: nodes the_Bar" in text and "Foo: nodes the_Foo, second" in text


def test_a_cycle() -> None:
    nodes = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])]
    failure(model(nodes, {"x": [2]}, ["b"]), "'b'", "nothing gives it a value", "the_Add")


def test_a_value_given_twice() -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])]
    failure(model(nodes, {"x": [2]}, ["y"]), "'y' is given a value twice", "the_Abs")


def test_a_missing_initializer() -> None:
    failure(model([node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"]), "'w'", "the_Add")


def test_an_output_that_no_node_computes() -> None:
    failure(model([node("Relu", ["x"], ["y"])], {"x": [2]}, ["z"]), "output z")


def test_an_unknown_attribute() -> None:
    made = model([node("Relu", ["x"], ["y"], slope=1.0)], {"x": [2]}, ["y"])
    failure(made, "no attribute 'slope'", "the_Relu")


def test_an_attribute_of_another_type() -> None:
    made = model([node("Softmax", ["x"], ["y"], axis=1.5)], {"x": [2, 2]}, ["y"])
    failure(made, "'axis' must be of type INT", "found FLOAT", "the_Softmax")


def test_a_missing_attribute() -> None:
    failure(model([node("Cast", ["x"], ["y"])], {"x": [2]}, ["y"]), "attribute to", "the_Cast")


def test_a_wrong_number_of_inputs() -> None:
    made = model([node("Add", ["x"], ["y"])], {"x": [2]}, ["y"])
    failure(made, "takes 2 inputs, found 1", "the_Add")


def test_an_axis_out_of_range() -> None:
    made = model([node("Softmax", ["x"], ["y"], axis=3)], {"x": [2, 2]}, ["y"])
    failure(made, "axis 3 is out of range", "the_Softmax")


def test_shapes_that_do_not_fit() -> None:
    made = model([node("MatMul", ["x", "w"], ["y"])], {"x": [2, 3], "w": [4, 5]}, ["y"])
    failure(made, "the_MatMul")
    made = model([node("Add", ["x", "w"], ["y"])], {"x": [2, 3], "w": [2, 4]}, ["y"])
    failure(made, "do not broadcast", "the_Add")


def test_a_convolution_with_wrong_channels() -> None:
    shapes = {"x": [1, 3, 8, 8], "w": [4, 5, 3, 3]}
    failure(model([node("Conv", ["x", "w"], ["y"])], shapes, ["y"]), "the_Conv")


def test_external_data_that_are_missing(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((64, 64), "float32"), "w")
    made = model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 64]}, ["y"], [weight])
    path = tmp_path / "m.onnx"
    onnx.save(made, path, save_as_external_data=True, location="m.data", size_threshold=0)
    from_onnx(path)
    (tmp_path / "m.data").unlink()
    failure(path, "initializer 'w' cannot be read")


def test_an_opset_that_is_not_known_yet() -> None:
    made = model([node("Relu", ["x"], ["y"])], {"x": [2]}, ["y"], opset=999)
    failure(made, "opset 999", "upgrade")


def test_sparse_initializers_are_constants() -> None:
    values = numpy_helper.from_array(np.array([2.0, 3.0], "float32"), "w")
    indices = numpy_helper.from_array(np.array([0, 3], "int64"), "i")
    made = model([node("Add", ["x", "w"], ["y"])], {"x": [4]}, ["y"])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert "main" in [v.name_hint for v, _ in from_onnx(made).items()]


def test_an_axis_that_must_be_known() -> None:
    graph = helper.make_graph(
        [node("CumSum", ["x", "axis"], ["y"])], "g",
        [value("x", [2]), helper.make_tensor_value_info("axis", TensorProto.INT64, [])],
        [value("y", [2])],
    )  # fmt: skip
    failure(helper.make_model(graph), "axis", "must be known when the model is compiled")


@pytest.mark.parametrize(
    ("sizes", "words"),
    [([2, 2], "[2, 2]"), ([4, -1], "negative"), ([1, 1, 1], "2 outputs")],
)
def test_sizes_of_parts(sizes: list[int], words: str) -> None:
    given = numpy_helper.from_array(np.array(sizes, "int64"), "s")
    made = model([node("Split", ["x", "s"], ["y", "z"])], {"x": [3, 3]}, ["y", "z"], [given])
    failure(made, words, "the_Split")


@pytest.mark.parametrize("index", [3, -4])
@pytest.mark.parametrize("op", ["Gather", "GatherElements", "ScatterElements"])
def test_constant_indices_out_of_range(op: str, index: int) -> None:
    given = numpy_helper.from_array(np.array([[0, index]], "int64"), "i")
    inputs = ["x", "i", "u"] if op == "ScatterElements" else ["x", "i"]
    made = model([node(op, inputs, ["y"])], {"x": [3, 3], "u": [1, 2]}, ["y"], [given])
    failure(made, f"index {index} ", "axis 0 of size 3", f"the_{op}")


def test_a_negative_k() -> None:
    given = numpy_helper.from_array(np.array([-1], "int64"), "k")
    made = model([node("TopK", ["x", "k"], ["y", "i"])], {"x": [3, 5]}, ["y", "i"], [given])
    failure(made, "k must not be negative, found -1", "the_TopK")


IMAGE = {"x": [1, 1, 4, 4]}


@pytest.mark.parametrize(
    ("op", "attributes", "words"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, "'pads' must be at least 0"),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [0, 1]}, "'strides' must be at least 1"),
        ("MaxPool", {"kernel_shape": [0, 2]}, "'kernel_shape' must be at least 1, found [0, 2]"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [0, 2, 0, 0]}, "smaller than the window"),
        ("AveragePool", {"kernel_shape": [9, 9]}, "[9, 9] is larger than data of [4, 4]"),
        ("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 1]}, "pads [1, 1] for 2 dimensions"),
        ("LpPool", {"kernel_shape": [2, 2], "p": 0}, "'p' must be at least 1, found 0"),
        ("DepthToSpace", {"blocksize": 0}, "'blocksize' must be at least 1, found 0"),
        ("Flatten", {"axis": 9}, "axis 9 for data of rank 4"),
        ("ArgMax", {"axis": 7}, "axis 7 is out of range"),
    ],
)
def test_windows(op: str, attributes: dict[str, Any], words: str) -> None:
    failure(model([node(op, ["x"], ["y"], **attributes)], IMAGE, ["y"]), words, f"the_{op}")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"dilations": [0, 1]}, "'dilations' must be at least 1"),
        ({"group": 0}, "'group' must be at least 1, found 0"),
        ({"pads": [1, 1]}, "pads [1, 1] for 2 dimensions, expected 4 numbers"),
        ({"kernel_shape": [2, 2]}, "kernel_shape is [2, 2], the weight has [3, 3]"),
    ],
)
def test_convolutions(attributes: dict[str, Any], words: str) -> None:
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), "float32"), "w")
    made = model([node("Conv", ["x", "w"], ["y"], **attributes)], IMAGE, ["y"], [weight])
    failure(made, words, "the_Conv")


@pytest.mark.parametrize(
    ("op", "constant", "words"),
    [
        ("Tile", [1, -1, 1, 1], "repeats must be at least 0, found [1, -1, 1, 1]"),
        ("Tile", [9], "1 repeats for data of rank 4"),
        ("Pad", [1, 2, 3], "3 pads for 4 axes, expected two for each"),
        ("ReverseSequence", [9], "sequence_lens [9] must be 0 to 1"),
        ("ReverseSequence", [1, 1], "sequence_lens of shape [2], expected [1]"),
        ("Pad", [0, 0, 0, 0, 0, 0, -5, 0], "axis 2 of size 4 cannot lose 0 and -5"),
        ("GatherND", [[0, 0, 7]], "index 7 is out of range for axis 2 of size 4"),
        ("Expand", [1, 1, 3, 4], "[1, 1, 4, 4] does not broadcast to [1, 1, 3, 4]"),
    ],
)
def test_constant_arguments(op: str, constant: list[Any], words: str) -> None:
    given = numpy_helper.from_array(np.array(constant, "int64"), "c")
    failure(model([node(op, ["x", "c"], ["y"])], IMAGE, ["y"], [given]), words, f"the_{op}")


@pytest.mark.parametrize("op", ["Gemm", "GridSample"])
def test_shapes_of_two_inputs(op: str) -> None:
    since = 17 if op == "Gemm" else 20
    made = model([node(op, ["x", "y"], ["z"])], IMAGE | {"y": [1, 1, 4, 4]}, ["z"], opset=since)
    failure(made, "4", f"the_{op}")


def test_scattered_indices_out_of_range() -> None:
    given = numpy_helper.from_array(np.array([[0, -2]], "int64"), "i")
    made = model([node("ScatterND", ["x", "i", "u"], ["y"])],
                 {"x": [3, 1], "u": [1]}, ["y"], [given])  # fmt: skip
    failure(made, "index -2 is out of range for axis 1 of size 1", "the_ScatterND")


def test_nothing_has_no_largest_element() -> None:
    made = model([node("ArgMax", ["x"], ["y"], axis=1)], {"x": [2, 0]}, ["y"])
    failure(made, "axis 1 has no elements", "the_ArgMax")


def test_a_shape_dict_that_contradicts_the_model() -> None:
    weight = numpy_helper.from_array(np.ones((3, 2), "float32"), "w")
    made = model([node("MatMul", ["x", "w"], ["y"])], {"x": ["n", 3]}, ["y"], [weight])
    with pytest.raises(ImportModelError) as caught:
        from_onnx(made, shape_dict={"x": [2, 5]})
    assert "shape_dict gives input 'x' the shape [2, 5], the model declares ['n', 3]" in str(
        caught.value
    )
