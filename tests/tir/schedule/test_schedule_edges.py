"""Blocks within blocks, parts of buffers under other names, axes that do not begin at zero."""

import pytest

from bench.schedules.edges import EDGES
from tests.tir.schedule.evaluate import assert_same_result
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.tir import (
    BufferStore,
    For,
    ForKind,
    PrimFunc,
    Schedule,
    ScheduleError,
    Stmt,
    Var,
    decl_buffer,
)  # fmt: skip
from tilewright.tir.schedule.testing import verify_trace_roundtrip


def test_cache_index_counts_from_where_axes_begin():
    func = EDGES["lower_bounds"].make()
    sch = Schedule(func)
    first, *_ = sch.cache_index("inner", "global", 0)
    (buffer,) = [w.buffer for w in sch.get(first).writes]
    assert [int(d) for d in buffer.shape] == [8]
    text = sch.func.script()
    assert "index_var_0[vi] = vi\n" in text
    assert "B[index_var_0[vi - 1], vj]" in text
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("primitive", ["read_at", "write_at"])
def test_tiles_are_copied_within_one_scope(primitive):
    sch = Schedule(EDGES["nested_buffer"].make())
    outer = sch.get_loops("outer")[0]
    block = "consume" if primitive == "read_at" else "produce"
    before = sch.mod
    with pytest.raises(ScheduleError, match="the loop is not around the block in its scope"):
        getattr(sch, primitive)(outer, block, 0, "local")
    assert sch.mod is before


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.transform_layout("copy", ("read", 0), lambda i, j: (j, i)),
        lambda sch: sch.set_axis_separator("copy", ("read", 0), [1]),
    ],
    ids=["transform_layout", "set_axis_separator"],
)
def test_a_part_of_a_buffer_keeps_its_layout(change):
    sch = Schedule(EDGES["matched"].make())
    before = sch.mod
    with pytest.raises(ScheduleError, match="`P` is a part of another buffer, declared by `match"):
        change(sch)
    assert sch.mod is before


