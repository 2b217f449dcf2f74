"""Which consumers go into their producers, and which results may be copied."""

from __future__ import annotations

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.tir import PrimFunc, Schedule, ScheduleError

PAIR = """
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer(({rows}, 4), "float32")):
    B = T.alloc_buffer((32,))
    for i, j in T.grid(8, 4):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            {where}
            B[vi * 4 + vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid({rows}, 4):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = {value}
"""


def pair(value: str, where: str = "", rows: int = 8) -> PrimFunc:
    return from_source(PAIR.format(value=value, where=where, rows=rows))


def test_a_consumer_may_load_one_place_twice() -> None:
    func = pair("B[vi * 4 + vj] + B[vi * 4 + vj]")
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    assert_same_result(func, sch.func)
    other = Schedule(pair("B[vi * 4 + vj] + B[vi * 4]"))
    with pytest.raises(ScheduleError, match="loads `B` at different places"):
        other.reverse_compute_inline("C")


def test_a_condition_of_the_producer_is_stated_once() -> None:
    func = pair("B[vi * 4 + vj]", "T.where(i < 6)", 6)
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    assert "T.where(i < 6)\n" in sch.func.script()
    assert_same_result(func, sch.func)


ONE_STEP = """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), C: T.Buffer((6, 4), "float32")):
    B = T.alloc_buffer((4, 6))
    for i, j in T.grid(4, 6):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            with T.init():
                B[vi, vj] = T.float32(0)
            B[vi, vj] = B[vi, vj] + A[vi, vj]
    for i, j in T.grid(6, 4):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = {value}
"""


def test_a_sum_of_one_step_goes_straight_to_where_it_is_copied() -> None:
    func = from_source(ONE_STEP.format(value="B[vj, vi]"))
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    expected = from_source("""
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), C: T.Buffer((6, 4), "float32")):
    for i, j in T.grid(4, 6):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            with T.init():
                C[vj, vi] = T.float32(0)
            C[vj, vi] = C[vj, vi] + A[vi, vj]
""")
    assert_structural_equal(sch.func, expected)
    assert_same_result(func, sch.func)


def test_a_sum_of_one_step_is_no_more_than_copied() -> None:
    sch = Schedule(from_source(ONE_STEP.format(value="B[vj, vi] * T.float32(2)")))
    with pytest.raises(ScheduleError, match="the block is a reduction"):
        sch.reverse_compute_inline("C")


def test_cache_write_of_a_reduction_whose_last_steps_are_left_out() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((4, 19), "float32"), B: T.Buffer((4,), "float32")):
    for i, k in T.grid(4, 19):
        with T.block("B"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + A[vi, vk]
""")
    sch = Schedule(func)
    _, lanes = sch.split(sch.get_loops("B")[1], [None, 8])
    sch.cache_write(sch.rfactor(lanes, 1), 0, "local")
    assert_same_result(func, sch.func)


GUARDED = """
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), B: T.Buffer((6, 4), "float32")):
    for i, j in T.grid(8, 4):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.where({condition})
            B[vi, vj] = A[vi, vj]
"""


def test_cache_write_of_a_block_that_keeps_to_the_buffer() -> None:
    func = from_source(GUARDED.format(condition="i < 6"))
    sch = Schedule(func)
    sch.cache_write("B", 0, "local")
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("condition", ["i < 5", "j + 1 < 4", "i < 6 and j < 3"])
def test_cache_write_sees_holes_that_a_condition_leaves(condition: str) -> None:
    sch = Schedule(from_source(GUARDED.format(condition=condition)))
    with pytest.raises(ScheduleError, match="holes in what it writes"):
        sch.cache_write("B", 0, "local")


def test_a_condition_limits_what_a_block_reads() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((16,), "float32"), C: T.Buffer((16,), "float32")):
    B = T.alloc_buffer((16,))
    for o in range(2):
        for i in range(8):
            with T.block("B"):
                vi = T.axis.spatial(16, o * 8 + i)
                B[vi] = A[vi]
        for i, j in T.grid(3, 3):
            with T.block("C"):
                T.where(i * 3 + j < 8)
                vi = T.axis.spatial(16, o * 8 + i * 3 + j)
                C[vi] = B[vi]
""")
    sch = Schedule(func)
    sch.compute_inline("B")
    assert_same_result(func, sch.func)


def test_the_conditions_of_all_axes_are_read_together() -> None:
    func = from_source(
        """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32"), C: T.Buffer((7, 7), "float32")):
    B = T.alloc_buffer((8, 8))
    for i in range(64):
        with T.block("B"):
            vi = T.axis.spatial(8, i // 8)
            vj = T.axis.spatial(8, i % 8)
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(7, 7):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] + T.float32(1)
"""
    )
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    assert "T.where(i < 55 and i % 8 < 7)" in sch.func.script()
    assert_same_result(func, sch.func)
