"""`rolling_buffer`, `rfactor` of pairs, `blockize` of several blocks, `merge`: before and after."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import elementwise, matmul
from tilewright import te, topi
from tilewright.script import from_source
from tilewright.tir import PrimFunc, Schedule, ScheduleError
from tilewright.tir.analysis import undefined_vars
from tilewright.tir.schedule.testing import (
    assert_structural_equal_ignore_global_symbol,
    verify_trace_roundtrip,
)


def check(sch: Schedule, before: PrimFunc, after: str) -> None:
    """The program, its meaning and its trace."""
    assert_structural_equal_ignore_global_symbol(sch.func, from_source(after))
    assert_same_result(before, sch.func)
    verify_trace_roundtrip(sch, before)


POOLS = """
@T.prim_func
def main(A: T.Buffer((12, 12), "int8"), C: T.Buffer((8, 8), "int8")):
    B = T.alloc_buffer((10, 10), "int8")
    for i0, i1 in T.grid(2, 2):
        for ax0, ax1, ax2, ax3 in T.grid(6, 6, 3, 3):
            with T.block("B"):
                h = T.axis.spatial(10, i0 * 4 + ax0)
                w = T.axis.spatial(10, i1 * 4 + ax1)
                y, x = T.axis.remap("RR", [ax2, ax3])
                with T.init():
                    B[h, w] = T.int8(-128)
                B[h, w] = T.max(B[h, w], A[h + y, w + x])
        for ax0, ax1, ax2, ax3 in T.grid(4, 4, 3, 3):
            with T.block("C"):
                h = T.axis.spatial(8, i0 * 4 + ax0)
                w = T.axis.spatial(8, i1 * 4 + ax1)
                y, x = T.axis.remap("RR", [ax2, ax3])
                with T.init():
                    C[h, w] = T.int8(-128)
                C[h, w] = T.max(C[h, w], B[h + y, w + x])
"""


def test_the_outermost_window_rolls_and_what_is_known_is_skipped() -> None:
    func = from_source(POOLS)
    sch = Schedule(func, debug_mask="all")
    sch.rolling_buffer("B", 0)
    check(sch, func, """
@T.prim_func
def main(A: T.Buffer((12, 12), "int8"), C: T.Buffer((8, 8), "int8")):
    B = T.alloc_buffer((6, 10), "int8")
    for i0, i1 in T.grid(2, 2):
        for ax0, ax1, ax2, ax3 in T.grid(6, 6, 3, 3):
            with T.block("B"):
                h = T.axis.opaque(10, i0 * 4 + ax0)
                w = T.axis.spatial(10, i1 * 4 + ax1)
                y, x = T.axis.remap("RR", [ax2, ax3])
                T.where((i0 < 1 or 2 <= ax0) and (i1 < 1 or 2 <= ax1))
                with T.init():
                    B[h % 6, w] = T.int8(-128)
                B[h % 6, w] = T.max(B[h % 6, w], A[h + y, w + x])
        for ax0, ax1, ax2, ax3 in T.grid(4, 4, 3, 3):
            with T.block("C"):
                h = T.axis.opaque(8, i0 * 4 + ax0)
                w = T.axis.spatial(8, i1 * 4 + ax1)
                y, x = T.axis.remap("RR", [ax2, ax3])
                with T.init():
                    C[h, w] = T.int8(-128)
                C[h, w] = T.max(C[h, w], B[(h + y) % 6, w + x])
