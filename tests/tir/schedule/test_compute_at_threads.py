"""`compute_at` of a copy under loops of threads: who shares the memory decides what is copied."""

import pytest

from tilewright.script import tir as T
from tilewright.tir import Schedule


@T.prim_func
def doubled(A: T.Buffer((128, 32), "float32"), B: T.Buffer((128, 32), "float32")) -> None:
    for bx in T.thread_binding(4, thread="blockIdx.x"):
        for ty in T.thread_binding(2, thread="threadIdx.y"):
            for tx in T.thread_binding(16, thread="threadIdx.x"):
                for j in range(32):
                    with T.block("B"):
                        vi = T.axis.spatial(128, bx * 32 + ty * 16 + tx)
                        vj = T.axis.spatial(32, j)
                        B[vi, vj] = A[vi, vj] * T.float32(2)


@pytest.mark.parametrize(
    ("scope", "depth", "domain", "row"),
    [
        ("shared", 2, "T.grid(32, 32)", "bx * 32 + ax0"),
        ("shared.dyn", 1, "T.grid(32, 32)", "bx * 32 + ax0"),
        ("warp", 2, "T.grid(16, 32)", "bx * 32 + ty * 16 + ax0"),
        ("local", 2, "range(32)", "bx * 32 + ty * 16 + tx"),
        ("global", 2, "range(32)", "bx * 32 + ty * 16 + tx"),
    ],
)
def test_a_copy_serves_all_threads_that_share_it(
    scope: str, depth: int, domain: str, row: str
) -> None:
    schedule = Schedule(doubled, debug_mask="all")
    block = schedule.get_block("B")
    copy = schedule.cache_read(block, 0, scope)
    schedule.compute_at(copy, schedule.get_loops(block)[depth])
    text = schedule.mod.script()
    assert f"in {domain}:" in text
    assert f"v0 = T.axis.spatial(128, {row})" in text
