"""Blocks that read what their other instances write: these keep their order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import from_source
from tilewright.tir import Schedule, ScheduleError

SUMS = """
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
    for i, j in T.grid(4, 8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] + T.if_then_else({condition}, B[{read}], T.float32(0))
"""
ALONG_A_ROW = SUMS.format(condition="vj > 0", read="vi, vj - 1")
DIAGONAL = SUMS.format(condition="vi > 0 and vj < 7", read="vi - 1, vj + 1")


def _split_and_exchange(sch: Schedule) -> None:
    outer, inner = sch.split(sch.get_loops("B")[1], [2, 4])
    sch.reorder(inner, outer)


@pytest.mark.parametrize(
    ("program", "change"),
    [
        (ALONG_A_ROW, _split_and_exchange),
        (DIAGONAL, lambda sch: sch.reorder(*reversed(sch.get_loops("B")))),
        (DIAGONAL, lambda sch: sch.transform_block_layout("B", lambda i, j: (j, i))),
    ],
)
def test_iterations_that_read_earlier_results_are_not_exchanged(
    program: str, change: Callable[[Schedule], None]
) -> None:
    with pytest.raises(ScheduleError, match=r"reads what (its )?other iterations"):
        change(Schedule(from_source(program)))


def test_loops_across_a_recurrence_change_places() -> None:
    func = from_source(ALONG_A_ROW)
    sch = Schedule(func)
    i, j = sch.get_loops("B")
    i0, i1 = sch.split(i, [2, 2])
    sch.reorder(j, i1, i0)
    assert_same_result(func, sch.func)


def test_an_update_in_place_is_no_recurrence() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4, 8), "float32")):
    for i, j in T.grid(4, 8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = B[vi, vj] * A[vi, vj]
""")
    sch = Schedule(func)
    sch.reorder(*reversed(sch.get_loops("B")))
    sch.transform_block_layout("B", lambda i, j: (j, i))
    assert_same_result(func, sch.func)