""")  # fmt: skip


def test_a_loop_that_rolls_keeps_its_order() -> None:
    sch = Schedule(from_source(POOLS), error_render_level="fast")
    sch.rolling_buffer("B", 0)
    loop = sch.get_loops("C")[0]
    for take in (lambda: sch.parallel(loop), lambda: sch.reorder(*sch.get_loops("C")[1::-1])):
        with pytest.raises(ScheduleError):
            take()


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda s: s.parallel(s.get_loops("C")[0]), "do not run one after another"),
        (lambda s: s.vectorize(s.get_loops("C")[1]), "do not run one after another"),
    ],
)
def test_loops_at_once_do_not_roll(prepare, why) -> None:
    sch = Schedule(from_source(POOLS), error_render_level="fast")
    prepare(sch)
    with pytest.raises(ScheduleError, match=why):
        sch.rolling_buffer("B", 0)


def test_what_does_not_roll() -> None:
    sch = Schedule(elementwise())
    with pytest.raises(ScheduleError, match="no loop holds all that writes and reads `B`"):
        sch.rolling_buffer("B", 0)
    sch.compute_at("B", sch.get_loops("C")[0])
    with pytest.raises(ScheduleError, match="windows do not overlap in any loop"):
        sch.rolling_buffer("B", 0)


def test_rfactor_of_a_position_and_its_value() -> None:
    a = te.placeholder((3, 8), name="A")
    func = te.create_prim_func([a, topi.argmax(a, axis=1)])
    sch = Schedule(func, debug_mask="all")
    (name,) = (s.block.name_hint for s in sch.state.walk(sch.state.roots["main"])
               if s.is_block and s.block.init is not None)  # fmt: skip
    _, inner = sch.split(sch.get_loops(name)[1], [None, 4])
    partial = sch.get(sch.rfactor(inner, 1))
    final = sch.get(sch.get_block(name))
    assert [w.buffer.shape for w in partial.writes] == [(3, 4), (3, 4)]
    assert [r.buffer for r in final.reads] == [w.buffer for w in partial.writes]
    assert len(final.writes) == 2
    assert_same_result(func, sch.func)
    verify_trace_roundtrip(sch, func)


CHOICE = """
@T.prim_func
def main(A: T.Buffer((4, 8), "float32"), P: T.Buffer((4,), "int32"), V: T.Buffer((4,), "float32")):
    for i, k in T.grid(4, 8):
        with T.block("best"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                P[vi] = -1
                V[vi] = T.float32(-1000)
            p: T.int32 = T.Select({condition}, P[vi], vk)
            v: T.float32 = T.Select({condition}, V[vi], A[vi, vk])
            P[vi] = p
            V[vi] = v
"""


def test_choices_by_one_comparison_are_factored() -> None:
    func = from_source(CHOICE.format(condition="V[vi] >= A[vi, vk]"))
    sch = Schedule(func)
    sch.rfactor(sch.split(sch.get_loops("best")[1], [None, 2])[0], 0)
    assert "V_rf" in sch.func.script()


@pytest.mark.parametrize("condition", ["A[vi, vk] > T.float32(3)", "V[vi] + A[vi, vk] > P[vi]"])
def test_other_choices_are_not(condition: str) -> None:
    sch = Schedule(from_source(CHOICE.format(condition=condition)), error_render_level="fast")
    with pytest.raises(ScheduleError, match="is not a sum, product, minimum, maximum or choice"):
        sch.rfactor(sch.get_loops("best")[1], 0)


PAIR = """
@T.prim_func
def main(A: T.Buffer((24, 32), "float32"), C: T.Buffer((24, 32), "float32")):
    B = T.alloc_buffer((24, 32), "float32")
    for m in range(6):
        for i, j in T.grid(4, 32):
            with T.block("B"):
                vi = T.axis.spatial(24, m * 4 + i)
                vj = T.axis.spatial(32, j)
                B[vi, vj] = A[vi, vj] * T.float32(2)
        for i, j in T.grid(4, 32):
            with T.block("C"):
                vi = T.axis.spatial(24, m * 4 + i)
                vj = T.axis.spatial(32, j)
                C[vi, vj] = B[vi, vj] + T.float32(1)
"""


def test_blockize_of_two_blocks() -> None:
    func = from_source(PAIR)
    sch = Schedule(func, debug_mask="all")
    outer = sch.blockize([sch.get_block("B"), sch.get_block("C")])
    assert sch.get(outer).name_hint == "outer_B_C_"
    check(sch, func, """
@T.prim_func
def main(A: T.Buffer((24, 32), "float32"), C: T.Buffer((24, 32), "float32")):
    B = T.alloc_buffer((24, 32), "float32")
    for m in range(6):
        with T.block("outer_B_C_"):
            vi_o = T.axis.spatial(6, m)
            vj_o = T.axis.spatial(1, 0)
            T.reads(A[vi_o * 4:vi_o * 4 + 4, 0:32], B[vi_o * 4:vi_o * 4 + 4, 0:32])
            T.writes(B[vi_o * 4:vi_o * 4 + 4, 0:32], C[vi_o * 4:vi_o * 4 + 4, 0:32])
            for i, j in T.grid(4, 32):
                with T.block("B"):
                    vi_i, vj_i = T.axis.remap("SS", [i, j])
                    B[vi_o * 4 + vi_i, vj_i] = A[vi_o * 4 + vi_i, vj_i] * T.float32(2)
            for i, j in T.grid(4, 32):
                with T.block("C"):
                    vi_i, vj_i = T.axis.remap("SS", [i, j])
                    C[vi_o * 4 + vi_i, vj_i] = B[vi_o * 4 + vi_i, vj_i] + T.float32(1)
""")  # fmt: skip


def test_blockize_of_blocks_of_one_value() -> None:
    func = from_source(PAIR)
    sch = Schedule(func)
    for name in ("B", "C"):
        sch.split(sch.get_loops(name)[1], [4, 1])
    sch.blockize(["B", "C"], preserve_unit_iters=False)
    assert len(sch.get(sch.get_block("B")).iter_vars) == 2
    assert_same_result(func, sch.func)


def test_a_block_around_blocks_does_not_use_axes_of_one_value() -> None:
    func = from_source(PAIR)
    sch = Schedule(func, debug_mask="all")
    outer = sch.blockize(["B", "C"], preserve_unit_iters=False)
    ones = {a.var for a in sch.get(outer).iter_vars if a.dom.extent.value == 1}
    assert ones
    for name in ("B", "C"):
        block = sch.get(sch.get_block(name))
        assert not ones & set(undefined_vars(block.body))
    assert_same_result(func, sch.func)


def test_blockize_takes_the_init_outside() -> None:
    inside, outside = (Schedule(matmul(4, 4, 4)) for _ in range(2))
    inside.blockize(inside.get_loops("C")[2])
    i, j, k = outside.get_loops("C")
    k0, k1 = outside.split(k, [2, 2])
    outside.reorder(k0, i, j, k1)
    outside.blockize(i)
    for sch in (inside, outside):
        assert sch.get(sch.get_block("C")).init is None
        assert sch.get(sch.get_block("C_o")).init is not None
        assert_same_result(matmul(4, 4, 4), sch.func)


def test_merge_does_not_pass_a_block_between() -> None:
    a = te.placeholder((4,), name="A")
    b = te.compute((4,), lambda i: a[i] + 1.0, name="B")
    c = te.compute((4,), lambda i: a[i] * 2.0, name="C")
    d = te.compute((4,), lambda i: c[3 - i] + 1.0, name="D")
    sch = Schedule(te.create_prim_func([a, b, d]), error_render_level="fast")
    with pytest.raises(ScheduleError, match="needs what a block between the nests does"):
        sch.merge(sch.get_loops("B")[0], sch.get_loops("D")[0])


def test_blockize_of_blocks_of_the_root_block() -> None:
    func = elementwise()
    sch = Schedule(func, debug_mask="all")
    outer = sch.blockize(["C", "D"])
    assert [sch.get(b).name_hint for b in sch.get_child_blocks("root")] == ["B", "outer_C_D_"]
    assert len(sch.get_child_blocks(outer)) == 2
    assert_same_result(func, sch.func)
    verify_trace_roundtrip(sch, func)


def test_rolling_refuses_a_condition_that_leaves_out_a_part_of_a_window() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((5,), "float32")):
    B = T.alloc_buffer((8,))
    for i in range(5):
        for a in range(4):
            with T.block("B"):
                v = T.axis.spatial(8, i + a)
                T.where(a < 1)
                B[v] = A[v] * T.float32(2)
        with T.block("C"):
            v = T.axis.spatial(5, i)
            C[v] = B[v]
""")
    sch = Schedule(func, debug_mask="none", enable_check=False)
    with pytest.raises(ScheduleError, match="a < 1 leaves out a part of what an iteration writes"):
        sch.rolling_buffer(sch.get_block("B"), 0)


