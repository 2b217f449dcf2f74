"""Functions: values that they return, parameters that are fixed, dependences of their blocks."""

from __future__ import annotations

import numpy as np

import tilewright as tw
from tilewright import ir, tir
from tilewright.script import tir as T


def test_a_value_is_returned_by_a_function_that_was_not_told_to() -> None:
    a, b = tir.Var("a", "float32"), tir.Var("b", "float32")
    body = tir.Evaluate(tir.ret(a + b))
    func = tir.PrimFunc([a, b], body).with_attr("global_symbol", "main")
    assert tw.compile(ir.IRModule({"main": func}))(1.0, 2.0) == 3.0


def test_square_brackets_describe_buffers_and_addresses() -> None:
    @T.prim_func
    def func(A: T.Buffer[(4,), T.int32], B: T.Buffer[(4,), T.int32]):
        data: T.Ptr[T.int32] = T.address_of(A[1])
        tail = T.decl_buffer((3,), "int32", data=data)
        for i in range(3):
            B[i] = tail[i]

    a, b = np.arange(4, dtype="int32"), np.zeros(4, "int32")
    tw.compile(func)(a, b)
    np.testing.assert_array_equal(b, [1, 2, 3, 0])


@T.prim_func(private=True)
def doubled(a: T.handle, n: T.int32):
    m = T.int32()
    A = T.match_buffer(a, (m, n))
    for i, j in T.grid(m, n):
        A[i, j] = A[i, j] * T.float32(2)


def test_scalars_fixed_by_shapes_are_parameters_no_more() -> None:
    @T.prim_func(private=True)
    def expected(a: T.handle):
        A = T.match_buffer(a, (3, 4))
        for i, j in T.grid(3, 4):
            A[i, j] = A[i, j] * T.float32(2)

    fixed = doubled.specialize({doubled.params[0]: tir.decl_buffer((3, 4))})
    ir.assert_structural_equal(fixed, expected)
    assert doubled.specialize({}) is doubled


def test_the_scope_of_blocks_is_found_from_their_loops() -> None:
    @T.prim_func
    def func(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.block("first"):
                v = T.axis.spatial(8, i)
                A[v] = T.float32(1)
        for i in range(8):
            with T.block("second"):
                v = T.axis.spatial(8, i)
                B[v] = A[v]

    info = tir.BlockDependenceInfo(func)
    blocks = {}
    tir.stmt_functor.post_order_visit(
        func.body, lambda n: blocks.update({n.name_hint: n}) if isinstance(n, tir.Block) else None
    )
    first, second = (info.get_sref(blocks[name]) for name in ("first", "second"))
    assert first is not None
    (found,) = info.get_block_scope(first.parent).get_deps_by_src(first)
    assert found.dst is second


def test_statements_of_a_sequence_are_listed() -> None:
    one, two = tir.Evaluate(1), tir.Evaluate(2)
    assert tir.stmt_list(tir.SeqStmt([one, two])) == [one, two]
    assert tir.stmt_list(one) == [one]
    assert tir.stmt_list(tir.SeqStmt([tir.SeqStmt([one, two]), one])) == [one, two, one]
    assert tw.runtime.const(3, "int64").dtype == "int64"


def test_plain_values_become_nodes() -> None:
    x = tir.Var("x", "int32")
    assert tir.AttrStmt(x, "extent", 3, tir.Evaluate(0)).value.value == 3
    assert tir.AssertStmt(True, "wrong", tir.Evaluate(0)).message == "wrong"
    assert tir.Reduce(None, [1], [tir.IterVar((0, 1), "k", 2)], None, 0).condition.value == 1


def test_index_maps_answer_in_the_type_asked_in() -> None:
    split = tir.IndexMap.from_func(lambda i: (i // 4, i % 4), index_dtype="int32")
    ir.assert_structural_equal(split.map_indices([42]), [T.int32(10), T.int32(2)])
    ir.assert_structural_equal(split.map_indices([T.int64(42)]), [T.int64(10), T.int64(2)])
    ir.assert_structural_equal(split.map_shape([T.int64(14)]), [T.int64(4), T.int64(4)])


def test_statements_are_joined_to_one() -> None:
    x = tir.Var("x", "int32")
    one, two, three = (tir.Evaluate(x + k) for k in (1, 2, 3))
    assert tir.stmt_seq(one) is one
    assert list(tir.stmt_seq(one, two).seq) == [one, two]
    assert list(tir.stmt_seq(tir.SeqStmt((one, two)), [three]).seq) == [one, two, three]
    with_call = tir.stmt_seq(tir.call_extern("int32", "f", x), one)
    ir.assert_structural_equal(with_call.seq[0], tir.Evaluate(tir.call_extern("int32", "f", x)))
    ir.assert_structural_equal(tir.stmt_seq(), tir.Evaluate(0))


def test_variables_are_copied_with_another_name_or_type() -> None:
    for var in (tir.Var("x", "int32"), tir.SizeVar("n", "int64")):
        made = [var.copy_with_name("y"), var.copy_with_suffix("_1"), var.copy_with_dtype("int8")]
        assert [v.name for v in made] == ["y", f"{var.name}_1", var.name]
        assert [v.dtype for v in made] == [var.dtype, var.dtype, "int8"]
        assert all(type(v) is type(var) and v is not var for v in made)
    data = tir.decl_buffer((4,), "float16", name="A").data
    assert data.copy_with_suffix("_2").type_annotation is data.type_annotation
