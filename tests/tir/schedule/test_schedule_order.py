"""Blocks that share memory keep their order: what is read is not overwritten before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import from_source
from tilewright.tir import Schedule, ScheduleError

CLEARED = """
@T.prim_func
def main(X: T.Buffer((8,), "float32"), Y: T.Buffer((8,), "float32")):
    W = T.alloc_buffer((8,))
    for i in range(8):
        with T.block("copy"):
            vi = T.axis.spatial(8, i)
            W[vi] = X[vi] + T.float32(1)
    for i in range(8):
        with T.block("clear"):
            vi = T.axis.spatial(8, i)
            X[vi] = T.float32(0)
    for i in range(8):
        with T.block("use"):
            vi = T.axis.spatial(8, i)
            Y[vi] = W[vi]
"""
OVERWRITES = """
@T.prim_func
def main(X: T.Buffer((8,), "float32"), Y: T.Buffer((8,), "float32"), Z: T.Buffer((8,), "float32")):
    W = T.alloc_buffer((8,))
    for i in range(8):
        with T.block("make"):
            vi = T.axis.spatial(8, i)
            W[vi] = X[vi] + T.float32(1)
    for i in range(8):
        with T.block("read"):
            vi = T.axis.spatial(8, i)
            Z[vi] = Y[vi]
    for i in range(8):
        with T.block("use"):
            vi = T.axis.spatial(8, i)
            Y[vi] = W[vi]
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.compute_at("copy", sch.get_loops("use")[0]),
        lambda sch: sch.compute_inline("copy"),
    ],
    ids=["compute_at", "compute_inline"],
)
def test_what_a_block_reads_is_not_overwritten_before(change: Callable[[Schedule], None]) -> None:
    sch = Schedule(from_source(CLEARED))
    with pytest.raises(ScheduleError, match="what the block reads would be overwritten before"):
        change(sch)


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.reverse_compute_at("use", sch.get_loops("make")[0]),
        lambda sch: sch.reverse_compute_inline("use"),
    ],
    ids=["reverse_compute_at", "reverse_compute_inline"],
)
def test_a_block_does_not_overwrite_what_is_still_read(change: Callable[[Schedule], None]) -> None:
    sch = Schedule(from_source(OVERWRITES))
    with pytest.raises(ScheduleError, match="would overwrite what is read after it"):
        change(sch)


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.reverse_compute_at("use", sch.get_loops("copy")[0]),
        lambda sch: sch.reverse_compute_inline("use"),
    ],
    ids=["reverse_compute_at", "reverse_compute_inline"],
)
def test_blocks_move_where_the_order_does_not_matter(change: Callable[[Schedule], None]) -> None:
    func = from_source(CLEARED)
    sch = Schedule(func)
    change(sch)
    assert_same_result(func, sch.func)


SHIFTED = """
@T.prim_func
def main(X: T.Buffer((6, 6), "float32"), Y: T.Buffer((6, 6), "float32")):
    {made}
    for i, j in T.grid(5, 5):
        with T.block("first"):
            vi, vj = T.axis.remap("SS", [i, j])
            {first}
        with T.block("second"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.where(i > 0)
            {second}
"""
READS_BEFORE = SHIFTED.format(
    made="W = T.alloc_buffer((6, 6))",
    first="W[vi, vj] = X[vi, vj]",
    second="Y[vi, vj] = W[vi - 1, vj + 1]",
)
WRITES_AFTER = SHIFTED.format(
    made="", first="Y[vi, vj] = X[vi + 1, vj]", second="X[vi, vj] = T.float32(0)"
)


@pytest.mark.parametrize("program", [READS_BEFORE, WRITES_AFTER], ids=["made", "overwritten"])
@pytest.mark.parametrize("primitive", ["parallel", "vectorize", "reorder"])
def test_iterations_that_need_each_other_keep_their_order(program: str, primitive: str) -> None:
    sch = Schedule(from_source(program))
    i, j = sch.get_loops("first")
    with pytest.raises(ScheduleError, match="another iteration of the loops"):
        if primitive == "reorder":
            sch.reorder(j, i)
        else:
            getattr(sch, primitive)(i)


def test_iterations_that_overwrite_only_what_they_read_themselves_change_places() -> None:
    func = from_source(SHIFTED.format(
        made="", first="Y[vi, vj] = X[vi, vj]", second="X[vi, vj] = T.float32(0)"
    ))  # fmt: skip
    sch = Schedule(func)
    sch.reorder(*reversed(sch.get_loops("first")))
    assert_same_result(func, sch.func)


