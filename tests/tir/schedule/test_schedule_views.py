"""Views of a buffer (`match_buffer`) follow it when a primitive changes it."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import tir as T
from tilewright.support.errors import ScheduleError
from tilewright.tir import IndexMap, Schedule


@T.prim_func
def through_views(A: T.Buffer((4, 6), "float32"), C: T.Buffer((4, 6), "float32")):
    B = T.alloc_buffer((4, 6), "float32")
    for i in range(4):
        with T.block("B"):
            vi = T.axis.spatial(4, i)
            T.reads(A[vi, 0:6])
            T.writes(B[vi, 0:6])
            row = T.match_buffer(B[vi, 0:6], (6,), offset_factor=1)
            for j in range(6):
                with T.block("element"):
                    vj = T.axis.spatial(6, j)
                    cell = T.match_buffer(row[vj], (), offset_factor=1)
                    cell[()] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(4, 6):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            part = T.match_buffer(B[vi, 0:6], (1, 6), offset_factor=1)
            C[vi, vj] = part[0, vj] + T.float32(1)


def views(sch):
    return [
        match.buffer
        for name in ("B", "element", "C")
        for match in sch.get(sch.get_block(name)).match_buffers
    ]


def test_in_another_memory():
    sch = Schedule(through_views, debug_mask="all")
    sch.set_scope("B", 0, "shared")
    assert [v.scope() for v in views(sch)] == ["shared"] * 3
    assert_same_result(through_views, sch.func)


def test_in_another_type():
    sch = Schedule(through_views, debug_mask="all")
    sch.unsafe_set_dtype("B", 0, "float64")
    assert [v.dtype for v in views(sch)] == ["float64"] * 3
    assert_same_result(through_views, sch.func)


def test_in_other_groups_of_dimensions():
    sch = Schedule(through_views, debug_mask="all")
    sch.set_axis_separator("B", ("write", 0), [1])
    # the last group holds all dimensions of a view that has fewer than the buffer
    assert [list(v.axis_separators) for v in views(sch)] == [[0], [0], [1]]


def test_an_axis_separator_alone_leaves_views_as_they_are():
    sch = Schedule(through_views, debug_mask="all")
    sch.transform_layout("B", ("write", 0), lambda i, j: [i, IndexMap.AXIS_SEPARATOR, j])
    assert [list(v.axis_separators) for v in views(sch)] == [[0], [0], [1]]
    with pytest.raises(ScheduleError, match="viewed as another buffer"):
        sch.transform_layout("B", ("write", 0), lambda i, j: [j, i])


def test_memory_used_as_such_keeps_its_type():
    @T.prim_func
    def opaque(C: T.Buffer((4,), "float32")):
        B = T.alloc_buffer((4,), "float32")
        for i in range(4):
            with T.block("B"):
                vi = T.axis.spatial(4, i)
                B[vi] = T.float32(1)
        with T.block("C"):
            T.reads(B[0:4])
            T.writes(C[0:4])
            T.evaluate(T.call_extern("int32", "copy", C.data, B.data))

    with pytest.raises(ScheduleError, match="used otherwise than by loads and stores"):
        Schedule(opaque).unsafe_set_dtype("B", 0, "float16")
