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
