"""Bounds of accesses and limits of devices."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.transform import Sequential
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir.analysis import (
    OOBChecker,
    expr_deep_equal,
    get_vtcm_compaction_passes,
    gpu_usage,
    out_of_bounds,
    verify_gpu_code,
)

LOOP = """
@T.prim_func
def main(A: T.Buffer((10, 4), "float32"), n: T.int32):
    for i in range(10):
        for j in range(4):
            BODY
"""


def checked(body: str) -> None:
    mod = IRModule({"main": from_source(LOOP.replace("BODY", body))})
    assert OOBChecker()(mod) is mod


@pytest.mark.parametrize(
    "body",
    ["A[i, j] = A[9 - i, 3 - j]", "A[i, j] = A[n, j]",
     "if i < 9:\n                A[i + 1, j] = A[i, j]",
     "A[i // 2 + 5, j % 4] = T.float32(0)"],
)  # fmt: skip
def test_accesses_inside(body: str) -> None:
    checked(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [("A[i + 1, j] = T.float32(0)", r"index 0 of buffer A, i \+ 1"),
     ("A[i, j] = A[i, j - 1]", "index 1 of buffer A, j - 1"),
     ("A[i, 4] = T.float32(0)", r"index 1 of buffer A, 4, may lie outside of \[0, 4\)")],
)  # fmt: skip
def test_accesses_outside(body: str, text: str) -> None:
    with pytest.raises(CompileError, match=text):
        checked(body)


def test_blocks_are_checked_by_the_values_of_their_axes() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((2, 3), "float32"), B: T.Buffer((2,), "float32")):
    for i in range(2):
        with T.block("b"):
            v = T.axis.spatial(2, i)
            B[v] = A[v, v + 2]
"""
    with pytest.raises(CompileError, match="out of bounds memory access: in `main`"):
        OOBChecker()(IRModule({"main": from_source(text)}))


KERNEL = """
@T.prim_func
def main(A: T.Buffer((4096,), "float32")):
    bx = T.launch_thread("blockIdx.x", 4)
    tx = T.launch_thread("threadIdx.x", 32)
    ty = T.launch_thread("threadIdx.y", 8)
    S_data = T.allocate([256], "float32", "shared")
    S = T.decl_buffer((256,), data=S_data, scope="shared")
    S[tx * 8 + ty] = A[bx]
    A[T.Ramp(tx * 4, 1, 4)] = T.Broadcast(S[ty], 4)
"""


def test_what_a_kernel_uses() -> None:
    used = gpu_usage(from_source(KERNEL))
    assert used["max_threads_per_block"] == 256 and used["max_thread_x"] == 32
    assert used["max_shared_memory_per_block"] == 1024 and used["max_vector_bytes"] == 16
    assert used["max_kernels"] == 1


def test_limits_of_a_device() -> None:
    func = from_source(KERNEL)
    assert verify_gpu_code(func, {"max_threads_per_block": 256, "max_thread_y": 8})
    assert not verify_gpu_code(func, {"max_threads_per_block": 128})
    assert not verify_gpu_code(func, {"max_shared_memory_per_block": 1023})


def test_masks_of_accesses_and_comparisons_by_name() -> None:
    assert tir.Buffer.READ | tir.Buffer.WRITE == 3
    a = tir.Var("a", "int32")
    assert tir.expr.EqualOp(a, a) and not tir.expr.NotEqualOp(a, a)


def test_what_lies_outside_is_listed() -> None:
    text = LOOP.replace("BODY", "A[i + 1, j] = A[i, j - 1] + A[i, j]")
    assert out_of_bounds(from_source(text)) == [
        "index 1 of buffer A, j - 1, may lie outside of [0, 4)",
        "index 0 of buffer A, i + 1, may lie outside of [0, 10)",
    ]
    assert out_of_bounds(from_source(LOOP.replace("BODY", "A[i, j] = A[i, j]"))) == []


x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
memory = tir.decl_buffer((8,), "int32", name="A")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (x + 1, x + 1, True), (x + 1, tir.Add(tir.const(1), x), False), (x, y, False),
        (x, tir.Var("x", "int32"), False), (tir.const(1, "int32"), tir.const(1, "int64"), False),
        (memory[x + y], memory[x + y], True), (memory[x], memory[y], False),
        (tir.Select(x < y, x, y), tir.Select(x < y, x, y), True),
        (tir.call_extern("int32", "f", x), tir.call_extern("int32", "g", x), False),
        (tir.Cast("int64", x), tir.Cast("int64", x), True),
    ],
)  # fmt: skip
def test_expressions_are_deeply_equal_if_written_alike(
    left: tir.PrimExpr, right: tir.PrimExpr, equal: bool
) -> None:
    assert expr_deep_equal(left, right) == expr_deep_equal(right, left) == equal


def test_blocks_are_lowered_before_tightly_coupled_memory_is_counted() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((64, 64), "int8"), B: T.Buffer((64, 64), "int8")):
    for i in range(64):
        with T.block("outer"):
            vi = T.axis.spatial(64, i)
            V = T.alloc_buffer((64, 64), "int8", scope="global.vtcm")
            for j in range(64):
                with T.block("in"):
                    vj = T.axis.spatial(64, j)
                    V[vi, vj] = A[vi, vj]
            for j in range(64):
                with T.block("out"):
                    vj = T.axis.spatial(64, j)
                    B[vi, vj] = V[vi, vj]
"""
    passes = get_vtcm_compaction_passes()
    assert "tir.CompactBufferAllocation" in [p.info.name for p in passes]
    func = Sequential(passes)(IRModule({"main": from_source(text)}))["main"]
    found: list[object] = []
    tir.stmt_functor.post_order_visit(func.body, found.append)
    assert not any(isinstance(n, tir.Block) for n in found)
    (allocated,) = [n for n in found if isinstance(n, tir.Allocate)]
    assert [e.value for e in allocated.extents] == [64]  # type: ignore[attr-defined]
    assert allocated.buffer_var.type_annotation.storage_scope == "global.vtcm"
