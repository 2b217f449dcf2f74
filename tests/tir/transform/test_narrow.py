"""Indices in fewer bits."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.tir import transform as T

from .cases import applied, check

WIDE = """
@T.prim_func
def main(A: T.Buffer((T.int64(4),), "float32"), B: T.Buffer((T.int64(4),), "float32"),
         n: T.int64):
    for i in T.serial(T.int64(4)):
        with T.block("b"):
            v = T.axis.S(T.int64(4), i)
            T.reads(A[v + n], A[0])
            T.writes(B[v])
            B[v] = T.if_then_else(v + n < T.int64(4), A[v + n], T.Cast("float32", v))
    for i in T.serial(n):
        B[i] = T.Select(T.int64(1) <= i, A[T.min(i, n)], A[T.Cast("int64", i) % T.int64(3)])
    for i in T.vectorized(T.int64(4)):
        A[i * T.int64(2) // n] = T.float32(0)
"""


def test_a_whole_function_counts_in_int32() -> None:
    narrow = WIDE.replace('T.Cast("int64", i)', "i").replace("n: T.int64", "n: T.int32")
    for number in "01234":
        narrow = narrow.replace(f"T.int64({number})", number)
    check(T.ForceNarrowIndexToInt32(), WIDE, narrow)


def test_what_cannot_be_int32_is_refused() -> None:
    with pytest.raises(CompileError, match="4294967296 does not fit into int32"):
        applied(
            T.ForceNarrowIndexToInt32(), WIDE.replace("n < T.int64(4)", "n < T.int64(4294967296)")
        )
    with pytest.raises(CompileError, match="`B` holds int64, which cannot be made int32"):
        text = """
@T.prim_func
def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int64")):
    B[0] = T.Cast("int64", A[0])
"""
        applied(T.ForceNarrowIndexToInt32(), text)
    with pytest.raises(CompileError, match="`C` holds int64"):
        text = """
@T.prim_func
def main(A: T.Buffer((4,), "int32")):
    C = T.alloc_buffer((4,), "int64")
    with T.block("b"):
        C[0] = T.Cast("int64", A[0])
"""
        applied(T.ForceNarrowIndexToInt32(), text)


def test_only_what_fits_is_narrowed() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((T.int64(8),), "float32"), n: T.int64):
    for i in T.serial(T.int64(8)):
        A[i] = T.float32(0)
    for i in T.serial(n):
        A[i] = T.float32(0)
"""
    narrow = text.replace("T.serial(T.int64(8))", "range(8)")
    check(T.NarrowDataType(32), text, narrow)


INDEX = """
@T.prim_func
def main(A: T.Buffer((T.int64(SIZE),), "int32"), B: T.Buffer((T.int64(SIZE),), "int32")):
    for i in T.serial(T.int64(ROWS)):
        for j in T.serial(T.int64(64)):
            A[i * T.int64(64) + j] = B[T.int64(0)]
"""


@pytest.mark.parametrize(
    ("rows", "bits", "is_narrow"), [(2**9, 16, True), (2**10, 16, False), (2**25, 32, True),
                                    (2**26, 32, False)]
)  # fmt: skip
def test_a_variable_keeps_the_bits_that_its_indices_need(
    rows: int, bits: int, is_narrow: bool
) -> None:
    made = applied(
        T.NarrowDataType(bits), INDEX.replace("SIZE", str(rows * 64)).replace("ROWS", str(rows))
    )
    outer, inner = made.body, made.body.body
    expected = f"int{bits}" if is_narrow else "int64"
    assert [outer.loop_var.dtype, inner.loop_var.dtype] == [expected, expected]
    assert inner.body.indices[0].dtype == expected


def test_axes_of_blocks_and_threads_are_narrowed() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((T.int64(128),), "float32")):
    for i in T.thread_binding(T.int64(16), thread="threadIdx.x"):
        for j in T.serial(T.int64(8)):
            with T.block("b"):
                v = T.axis.spatial(T.int64(128), i * T.int64(8) + j)
                T.reads()
                T.writes(A[v])
                A[v] = T.float32(1)
"""
    narrow = text.replace("T.thread_binding(T.int64(16)", "T.thread_binding(16")
    narrow = narrow.replace("T.serial(T.int64(8))", "range(8)").replace("i * T.int64(8)", "i * 8")
    check(T.NarrowDataType(32), text, narrow.replace("spatial(T.int64(128)", "spatial(128"))


@pytest.mark.parametrize("extent, bits", [(2, 32), (2**30, 64)])
def test_a_thread_and_its_extent_get_one_type(extent: int, bits: int) -> None:
    thread = tir.IterVar(None, tir.Var("tx", "int32"), tir.IterVar.ThreadIndex, "threadIdx.x")
    wide = tir.IntImm("int64", extent)
    A = tir.decl_buffer((wide * 32,), "int8")
    store = tir.BufferStore(A, tir.const(1, "int8"), (thread.var.astype("int64") * 32,))
    made = T.NarrowDataType(32)(
        IRModule({"main": tir.PrimFunc((A,), tir.AttrStmt(thread, "thread_extent", wide, store))})
    )["main"].body
    assert {made.node.var.dtype, made.value.dtype, made.body.indices[0].dtype} == {f"int{bits}"}


def test_no_other_numbers_of_bits() -> None:
    with pytest.raises(ArgumentError, match="takes 16 or 32 bits, found 33"):
        T.NarrowDataType(33)
