"""Memory that the threads of a warp have together."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check, same_result

HEAD = """
@T.prim_func
def main(A: T.Buffer((256,), "float32"), B: T.Buffer((256,), "float32")):
    T.func_attr({"target": T.target("cuda")})
    bx = T.launch_thread("blockIdx.x", 2)
    tx = T.launch_thread("threadIdx.x", 32)
    data = T.allocate([SIZE], "float32", "SCOPE")
    W = T.decl_buffer((SIZE,), data=data, scope="SCOPE")
"""


def program(size: int, scope: str, body: str) -> str:
    head = HEAD.replace("SIZE", str(size)).replace("SCOPE", scope)
    return head + "".join(f"    {line}\n" for line in body.strip().splitlines())


def test_what_another_thread_has_comes_by_a_shuffle() -> None:
    check(
        T.LowerWarpMemory(),
        program(32, "warp", "W[tx] = A[bx * 32 + tx]\nB[bx * 32 + tx] = W[(tx + 1) % 32] + W[tx]"),
        program(1, "local", """
W[0] = A[bx * 32 + tx]
B[bx * 32 + tx] = (
    T.tvm_warp_shuffle(T.tvm_warp_activemask(), W[0], (tx + 1) % 32, 32, 32) + W[0]
)
"""),
    )  # fmt: skip


def test_a_thread_has_several_elements_in_a_row() -> None:
    check(
        T.LowerWarpMemory(),
        program(64, "warp", """
W[T.Ramp(tx * 2, 1, 2)] = A[T.Ramp(bx * 64 + tx * 2, 1, 2)]
for i in range(2):
    B[bx * 64 + tx * 2 + i] = W[62 - tx * 2 + i]
"""),
        program(2, "local", """
W[T.Ramp(0, 1, 2)] = A[T.Ramp(bx * 64 + tx * 2, 1, 2)]
for i in range(2):
    B[bx * 64 + tx * 2 + i] = T.tvm_warp_shuffle(
        T.tvm_warp_activemask(), W[i], 31 - tx, 32, 32
    )
"""),
    )  # fmt: skip


def test_half_a_warp_has_elements_again_and_again() -> None:
    before = program(64, "warp", """
for i in range(4):
    W[tx + i * 16] = A[bx * 64 + tx + i * 16]
for i in range(4):
    B[bx * 64 + tx + i * 16] = W[15 - tx + i * 16]
""").replace('x", 32)', 'x", 16)')  # fmt: skip
    after = program(4, "local", """
for i in range(4):
    W[i] = A[bx * 64 + tx + i * 16]
for i in range(4):
    B[bx * 64 + tx + i * 16] = T.tvm_warp_shuffle(
        T.tvm_warp_activemask(), W[i], 15 - tx, 16, 32
    )
""").replace('x", 32)', 'x", 16)')  # fmt: skip
    check(T.LowerWarpMemory(), before, after)


def test_the_result_is_that_of_memory_with_a_barrier() -> None:
    body = """
for i in range(2):
    W[tx * 2 + i] = A[bx * 64 + tx * 2 + i]
T.tvm_storage_sync("warp")
for i in range(2):
    B[bx * 64 + tx * 2 + i] = W[62 - tx * 2 + i] * T.float32(2) + W[2 + i]
"""
    shared = same_result(T.Simplify(), program(64, "shared", body), (256,), (256,))
    registers = applied(T.LowerWarpMemory(), program(64, "warp", body))
    source = np.arange(256, dtype="float32")
    one, other = np.zeros(256, "float32"), np.zeros(256, "float32")
    interpreter.run(shared, source, one)
    interpreter.run(registers, source, other)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("W[31 - tx] = A[tx]", "stored to at 31 - tx, which is no positive multiple of `tx`"),
        ("W[tx] = A[tx]\nW[tx * 2] = A[tx]", r"stores advance by \[1, 2\] elements"),
        ("W[tx] = A[tx]\nW[tx + 1] = A[tx]", "element tx \\+ 1 is stored by another thread"),
        ("W[T.Ramp(tx * 3, 1, 2)] = A[T.Ramp(tx * 2, 1, 2)]", "48 elements are not 3 for each"),
        ('W[tx] = A[tx]\nT.call_extern("int32", "f", data)', "its address is used"),
        ("B[0] = W[tx]", r"its stores advance by \[\] elements"),
    ],
)
def test_what_stays_no_registers(body: str, message: str) -> None:
    size = 48 if "tx * 3" in body else 64
    with pytest.raises(CompileError, match=f"cannot be kept in registers: .*{message}"):
        applied(T.LowerWarpMemory(), program(size, "warp", body))


def test_which_element_of_a_thread_is_known() -> None:
    body = "for i in range(2):\n    W[tx * 2 + i] = A[tx]\nB[tx] = W[tx + 1]"
    with pytest.raises(CompileError, match=r"which element of a thread tx \+ 1 is depends on it"):
        applied(T.LowerWarpMemory(), program(64, "warp", body))


def test_the_target_tells_the_size_of_a_warp() -> None:
    text = program(32, "warp", "W[tx] = A[tx]")
    with pytest.raises(CompileError, match="needs the target"):
        applied(
            T.LowerWarpMemory(), text.replace('    T.func_attr({"target": T.target("cuda")})', "")
        )
    with pytest.raises(CompileError, match=r"threadIdx.x has the extent 24, the warp 32 threads"):
        applied(T.LowerWarpMemory(), text.replace('x", 32)', 'x", 24)'))