def test_rolling_refuses_the_loop_of_a_reduction() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((10,), "float32"), C: T.Buffer((8,), "float32")):
    B = T.alloc_buffer((10,))
    for k in range(3):
        for a in range(8):
            with T.block("B"):
                v = T.axis.spatial(10, k + a)
                B[v] = A[v] * T.float32(2)
        for j in range(8):
            with T.block("C"):
                v, r = T.axis.remap("SR", [j, k])
                with T.init():
                    C[v] = T.float32(0)
                C[v] = C[v] + B[v + r]
""")
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="the loop `k` runs a reduction of the block"):
        sch.rolling_buffer(sch.get_block("B"), 0)
    assert_same_result(func, sch.func)


def test_a_copy_back_is_not_made_where_the_block_may_not_have_run() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(A: T.Buffer((5,), "float32"), D: T.Buffer((5,), "float32")):
    for i, a in T.grid(5, 2):
        with T.block("D"):
            v = T.axis.spatial(5, i)
            T.where(a < 1)
            D[v] = A[v] * T.float32(2)
""")
    )
    outer, inner = sch.get_loops("D")
    with pytest.raises(ScheduleError, match="may leave holes in what it writes"):
        sch.write_at(inner, "D", 0, "global")
    sch.write_at(outer, "D", 0, "global")


