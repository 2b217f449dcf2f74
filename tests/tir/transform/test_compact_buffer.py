"""Buffers made as small as what blocks declare, conditions allow and threads share."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.support.errors import ArgumentError
from tilewright.tir import transform as T

from .cases import applied, nodes

BY_ADDRESS = """
@T.prim_func
def main(A: T.Buffer((256,), "float32")):
    with T.block("root"):
        T.reads()
        T.writes()
        B = T.alloc_buffer((256,), "float32")
        C = T.alloc_buffer((256,), "float32")
        for i in range(32):
            with T.block("named"):
                T.reads(A[i])
                T.writes(B[i : i + 4])
                T.evaluate(T.call_extern("fill", B.data, A.data, i, dtype="int32"))
            with T.block("around"):
                T.reads(C[i])
                T.writes(C[i])
                with T.block("unnamed"):
                    T.reads()
                    T.writes()
                    T.evaluate(T.call_extern("fill", C.data, A.data, i, dtype="int32"))
"""


def test_what_happens_at_an_address_is_what_its_block_declares() -> None:
    made = applied(T.CompactBufferAllocation(), BY_ADDRESS)
    sizes = {b.name: b.shape[0].value for k in nodes(made, tir.Block) for b in k.alloc_buffers}
    assert sizes == {"B": 35, "C": 256}


ALIGNED = """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    for i in range(8):
        with T.block("row"):
            T.reads(A[i, 0:10])
            T.writes(C[i, 0:10])
            B = T.alloc_buffer((8, 10), "float32")
            for j in range(10):
                with T.block("copy"):
                    T.reads(A[i, j])
                    T.writes(B[i, j])
                    T.block_attr({"buffer_dim_align": [[0, 0, 8, 3]]})
                    B[i, j] = A[i, j]
            for j in range(10):
                with T.block("use"):
                    T.reads(B[i, j])
                    T.writes(C[i, j])
                    C[i, j] = B[i, j]
"""


def test_what_was_asked_of_strides_outlives_the_blocks() -> None:
    flat = applied([T.LowerOpaqueBlock(), T.CompactBufferAllocation()], ALIGNED)
    (allocate,) = nodes(flat, tir.Allocate)
    assert [d.value for d in allocate.extents] == [1, 11]
    (view,) = nodes(flat, tir.DeclBuffer)
    assert [d.value for d in view.buffer.strides] == [11, 1]
    assert [list(row) for row in allocate.annotations["buffer_dim_align"]] == [[-1, 0, 8, 3]]


@pytest.mark.parametrize(
    "row", [[1, 0, 8, 3], [0, 2, 8, 3], [0, 0, 0, 3], [0, 0, 8], [-1, 0, 8, 3]]
)
@pytest.mark.parametrize("step", [T.CompactBufferAllocation, T.LowerOpaqueBlock])
def test_strides_that_cannot_be_asked_for_are_refused(step, row) -> None:
    with pytest.raises(ArgumentError, match="`buffer_dim_align` of block `copy` has the row"):
        applied(step(), ALIGNED.replace("[0, 0, 8, 3]", str(row)))


def test_what_is_asked_of_a_buffer_goes_with_what_a_block_only_declares() -> None:
    planned = applied(
        T.PlanAndUpdateBufferAllocationLocation(),
        """
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    B = T.alloc_buffer((8, 8), "float32")
    for i in range(8):
        with T.block("nothing"):
            v = T.axis.spatial(8, i)
            T.writes(B[v, 0:8])
            T.block_attr({"buffer_dim_align": [[0, 0, 32, 8]]})
            T.evaluate(0)
    for i in range(8):
        with T.block("use"):
            v = T.axis.spatial(8, i)
            A[v] = B[v, 0]
""",
    )
    (block,) = [b for b in nodes(planned, tir.Block) if b.name_hint == "nothing"]
    assert not block.writes and not block.annotations


DIVIDED = """
@T.prim_func
def main(A: T.Buffer((64, 4), "float32"), C: T.Buffer((64, 4), "float32")):
    for b in T.thread_binding(4, thread="blockIdx.x"):
        with T.block("tile"):
            T.reads(A[0:64, 0:4])
            T.writes(C[0:64, 0:4])
            S = T.alloc_buffer((64, 4), "float32", scope="shared")
            for t in T.thread_binding(32, thread="threadIdx.x"):
                for v in range(3):
                    if t * 3 + v < 64:
                        S[b * 16 + (t * 3 + v) // 4, (t * 3 + v) % 4] = T.float32(1)
            for t in T.thread_binding(32, thread="threadIdx.x"):
                for v in range(4):
                    if t * 4 + v < 64:
                        C[b * 16 + t, v] = S[b * 16 + t, v]
"""


def test_conditions_bound_what_is_divided_and_each_variable() -> None:
    for passes in (
        [T.CompactBufferAllocation(), T.LowerOpaqueBlock()],
        [T.LowerOpaqueBlock(), T.CompactBufferAllocation()],
    ):
        (allocate,) = nodes(applied(passes, DIVIDED), tir.Allocate)
        assert [d.value for d in allocate.extents] == [16, 4]