OVERLAPPING = """
@T.prim_func
def main(A: T.Buffer((14, 4), "float32"), B: T.Buffer((14, 4), "float32")):
    for a, b, c in T.grid(6, 4, 4):
        with T.block("B"):
            vi = T.axis.spatial(14, {index})
            vj = T.axis.spatial(4, c)
            B[vi, vj] = A[vi, vj] + T.float32(1)
"""


def test_reorder_of_a_complete_block_that_runs_some_instances_twice() -> None:
    func = from_source(OVERLAPPING.format(index="a * 2 + b"))
    sch = Schedule(func)
    a, b, c = sch.get_loops("B")
    sch.reorder(c, b, a)
    assert_same_result(func, sch.func)


def test_reorder_looks_at_the_loops_from_the_outermost_one_named() -> None:
    sch = Schedule(from_source(OVERLAPPING.format(index="a * a // 3 + b")))
    a, b, c = sch.get_loops("B")
    with pytest.raises(ScheduleError, match="not bound to affine"):
        sch.reorder(a, c, b)
    sch.reorder(c, b)
    assert [sch.get(l).loop_var.name for l in sch.get_loops("B")] == ["a", "c", "b"]


HALVES = """
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(8):
        with T.block("upper"):
            vi = T.axis.spatial(16, i + 8)
            B[vi] = A[vi - 8]
    for i in range(8):
        with T.block("lower"):
            vi = T.axis.spatial(16, i)
            B[vi] = A[vi + 8]
"""


def test_other_writers_outside_of_a_loop_do_not_matter_to_it() -> None:
    sch = Schedule(from_source(HALVES))
    sch.parallel(sch.get_loops("upper")[0])
    sch.vectorize(sch.get_loops("lower")[0])
    assert "T.parallel(8)" in sch.func.script()


EVEN_AND_ODD = """
@T.prim_func
def main(A: T.Buffer((6, 8), "float32"), C: T.Buffer((6, 8), "float32")):
    B = T.alloc_buffer((6, 8))
    for i, j in T.grid(6, 8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(6, 4):
        with T.block("even"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj * 2] = B[vi, vj * 2]
        with T.block("odd"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj * 2 + 1] = B[vi, vj * 2 + 1] + T.float32(1)
"""


@pytest.mark.parametrize("inline", [False, True])
def test_the_consumers_of_a_block_that_moves_may_write_one_buffer(inline: bool) -> None:
    func = from_source(EVEN_AND_ODD)
    sch = Schedule(func)
    if inline:
        sch.compute_inline("B")
    else:
        sch.compute_at("B", sch.get_loops("even")[0])
    assert_same_result(func, sch.func)


SUM = """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for i, k, u in T.grid(4, 6, 1):
        with T.block("B"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + A[vi, vk]
"""


def test_rfactor_of_a_loop_of_one_iteration() -> None:
    func = from_source(SUM)
    sch = Schedule(func)
    partial = sch.rfactor(sch.get_loops("B")[2], 1)
    assert [int(d) for d in sch.get(partial).writes[0].buffer.shape] == [4, 1]
    assert [int(sch.get(l).extent) for l in sch.get_loops("B")] == [4, 1]
    assert_same_result(func, sch.func)


def test_rfactor_keeps_loops_of_one_iteration() -> None:
    func = from_source(SUM)
    sch = Schedule(func)
    sch.rfactor(sch.get_loops("B")[1], 1)
    assert [int(sch.get(l).extent) for l in sch.get_loops("B")] == [4, 6, 1]
    assert_same_result(func, sch.func)


def test_rfactor_asks_for_a_serial_loop() -> None:
    sch = Schedule(from_source(SUM))
    sch.unroll(sch.get_loops("B")[1])
    with pytest.raises(ScheduleError, match="the loop is unrolled, not serial"):
        sch.rfactor(sch.get_loops("B")[1], 0)


def test_a_sum_is_not_moved_into_a_parallel_loop_that_would_cut_it() -> None:
    func = from_source("""
@T.prim_func
def main(B: T.Buffer((6, 8), "float32"), C: T.Buffer((8,), "float32")):
    twice = T.alloc_buffer((6, 8))
    for fused in T.parallel(48):
        with T.block("twice"):
            vk = T.axis.spatial(6, fused // 8)
            vj = T.axis.spatial(8, fused % 8)
            twice[vk, vj] = B[vk, vj] * T.float32(2)
    for j, k in T.grid(8, 6):
        with T.block("sum"):
            vj, vk = T.axis.remap("SR", [j, k])
            with T.init():
                C[vj] = T.float32(0)
            C[vj] = C[vj] + twice[vk, vj]
""")
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="not data-parallel"):
        sch.reverse_compute_at("sum", sch.get_loops("twice")[0])
