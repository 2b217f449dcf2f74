"""Blocks that run a part of their instances only, and loops that run more than there are."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import elementwise, matmul
from tilewright.script.parser import from_source
from tilewright.tir import Schedule, ScheduleError
from tilewright.tir.schedule.state import CachedFlags

CHAIN = """
@T.prim_func
def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")):
    B = T.alloc_buffer((8, 4), "float32")
    for i, j in T.grid(8, 4):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid({rows}, 4):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            vj = T.axis.spatial(4, j)
            T.where({condition})
            C[vi, vj] = B[vi, vj] + T.float32(1)
"""
WHOLE, SHORT, GUARDED = (
    CHAIN.format(rows=rows, condition=condition)
    for rows, condition in ((8, "i < 8"), (6, "i < 8"), (8, "i < 6"))
)
STEPS = {
    "reverse_compute_inline": lambda sch: sch.reverse_compute_inline("C"),
    "reindex": lambda sch: sch.reindex("C", ("write", 0)),
    "reverse_compute_at": lambda sch: sch.reverse_compute_at("C", sch.get_loops("B")[0]),
    "transform_block_layout": lambda sch: sch.transform_block_layout("C", lambda i, j: [j, i]),
}
KEEP_CONDITIONS = ("reverse_compute_at", "transform_block_layout")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("source", [WHOLE, SHORT, GUARDED], ids=["whole", "short", "guarded"])
def test_instances_that_do_not_run_stay_out(step, source):
    func = from_source(source)
    sch = Schedule(func)
    if source is WHOLE or (source is GUARDED and step in KEEP_CONDITIONS):
        STEPS[step](sch)
        assert_same_result(func, sch.func)
        return
    with pytest.raises(ScheduleError, match=r"some of (its|the block.s) instances"):
        STEPS[step](sch)


def test_pad_einsum_refuses_a_block_that_runs_in_part():
    sch = Schedule(from_source(SHORT.replace("T.where(i < 8)", "")))
    with pytest.raises(ScheduleError, match="leave out some of the block's instances"):
        sch.pad_einsum("C", [3, 1])


def test_a_part_of_a_partitioned_loop_keeps_to_its_part():
    func = matmul(16, 1, 12)
    sch = Schedule(func)
    rows, _, steps = sch.get_loops("C")
    sch.loop_partition(rows, [2, None])
    part = sch.get_block("C_i0")
    with pytest.raises(ScheduleError, match="leave out some of the block's instances"):
        sch.transform_block_layout(part, lambda i, j, k: [k, j, i])
    assert_same_result(func, sch.func)
    del steps


@pytest.mark.parametrize("keep_units", [True, False])
def test_blockize_keeps_a_condition_on_loops_outside(keep_units):
    func = elementwise(6, 8)
    sch = Schedule(func)
    _, outer, inner = sch.split(sch.get_loops("B")[1], [None, 8, 8], preserve_unit_iters=False)
    made = sch.blockize(inner, preserve_unit_iters=keep_units)
    condition = sch.get_sref(made).realize.predicate
    assert str(condition) == f"{sch.get(outer).loop_var.name} < 1"
    assert_same_result(func, sch.func)


def test_blockize_with_loops_beyond_the_last_tile():
    func = elementwise(6, 20)
    sch = Schedule(func)
    sch.split(sch.get_loops("B")[1], [6, 4])
    made = sch.blockize(sch.get_loops("B")[2])
    assert str(sch.get_sref(made).realize.predicate) == "j_0 < 5"
    assert_same_result(func, sch.func)


def test_blockize_refuses_axes_that_do_not_start_at_zero():
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i, j in T.grid(3, 2):
        with T.block("B"):
            v = T.axis.spatial((2, 8), i * 2 + j + 2)
            B[v] = A[v]
""")
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="no domain that starts at 0"):
        sch.blockize(sch.get_loops("B")[1])


def test_loop_partition_makes_no_empty_part():
    sch = Schedule(elementwise(2, 6))
    with pytest.raises(ScheduleError, match="leave nothing of the extent 2 for None"):
        sch.loop_partition(sch.get_loops("B")[0], [2, None])


@pytest.mark.parametrize("lengths", [[-2, -3], [0, None], [None, -1]])
def test_the_parts_of_a_loop_are_not_empty(lengths):
    sch = Schedule(elementwise(8, 6))
    with pytest.raises(ScheduleError, match="is not known to be positive"):
        sch.loop_partition(sch.get_loops("B")[0], lengths)


