"""Layouts with padding, maps of random integers, axes of one value."""

import numpy as np
import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import elementwise, matmul
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError, ScheduleError
from tilewright.tir import IntImm, Schedule, interpreter
from tilewright.tir.schedule.testing import verify_trace_roundtrip


@T.prim_func
def row_sums(A: T.Buffer((14, 6), "int32"), C: T.Buffer((14,), "int32")):
    B = T.alloc_buffer((14,), "int32")
    for i, k in T.grid(14, 6):
        with T.block("B"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                B[vi] = 0
            B[vi] = B[vi] + A[vi, vk]
    for i in range(14):
        with T.block("C"):
            vi = T.axis.spatial(14, i)
            C[vi] = B[vi]


def test_a_sum_writes_the_padding_too():
    sch = Schedule(row_sums, debug_mask="all")
    sch.transform_layout("B", "B", lambda i: [i // 4, i % 4], pad_value=7)
    block = sch.get(sch.get_block("B"))
    assert [int(sch.get(l).extent) for l in sch.get_loops("B")] == [4, 4, 6]
    assert str(block.body.value).startswith("T.if_then_else(v0 == 3 and 2 <= v1, 7, B[v0, v1] + ")
    assert "7" in str(block.init)
    assert_same_result(row_sums, sch.func)


def test_a_sum_whose_loops_are_its_own_is_padded_behind():
    sch = Schedule(row_sums, debug_mask="all")
    sch.reorder(*reversed(sch.get_loops("B")))
    sch.transform_layout("B", "B", lambda i: [i // 4, i % 4], pad_value=7)
    pad = sch.get(sch.get_block("B_pad"))
    assert [r.extent.value for r in pad.writes[0].region] == [1, 1]
    assert str(sch.get_sref(sch.get_block("B_pad")).realize.predicate) == "ax0 == 3 and 2 <= ax1"
    assert_same_result(row_sums, sch.func)


def test_what_is_assumed_of_a_parameter_reads_one_element_at_a_time():
    sch = Schedule(row_sums, debug_mask="all")
    sch.transform_layout("C", "C", lambda i: [i // 4, i % 4], pad_value=0)
    sch.transform_layout("B", "A", lambda i, k: [i // 4, k, i % 4], pad_value=0)
    block = sch.get(sch.get_block("A_assume"))
    assert all(r.extent.value == 1 for r in block.reads[0].region)
    x = np.zeros((4, 6, 4), "int32")
    x[...] = np.arange(6)[None, :, None]
    y = np.full((4, 4), -1, "int32")
    interpreter.run(sch.func, x, y)
    np.testing.assert_array_equal(y.ravel(), [15] * 14 + [0, 0])


def test_padding_has_the_type_of_the_buffer():
    sch = Schedule(row_sums)
    for kind in (ScheduleError, ArgumentError):
        with pytest.raises(kind, match="the padding of `B` is int8, the buffer int32"):
            sch.transform_layout("B", "B", lambda i: [i // 4, i % 4], pad_value=IntImm("int8", 0))


def test_a_map_may_use_sampled_integers():
    func = elementwise(6, 8)
    sch = Schedule(func, debug_mask="all")
    _, b = sch.sample_perfect_tile(sch.get_loops("B")[1], 2, decision=[2, 4])
    sch.transform_layout("B", "B", lambda i, j: [i, j // b, j % b])
    assert "B[v_i, v_j // 4, v_j % 4]" in sch.func.script()
    short = sch.trace.simplified(remove_postproc=True)
    assert "SamplePerfectTile" in [inst.kind.name for inst in short.insts]
    for text_format in ("python", "json"):
        verify_trace_roundtrip(sch, func, text_format=text_format)
    inst = next(i for i in short.insts if i.kind.name == "SamplePerfectTile")
    other = Schedule(func)
    short.with_decision(inst, [4, 2], True).apply_to_schedule(other, True)
    assert [int(d) for d in other.get(other.get_block("B")).writes[0].buffer.shape] == [6, 4, 2]


def test_axes_of_one_value_leave_the_mapped_indices():
    func = matmul(1, 6, 4)
    sch = Schedule(func)
    sch.transform_layout("C", "C", lambda i, j: [j, i])
    assert str(sch.get(sch.get_block("C")).writes[0]) == "C[v_j, 0]"


def test_indices_under_a_block_layout_are_simple():
    @T.prim_func
    def scaled(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
        for i, j in T.grid(4, 8):
            with T.block("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = A[vi, vj // 8 * 3 + vj]

    sch = Schedule(scaled)
    sch.transform_block_layout("B", lambda i, j: [i * 8 + j])
    block = sch.get(sch.get_block("B"))
    assert str(block.reads[0]) == "A[v0 // 8, v0 % 8]"
    assert_same_result(scaled, sch.func)


def test_stores_outside_of_blocks_write_a_buffer_too():
    @T.prim_func
    def bare(A: T.Buffer((6,), "int32"), C: T.Buffer((6,), "int32")):
        B = T.alloc_buffer((6,), "int32")
        for i in range(6):
            B[i] = A[i]
        for i in range(6):
            with T.block("C"):
                vi = T.axis.spatial(6, i)
                C[vi] = B[vi]

    sch = Schedule(bare, debug_mask="all")
    sch.transform_layout("C", ("read", 0), lambda i: [i // 4, i % 4], pad_value=3)
    assert [sch.get(b).name_hint for b in sch.get_child_blocks("root")] == ["B_pad", "C"]
    assert "T.assume" not in sch.func.script()
    assert_same_result(bare, sch.func)


def opaque_sums(count: int):
    @T.prim_func
    def sums(A: T.Buffer((14, 6), "int32"), C: T.Buffer((14,), "int32")):
        B = T.alloc_buffer((14,), "int32")
        for i in range(count):
            B[i] = 0
            for k in range(6):
                with T.block("sum"):
                    B[i] = B[i] + A[i, k]
        for i in range(count):
            with T.block("C"):
                vi = T.axis.spatial(14, i)
                C[vi] = B[vi]

    return sums


def test_loops_around_a_block_without_axes_run_over_the_new_layout():
    sch = Schedule(opaque_sums(14))
    sch.transform_layout("sum", "B", lambda i: [i // 4, i % 4], pad_value=5)
    text = sch.mod["main"].script()
    assert "for ax0, ax1 in T.grid(4, 4):\n" in text and "B_pad" not in text
    assert "B[ax0, ax1] = T.if_then_else(ax0 == 3 and 2 <= ax1, 5, 0)" in text
    assert "T.reads(B[ax0, ax1], A[ax0 * 4 + ax1, k])" in text
    assert_same_result(opaque_sums(14), sch.mod["main"])
    sch.state.debug_verify()


def test_loops_that_leave_places_out_do_not_run_over_the_new_layout():
    sch = Schedule(opaque_sums(13))
    sch.transform_layout("sum", "B", lambda i: [i // 4, i % 4], pad_value=5)
    text = sch.mod["main"].script()
    assert "for i in range(13):" in text and "B_pad" in text
