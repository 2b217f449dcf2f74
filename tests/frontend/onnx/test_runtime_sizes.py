"""Shapes and sizes that depend on values which are known only when the program runs."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tilewright.frontend.onnx.backend import Backend, BackendRep
from tilewright.support.errors import TVMError

CODES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def prepared(
    op: str, inputs: dict[str, tuple[str, list[Any]]], outputs: int = 1, **attributes: Any
) -> BackendRep:
    """One operator, compiled once for any values."""
    names = [f"out{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, list(inputs), names, **attributes)], "g",
        [helper.make_tensor_value_info(k, CODES[t], s) for k, (t, s) in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in names],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    rep = Backend.prepare(model)
    assert not rep.fixed and len(rep.machines) == 1
    return rep


def ints(*values: int) -> Any:
    return np.array(values, "int64")


def test_reshape() -> None:
    rep = prepared("Reshape", {"x": ("float32", [2, 6]), "s": ("int64", [3])})
    x = np.arange(12, dtype="float32").reshape(2, 6)
    for shape, wanted in ((ints(3, 2, 2), (3, 2, 2)), (ints(0, -1, 3), (2, 2, 3))):
        np.testing.assert_array_equal(rep.run([x, shape])[0], x.reshape(wanted))
    message = r"(?s)elements_of_the_new_shape.*out0.*\(Reshape\).*should be 12, found 5"
    with pytest.raises(TVMError, match=message):
        rep.run([x, ints(5, 1, 1)])


def test_hardmax_along_an_axis_of_unknown_size() -> None:
    rep = prepared("Hardmax", {"x": ("float32", ["n", 2, "m"])}, axis=0)
    x = np.array([[[3, 1], [0, 5]], [[3, 2], [4, 5]]], "float32")
    np.testing.assert_array_equal(rep.run([x])[0], [[[1, 0], [0, 1]], [[0, 1], [1, 0]]])


def with_constant(op: str, outputs: int, **constant: list[int]) -> BackendRep:
    """An operator named `node` on `x` of shape (n, 3) and a constant vector."""
    (name, values), names = next(iter(constant.items())), [f"out{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", name], names, name="node")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_empty_tensor_value_info(out) for out in names],
        [onnx.numpy_helper.from_array(ints(*values), name)],
    )  # fmt: skip
    return Backend.prepare(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def test_split_into_parts_that_must_make_up_the_axis() -> None:
    rep = with_constant("Split", 2, split=[2, 2])
    x = np.arange(12, dtype="float32").reshape(4, 3)
    for ours, theirs in zip(rep.run([x]), (x[:2], x[2:]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for rows in (0, 3):
        with pytest.raises(TVMError, match=rf"(?s)'node' \(Split\).*be 4, found {rows}"):
            rep.run([x[:rows]])
    with pytest.raises(TVMError, match=r"'node' \(Split\)"):
        rep.run([np.ones((6, 3), "float32")])


def test_squeeze_of_an_axis_that_must_be_one() -> None:
    rep = with_constant("Squeeze", 1, axes=[0])
    x = np.arange(9, dtype="float32").reshape(3, 3)
    np.testing.assert_array_equal(rep.run([x[:1]])[0], x[0])
    with pytest.raises(TVMError, match=r"(?s)'node' \(Squeeze\).*be 1, found 3"):
        rep.run([x])


def test_the_first_none() -> None:
    rep = with_constant("TopK", 2, k=[0])
    values, indices = rep.run([np.ones((4, 3), "float32")])
    assert values.shape == indices.shape == (4, 0)
    assert (values.dtype, indices.dtype) == ("float32", "int64")


def test_slice() -> None:
    rep = prepared("Slice", {"x": ("float32", ["n", 5]), "b": ("int64", [2]), "e": ("int64", [2])})
    x = np.arange(20, dtype="float32").reshape(4, 5)
    for begin, end in (((1, 0), (3, 5)), ((-3, -2), (100, -1)), ((4, 0), (2, 5))):
        expected = x[begin[0] : end[0], begin[1] : end[1]]
        np.testing.assert_array_equal(rep.run([x, ints(*begin), ints(*end)])[0], expected)


def test_expand() -> None:
    rep = prepared("Expand", {"x": ("float32", [3, 1]), "s": ("int64", [3])})
    x = np.arange(3, dtype="float32").reshape(3, 1)
    for shape in ((2, 1, 4), (1, 3, 1)):
        expected = x * np.ones(shape, "float32")
        np.testing.assert_array_equal(rep.run([x, ints(*shape)])[0], expected)


def test_constant_of_shape() -> None:
    rep = prepared("ConstantOfShape", {"s": ("int64", [2])})
    for shape in ((2, 3), (0, 4)):
        np.testing.assert_array_equal(rep.run([ints(*shape)])[0], np.zeros(shape, "float32"))


@pytest.mark.parametrize("bounds", [(0, 7, 2), (5, -4, -3), (3, 3, 1), (4, 1, 1)])
def test_range(bounds: tuple[int, int, int]) -> None:
    rep = prepared("Range", {"a": ("int64", []), "b": ("int64", []), "c": ("int64", [])})
    given = [np.array(v, "int64") for v in bounds]
    np.testing.assert_array_equal(rep.run(given)[0], np.arange(*bounds))


def test_nonzero_and_compress() -> None:
    x = np.array([[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]], "float32")
    rep = prepared("NonZero", {"x": ("float32", [3, 2])})
    for value in (x, np.zeros_like(x)):
        np.testing.assert_array_equal(rep.run([value])[0], np.array(np.nonzero(value)))
    rep = prepared("Compress", {"x": ("float32", [3, 2]), "c": ("bool", [3])}, axis=0)
    for chosen in ([True, False, True], [False] * 3):
        expected = x.compress(np.array(chosen), axis=0)
        np.testing.assert_array_equal(rep.run([x, np.array(chosen)])[0], expected)


def test_unique() -> None:
    rep = prepared("Unique", {"x": ("float32", [5])}, 4, sorted=1)
    x = np.array([2.0, 1.0, 2.0, 5.0, 1.0], "float32")
    expected = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for ours, theirs in zip(rep.run([x]), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sequences_and_optional_values_are_compiled_for_their_structure() -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_sequence_type_proto(tensor)
    graph = helper.make_graph(
        [helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0)], "g",
        [helper.make_value_info("s", sequence)], [helper.make_empty_tensor_value_info("y")],
    )  # fmt: skip
    rep = Backend.prepare(helper.make_model(graph))
    for sizes in ((1, 2), (3,)):
        items = [np.full(size, size, "float32") for size in sizes]
        np.testing.assert_array_equal(rep.run([items])[0], np.concatenate(items))


def test_strings() -> None:
    node = helper.make_node("StringConcat", ["a", "b"], ["y"])
    string = TensorProto.STRING
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(n, string, [2]) for n in "ab"],
        [helper.make_tensor_value_info("y", string, [2])],
    )  # fmt: skip
    rep = Backend.prepare(helper.make_model(graph))
    made = rep.run([np.array(["x", ""], object), np.array(["é", "z"], object)])[0]
    assert made.tolist() == ["xé", "z"] and isinstance(onnx.__version__, str)


def test_dimensions_of_two_names_that_differ_are_reported_with_the_node() -> None:
    rep = prepared("Add", {"x": ("float32", ["n", 2]), "y": ("float32", ["m", 2])})
    x = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(rep.run([x, x])[0], x + x)
    with pytest.raises(TVMError, match=r"(?s)found a float32.*out0.*\(Add\).*be 3, found 5"):
        rep.run([x, np.ones((5, 2), "float32")])
