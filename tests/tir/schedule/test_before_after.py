"""Schedules, each with the text of the program that it gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import ScheduleError
from tilewright.tir import IndexMap, PrimFunc, Schedule

SUM = """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for i, k in T.grid(4, 6):
        with T.block("B"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + A[vi, vk]
"""
CHAIN = """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B = T.alloc_buffer((8, 10))
    for i, j in T.grid(8, 10):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(8, 10):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] + T.float32(1)
"""
UNIT = """
@T.prim_func
def main(A: T.Buffer((8, 1), "float32"), B: T.Buffer((8, 1), "float32")):
    for i, u in T.grid(8, 1):
        with T.block("B"):
            vi, vu = T.axis.remap("SS", [i, u])
            B[vi, vu] = A[vi, vu] + T.float32(1)
"""
TWO_READERS = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32"), D: T.Buffer((8,), "float32")):
    B = T.alloc_buffer((8,))
    for i in range(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi] * T.float32(2)
    for i in range(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[vi] + T.float32(1)
    for i in range(8):
        with T.block("D"):
            vi = T.axis.spatial(8, i)
            D[vi] = B[vi] - T.float32(1)
"""
Steps = Callable[[Schedule], object]
CASES: dict[str, tuple[str, Steps, str]] = {}


def case(name: str, before: str, after: str) -> Callable[[Steps], Steps]:
    def note(steps: Steps) -> Steps:
        CASES[name] = (before, steps, after)
        return steps

    return note


@case("split keeps its condition as it is", CHAIN, """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B = T.alloc_buffer((8, 10))
    for i, j in T.grid(8, 10):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j_0, j_1, j_2 in T.grid(8, 2, 3, 2):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            vj = T.axis.spatial(10, j_0 * 6 + j_1 * 2 + j_2)
            T.where((j_0 * 3 + j_1) * 2 + j_2 < 10)
            C[vi, vj] = B[vi, vj] + T.float32(1)
""")  # fmt: skip
def _split(sch: Schedule) -> None:
    sch.split(sch.get_loops("C")[1], [None, 3, 2])


@case("split takes loops of one iteration out of the bindings", UNIT, """
@T.prim_func
def main(A: T.Buffer((8, 1), "float32"), B: T.Buffer((8, 1), "float32")):
    for i_0, i_1, u in T.grid(1, 8, 1):
        with T.block("B"):
            vi = T.axis.spatial(8, i_1)
            vu = T.axis.spatial(1, 0)
            B[vi, vu] = A[vi, vu] + T.float32(1)
""")  # fmt: skip
def _split_units(sch: Schedule) -> None:
    sch.split(sch.get_loops("B")[0], [1, None], preserve_unit_iters=False)


@case("blockize keeps outer axes of one value and takes init outside", SUM, """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    for i in range(4):
        with T.block("B_o"):
            vi_o = T.axis.spatial(4, i)
            vk_o = T.axis.reduce(1, 0)
            T.reads(A[vi_o, 0:6])
            T.writes(B[vi_o])
            with T.init():
                with T.block("B_init"):
                    T.reads()
                    T.writes(B[vi_o])
                    B[vi_o] = T.float32(0)
            for k in range(6):
                with T.block("B"):
                    vk_i = T.axis.reduce(6, k)
                    T.reads(B[vi_o], A[vi_o, vk_i])
                    T.writes(B[vi_o])
                    B[vi_o] = B[vi_o] + A[vi_o, vk_i]
""")  # fmt: skip
def _blockize(sch: Schedule) -> None:
    sch.blockize(sch.get_loops("B")[1])


@case("rfactor of the whole reduction stores what is reduced", SUM, """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    B_rf = T.alloc_buffer((6, 4))
    for i, k in T.grid(4, 6):
        with T.block("B_rf"):
            vk, vi = T.axis.remap("SS", [k, i])
            B_rf[vk, vi] = A[vi, vk]
    for i, k in T.grid(4, 6):
        with T.block("B"):
            vk, vi = T.axis.remap("RS", [k, i])
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + B_rf[vk, vi]
""")  # fmt: skip
def _rfactor(sch: Schedule) -> None:
    sch.rfactor(sch.get_loops("B")[1], 0)


