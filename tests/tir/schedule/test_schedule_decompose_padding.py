"""Padding taken apart into what fills and what copies."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import tir as T
from tilewright.support.errors import ScheduleError
from tilewright.tir import Schedule


@T.prim_func
def padded(A: T.Buffer((1, 6, 8), "float32"), B: T.Buffer((1, 10, 8), "float32")):
    for b, i, j in T.grid(1, 10, 8):
        with T.block("B"):
            vb, vi, vj = T.axis.remap("SSS", [b, i, j])
            B[vb, vi, vj] = T.if_then_else(
                vi >= 2 and vi < 8, A[vb, vi - 2, vj], T.float32(0), dtype="float32"
            )


def bindings(sch, name):
    return [str(v) for v in sch.get_sref(sch.get_block(name)).realize.iter_values]


@pytest.mark.parametrize(("depth", "first"), [(0, "b"), (2, "0")])
def test_loops_of_one_iteration_around_are_not_bound(depth, first):
    sch = Schedule(padded, debug_mask="all")
    sch.decompose_padding("B", sch.get_loops("B")[depth])
    assert bindings(sch, "B")[0] == bindings(sch, "B_pad_const")[0] == first
    assert_same_result(padded, sch.func)


def test_the_range_of_the_copy_is_checked_first():
    sch = Schedule(padded, debug_mask="all")
    _, inner = sch.split(sch.get_loops("B")[1], [None, 4])
    sch.decompose_padding("B", inner)
    where = str(sch.get_sref(sch.get_block("B")).realize.predicate)
    assert where == ("2 <= i_0 * 4 + i_1 and i_0 * 4 + i_1 < 8 and i_0 * 4 + i_1 < 10")
    assert_same_result(padded, sch.func)


def test_a_condition_that_always_holds_is_no_padding():
    @T.prim_func
    def whole(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
        for i in range(6):
            with T.block("B"):
                vi = T.axis.spatial(6, i)
                B[vi] = T.if_then_else(vi >= 0 and vi < 6, A[vi], T.float32(0))

    sch = Schedule(whole)
    (loop,) = sch.get_loops("B")
    assert not sch.can_decompose_padding(sch.get_block("B"), loop)
    with pytest.raises(ScheduleError, match="there is nothing to fill"):
        sch.decompose_padding("B", loop)


def test_a_loop_outside_of_the_block_around_is_refused():
    sch = Schedule(padded, debug_mask="all")
    outer = sch.blockize(sch.get_loops("B")[2])
    loop = sch.get_loops(outer)[1]
    with pytest.raises(ScheduleError, match="outside of the block that is around"):
        sch.decompose_padding("B", loop)
    sch.decompose_padding("B", sch.get_loops("B")[-1])
    assert_same_result(padded, sch.func)
