"""Programs before and after a primitive, as text."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.ir import assert_structural_equal
from tilewright.script.parser import from_source
from tilewright.tir import Schedule

PRODUCT = """
@T.prim_func
def main(A: T.Buffer((8, 9), "float32"), B: T.Buffer((9,), "float32"),
         C: T.Buffer((8,), "float32")):
    for i, k in T.grid(8, 9):
        with T.block("C"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                C[vi] = T.float32(0)
            C[vi] = C[vi] + A[vi, vk] * B[vk]
"""
PAIR = """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4, 6), "float32"),
         C: T.Buffer((4, 6), "float32")):
    for i, j in T.grid(4, 6):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] + T.float32(1)
    for i, j in T.grid(4, 6):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] * T.float32(2)
"""

PADDED = """
@T.prim_func
def main(X: T.Buffer((4, 5), "float32"), P: T.Buffer((6, 8), "float32")):
    for i, j in T.grid(6, 8):
        with T.block("P"):
            vi, vj = T.axis.remap("SS", [i, j])
            P[vi, vj] = T.if_then_else(
                1 <= vi and vi < 5 and 2 <= vj and vj < 7, X[vi - 1, vj - 2], T.float32(0)
            )
"""

CASES = {
    "blockize of a whole reduction": (
        PRODUCT,
        lambda sch: sch.blockize(sch.get_loops("C")[1]),
        """