def test_one_copy_does_not_serve_readers_before_and_after_a_write() -> None:
    sch = Schedule(
        from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32"), D: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.block("early"):
            v = T.axis.spatial(8, i)
            D[v] = A[v] + T.float32(1)
    for i in range(8):
        with T.block("writer"):
            v = T.axis.spatial(8, i)
            A[v] = T.float32(2)
    for i in range(8):
        with T.block("late"):
            v = T.axis.spatial(8, i)
            C[v] = A[v] * T.float32(3)
""")
    )
    with pytest.raises(ScheduleError, match="`A` is read before and after it is written"):
        sch.cache_read("early", 0, "local")
    sch.cache_read("early", 0, "local", ["early"])


def test_a_buffer_rolls_where_another_one_does() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((16,)), D: T.Buffer((8,))):
    B = T.alloc_buffer((12,))
    C = T.alloc_buffer((10,))
    for i in range(2):
        for a in range(8):
            with T.block("B"):
                v = T.axis.spatial(12, i * 4 + a)
                B[v] = A[v] * A[v + 4]
        for a in range(6):
            with T.block("C"):
                v = T.axis.spatial(10, i * 4 + a)
                C[v] = B[v] + B[v + 2]
        for a in range(4):
            with T.block("D"):
                v = T.axis.spatial(8, i * 4 + a)
                D[v] = C[v] - C[v + 2]
""")
    sch = Schedule(func, debug_mask="all")
    for name in "BC":
        sch.rolling_buffer(name, 0)
    sizes = [int(b.shape[0]) for b in sch.get(sch.get_block("root")).alloc_buffers]
    assert sizes == [8, 6]
    assert_same_result(func, sch.func)
    with pytest.raises(ScheduleError, match="not data-parallel"):
        sch.parallel(sch.get_loops("D")[0])


