"""What stands behind tensors: operations, their axes, inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.support.errors import ArgumentError
from tilewright.tir import interpreter

n = te.size_var("n")
A = te.placeholder((n, 4), "float16", "A")
B = te.placeholder((4,), "float16", "B")


def extents(axes: Any) -> list[tuple[str, str]]:
    return [(axis.var.name, str(axis.dom.extent)) for axis in axes]


def test_a_placeholder_is_given() -> None:
    op = A.op
    assert isinstance(op, te.PlaceholderOp) and isinstance(op, te.Operation)
    assert (op.name, op.tag, dict(op.attrs), op.num_outputs) == ("A", "", {}, 1)
    assert op.input_tensors == () and op.axis == ()
    assert op.output(0) == A and op.shape == A.shape and op.dtype == "float16"


def test_a_computation_has_axes_a_body_and_inputs() -> None:
    with te.tag_scope("mine"):
        c = te.compute((n, 4), lambda i, j: A[i, j] * B[j] + A[i, 0], "C", attrs={"key": 1})
    op = c.op
    assert isinstance(op, te.ComputeOp) and isinstance(op, te.Operation)
    assert (op.name, op.tag, dict(op.attrs), op.num_outputs) == ("C", "mine", {"key": 1}, 1)
    assert extents(op.axis) == [("i", "n"), ("j", "4")] and op.axis == c.axis
    assert op.reduce_axis == () and op.input_tensors == (A, B)
    assert str(op.body[0]) == "A[i, j] * B[j] + A[i, 0]"
    assert op.output(0) == c and c.value_index == 0 and c.ndim == 2


def test_a_reduction_has_axes_of_its_own() -> None:
    k = te.reduce_axis((0, 4), "k")
    c = te.compute((n,), lambda i: te.sum(A[i, k], axis=k), "C")
    assert extents(c.op.axis) == [("i", "n")] and extents(c.op.reduce_axis) == [("k", "4")]
    assert c.op.reduce_axis[0].iter_type == tir.IterVar.CommReduce


def test_several_outputs() -> None:
    sums, products = te.compute((n,), lambda i: (A[i, 0] + A[i, 1], A[i, 0] > A[i, 1]), "C")
    assert sums.op is products.op and sums.op.num_outputs == 2
    assert [t.value_index for t in (sums, products)] == [0, 1]
    assert [t.name for t in (sums, products)] == ["C_v0", "C_v1"]
    assert [t.dtype for t in (sums, products)] == ["float16", "bool"]
    assert sums.op.output(1) == products and sums != products


def test_a_statement_fills_outputs_from_inputs() -> None:
    def body(ins: list[tir.Buffer], outs: list[tir.Buffer]) -> tir.PrimExpr:
        return tir.call_extern("int32", "fill", ins[0].data, outs[0].data, outs[1].data)

    made = te.extern([(n, 4), (8,)], [A], body, "E", ["int8", "int64"])
    op = made[0].op
    assert isinstance(op, te.ExternOp) and op.num_outputs == 2 and op.input_tensors == (A,)
    assert isinstance(op.body, tir.Evaluate) and op.axis == ()
    assert [b.name for b in op.input_placeholders] == ["A"]
    assert [(b.name, b.dtype) for b in op.output_placeholders] == [("E", "int8"), ("E", "int64")]
    assert [(t.dtype, [str(d) for d in t.shape]) for t in made] == [
        ("int8", ["n", "4"]), ("int64", ["8"]),
    ]  # fmt: skip
    assert op.output(1) == made[1]


def test_a_recurrence_reads_its_state_and_what_it_is_given() -> None:
    state = te.placeholder((n, 4), "float16", "S")
    start = te.compute((1, 4), lambda _, i: A[0, i], "start")
    double = te.compute((n, 4), lambda t, i: state[t - 1, i] * B[i], "double")
    update = te.compute((n, 4), lambda t, i: double[t, i] + A[t, i], "update")
    made = te.scan(start, update, state, inputs=[A], name="scan")
    op = made.op
    assert isinstance(op, te.ScanOp) and op.num_outputs == 1
    assert (op.init, op.update, op.state_placeholder) == ((start,), (update,), (state,))
    assert op.scan_axis.iter_type == tir.IterVar.Ordered
    assert (str(op.scan_axis.dom.min), str(op.scan_axis.dom.extent)) == ("1", "n - 1")
    assert op.body == (double.op, update.op)
    assert op.input_tensors[0] == start and set(op.input_tensors) == {start, A, B}
    assert op.output(0) == made and made.shape == state.shape


def test_a_slice_is_indexed_on() -> None:
    cube = te.placeholder((2, 3, 4), "int8", "T")
    row = cube[1]
    assert isinstance(row, te.TensorSlice) and row.dtype == "int8"
    assert row.tensor is cube and row.indices == (1,)
    for element in (row[2][3], row[2, 3], cube[1, 2][3], cube[1, 2, 3]):
        assert isinstance(element, tir.ProducerLoad) and str(element) == "T[1, 2, 3]"
        assert element.producer is cube
    with pytest.raises(ArgumentError, match="tensor `T` has 3 dimensions, indexed with 1"):
        row + 1
    with pytest.raises(TypeError):
        iter(row)  # type: ignore[call-overload]


OPERATORS: dict[str, Any] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b, "//": lambda a, b: a // b, "%": lambda a, b: a % b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}  # fmt: skip


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_of_tensors_work_element_by_element(symbol: str) -> None:
    function = OPERATORS[symbol]
    a = np.float32([[3, -4, 7], [0.5, 2, -9]])
    b = np.float32([2, -4, 4])
    x, y = te.placeholder((2, 3), name="x"), te.placeholder((3,), name="y")
    for left, right, expected in (
        (x, y, function(a, b)), (x, 2.0, function(a, np.float32(2))),
        (2.0, y, function(np.float32(2), b)),
    ):  # fmt: skip
        made = function(left, right)
        assert isinstance(made, te.Tensor) and made.dtype == str(expected.dtype)
        out = np.zeros(expected.shape, expected.dtype)
        given = [t for t in (left, right) if isinstance(t, te.Tensor)]
        arrays = [{"x": a, "y": b}[t.name] for t in given]
        interpreter.run(te.create_prim_func([*given, made]), *arrays, out)
        np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_one_tensor_is_turned_and_converted() -> None:
    a = np.float32([1.5, -2.5, 0])
    x = te.placeholder((3,), name="x")
    for made, expected in ((-x, -a), (x.astype("int32"), a.astype("int32"))):
        out = np.zeros(3, expected.dtype)
        interpreter.run(te.create_prim_func([x, made]), a, out)
        np.testing.assert_array_equal(out, expected)
