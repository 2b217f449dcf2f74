"""The structure that primitives give: where copies go, what moved blocks compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilewright as tw
from tests.tir.schedule.evaluate import assert_same_result
from tilewright.ir import IRModule, assert_structural_equal
from tilewright.script import from_source
from tilewright.tir import PrimFunc, Schedule, ScheduleError
from tilewright.tir.schedule import BlockRV
from tilewright.tir.transform import DecorateDeviceScope

TABLE = """
@T.prim_func
def main(A: T.Buffer((4,), "float32"), C: T.Buffer((4,), "float32")):
    {allocated}
    table = T.allocate_const([1.0, 2.0, 3.0, 4.0], "float32", [4])
    B = T.decl_buffer((4,), data=table)
    {copy}
    for i in range(4):
        with T.block("C"):
            vi = T.axis.spatial(4, i)
            {store}
    {back}
"""


def copy_of(source: str, target: str, name: str) -> str:
    return f"""for ax0 in range(4):
        with T.block("{name}"):
            v0 = T.axis.spatial(4, ax0)
            {target}[v0] = {source}[v0]"""


def table_program(allocated: str = "", copy: str = "", store: str = "", back: str = "") -> PrimFunc:
    return from_source(TABLE.format(allocated=allocated, copy=copy, store=store, back=back))


PLAIN = {"store": "C[vi] = A[vi] + B[vi]"}


def test_a_copy_of_a_constant_follows_its_declaration() -> None:
    sch = Schedule(table_program(**PLAIN))
    sch.cache_read("C", 1, "local")
    expected = table_program(
        'B_local = T.alloc_buffer((4,), scope="local")',
        copy_of("B", "B_local", "B_local"),
        "C[vi] = A[vi] + B_local[vi]",
    )
    assert_structural_equal(sch.func, expected)


def test_a_copy_back_stays_within_declarations() -> None:
    sch = Schedule(table_program(**PLAIN))
    sch.cache_write("C", 0, "local")
    expected = table_program(
        'C_local = T.alloc_buffer((4,), scope="local")',
        store="C_local[vi] = A[vi] + B[vi]",
        back=copy_of("C_local", "C", "C_local"),
    )
    assert_structural_equal(sch.func, expected)


def test_no_copy_of_what_a_loop_declares() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(C: T.Buffer((4,), "float32")):
    for i in range(4):
        table = T.allocate_const([1.0, 2.0, 3.0, 4.0], "float32", [4])
        B = T.decl_buffer((4,), data=table)
        with T.block("C"):
            vi = T.axis.spatial(4, i)
            C[vi] = B[vi]
""")
    )
    with pytest.raises(ScheduleError, match="`B` is declared in a loop"):
        sch.cache_read("C", 0, "local")


BY_ADDRESS = """
@T.prim_func
def main(L: T.Buffer((16,), "int8"), A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    B = T.alloc_buffer((8,))
    for i in range(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi] * T.float32(2)
    for i in range(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            T.reads({reads}, B[vi])
            T.writes(C[vi])
            T.evaluate(T.call_extern("int32", "look", {address}))
            C[vi] = B[vi]
"""


@pytest.mark.parametrize(
    ("reads", "address"), [("L[0:16]", 'L.access_ptr("r")'), ("L[vi:vi + 4]", "L.data")]
)
def test_inlining_keeps_what_a_block_reads_by_address(reads: str, address: str) -> None:
    sch = Schedule(from_source(BY_ADDRESS.format(reads=reads, address=address)))
    sch.compute_inline("B")
    block = sch.get(sch.get_block("C"))
    assert {r.buffer.name for r in block.reads} == {"L", "A"}
    table = next(r for r in block.reads if r.buffer.name == "L")
    assert int(table.region[0].extent) == (16 if "access_ptr" in address else 4)
    assert [w.buffer.name for w in block.writes] == ["C"]


REVERSED = """
@T.prim_func
def main(A: T.Buffer((6, 6), "float32"), C: T.Buffer((6, 6), "float32")):
    B = T.alloc_buffer((6, 6))
    for i, j in T.grid(6, 6):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[5 - vi, 5 - vj] = A[vi, vj] + T.float32(1)
    for i, j in T.grid(6, 6):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vj, vi] * T.float32(2)
"""


def test_compute_at_of_a_block_that_writes_backwards() -> None:
    func = from_source(REVERSED)
    sch = Schedule(func)
    sch.compute_at("B", sch.get_loops("C")[0])
    expected = from_source("""
@T.prim_func
def main(A: T.Buffer((6, 6), "float32"), C: T.Buffer((6, 6), "float32")):
    B = T.alloc_buffer((6, 6))
    for i in range(6):
        for ax0 in range(6):
            with T.block("B"):
                vi = T.axis.spatial(6, ax0)
                vj = T.axis.spatial(6, 5 - i)
                B[5 - vi, 5 - vj] = A[vi, vj] + T.float32(1)
        for j in range(6):
            with T.block("C"):
                vi, vj = T.axis.remap("SS", [i, j])
                C[vi, vj] = B[vj, vi] * T.float32(2)
""")
    assert_structural_equal(sch.func, expected)
    assert_same_result(func, sch.func)


