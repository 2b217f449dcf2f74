"""Copies by other means: DMA, loads under a condition, and addresses of the device."""

from __future__ import annotations

import pytest

from tilewright import ffi
from tilewright.ir import IntImm
from tilewright.ir.base import make_node
from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check, same_result

DMA = """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    for k in range(4):
        with T.attr(0, "async_commit_queue_scope", 2):
            with T.attr(0, "async_scope", 1):
                for i, j in T.grid(4, 8):
                    BODY
        with T.attr(0, "async_wait_queue_scope", 2):
            with T.attr(0, "async_wait_inflight_count", 0):
                B[k * 32] = B[k * 32] + T.float32(1)
"""
COPY = "B[k * 32 + i * 8 + j] = A[k * 32 + i * 8 + j]"


def test_loops_over_elements_in_a_row_are_one_copy() -> None:
    check(T.LowerAsyncDMA(), DMA.replace("BODY", COPY), """
@T.prim_func
def main(A: T.Buffer((128,), "float32"), B: T.Buffer((128,), "float32")):
    for k in range(4):
        T.dma_start_group(2)
        with T.attr(0, "async_commit_queue_scope", 2):
            with T.attr(0, "async_scope", 1):
                T.dma_copy(2, T.address_of(B[k * 32]), T.address_of(A[k * 32]), 128, 0)
        T.dma_end_group(2)
        T.dma_wait(2, 0)
        B[k * 32] = B[k * 32] + T.float32(1)
""")  # fmt: skip
    same_result(T.LowerAsyncDMA(), DMA.replace("BODY", COPY), (128,), (128,))


def test_a_copy_may_go_past_the_cache() -> None:
    made = applied(T.LowerAsyncDMA(), DMA.replace("BODY", COPY), experimental_dma_bypass_cache=True)
    assert "128, 1)" in made.script()


@pytest.mark.parametrize("body", [
    COPY + " + T.float32(1)", COPY.replace("i * 8", "i * 9"),
    COPY.replace("A[k * 32 + i * 8 + j]", "A[0]"), COPY.replace("i * 8 + j]", "i * 16 + j]", 1),
])  # fmt: skip
def test_other_loops_are_no_copy(body: str) -> None:
    check(T.LowerAsyncDMA(), DMA.replace("BODY", body), DMA.replace("BODY", body))


LOAD = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((32,), "float32")):
    for t in T.thread_binding(32, thread="threadIdx.x"):
        data = T.allocate([2], "float32", "local")
        L = T.decl_buffer((2,), data=data, scope="local")
        BODY
        B[t] = L[1] + T.float32(1)
"""


def test_a_load_under_a_condition_is_one_instruction() -> None:
    before = LOAD.replace("BODY", "L[1] = T.if_then_else(t % 2 == 0, A[t // 2], T.float32(3))")
    after = LOAD.replace(
        "BODY",
        'L[1] = T.float32(3)\n        T.ptx_ldg32("float32", data, t % 2 == 0, A[t // 2], 1)',
    )
    check(T.InjectPTXLDG32(), before, after)
    check(T.InjectPTXLDG32(False), before, before)
    same_result(T.InjectPTXLDG32(), before, (16,), (32,))


@pytest.mark.parametrize("body", [
    "L[1] = A[t]", "L[1] = T.if_then_else(t < 16, A[t] * T.float32(2), T.float32(0))",
    "L[1] = T.if_then_else(t < 16, A[t], B[t])",
    "B[1] = T.if_then_else(t < 16, A[t], T.float32(0))",
])  # fmt: skip
def test_other_stores_stay(body: str) -> None:
    check(T.InjectPTXLDG32(), LOAD.replace("BODY", body), LOAD.replace("BODY", body))


ACCESS = """
@T.prim_func
def main(A: T.Buffer((16,), "int8")):
    data = T.allocate([16], "int8", "local.special")
    T.call_extern("int32", "f", T.tvm_access_ptr(T.type_annotation("int8"), A.data, 4, 8, 1))
    T.call_extern("int32", "f", T.tvm_access_ptr(T.type_annotation("int8"), data, 8, 8, 1))
"""


def test_pointers_are_addresses_of_elements() -> None:
    text = applied(
        T.LowerDeviceStorageAccessInfo(), ACCESS.replace("local.special", "local")
    ).script()
    assert "T.address_of(A_1[4])" in text and "T.address_of(data_1[8])" in text
    assert "T.allocate([16]" in text


def test_memory_of_a_device_is_where_the_device_says() -> None:
    with pytest.raises(CompileError, match=r"nothing is known of the memory `local.special`"):
        applied(T.LowerDeviceStorageAccessInfo(), ACCESS)
    about = {"unit_bits": 64, "max_num_bits": 2**16, "max_simd_bits": 64}
    info = make_node("target.MemoryInfo", **about, head_address=IntImm("int64", 4096))
    ffi.register_global_func("tvm.info.mem.local.special", lambda: info, override=True)
    made = applied(T.LowerDeviceStorageAccessInfo(), ACCESS).script()
    assert "T.allocate" not in made and "T.int64(4096)" in made


def test_memory_that_has_no_address_is_not_declared() -> None:
    info = make_node("target.MemoryInfo", unit_bits=8, max_num_bits=64, max_simd_bits=8)
    ffi.register_global_func("tvm.info.mem.local.unseen", lambda: info, override=True)
    check(
        T.LowerDeviceStorageAccessInfo(),
        """
@T.prim_func
def main():
    A = T.decl_buffer((16,), scope="local.unseen")
    T.evaluate(0)
""",
        "@T.prim_func\ndef main():\n    T.evaluate(0)",
    )