@pytest.mark.parametrize("sample", ["sample_perfect_tile", "sample_partitioned_tile"])
def test_the_tile_of_an_empty_loop_is_drawn_again_in_a_replay(sample):
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32")):
    for i in range(0):
        with T.block("A"):
            v = T.axis.spatial(8, i)
            A[v] = T.float32(1)
""")
    sch = Schedule(func, seed=0)
    factors = getattr(sch, sample)(sch.get_loops("A")[0], 3, 2)
    again = Schedule(func)
    sch.trace.apply_to_schedule(again, remove_postproc=False)
    assert int(sch.get(factors[0])) == 0
    assert str(again.trace) == str(sch.trace)


def _store(store: str, loops: str = "i in range(10)", axis: str = "(10, i)", where: str = "True"):
    """A program that stores into a parameter, some of which it leaves as it is."""
    return from_source(f"""
@T.prim_func
def main(A: T.Buffer((10,), "float32"), B: T.Buffer((12,), "float32"),
         C: T.Buffer((3, 4), "float32")):
    for {loops}:
        with T.block("B"):
            v = T.axis.spatial{axis}
            T.where({where})
            {store}
""")


TILED = {"loops": "i, j in T.grid(3, 4)", "axis": "(10, i * 4 + j)", "where": "i * 4 + j < 10"}
HOLES = {
    "strided": _store("B[v * 2] = A[v]", "i in range(6)", "(6, i)"),
    "shifted": _store("B[v + 1] = A[v]", **TILED),
    "guarded": _store("B[v] = A[v]", where="i < 6"),
    "digits": _store("C[v // 4, v % 4] = A[v]"),
}
FULL = {
    "shifted": _store("B[v + 1] = A[v]"),
    "digits": _store("C[v // 4, v % 4] = A[v]", "i in range(8)", "(8, i)"),
    "guarded": _store("B[v] = A[v % 10]", **{**TILED, "axis": "(12, i * 4 + j)", "where": "True"}),
}


@pytest.mark.parametrize("name", HOLES)
def test_cache_write_does_not_overwrite_what_the_block_leaves(name):
    sch = Schedule(HOLES[name])
    with pytest.raises(ScheduleError, match="a copy would overwrite what is there"):
        sch.cache_write("B", 0, "local")


@pytest.mark.parametrize("name", FULL)
def test_cache_write_of_a_part_that_is_written_whole(name):
    sch = Schedule(FULL[name])
    sch.cache_write("B", 0, "local")
    assert_same_result(FULL[name], sch.func)


def test_write_at_does_not_overwrite_what_the_block_leaves():
    sch = Schedule(HOLES["shifted"])
    with pytest.raises(ScheduleError, match="a copy would overwrite what is there"):
        sch.write_at(sch.get_loops("B")[0], "B", 0, "shared")


def test_cache_inplace_copies_what_the_block_leaves():
    func = _store("B[v * 2 + 4] = B[v] + A[v]", "i in range(4)", "(4, i)")
    sch = Schedule(func)
    sch.cache_inplace("B", 0, "local")
    assert_same_result(func, sch.func)


def test_pad_einsum_refuses_an_axis_that_only_repeats():
    source = """
@T.prim_func
def main(A: T.Buffer((6, 4), "float32"), B: T.Buffer((4, 5), "float32"),
         C: T.Buffer((6, 5), "float32")):
    for i, j, r, k in T.grid(6, 5, 2, 4):
        with T.block("C"):
            vi, vj, vr, vk = T.axis.remap("SSRR", [i, j, r, k])
            with T.init():
                C[vi, vj] = T.float32(0)
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
"""
    with pytest.raises(ScheduleError, match="the axis `vr` indexes no operand"):
        Schedule(from_source(source)).pad_einsum("C", [1, 1, 4, 1])


def test_write_at_does_not_copy_what_another_iteration_has_written():
    func = elementwise(4, 6)
    sch = Schedule(func)
    rows, columns = sch.get_loops("B")
    tiles, inside = sch.split(columns, [3, None])
    sch.reorder(inside, tiles)
    with pytest.raises(ScheduleError, match="a copy would overwrite what is there"):
        sch.write_at(inside, "B", 0, "global")
    sch.write_at(rows, "B", 0, "global")
    assert_same_result(func, sch.func)


def test_a_declaration_is_not_taken_for_what_is_written():
    func = elementwise(4, 6)
    sch = Schedule(func)
    sch.annotate_buffer_access("B", 0, "write", lambda i, j: [(0, 4), (0, 6)])
    sch.annotate_buffer_access("D", 0, "write", lambda i, j: [(0, 4), (0, 6)])
    with pytest.raises(ScheduleError, match="a copy would overwrite what is there"):
        sch.write_at(sch.get_loops("D")[0], "D", 0, "local")
    with pytest.raises(ScheduleError, match="read more than its producers write"):
        sch.reverse_compute_at("C", sch.get_loops("B")[1])
    assert_same_result(func, sch.func)


FUSED = """
@T.prim_func
def main(a: T.handle, c: T.handle):
    n = T.int64()
    m = T.int64()
    A = T.match_buffer(a, (n, m), "float32")
    C = T.match_buffer(c, (n, m), "float32")
    B = T.alloc_buffer((n, m), "float32")
    for i, j in T.grid(n, m):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(n, m):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] + T.float32(1)