def test_compute_at_states_its_condition_on_what_moves() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(A: T.Buffer((4,), "float32"), C: T.Buffer((6,), "float32")):
    B = T.alloc_buffer((4,))
    for i in range(4):
        with T.block("B"):
            vi = T.axis.spatial(4, i)
            B[vi] = A[vi]
    for i in range(6):
        with T.block("C"):
            vi = T.axis.spatial(6, i)
            C[vi] = T.if_then_else(vi >= 2, B[vi - 2], T.float32(0))
""")
    )
    sch.compute_at("B", sch.get_loops("C")[0])
    assert "T.where(2 <= i)" in sch.func.script()


NEAR_AND_FAR = """
@T.prim_func
def main(X: T.Buffer((12,)), B: T.Buffer((12,)), C: T.Buffer((12,))):
    A = T.alloc_buffer((12,))
    for i in range(3):
        for j in range(4):
            with T.block("A"):
                vi = T.axis.spatial(12, i * 4 + j)
                A[vi] = X[vi] + T.float32(1)
        for j in range(4):
            with T.block("B"):
                vi = T.axis.spatial(12, i * 4 + j)
                B[vi] = A[vi] * T.float32(2)
    for i in range(12):
        with T.block("C"):
            vi = T.axis.spatial(12, i)
            C[vi] = A[11 - vi]
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.cache_read("B", 0, "local"),
        lambda sch: sch.cache_write("A", 0, "local"),
        lambda sch: sch.cache_write("A", 0, "local", consumer_blocks=["C"]),
        lambda sch: sch.reindex_cache_read("B", 0, "local", lambda i: (i // 4, i % 4)),
        lambda sch: sch.reindex_cache_write("A", 0, "local", lambda i: (i // 4, i % 4)),
    ],
    ids=["read", "write", "write_for_one", "reindex_read", "reindex_write"],
)
def test_a_copy_for_near_and_far_readers_stands_in_the_loops(
    change: Callable[[Schedule], BlockRV],
) -> None:
    func = from_source(NEAR_AND_FAR)
    sch = Schedule(func)
    copy = change(sch)
    assert [int(sch.get(l).extent) for l in sch.get_loops(copy)] == [3, 4]
    assert_same_result(func, sch.func)


@pytest.mark.parametrize(
    ("consumers", "extents"), [(["B"], [12]), (["B", "C"], [12])], ids=["near", "all"]
)
def test_a_copy_that_no_near_reader_uses_stands_behind_the_loops(
    consumers: list[str], extents: list[int]
) -> None:
    func = from_source(NEAR_AND_FAR)
    sch = Schedule(func)
    copy = sch.cache_write("A", 0, "local", consumer_blocks=consumers)
    assert [int(sch.get(l).extent) for l in sch.get_loops(copy)] == extents
    assert_same_result(func, sch.func)


def test_a_copy_back_serves_earlier_blocks_of_the_next_iteration() -> None:
    func = from_source("""
@T.prim_func
def main(X: T.Buffer((5,), "float32"), Y: T.Buffer((4,), "float32")):
    for i in range(4):
        with T.block("Y"):
            vi = T.axis.spatial(4, i)
            Y[vi] = X[vi]
        with T.block("X"):
            vi = T.axis.spatial(5, i + 1)
            X[vi] = T.float32(7)
""")
    sch = Schedule(func)
    sch.cache_write("X", 0, "local")
    assert_same_result(func, sch.func)


def test_cache_write_of_a_block_that_reads_what_it_has_written() -> None:
    func = from_source("""
@T.prim_func
def main(X: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    A = T.alloc_buffer((8,))
    for o in range(2):
        with T.block("part"):
            vo = T.axis.spatial(2, o)
            for i in range(4):
                with T.block("A"):
                    vi = T.axis.spatial(8, vo * 4 + i)
                    A[vi] = X[vi] + T.float32(1)
            for i in range(4):
                with T.block("B"):
                    vi = T.axis.spatial(8, vo * 4 + i)
                    B[vi] = A[vi]
    for i in range(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            X[vi] = A[vi]
""")
    sch = Schedule(func)
    sch.cache_write("part", 0, "local")
    assert_same_result(func, sch.func)


def test_cache_inplace_stays_in_loops_of_one_iteration() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    for u in range(1):
        for i in range(8):
            with T.block("A"):
                vi = T.axis.spatial(8, i)
                A[vi] = A[vi] * T.float32(2)
""")
    sch = Schedule(func)
    before, after = sch.cache_inplace("A", 0, "local")
    for copy in (before, after):
        assert [int(sch.get(l).extent) for l in sch.get_loops(copy)] == [1, 8]
    assert_same_result(func, sch.func)


LAYOUT = """
@T.prim_func
def main(A: T.Buffer((3, 5, 16)), C: T.Buffer((6, 5, 8))):
    B = T.alloc_buffer((3, 5, 16))
    for c, h, k in T.grid(3, 5, 16):
        with T.block("B"):
            vc, vh, vk = T.axis.remap("SSS", [c, h, k])
            B[vc, vh, vk] = A[vc, vh, vk] + T.float32(1)
    for c, h, k in T.grid(6, 5, 8):
        with T.block("C"):
            vc, vh, vk = T.axis.remap("SSS", [c, h, k])
            C[vc, vh, vk] = B[(vc * 8 + vk) // 16, vh, (vc * 8 + vk) % 16]
"""


def test_reverse_compute_at_through_quotients_and_remainders() -> None:
    func = from_source(LAYOUT)
    sch = Schedule(func)
    sch.reverse_compute_at("C", sch.get_loops("B")[0])
    assert [int(sch.get(l).extent) for l in sch.get_loops("C")] == [3, 2, 5, 8]
    assert_same_result(func, sch.func)


def test_a_fused_loop_covers_a_buffer_of_unknown_size() -> None:
    func = from_source("""
@T.prim_func
def main(a: T.handle, c: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (4, n))
    C = T.match_buffer(c, (4, n))
    B = T.alloc_buffer((4, n))
    for f in range(4 * n):
        with T.block("B"):
            vi = T.axis.spatial(4, f // n)
            vj = T.axis.spatial(n, f % n)
            B[vi, vj] = A[vi, vj] + T.float32(1)
    for f in range(4 * n):
        with T.block("C"):
            vi = T.axis.spatial(4, f // n)
            vj = T.axis.spatial(n, f % n)
            C[vi, vj] = B[vi, vj]
""")
    sch = Schedule(func)
    sch.reverse_compute_at("C", sch.get_loops("B")[0])
    assert len(sch.get_loops("C")) == 1
    assert_same_result(func, sch.func, n=5)


def test_a_small_consumer_runs_where_its_part_is_made() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8, 8)), D: T.Buffer((1, 2))):
    B = T.alloc_buffer((8, 8))
    for i, j in T.grid(8, 8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(1, 2):
        with T.block("D"):
            vi, vj = T.axis.remap("SS", [i, j])
            D[vi, vj] = B[vi, vj] + T.float32(1)
""")
    sch = Schedule(func, debug_mask="all")
    i, _ = sch.get_loops("B")
    sch.reverse_compute_at("D", i, preserve_unit_loops=True)
    assert "T.where(i < 1)" in sch.func.script()
    assert_same_result(func, sch.func)


def test_the_loop_of_an_init_has_a_thread_variable_of_its_own() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(A: T.Buffer((8, 4)), B: T.Buffer((8,))):
    for t in T.thread_binding(8, thread="threadIdx.x"):
        for r in range(4):
            with T.block("B"):
                vi, vr = T.axis.remap("SR", [t, r])
                with T.init():
                    B[vi] = T.float32(0)
                B[vi] = B[vi] + A[vi, vr]
""")
    )
    update, _ = sch.get_loops("B")
    init = sch.get_loops(sch.decompose_reduction("B", update))[0]
    threads = [sch.get(loop).thread_binding for loop in (init, update)]
    assert [thread.thread_tag for thread in threads] == ["threadIdx.x"] * 2
    assert threads[0].var is not threads[1].var


def test_a_root_block_under_an_attribute_keeps_its_name() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.block("A"):
            v = T.axis.spatial(8, i)
            A[v] = A[v] + T.float32(1)
"""
    func = DecorateDeviceScope()(IRModule({"main": from_source(text)}))["main"]
    sch = Schedule(func)
    outer = sch.mod["main"].body.block
    assert outer.name_hint != "root"
    assert sch.get(sch.get_block("root")) is outer.body.body.block
    values = tw.nd.array(np.zeros(8, "float32"))
    tw.build(func, "llvm")["main"](values)
    assert values.numpy().tolist() == [1.0] * 8


TAPS = """
@T.prim_func
def main(A: T.Buffer((4, 57), "float32"), D: T.Buffer((4, 28), "float32")):
    B = T.alloc_buffer((4, 58))
    C = T.alloc_buffer((4, 28))
    for b in range(4):
        for i in range(57):
            with T.block("B"):
                vb, vi = T.axis.remap("SS", [b, i])
                B[vb, vi] = A[vb, vi]
        for i0, i1 in T.grid(2, 16):
            with T.block("C"):
                vb = T.axis.spatial(4, b)
                vi = T.axis.spatial(28, i0 * 16 + i1)
                T.where(i0 * 16 + i1 < 28)
                C[vb, vi] = B[vb, vi * 2] + B[vb, vi * 2 + LAST]
    for b, i in T.grid(4, 28):
        with T.block("D"):
            vb, vi = T.axis.remap("SS", [b, i])
            D[vb, vi] = C[vb, vi]
"""


def test_what_a_condition_lets_a_window_read_is_found_with_its_stride() -> None:
    func = from_source(TAPS.replace("LAST", "2"))
    sch = Schedule(func)
    sch.reverse_compute_at("D", sch.get_loops("C")[1])
    assert_same_result(func, sch.mod["main"])
    beyond = Schedule(from_source(TAPS.replace("LAST", "3")))
    with pytest.raises(ScheduleError, match="is not written in the same run"):
        beyond.reverse_compute_at("D", beyond.get_loops("C")[1])
