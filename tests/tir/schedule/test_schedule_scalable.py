"""Splitting by multiples of `vscale()`, and tiles that are copied beside the block."""

from __future__ import annotations

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright import tir
from tilewright.script import from_source
from tilewright.tir import Schedule, ScheduleError

FILL = """
@T.prim_func
def main(A: T.Buffer((115,), "float32")):
    for i in range(115):
        with T.block("A"):
            vi = T.axis.spatial(115, i)
            A[vi] = T.float32(1)
"""


@pytest.mark.parametrize("predicated", [True, False])
def test_split_by_a_multiple_of_vscale(predicated: bool) -> None:
    sch = Schedule(from_source(FILL))
    lanes = 4 * tir.vscale()
    sch.split(
        sch.get_loops("A")[0], [tir.ceildiv(115, lanes), lanes], disable_predication=not predicated
    )
    text = sch.func.script()
    assert "vi = T.axis.spatial(115, i_0 * (T.vscale() * 4) + i_1)\n" in text
    assert ("T.where(i_0 * (T.vscale() * 4) + i_1 < 115)" in text) == predicated


def test_split_by_too_few_lanes_is_refused() -> None:
    sch = Schedule(from_source(FILL))
    with pytest.raises(ScheduleError, match="may be less than the extent 115"):
        sch.split(sch.get_loops("A")[0], [28, 4 * tir.vscale()])


def test_split_by_a_size_that_is_not_known_puts_the_loop_first() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(a: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n,), "float32")
    for i in range(n):
        with T.block("A"):
            vi = T.axis.spatial(n, i)
            A[vi] = T.float32(1)
""")
    )
    sch.split(sch.get_loops("A")[0], [10, None])
    assert "vi = T.axis.spatial(n, i_0 * ((n + 9) // 10) + i_1)\n" in sch.func.script()


PRODUCT = """
@T.prim_func
def main(A: T.Buffer((8, 8)), B: T.Buffer((8, 8)), C: T.Buffer((8, 8))):
    for i0, j0, k0, i1, j1, k1 in T.grid(2, 2, 2, 4, 4, 4):
        with T.block("C"):
            vi = T.axis.spatial(8, i0 * 4 + i1)
            vj = T.axis.spatial(8, j0 * 4 + j1)
            vk = T.axis.reduce(8, k0 * 4 + k1)
            with T.init():
                C[vi, vj] = T.float32(0)
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
"""


def test_tiles_of_several_buffers_are_copied_in_the_order_of_the_calls() -> None:
    func = from_source(PRODUCT)
    sch = Schedule(func)
    _, j0, k0, *_ = sch.get_loops("C")
    for place in (0, 1):
        sch.read_at(k0, "C", place, "shared")
    sch.write_at(j0, "C", 0, "local")
    assert_same_result(func, sch.func)
    names = [sch.get(b).name_hint for b in sch.get_child_blocks(j0)]
    assert names == ["A_shared", "B_shared", "C", "C_local"]
    copied = sch.get(sch.get_block("B_shared"))
    assert "B[v0 * 4:v0 * 4 + 4, v1 * 4:v1 * 4 + 4]" in sch.func.script()
    assert len(copied.iter_vars) == 2
