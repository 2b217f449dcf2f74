"""Loops over threads lifted; copies of threads staged in registers."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check, same_result

LAUNCH = """
@T.prim_func
def main(A: T.Buffer((8, 24), "float32"), B: T.Buffer((8, 16), "float32")):
    for b in T.thread_binding(4, thread="blockIdx.x"):
        for i in range(2):
            for t in T.thread_binding(8, thread="threadIdx.x", annotations={"a": 1}):
                A[b * 2 + i, t] = T.float32(1)
                for y in T.thread_binding(2, thread="threadIdx.y"):
                    A[b * 2 + i, t + y * 8 + 8] = A[b * 2 + i, t] + T.float32(1)
        for y in T.thread_binding(2, thread="threadIdx.y"):
            for t in T.thread_binding(8, thread="threadIdx.x", annotations={"b": 2}):
                B[b * 2 + y, t] = A[b * 2 + y, t]
"""


def test_one_loop_serves_all_threads_of_a_launch() -> None:
    check(T.LiftThreadBinding(), LAUNCH, """
@T.prim_func
def main(A: T.Buffer((8, 24), "float32"), B: T.Buffer((8, 16), "float32")):
    for b in T.thread_binding(4, thread="blockIdx.x"):
        for y in T.thread_binding(2, thread="threadIdx.y"):
            for t in T.thread_binding(8, thread="threadIdx.x", annotations={"a": 1, "b": 2}):
                for i in range(2):
                    A[b * 2 + i, t] = T.float32(1)
                    A[b * 2 + i, t + y * 8 + 8] = A[b * 2 + i, t] + T.float32(1)
                B[b * 2 + y, t] = A[b * 2 + y, t]
""")  # fmt: skip
    same_result(T.LiftThreadBinding(), LAUNCH, (8, 24), (8, 16))


def test_a_loop_stays_within_what_is_around_all_of_its_axis() -> None:
    check(T.LiftThreadBinding(), """
@T.prim_func
def main(A: T.Buffer((8, 16), "float32")):
    for b in T.thread_binding(4, thread="blockIdx.x"):
        for i in range(2):
            for j in range(4):
                for t in T.thread_binding(8, thread="threadIdx.x"):
                    A[b * 2 + i, t] = T.float32(1)
            for u in T.thread_binding(8, thread="threadIdx.x"):
                A[b * 2 + i, u + 8] = T.float32(1)
""", """
@T.prim_func
def main(A: T.Buffer((8, 16), "float32")):
    for b in T.thread_binding(4, thread="blockIdx.x"):
        for i in range(2):
            for t in T.thread_binding(8, thread="threadIdx.x"):
                for j in range(4):
                    A[b * 2 + i, t] = T.float32(1)
                A[b * 2 + i, t + 8] = T.float32(1)
""")  # fmt: skip


def test_launches_are_apart() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8, 16), "float32")):
    for i in range(8):
        for t in T.thread_binding(4, thread="threadIdx.x"):
            A[i, t] = T.float32(1)
        for t in T.thread_binding(16, thread="threadIdx.x"):
            A[i, t] = T.float32(2)
"""
    check(T.LiftThreadBinding(), text, text)


def test_an_axis_has_one_extent_in_a_launch() -> None:
    text = LAUNCH.replace('T.thread_binding(8, thread="threadIdx.x", annotations={"b": 2})',
                          'T.thread_binding(4, thread="threadIdx.x")')  # fmt: skip
    with pytest.raises(CompileError, match=r"threadIdx\.x has the extent 8 in loop `t` and 4 in"):
        applied(T.LiftThreadBinding(), text)


COPY = """
@T.prim_func
def main(A: T.Buffer((8, 16), "float32"), B: T.Buffer((8, 16), "float32")):
    for k in range(8):
        with T.block("around"):
            T.reads(A[k, 0:16])
            T.writes(B[k, 0:16])
            S = T.alloc_buffer((4, 4), scope="shared")
            for i in T.serial(4, annotations={"x": 1}):
                for j in range(2, 6):
                    with T.block("copy"):
                        T.where(i < 3)
                        T.reads(A[k, i * 4 + j - 2])
                        T.writes(S[i, j - 2])
                        T.block_attr({"tir.manifest_shared_memory_local_stage": 1, "y": 2})
                        S[i, j - 2] = A[k, i * 4 + j - 2] * T.float32(2)
            for i, j in T.grid(3, 4):
                with T.block("use"):
                    T.reads(S[i, j])
                    T.writes(B[k, i * 4 + j])
                    B[k, i * 4 + j] = S[i, j]
"""


def test_a_copy_to_shared_memory_goes_through_registers() -> None:
    check(T.ManifestSharedMemoryLocalStage(), COPY, """
@T.prim_func
def main(A: T.Buffer((8, 16), "float32"), B: T.Buffer((8, 16), "float32")):
    for k in range(8):
        with T.block("around"):
            T.reads(A[k, 0:16])
            T.writes(B[k, 0:16])
            S = T.alloc_buffer((4, 4), scope="shared")
            L = T.alloc_buffer((4, 4), scope="local")
            for i in T.serial(4, annotations={"x": 1}):
                for j in range(2, 6):
                    with T.block(""):
                        T.where(i < 3)
                        T.reads(A[k, i * 4 + j - 2])
                        T.writes(L[i, j - 2])
                        L[i, j - 2] = A[k, i * 4 + j - 2] * T.float32(2)
            for i in T.serial(4, annotations={"x": 1}):
                for j in range(2, 6):
                    with T.block("copy"):
                        T.where(i < 3)
                        T.reads(A[k, i * 4 + j - 2])
                        T.writes(S[i, j - 2])
                        T.block_attr({"y": 2})
                        S[i, j - 2] = L[i, j - 2]
            for i, j in T.grid(3, 4):
                with T.block("use"):
                    T.reads(S[i, j])
                    T.writes(B[k, i * 4 + j])
                    B[k, i * 4 + j] = S[i, j]
""")  # fmt: skip
    same_result(T.ManifestSharedMemoryLocalStage(), COPY, (8, 16), (8, 16))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("range(2, 6)", "T.unroll(2, 6)", "loop `j` is neither serial nor vectorized"),
        ('scope="shared"', 'scope="local"', "its body is no store to shared memory"),
        ("2, 6):\n", "2, 6):\n                    A[0, 0] = B[0, 0]\n", "it is not the only thing"),
        ("T.where(i < 3)", "v = T.axis.S(4, i)", "it has axes"),
    ],
)  # fmt: skip
def test_a_copy_that_gets_no_stage(old: str, new: str, message: str) -> None:
    with pytest.raises(CompileError, match=f"block `copy` gets no local stage: {message}"):
        applied(T.ManifestSharedMemoryLocalStage(), COPY.replace(old, new))


@pytest.mark.parametrize(("inner", "is_refused"), [(4, False), (5, True)])
def test_a_thread_has_one_extent_where_launches_are_nested(inner: int, is_refused: bool) -> None:
    thread = tir.IterVar(None, tir.Var("tx", "int32"), 1, "threadIdx.x")
    A = tir.decl_buffer((8,), "float32", "A")
    store = tir.BufferStore(A, tir.const(1.0, "float32"), [thread.var])
    body = tir.AttrStmt(thread, "thread_extent", tir.const(inner), store)
    func = tir.PrimFunc([A.data], tir.AttrStmt(thread, "thread_extent", tir.const(4), body))
    if is_refused:
        with pytest.raises(CompileError, match="`tx` is launched with 5 threads within 4"):
            T.Simplify()(IRModule({"main": func}))
    else:
        T.Simplify()(IRModule({"main": func}))