def test_a_window_that_moves_by_uneven_steps_rolls() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((16,)), C: T.Buffer((20,))):
    B = T.alloc_buffer((14,))
    for i in range(4):
        for a in range(6):
            with T.block("B"):
                v = T.axis.spatial(14, i * 5 // 2 + a)
                B[v] = A[v] * A[v + 2]
        for a in range(5):
            with T.block("C"):
                v = T.axis.spatial(20, i * 5 + a)
                C[v] = B[v // 2] - B[v // 2 + 2]
""")
    sch = Schedule(func, debug_mask="all")
    sch.rolling_buffer("B", 0)
    assert "T.where(i < 1 or 3 <= a)" in sch.func.script()
    assert_same_result(func, sch.func)


SHARED = """
@T.prim_func
def main(A: T.Buffer((9, 8)), B: T.Buffer((8,)), C: T.Buffer((8,))):
    for i in range(8):
        for k in range(8):
            with T.block("B"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    B[vi] = T.float32(0)
                B[vi] = B[vi] + A[vi, vk]
        for k in range(8):
            with T.block("C"):
                vi, vk = T.axis.remap("SS", [i, k])
                {store}
"""


@pytest.mark.parametrize(
    ("store", "stays"), [("C[vi] = B[vi]", False), ("A[vi + 1, vk] = B[vi]", True)]
)
def test_partial_results_come_before_shared_loops_that_leave_their_input(store, stays) -> None:
    func = from_source(SHARED.format(store=store))
    sch = Schedule(func)
    partial = sch.rfactor(sch.get_loops("B")[1], 0)
    outer = [sch.get(sch.get_loops(block)[0]) for block in (partial, "C")]
    assert (outer[0] is outer[1]) == stays
    assert_same_result(func, sch.func)


def test_a_window_does_not_roll_where_the_loop_moves_another_dimension_too() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((10, 8), "float32"), C: T.Buffer((8, 3), "float32")):
    B = T.alloc_buffer((10, 8))
    for i in range(8):
        for a in range(3):
            with T.block("B"):
                v, w = T.axis.spatial(10, i + a), T.axis.spatial(8, i)
                B[v, w] = A[v, w] + T.float32(1)
        for a in range(3):
            with T.block("C"):
                v, w = T.axis.remap("SS", [i, a])
                C[v, w] = B[v + w, v]
""")
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="two dimensions move with the same loop"):
        sch.rolling_buffer(sch.get_block("B"), 0)
    assert_same_result(func, sch.func)


def test_partial_results_of_a_block_that_names_a_loop_it_shares() -> None:
    func = from_source("""
@T.prim_func(check_well_formed=False)
def main(A: T.Buffer((4, 6)), B: T.Buffer((4,)), C: T.Buffer((4,))):
    for i in range(4):
        for k in range(6):
            with T.block("B"):
                v, r = T.axis.remap("SR", [i, k])
                with T.init():
                    B[v] = T.float32(0)
                B[v] = B[v] + A[v, r] * T.Cast("float32", i)
        with T.block("C"):
            v = T.axis.spatial(4, i)
            C[v] = B[v] + T.float32(1)
""")
    sch = Schedule(func)
    partial = sch.rfactor(sch.get_loops("B")[-1], 0)
    assert sch.get(partial).name_hint == "B_rf"
    assert_same_result(func, sch.func)


REUSED = """
@T.prim_func
def main(A: T.Buffer((4, 6, 8), "float32"), D: T.Buffer((4, 6), "float32")):
    C = T.alloc_buffer((6,))
    for t in range(4):
        for i, k in T.grid(6, 8):
            with T.block("C"):
                vt, vi, vk = T.axis.remap("SSR", [t, i, k])
                with T.init():
                    C[vi] = T.float32(0)
                C[vi] = C[vi] + A[vt, vi, vk]
        for i in range(6):
            with T.block("D"):
                vt, vi = T.axis.remap("SS", [t, i])
                D[vt, vi] = C[vi]
"""


def test_partial_results_stay_in_a_shared_loop_that_overwrites_them() -> None:
    func = from_source(REUSED)
    sch = Schedule(func)
    partial = sch.rfactor(sch.get_loops("C")[-1], 0)
    assert sch.get(sch.get_loops(partial)[0]) is sch.get(sch.get_loops("C")[0])
    assert_same_result(func, sch.func)


def test_partial_results_come_before_a_shared_loop_over_tiles() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8, 6), "float32"), B: T.Buffer((8,)), C: T.Buffer((8,))):
    for t in range(2):
        for i, k in T.grid(4, 6):
            with T.block("B"):
                v, r = T.axis.spatial(8, t * 4 + i), T.axis.reduce(6, k)
                with T.init():
                    B[v] = T.float32(0)
                B[v] = B[v] + A[v, r]
        for i in range(4):
            with T.block("C"):
                v = T.axis.spatial(8, t * 4 + i)
                C[v] = B[v] + T.float32(1)
""")
    sch = Schedule(func)
    partial = sch.rfactor(sch.get_loops("B")[-1], 0)
    assert sch.get(sch.get_loops(partial)[0]) is not sch.get(sch.get_loops("C")[0])
    assert_same_result(func, sch.func)
