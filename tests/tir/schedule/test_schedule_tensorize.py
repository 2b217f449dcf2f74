"""Instructions in the place of blocks: where their operands lie, and of which type indices are."""

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.driver import build_tir
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.tir import Schedule, TensorIntrin
from tilewright.tir import transform as X
from tilewright.tir.index_dtype import with_index_dtype


@T.prim_func
def scale_desc(a: T.handle, b: T.handle):
    A = T.match_buffer(a, (8,), "float32", offset_factor=1)
    B = T.match_buffer(b, (8,), "float32", offset_factor=1)
    with T.block("root"):
        T.reads(A[0:8])
        T.writes(B[0:8])
        for i in range(8):
            with T.block("scale"):
                vi = T.axis.spatial(8, i)
                B[vi] = A[vi] * T.float32(2)


@T.prim_func
def scale_impl(a: T.handle, b: T.handle):
    A = T.match_buffer(a, (8,), "float32", offset_factor=1)
    B = T.match_buffer(b, (8,), "float32", offset_factor=1)
    with T.block("root"):
        T.reads(A[0:8])
        T.writes(B[0:8])
        T.evaluate(
            T.call_extern("int32", "scale", A.data, A.elem_offset, B.access_ptr("w"), B.elem_offset)
        )


TensorIntrin.register("test.scale_at", scale_desc, scale_impl, override=True)


def scaled(dtype):
    n, m = tir.const(4, dtype), tir.const(16, dtype)
    a = te.placeholder((n, m), "float32", "A")
    b = te.compute((n, m), lambda i, j: a[i, j] * tir.const(2, "float32"), name="B")
    sch = Schedule(te.create_prim_func([a, b]))
    _, inner = sch.split(sch.get_loops("B")[1], [None, 8])
    sch.tensorize(inner, "test.scale_at")
    return sch


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_operands_lie_where_the_block_works(dtype):
    sch = scaled(dtype)
    a = sch.get(sch.get_block("B_o")).match_buffers[0].buffer
    assert isinstance(a.elem_offset, tir.Var)
    assert a.elem_offset.dtype == dtype
    text = X.Simplify()(X.LowerMatchBuffer()(sch.mod))["main"].script()
    place = "v_i_o * 16 + v_j_o * 8"
    if dtype == "int64":
        place = 'T.Cast("int32", v_i_o) * 16 + T.Cast("int32", v_j_o) * 8'
    assert f"A.data, {place}" in text
    assert_structural_equal(from_source(sch.mod.script()), sch.mod)


def test_a_parameter_may_lie_anywhere_in_its_memory():
    n = tir.decl_buffer((4,), "float32", "n", offset_factor=2).elem_offset
    assert isinstance(n, tir.Var)
    assert n.name == "n_elem_offset"

    @T.prim_func
    def add_one(a: T.handle, b: T.handle):
        A = T.match_buffer(a, (8,), "float32", offset_factor=1)
        B = T.match_buffer(b, (8,), "float32", offset_factor=1)
        for i in range(8):
            with T.block("B"):
                vi = T.axis.spatial(8, i)
                B[vi] = A[vi] + T.float32(1)

    data = np.arange(8, dtype="float32")
    out = np.zeros(8, "float32")
    build_tir(add_one)(data, out)
    np.testing.assert_array_equal(out, data + 1)


def test_intrinsics_take_wide_offsets_and_functions_keep_their_types():
    @T.prim_func
    def calls(a: T.handle):
        A = T.match_buffer(a, (16, 16), "float16", offset_factor=16, scope="wmma.accumulator")
        T.evaluate(T.tvm_fill_fragment(A.data, 16, 16, 16, A.elem_offset // 256, T.float32(0)))
        T.call_extern("int32", "fill", A.data, A.elem_offset // 256)

    text = with_index_dtype(calls, "int64").script()
    assert "A_elem_offset // T.int64(256), T.float32(0.0)" in text
    assert (
        'T.call_extern("int32", "fill", A.data, T.Cast("int32", A_elem_offset // T.int64(256)))'
        in text
    )