@T.prim_func
def main(A: T.Buffer((8, 9), "float32"), B: T.Buffer((9,), "float32"),
         C: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.block("C_o"):
            vi_o = T.axis.spatial(8, i)
            vk_o = T.axis.reduce(1, 0)
            T.reads(A[vi_o, 0:9], B[0:9])
            T.writes(C[vi_o])
            with T.init():
                with T.block("C_init"):
                    T.reads()
                    T.writes(C[vi_o])
                    C[vi_o] = T.float32(0)
            for k in range(9):
                with T.block("C"):
                    vk_i = T.axis.reduce(9, k)
                    T.reads(C[vi_o], A[vi_o, vk_i], B[vk_i])
                    T.writes(C[vi_o])
                    C[vi_o] = C[vi_o] + A[vi_o, vk_i] * B[vk_i]
""",
    ),
    "rfactor of a whole reduction": (
        PRODUCT,
        lambda sch: sch.rfactor(sch.get_loops("C")[1], 0),
        """
@T.prim_func
def main(A: T.Buffer((8, 9), "float32"), B: T.Buffer((9,), "float32"),
         C: T.Buffer((8,), "float32")):
    C_rf = T.alloc_buffer((9, 8), "float32")
    for i, k in T.grid(8, 9):
        with T.block("C_rf"):
            vk, vi = T.axis.remap("SS", [k, i])
            C_rf[vk, vi] = A[vi, vk] * B[vk]
    for i, k in T.grid(8, 9):
        with T.block("C"):
            vk, vi = T.axis.remap("RS", [k, i])
            with T.init():
                C[vi] = T.float32(0)
            C[vi] = C[vi] + C_rf[vk, vi]
""",
    ),
    "decompose_reduction": (
        PRODUCT,
        lambda sch: sch.decompose_reduction("C", sch.get_loops("C")[1]),
        """
@T.prim_func
def main(A: T.Buffer((8, 9), "float32"), B: T.Buffer((9,), "float32"),
         C: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.block("C_init"):
            vi = T.axis.spatial(8, i)
            C[vi] = T.float32(0)
        for k in range(9):
            with T.block("C_update"):
                vi, vk = T.axis.remap("SR", [i, k])
                C[vi] = C[vi] + A[vi, vk] * B[vk]
""",
    ),
    "reindex": (
        PRODUCT,
        lambda sch: sch.reindex("C", ("read", 0)),
        """
@T.prim_func
def main(A: T.Buffer((8, 9), "float32"), B: T.Buffer((9,), "float32"),
         C: T.Buffer((8,), "float32")):
    A_reindex = T.alloc_buffer((8, 9), "float32")
    for ax0, ax1 in T.grid(8, 9):
        with T.block("A_reindex_reindex"):
            v0, v1 = T.axis.remap("SS", [ax0, ax1])
            A_reindex[v0, v1] = A[v0, v1]
    for i, k in T.grid(8, 9):
        with T.block("C"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                C[vi] = T.float32(0)
            C[vi] = C[vi] + A_reindex[vi, vk] * B[vk]
""",
    ),
    "decompose_padding": (
        PADDED,
        lambda sch: sch.decompose_padding("P", sch.get_loops("P")[0]),
        """
@T.prim_func
def main(X: T.Buffer((4, 5), "float32"), P: T.Buffer((6, 8), "float32")):
    for i, j in T.grid(6, 8):
        with T.block("P_pad_const"):
            vi, vj = T.axis.remap("SS", [i, j])
            P[vi, vj] = T.float32(0)
    for i, j in T.grid(4, 5):
        with T.block("P"):
            vi, vj = T.axis.remap("SS", [i, j])
            P[vi + 1, vj + 2] = X[vi, vj]
""",
    ),
    "decompose_padding at an inner loop": (
        PADDED,
        lambda sch: sch.decompose_padding("P", sch.get_loops("P")[1]),
        """
@T.prim_func
def main(X: T.Buffer((4, 5), "float32"), P: T.Buffer((6, 8), "float32")):
    for i in range(6):
        for j in range(8):
            with T.block("P_pad_const"):
                vi, vj = T.axis.remap("SS", [i, j])
                P[vi, vj] = T.float32(0)
        for j in range(5):
            with T.block("P"):
                vi = T.axis.spatial(4, i - 1)
                vj = T.axis.spatial(5, j)
                T.where(1 <= i and i < 5)
                P[vi + 1, vj + 2] = X[vi, vj]
""",
    ),
    "merge": (
        PAIR,
        lambda sch: sch.merge(sch.get_loops("B")[0], sch.get_loops("C")[0]),
        """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4, 6), "float32"),
         C: T.Buffer((4, 6), "float32")):
    for i_m in range(4):
        for j in range(6):
            with T.block("B"):
                vi, vj = T.axis.remap("SS", [i_m, j])
                B[vi, vj] = A[vi, vj] + T.float32(1)
        for j in range(6):
            with T.block("C"):
                vi, vj = T.axis.remap("SS", [i_m, j])
                C[vi, vj] = A[vi, vj] * T.float32(2)
""",
    ),
    "loop_partition": (
        PAIR,
        lambda sch: sch.loop_partition(sch.get_loops("B")[0], [1, None]),
        """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4, 6), "float32"),
         C: T.Buffer((4, 6), "float32")):
    for i0, j in T.grid(1, 6):
        with T.block("B_i0"):
            vi = T.axis.spatial(4, i0)
            vj = T.axis.spatial(6, j)
            B[vi, vj] = A[vi, vj] + T.float32(1)
    for i1 in range(1, 4):
        for j in range(6):
            with T.block("B_i1"):
                vi = T.axis.spatial(4, i1)
                vj = T.axis.spatial(6, j)
                B[vi, vj] = A[vi, vj] + T.float32(1)
    for i, j in T.grid(4, 6):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] * T.float32(2)
""",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_primitive_makes_this_program(name):
    before, step, after = CASES[name]
    sch = Schedule(from_source(before), debug_mask="all")
    step(sch)
    assert_same_result(from_source(before), sch.func)
    wanted = from_source(after)
    assert_structural_equal(sch.func, wanted)
    names = [sch.get(b).name_hint for b in sch.get_child_blocks("root")]
    other = Schedule(wanted)
    assert names == [other.get(b).name_hint for b in other.get_child_blocks("root")]