@case("merge of a nest with one that reads what it writes", CHAIN, """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B = T.alloc_buffer((8, 10))
    for i_m in range(8):
        for j in range(10):
            with T.block("B"):
                vi, vj = T.axis.remap("SS", [i_m, j])
                B[vi, vj] = A[vi, vj] * T.float32(2)
        for j in range(10):
            with T.block("C"):
                vi, vj = T.axis.remap("SS", [i_m, j])
                C[vi, vj] = B[vi, vj] + T.float32(1)
""")  # fmt: skip
def _merge(sch: Schedule) -> None:
    sch.merge(sch.get_loops("B")[0], sch.get_loops("C")[0])


@case("reverse_compute_at of a block without producers", CHAIN, """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B = T.alloc_buffer((8, 10))
    for i in range(8):
        for ax0, ax1 in T.grid(8, 10):
            with T.block("B"):
                vi, vj = T.axis.remap("SS", [ax0, ax1])
                B[vi, vj] = A[vi, vj] * T.float32(2)
        for j in range(10):
            with T.block("C"):
                vi, vj = T.axis.remap("SS", [i, j])
                C[vi, vj] = B[vi, vj] + T.float32(1)
""")  # fmt: skip
def _reverse_compute_at(sch: Schedule) -> None:
    sch.reverse_compute_at("B", sch.get_loops("C")[0])


@case("set_scope names the memory", CHAIN, """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B_shared = T.alloc_buffer((8, 10), scope="shared")
    for i, j in T.grid(8, 10):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B_shared[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(8, 10):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B_shared[vi, vj] + T.float32(1)
""")  # fmt: skip
def _set_scope(sch: Schedule) -> None:
    sch.set_scope("B", 0, "shared")