"""
WHOLE_STEPS = {
    **{name: STEPS[name] for name in ("reverse_compute_inline", "reindex")},
    "transform_block_layout": STEPS["transform_block_layout"],
    "cache_write": lambda sch: sch.cache_write("C", 0, "local"),
}


@pytest.mark.parametrize("step", WHOLE_STEPS)
def test_loops_of_unknown_extent_that_are_fused_and_split_run_every_instance(step):
    func = from_source(FUSED)
    sch = Schedule(func)
    sch.split(sch.fuse(*sch.get_loops("C")), [None, 16])
    WHOLE_STEPS[step](sch)
    assert_same_result(func, sch.func, n=5, m=7)


CUT = """
@T.prim_func
def main(A: T.Buffer((16, 16)), C: T.Buffer((16, 16))):
    B = T.alloc_buffer((16, 16))
    for f, i, a, b in T.grid(4, 16, 4, 2):
        with T.block("B"):
            vi = T.axis.spatial(16, i)
            vj = T.axis.spatial(16, f * 4 + (a * 2 + b))
            T.where(a * 2 + b < {limit})
            B[vi, vj] = A[vi, vj] + T.float32(1)
    for i, j in T.grid(16, 16):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] * T.float32(2)
"""


def cached_flags(sch: Schedule, name: str) -> CachedFlags:
    return sch.state._get_cached_flags(sch.get_sref(sch.get_block(name)))


def test_a_condition_that_admits_whole_loops_keeps_tiles_apart() -> None:
    func = from_source(CUT.format(limit=4))
    sch = Schedule(func)
    assert cached_flags(sch, "B").affine_binding
    sch.reverse_compute_inline("C")
    assert_same_result(func, sch.func)


def test_a_condition_that_leaves_holes_keeps_no_tiles_apart() -> None:
    sch = Schedule(from_source(CUT.format(limit=3)))
    assert not cached_flags(sch, "B").affine_binding


@pytest.mark.parametrize(
    "axes", ["vj = T.axis.spatial(8, j)", 'vt, vj = T.axis.remap("SS", [t, j])']
)
def test_what_the_first_iteration_writes_for_all_is_no_result_of_each(axes: str) -> None:
    func = from_source(f"""
@T.prim_func
def main(A: T.Buffer((8,)), C: T.Buffer((4, 8))):
    B = T.alloc_buffer((8,))
    for t in range(4):
        for j in range(8):
            with T.block("B"):
                {axes}
                T.where(t < 1)
                B[vj] = A[vj] + T.float32(1)
        for j in range(8):
            with T.block("C"):
                vi, vj = T.axis.remap("SS", [t, j])
                C[vi, vj] = B[vj] * T.float32(2)
""")
    sch = Schedule(func)
    for change in (sch.parallel, sch.vectorize, lambda loop: sch.bind(loop, "blockIdx.x")):
        with pytest.raises(ScheduleError, match="what another iteration of the loops has written"):
            change(sch.get_loops("C")[0])
    assert not cached_flags(sch, "C").region_cover


def test_tiles_of_joined_axes_cover_these() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((96,)), C: T.Buffer((4, 4, 6))):
    B = T.alloc_buffer((4, 4, 6))
    for i, j in T.grid(24, 4):
        with T.block("B"):
            v = T.axis.spatial(96, i * 4 + j)
            B[v // 24, v % 24 // 6, v % 6] = A[v] + T.float32(1)
    for i, j, k in T.grid(4, 4, 6):
        with T.block("C"):
            vi, vj, vk = T.axis.remap("SSS", [i, j, k])
            C[vi, vj, vk] = B[vi, vj, vk] * T.float32(2)
""")
    sch = Schedule(func)
    assert cached_flags(sch, "C").region_cover
    sch.reverse_compute_inline("C")
    assert_same_result(func, sch.func)
