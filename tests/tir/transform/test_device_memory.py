"""Asynchronous copies, and memory of other scopes."""

from __future__ import annotations

import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check

COPY = """
@T.prim_func
def main(a: T.handle("float32")):
    A = T.decl_buffer((128,), "float32", data=a)
    tx = T.launch_thread("threadIdx.x", 8)
    S_data = T.allocate([128], "float32", "shared")
    S = T.decl_buffer((128,), data=S_data, scope="shared")
    with T.attr(0, "async_scope", 1):
        BODY
"""


def copies(body: str, result: str) -> None:
    after = COPY.replace('    with T.attr(0, "async_scope", 1):\n        BODY', f"    {result}")
    check(T.InjectPTXAsyncCopy(), COPY.replace("BODY", body), after)


def test_copies_to_shared_memory_are_asynchronous() -> None:
    copies("S[tx] = A[tx + 8]", 'T.ptx_cp_async("float32", S_data, tx, a, tx + 8, 4)')
    copies(
        "S[T.Ramp(tx * 4, 1, 4)] = A[T.Ramp(tx * 4, 1, 4)]",
        'T.ptx_cp_async("float32", S_data, tx * 4, a, tx * 4, 16)',
    )


def test_a_condition_is_the_last_argument() -> None:
    copies(
        "S[tx] = T.if_then_else(tx < 4, A[tx], T.float32(0))",
        'T.call_intrin("float32", "tir.ptx_cp_async", S_data, tx, a, tx, 4, tx < 4)',
    )


def test_what_is_no_copy_stays() -> None:
    for body in ("S[tx] = A[tx] + T.float32(1)", "A[tx] = S[tx]",
                 "S[T.Ramp(tx * 8, 1, 8)] = A[T.Ramp(tx * 8, 1, 8)]"):  # fmt: skip
        copies(body, body)


VTCM = """
@T.prim_func
def main(A: T.Buffer((128,), "int8")):
    data = T.allocate([128], "int8", "global.vtcm")
    B = T.decl_buffer((128,), "int8", data=data, scope="global.vtcm")
    B[0] = A[0]
    A[1] = B[0]
"""


def test_tightly_coupled_memory_has_a_limit() -> None:
    for limit in (0, 128):
        check(T.VerifyVTCMLimit(), VTCM, VTCM, vtcm_capacity=limit)
    with pytest.raises(CompileError, match=r"allocates 128 bytes of global.vtcm, there are 127"):
        applied(T.VerifyVTCMLimit(), VTCM, vtcm_capacity=127)


def test_tightly_coupled_memory_comes_from_the_runtime() -> None:
    let = applied(T.LowerVtcmAlloc(), VTCM).body
    assert let.value.op.name == "tir.nd_mem_alloc_with_scope"
    assert [arg.value for arg in let.value.args] == ["global.vtcm", 1, 128]