@case("transform_layout with an axis separator", CHAIN, """
@T.prim_func
def main(A: T.Buffer((8, 10), "float32"), C: T.Buffer((8, 10), "float32")):
    B = T.alloc_buffer((2, 10, 4), axis_separators=[2])
    for i, j in T.grid(8, 10):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi // 4, vj, vi % 4] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(8, 10):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi // 4, vj, vi % 4] + T.float32(1)
""")  # fmt: skip
def _transform_layout(sch: Schedule) -> None:
    sch.transform_layout(
        "B", ("write", 0), lambda i, j: [i // 4, j, IndexMap.AXIS_SEPARATOR, i % 4]
    )


@case("cache_read for one reader stands before it", TWO_READERS, """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32"), D: T.Buffer((8,), "float32")):
    B = T.alloc_buffer((8,))
    B_local = T.alloc_buffer((8,), scope="local")
    for i in range(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi] * T.float32(2)
    for i in range(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[vi] + T.float32(1)
    for ax0 in range(8):
        with T.block("B_local"):
            v0 = T.axis.spatial(8, ax0)
            B_local[v0] = B[v0]
    for i in range(8):
        with T.block("D"):
            vi = T.axis.spatial(8, i)
            D[vi] = B_local[vi] - T.float32(1)
""")  # fmt: skip
def _cache_read(sch: Schedule) -> None:
    sch.cache_read("D", 0, "local", consumer_blocks=["D"])


@case("read_at copies without conditions where none are needed", SUM, """
@T.prim_func
def main(A: T.Buffer((4, 6), "float32"), B: T.Buffer((4,), "float32")):
    A_shared = T.alloc_buffer((4, 6), scope="shared")
    for i in range(4):
        with T.block("A_shared"):
            v0 = T.axis.spatial(4, i)
            T.reads(A[v0, 0:6])
            T.writes(A_shared[v0, 0:6])
            T.block_attr({"auto_copy": True})
            for ax0, ax1 in T.grid(1, 6):
                A_shared[v0 + ax0, ax1] = A[v0 + ax0, ax1]
        for k in range(6):
            with T.block("B"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    B[vi] = T.float32(0)
                B[vi] = B[vi] + A_shared[vi, vk]
""")  # fmt: skip
def _read_at(sch: Schedule) -> None:
    sch.read_at(sch.get_loops("B")[0], "B", 0, "shared")


@pytest.mark.parametrize("name", CASES)
def test_before_and_after(name: str) -> None:
    before, steps, after = CASES[name]
    func: PrimFunc = from_source(before)
    sch = Schedule(func, debug_mask="all")
    steps(sch)
    assert_structural_equal(sch.func, from_source(after))
    assert_same_result(func, sch.func)
    again = Schedule(func)
    sch.trace.apply_json_to_schedule(sch.trace.as_json(), again)
    assert_structural_equal(again.mod, sch.mod)


def test_a_scheduled_function_is_called_main() -> None:
    func = from_source(SUM.replace("def main", "def rows"))
    sch = Schedule(func)
    assert [var.name_hint for var in sch.mod.get_global_vars()] == ["main"]
    assert sch.mod["main"].attrs["global_symbol"] == "rows"
    assert sch.get_block("B", func_name="main") is not None


def test_the_copy_of_reindex_has_a_name_and_axes_of_its_own() -> None:
    sch = Schedule(from_source(SUM))
    copy = sch.get(sch.reindex("B", ("read", 0)))
    assert copy.name_hint == "A_reindex_reindex"
    assert [axis.var.name for axis in copy.iter_vars] == ["v0", "v1"]
    assert sch.get(sch.reindex("B", ("write", 0))).name_hint == "B_reindex"


def test_padding_needs_a_value() -> None:
    sch = Schedule(from_source(CHAIN))
    with pytest.raises(ScheduleError, match="that no old index reaches"):
        sch.transform_layout("B", ("write", 0), lambda i, j: [i // 3, j, i % 3])
    sch.transform_layout("B", ("write", 0), lambda i, j: [i // 3, j, i % 3], pad_value=0.0)
    assert_same_result(from_source(CHAIN), sch.func)


@pytest.mark.parametrize("scope", ["nonsense", "wmma.matrix_c"])
def test_unknown_memory_is_refused(scope: str) -> None:
    sch = Schedule(from_source(CHAIN))
    with pytest.raises(ScheduleError, match="there is no memory called"):
        sch.set_scope("B", 0, scope)
    with pytest.raises(ScheduleError, match="there is no memory called"):
        sch.cache_read("C", 0, scope)
    sch.set_scope("B", 0, "shared.dyn")


COOPERATIVE = """
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")):
    A_shared = T.alloc_buffer((8, 4), scope="shared")
    for i_0 in T.thread_binding(2, thread="blockIdx.x"):
        for i_1 in T.thread_binding(4, thread="threadIdx.x"):
            for ax0_ax1_fused_0 in range(4):
                for ax0_ax1_fused_1 in T.thread_binding(4, thread="threadIdx.x"):
                    with T.block("A_shared"):
                        v0 = T.axis.spatial(8, i_0 * 4 + ax0_ax1_fused_0)
                        v1 = T.axis.spatial(4, ax0_ax1_fused_1)
                        A_shared[v0, v1] = A[v0, v1]
            for j in range(4):
                with T.block("C"):
                    vi = T.axis.spatial(8, i_0 * 4 + i_1)
                    vj = T.axis.spatial(4, j)
                    C[vi, vj] = A_shared[vi, vj] + T.float32(1)
"""


@pytest.mark.parametrize("scope", ["shared", "local"])
def test_compute_at_into_shared_memory_serves_all_threads(scope: str) -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")):
    for i, j in T.grid(8, 4):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] + T.float32(1)
""")
    sch = Schedule(func)
    copy = sch.cache_read("C", 0, scope)
    i0, i1 = sch.split(sch.get_loops("C")[0], [None, 4])
    sch.bind(i0, "blockIdx.x")
    sch.bind(i1, "threadIdx.x")
    sch.compute_at(copy, i1)
    if scope == "local":
        assert len(sch.get_loops(copy)) == 3
        return
    _, lane = sch.split(sch.fuse(*sch.get_loops(copy)[2:]), [None, 4])
    sch.bind(lane, "threadIdx.x")
    assert_structural_equal(sch.func, from_source(COOPERATIVE))