@pytest.mark.parametrize("part", [0, 1])
def test_a_part_of_the_loops_does_not_become_all_of_them(part):
    sch = Schedule(EDGES["in_place_update"].make())
    sch.loop_partition(sch.get_loops("scale")[0], [1, None])
    before = sch.mod
    with pytest.raises(ScheduleError, match="may leave out some of the block's instances"):
        sch.transform_block_layout(f"scale_i{part}", lambda i, j: (i // 3, j, i % 3))
    assert sch.mod is before


def on_threads(step: int) -> str:
    """B = A * 2 at two of each `step` columns, on threads."""
    return f"""
@T.prim_func
def main(A: T.Buffer((64, 64), "float32"), B: T.Buffer((64, 64), "float32")):
    for bx in T.thread_binding(4, thread="blockIdx.x"):
        for tx in T.thread_binding(16, thread="threadIdx.x"):
            for i, j in T.grid(16, 2):
                with T.block("B"):
                    vi = T.axis.spatial(64, bx * 16 + i)
                    vj = T.axis.spatial(64, tx * {step} + j)
                    B[vi, vj] = A[vi, vj] * T.float32(2)
"""


def copied(primitive: str, scope: str, step: int = 2) -> tuple:
    """The block of the copy, and how far along each dimension it goes."""
    func = from_source(on_threads(step))
    sch = Schedule(func)
    block = getattr(sch, primitive)(sch.get_loops("B")[1], sch.get_block("B"), 0, scope)
    assert_same_result(func, sch.func)
    made = sch.get(block)
    return len(made.iter_vars), [int(r.extent) for r in made.reads[0].region]


@pytest.mark.parametrize("primitive", ["read_at", "write_at"])
def test_threads_copy_what_all_of_them_use_of_memory_that_they_share(primitive):
    assert copied(primitive, "shared") == (1, [16, 32])
    assert copied(primitive, "global") == (0, [64, 32])
    assert copied(primitive, "local") == (2, [16, 2])


def test_threads_do_not_write_the_holes_between_them():
    assert copied("read_at", "shared", step=4) == (1, [16, 62])
    assert copied("write_at", "shared", step=4) == (2, [16, 2])


@pytest.mark.parametrize("side", ["read", "write"])
def test_reindex_within_a_block(side):
    func = EDGES["nested_buffer"].make()
    sch = Schedule(func)
    block = sch.reindex("produce" if side == "read" else "consume", (side, 0))
    (buffer,) = [r.buffer for r in sch.get(block).writes] if side == "read" else [
        r.buffer for r in sch.get(block).reads
    ]  # fmt: skip
    assert [int(d) for d in buffer.shape] == [2, 6]
    assert_same_result(func, sch.func)


def test_reindex_simplifies_the_index_unless_told_not_to():
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((18,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(16):
        with T.block("B"):
            vi = T.axis.spatial(16, i)
            B[vi] = A[(vi * 2 + 1 + 1) // 2]
""")
    for skip, index in ((False, "A[v0 + 1]"), (True, "A[(v0 * 2 + 1 + 1) // 2]")):
        sch = Schedule(func)
        sch.reindex("B", ("read", 0), skip_simplify=skip)
        assert f"A_reindex[v0] = {index}" in sch.func.script()
        verify_trace_roundtrip(sch, func)


def shape_of(sch: Schedule, block: object) -> list[int]:
    """The shape of the cache that a block copies into or out of."""
    made = sch.get(block)
    return min([int(d) for d in r.buffer.shape] for r in (*made.reads, *made.writes))


def test_a_cache_within_a_block_holds_what_the_block_touches():
    func = EDGES["nested_buffer"].make()
    sch = Schedule(func)
    first = sch.cache_read("produce", 0, "local")
    last = sch.cache_write("consume", 0, "local")
    assert shape_of(sch, first) == shape_of(sch, last) == [2, 6]
    text = sch.func.script()
    assert "X_local[v0, v1] = X[vo * 2 + v0, v1]" in text
    assert "B[vj, vk] = X_local[vj, vk] + T.float32(1.0)" in text
    assert "Y[vo * 2 + v0, v1] = Y_local[v0, v1]" in text
    assert_same_result(func, sch.func)


def test_a_cache_of_a_sliding_part_is_as_wide_as_the_window():
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((18, 12), "float32"), B: T.Buffer((16, 12), "float32")):
    for io in range(4):
        with T.block("outer"):
            vo = T.axis.spatial(4, io)
            T.reads(A[vo * 4:vo * 4 + 6, 0:12])
            T.writes(B[vo * 4:vo * 4 + 4, 0:12])
            for i, j in T.grid(4, 12):
                with T.block("inner"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    B[vo * 4 + vi, vj] = A[vo * 4 + vi, vj] + A[vo * 4 + vi + 2, vj]
""")
    sch = Schedule(func)
    assert shape_of(sch, sch.cache_read("inner", 0, "shared")) == [6, 12]
    assert "T.reads(A_shared[vi:vi + 3, vj])" in sch.func.script()
    assert_same_result(func, sch.func)


def test_a_cache_of_a_buffer_under_another_name_is_whole():
    func = EDGES["matched"].make()
    sch = Schedule(func)
    assert shape_of(sch, sch.cache_read("copy", 0, "local")) == [2, 6]
    assert shape_of(sch, sch.cache_read("part", 0, "shared")) == [8, 6]


def test_alignment_stays_with_its_buffer_when_another_is_hidden():
    func = EDGES["moments"].make()
    sch = Schedule(func)
    first, second = (r.buffer for r in sch.get(sch.get_block("sums")).writes)
    sch.storage_align("sums", 0, 0, 4, 1)
    sch.storage_align("sums", 1, 0, 8, 2)
    sch.unsafe_hide_buffer_access("sums", "write", [0])
    block = sch.get(sch.get_block("sums"))
    assert [w.buffer for w in block.writes] == [second]
    assert block.annotations["buffer_dim_align"] == ((0, 0, 8, 2),)
    assert first is not second


def test_merge_sees_a_reduction_behind_a_copy():
    sch = Schedule(EDGES["scalar"].make())
    sch.write_at(sch.get_loops("total")[0], sch.get_block("total"), 0, "local")
    before = sch.mod
    with pytest.raises(ScheduleError, match="the reduction over `v_k` is not complete within one"):
        sch.merge(sch.get_loops("total")[0], sch.get_loops("scaled")[0])
    assert sch.mod is before


def test_a_block_of_int32_axes_is_inlined_where_axes_are_of_int64():
    @T.prim_func
    def mixed(A: T.Buffer((T.int64(4),), "float32"), C: T.Buffer((T.int64(4),), "float32")):
        B = T.alloc_buffer((T.int64(4),), "float32")
        for i in range(4):
            with T.block("B"):
                vi = T.axis.spatial(4, i)
                B[vi] = A[vi] * T.float32(2)
        for i in range(T.int64(4)):
            with T.block("C"):
                vi = T.axis.spatial(T.int64(4), i)
                C[vi] = B[vi] + A[vi]

    sch = Schedule(mixed, debug_mask="all")
    sch.compute_inline("B")
    assert {r.min.dtype for r in sch.get(sch.get_block("C")).reads[0].region} == {"int64"}
    assert_same_result(mixed, sch.func)


def test_a_thousand_loops_within_one_another_are_scheduled():
    out = decl_buffer((1,), "int32", "B")
    body: Stmt = BufferStore(out, out[0] + 1, [0])
    for k in range(1000):
        body = For(Var(f"i{k}", "int32"), 0, 1, ForKind.SERIAL, body)
    param = Var("b", "handle")
    func = PrimFunc([param], body, buffer_map={param: out}).with_attr("global_symbol", "main")
    sch = Schedule(func)
    loops = [at for at in sch.state.walk(sch.get_sref(sch.get_block("root"))) if not at.is_block]
    assert len(loops) == 1000


def test_fused_loops_are_not_more_than_their_variable_counts():
    @T.prim_func
    def clear(A: T.Buffer((65536, 65536), "int8")):
        for i, j in T.grid(65536, 65536):
            with T.block("A"):
                vi, vj = T.axis.remap("SS", [i, j])
                A[vi, vj] = T.int8(0)

    sch = Schedule(clear)
    with pytest.raises(ScheduleError, match="4294967296 iterations are more than int32 counts"):
        sch.fuse(*sch.get_loops("A"))
