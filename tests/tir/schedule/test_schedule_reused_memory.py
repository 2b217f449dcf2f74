"""Memory that iterations of a loop fill anew: what is read there is what that iteration wrote."""

from __future__ import annotations

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import from_source
from tilewright.tir import Schedule, ScheduleError

TWO_PLACES = """
@T.prim_func
def main(A: T.Buffer((6, 8), "float32"), C: T.Buffer((6, 8), "float32")):
    B = T.alloc_buffer((2, 8))
    for t in range(6):
        for i in range(8):
            with T.block("load"):
                vt, vi = T.axis.remap("SS", [t, i])
                B[{place}, vi] = A[vt, vi] + T.float32(1)
        for i in range(8):
            with T.block("use"):
                vt, vi = T.axis.remap("SS", [t, i])
                C[vt, vi] = B[{place}, vi] * B[{place}, 7 - vi]
"""
ONE_READ = TWO_PLACES.replace(" * B[{place}, 7 - vi]", "")


@pytest.mark.parametrize("place", ["vt % 2", "0"])
def test_a_producer_that_moves_inwards_runs_for_the_same_iteration(place: str) -> None:
    func = from_source(TWO_PLACES.format(place=place))
    sch = Schedule(func)
    sch.compute_at("load", sch.get_loops("use")[1])
    assert [int(sch.get(l).extent) for l in sch.get_loops("load")] == [6, 8, 8]
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("place", ["vt % 2", "0"])
def test_a_block_without_producers_moves_to_its_consumers_for_the_same_iteration(
    place: str,
) -> None:
    func = from_source(TWO_PLACES.format(place=place))
    sch = Schedule(func)
    sch.reverse_compute_at("load", sch.get_loops("use")[1])
    assert_same_result(func, sch.func)


def test_a_consumer_that_moves_inwards_runs_for_the_same_iteration() -> None:
    func = from_source(ONE_READ.format(place="0"))
    sch = Schedule(func)
    sch.reverse_compute_at("use", sch.get_loops("load")[1])
    assert len(sch.get_loops("use")) == 2
    assert_same_result(func, sch.func)


def test_a_copy_into_reused_memory_does_not_leave_the_loop_of_its_readers() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((6, 8), "float32"), C: T.Buffer((6, 8), "float32")):
    D = T.alloc_buffer((6, 8))
    B = T.alloc_buffer((2, 8))
    for t, i in T.grid(6, 8):
        with T.block("double"):
            vt, vi = T.axis.remap("SS", [t, i])
            D[vt, vi] = A[vt, vi] * T.float32(2)
    for t in range(6):
        for i in range(8):
            with T.block("load"):
                vt, vi = T.axis.remap("SS", [t, i])
                B[vt % 2, vi] = D[vt, vi] + T.float32(1)
        for i in range(8):
            with T.block("use"):
                vt, vi = T.axis.remap("SS", [t, i])
                C[vt, vi] = B[vt % 2, vi]
""")
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="overwrite what a block in them reads"):
        sch.reverse_compute_inline("load")
    sch.compute_inline("double")
    assert_same_result(func, sch.func)
