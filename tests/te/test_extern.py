"""Programs given by hand and packed functions, as scripts written for TVM call them."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tvm
from tilewright import te, tir
from tilewright.support.errors import ArgumentError


def text(func):
    return func.script().split("def main", 1)[1]


def test_buffers_go_to_packed_functions_as_tensors():
    a = te.placeholder((8, 16), name="A")
    c = te.extern(
        (8, 16), [a], lambda ins, outs: tir.call_packed("te.test.twice", ins[0], outs[0]),
        name="C", dtype="float32",
    )  # fmt: skip
    func = te.create_prim_func([a, c])
    made = "T.tvm_stack_make_array({0}.data, T.tvm_stack_make_shape(8, 16), 0, 2, T.float32(0.0), "
    call = f'call_packed("te.test.twice", {made.format("A")}'
    assert call in text(func) and made.format("C") in text(func)
    assert "T.reads(A[0:8, 0:16])" in text(func) and "T.writes(C[0:8, 0:16])" in text(func)


def test_packed_functions_read_and_write_the_arrays():
    seen = []

    @tvm.register_func("te.test.plus_one", override=True)
    def plus_one(x, y):
        seen.append((tuple(x.shape), str(x.dtype)))
        y.copyfrom(x.numpy() + 1)

    a = te.placeholder((3, 2), name="A")
    b = te.compute((3, 2), lambda i, j: a[i, j] * 2.0, name="B")
    c = te.extern(
        (3, 2), [b], lambda ins, outs: tir.call_packed("te.test.plus_one", ins[0], outs[0]),
        name="C", dtype="float32",
    )  # fmt: skip
    built = tvm.build(te.create_prim_func([a, c]), target="llvm")
    x = tvm.nd.array(np.arange(6, dtype="float32").reshape(3, 2))
    y = tvm.nd.array(np.zeros((3, 2), "float32"))
    built(x, y)
    np.testing.assert_array_equal(y.numpy(), x.numpy() * 2 + 1)
    assert seen == [((3, 2), "float32")]


def test_several_outputs_of_one_program():
    a = te.placeholder((4,), "int32", "A")

    def program(ins, outs):
        i = te.var("i")
        stores = [tir.BufferStore(out, ins[0][i] * k, (i,)) for k, out in enumerate(outs, 2)]
        return tir.For(i, 0, 4, tir.ForKind.SERIAL, tir.SeqStmt(tuple(stores)))

    b, c = te.extern([(4,), (4,)], [a], program, name="B", dtype=["int32", "int32"])
    assert b.op is c.op and (b.value_index, c.value_index) == (0, 1)
    func = te.create_prim_func([a, b, c])
    assert "T.writes(B_v0[0:4], B_v1[0:4])" in text(func)


MISTAKES = [
    (lambda a: te.extern((4,), [a], lambda i, o: 3, dtype="float32"), "expected a statement"),
    (lambda a: te.extern((4,), [3], lambda i, o: None), "expects tensors"),
    (lambda a: te.extern((4,), [], lambda i, o: None), "dtype of its outputs"),
    (lambda a: te.scan([a], [a, a], [a]), "as many initial values"),
    (lambda a: te.scan(a, te.placeholder((4, 2)), te.placeholder((4, 2))), "the initial value `A`"),
    (
        lambda a: te.scan(te.placeholder((1,)), a, te.placeholder((5,))),
        "dimension 0 of the update `A` of a scan is 4, of its state 5",
    ),
    (lambda a: te.extern_primfunc([a], _doubled(5)), "dimension 0 of `A` is 4, of parameter `x` 5"),
    (
        lambda a: te.comm_reducer(lambda x: x, lambda t: 0)(a[0], axis=te.reduce_axis((0, 4))),
        "the function that combines `reduce` does not take 2 arguments",
    ),
    (
        lambda a: te.compute((2,), lambda i: te.placeholder((2, 2), name="M")[i] + 1),
        "tensor `M` has 2 dimensions, indexed with 1",
    ),
]


def _doubled(n):
    x, y = (tir.decl_buffer((n,), name=name) for name in "xy")
    i = tir.Var("i", "int32")
    store = tir.BufferStore(y, x[i] * 2.0, [i])
    return tir.PrimFunc([x, y], tir.For(i, 0, n, tir.ForKind.SERIAL, store))


@pytest.mark.parametrize("mistake, words", MISTAKES, ids=[w for _, w in MISTAKES])
def test_mistakes_are_errors(mistake, words):
    with pytest.raises(ArgumentError, match=words):
        mistake(te.placeholder((4,), name="A"))


def test_scans_keep_several_states():
    n = te.size_var("n")
    x = te.placeholder((n, 2), name="X")
    s, p = (te.placeholder((n, 2), name=name) for name in "SP")
    starts = [te.compute((1, 2), lambda _, i: x[0, i], name=f"start{k}") for k in range(2)]
    total = te.compute((n, 2), lambda t, i: s[t - 1, i] + x[t, i], name="total")
    product = te.compute((n, 2), lambda t, i: p[t - 1, i] * total[t, i], name="product")
    sums, products = te.scan(starts, [total, product], [s, p], inputs=[x])
    built = tvm.build(te.create_prim_func([x, sums, products]), target="llvm")
    data = np.arange(1, 9, dtype="float32").reshape(4, 2)
    given, first, second = (tvm.nd.array(v) for v in (data, data * 0, data * 0))
    built(given, first, second)
    np.testing.assert_array_equal(first.numpy(), data.cumsum(0))
    expected = np.concatenate([data[:1], data.cumsum(0)[1:]]).cumprod(0)
    np.testing.assert_array_equal(second.numpy(), expected)


def test_axis_separators_part_the_dimensions_of_layouts():
    index_map, separators = tir.IndexMap.from_func_with_separators(
        lambda i, j: [i // 4, te.AXIS_SEPARATOR, i % 4, j]
    )
    assert [int(s) for s in separators] == [1]
    assert [d.value for d in index_map.map_shape([8, 8])] == [2, 4, 8]


def test_one_shape_in_a_list_gives_one_tensor() -> None:
    a = te.placeholder((4,), name="A")
    copied = te.extern([(4,)], [a], lambda ins, outs: outs[0].vstore(0, ins[0].vload(0)))
    assert isinstance(copied, te.Tensor)
    assert [int(d) for d in copied.shape] == [4]
