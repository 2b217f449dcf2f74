"""What a schedule knows of its blocks: flags, dependencies, handles."""

import pytest

from tests.tir.schedule.programs import matmul
from tilewright import tir
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError, InternalError
from tilewright.tir.schedule import DepKind, ScheduleDebugMask, ScheduleState
from tilewright.tir.schedule.state import CachedFlags

YES = CachedFlags(affine_binding=True, region_cover=True, stage_pipeline=True)


def state_of(body: str) -> ScheduleState:
    head = """
@T.prim_func
def main(A: T.Buffer((8, 8), "float32"), C: T.Buffer((8, 8), "float32")):
"""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return ScheduleState(from_source(head + lines), debug_mask="all")


def sref_of(state: ScheduleState, name: str) -> tir.StmtSRef:
    (found,) = state.blocks(name, state.roots["main"])
    return found


def flags(state: ScheduleState, name: str) -> CachedFlags:
    return state._get_cached_flags(sref_of(state, name))


ELEMENTWISE = """
B = T.alloc_buffer((8, 8), "float32")
for i, j in T.grid(8, 8):
    with T.block("B"):
        vi, vj = T.axis.remap("SS", [i, j])
        B[vi, vj] = A[vi, vj] * T.float32(2)
for i, j in T.grid(8, 8):
    with T.block("C"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = B[vi, vj] + T.float32(1)
"""


def test_elementwise_blocks_are_covered() -> None:
    state = state_of(ELEMENTWISE)
    assert [flags(state, name) for name in ("B", "C", "root")] == [YES] * 3


def test_a_block_that_reads_the_next_iteration_is_not_covered() -> None:
    state = state_of("""
B = T.alloc_buffer((9, 8), "float32")
for i in range(8):
    for j in range(8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj]
    for j in range(8):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vi, vj] + B[vi + 1, vj]
""")
    assert flags(state, "C") == CachedFlags(True, False, True)
    assert flags(state, "root") == CachedFlags(True, True, False)


@pytest.mark.parametrize(("second", "covered"), [(4, True), (5, False)])
def test_two_producers_cover_together(second: int, covered: bool) -> None:
    state = state_of(f"""
B = T.alloc_buffer((8, 8), "float32")
for i, j in T.grid(4, 8):
    with T.block("first"):
        vi, vj = T.axis.remap("SS", [i, j])
        B[vi, vj] = A[vi, vj]
for i, j in T.grid({8 - second}, 8):
    with T.block("second"):
        vi, vj = T.axis.remap("SS", [i, j])
        B[vi + {second}, vj] = A[vi + {second}, vj]
for i, j in T.grid(8, 8):
    with T.block("C"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = B[vi, vj]
""")
    assert flags(state, "C").region_cover is covered
    assert flags(state, "root").stage_pipeline is covered


@pytest.mark.parametrize(
    ("index", "covered"),
    [("vi, vj", True), ("vi, vj // 2 * 2", False), ("vi, vi", False), ("vi, 7 - vj", True)],
)
def test_what_is_written_has_no_holes(index: str, covered: bool) -> None:
    state = state_of(f"""
B = T.alloc_buffer((8, 8), "float32")
for i, j in T.grid(8, 8):
    with T.block("B"):
        vi, vj = T.axis.remap("SS", [i, j])
        B[{index}] = A[vi, vj]
for i, j in T.grid(8, 8):
    with T.block("C"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = B[vi, vj]
""")
    assert flags(state, "C").region_cover is covered


@pytest.mark.parametrize(("scope", "covered"), [("shared", True), ("local", False)])
def test_threads_share_some_memory(scope: str, covered: bool) -> None:
    state = state_of(f"""
B = T.alloc_buffer((8, 8), "float32", scope="{scope}")
for i in T.thread_binding(8, thread="threadIdx.x"):
    for j in range(8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj]
    for j in range(8):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            C[vi, vj] = B[vj, vi]
""")
    assert flags(state, "C").region_cover is covered


def test_a_binding_that_repeats_a_loop_is_not_affine() -> None:
    state = state_of("""
for i in range(8):
    with T.block("C"):
        vi = T.axis.spatial(8, i)
        vj = T.axis.spatial(8, i)
        C[vi, vj] = A[vi, vj]
""")
    assert flags(state, "C") == CachedFlags(False, True, True)


def test_a_block_in_an_opaque_block() -> None:
    state = state_of("""
for i in range(8):
    with T.block("outer"):
        vi = T.axis.spatial(8, i)
        for j in range(8):
            with T.block("C"):
                vj = T.axis.spatial(8, j)
                C[vi, vj] = A[vi, vj]
""")
    assert [flags(state, name) for name in ("outer", "C", "root")] == [YES] * 3


def test_replace_keeps_the_handles_of_loops_and_named_blocks() -> None:
    state = state_of(ELEMENTWISE)
    block = sref_of(state, "C")
    outer = state.loops_of(block)[0]
    loop, old = outer.loop, block.block
    renamed = old.replace(name_hint="D")
    realize = block.realize.replace(block=renamed)
    inner = loop.body.replace(body=realize)
    before = state.mod
    state.replace(outer, loop.replace(body=inner), {old: renamed})
    state.debug_verify()
    assert outer.loop is not loop and outer.loop.loop_var is loop.loop_var
    assert block.block is renamed
    assert state.get_sref(old) is None and state.get_sref(renamed) is block
    assert "D" not in before["main"].script() and 'T.block("D")' in state.mod["main"].script()


def test_replace_voids_the_handles_of_what_is_gone() -> None:
    state = state_of(ELEMENTWISE)
    block = sref_of(state, "C")
    outer, inner = state.loops_of(block)
    state.replace(outer, outer.loop.replace(body=tir.Evaluate(0)))
    assert inner.stmt is None and block.stmt is None and outer.stmt is not None


def test_replace_refuses_what_does_not_fit_and_changes_nothing() -> None:
    state = state_of(ELEMENTWISE)
    block, root = sref_of(state, "C"), sref_of(state, "root")
    outer = state.loops_of(block)[0]
    before = state.mod
    other = root.block.body.seq[0]
    for sref, target, why in [
        (outer, block.block, "sref of loop i is replaced by the block `C` alone"),
        (root, outer.loop, "sref of block root cannot be replaced by a For"),
        (outer, other, "a block or loop occurs twice in the replaced program"),
        (block, tir.SeqStmt([other, other]), "a block or loop occurs twice"),
    ]:
        with pytest.raises(ArgumentError, match=why):
            state.replace(sref, target)
        assert state.mod is before and block.block.name_hint == "C"
        state.debug_verify()


def test_verification_finds_a_handle_that_is_astray() -> None:
    state = state_of(ELEMENTWISE)
    sref_of(state, "C").parent = sref_of(state, "root")
    with pytest.raises(InternalError, match="sref of block C has another parent"):
        state.debug_verify()


def test_verification_finds_flags_out_of_date() -> None:
    state = state_of(ELEMENTWISE)
    assert flags(state, "C") == YES
    block = sref_of(state, "C")
    realize, loops, _ = state.facts["affine", block]
    state.facts["affine", block] = (realize, loops, False)
    with pytest.raises(InternalError, match="what is kept of sref of block C is out of date"):
        state.debug_verify()


def test_debug_masks() -> None:
    func = matmul()
    assert ScheduleState(func, debug_mask="none").debug_mask == 0
    assert ScheduleState(func, debug_mask=-1).debug_mask == 3
    one = ScheduleState(func, debug_mask=ScheduleDebugMask.VERIFY_CACHED_FLAGS)
    assert one.debug_mask == 2
    with pytest.raises(ArgumentError, match='debug_mask must be "all", "none" or bits'):
        ScheduleState(func, debug_mask="some")


def test_block_dependence_info() -> None:
    info = tir.BlockDependenceInfo(state_of(ELEMENTWISE).mod)
    root = info.mod["main"].body.block
    first = root.body.seq[0].body.body.block
    scope = info.get_block_scope(info.get_sref(root))
    (dependency,) = scope.get_deps_by_src(info.get_sref(first))
    assert dependency.kind is DepKind.RAW
    assert dependency.dst.stmt.name_hint == "C"
    assert info.get_sref(matmul().body.block) is None


def test_unchecked_schedules_do_not_ask_for_covers() -> None:
    body = """
B = T.alloc_buffer((9, 8), "float32")
for i, j in T.grid(8, 8):
    with T.block("B"):
        vi, vj = T.axis.remap("SS", [i, j])
        B[vi, vj] = A[vi, vj]
for i, j in T.grid(8, 8):
    with T.block("C"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = B[vi + 1, vj]
"""
    mod = state_of(body).mod
    with pytest.raises(tir.ScheduleError, match="is not written in the same run"):
        tir.Schedule(mod).compute_inline("B")
    free = tir.Schedule(mod, enable_check=False)
    free.compute_inline("B")
    assert "C[vi, vj] = A[vi + 1, vj]" in free.mod["main"].script()


def test_a_schedule_without_a_trace() -> None:
    sch = tir.Schedule._create_non_traced(matmul())
    sch.split(sch.get_loops("C")[0], [None, 4])
    traced = tir.Schedule(matmul())
    traced.split(traced.get_loops("C")[0], [None, 4])
    assert sch.trace is None
    assert_structural_equal(sch.mod, traced.mod)


@pytest.mark.parametrize("written", ["A", "B"])
def test_what_is_written_after_it_has_been_read_breaks_the_pipeline(written):
    func = from_source(f"""
@T.prim_func
def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(16):
        with T.block("a"):
            vi = T.axis.spatial(16, i)
            B[vi] = A[vi]
    for i in range(16):
        with T.block("b"):
            vi = T.axis.spatial(16, i)
            {written}[vi] = T.float32(1)
""")
    sch = tir.Schedule(func)
    flags = sch.state._get_cached_flags(sch.get_sref(sch.get_block("root")))
    assert flags == (True, True, written == "B")


SHARED = """
B = T.alloc_buffer((4, 8), "float32")
for o in range(2):
    for f in range({count}):
        for j in range(2):
            with T.block("B"):
                vi = T.axis.spatial(4, f // 2{shift})
                vj = T.axis.spatial(8, o * 4 + f % 2 * 2 + j)
                T.where({where})
                B[vi, vj] = A[vi, vj]
    for i, j in T.grid(4, 4):
        with T.block("C"):
            vi = T.axis.spatial(4, i)
            vj = T.axis.spatial(8, o * 4 + j)
            C[vi, vj] = B[vi, vj]
"""


@pytest.mark.parametrize(
    ("count", "shift", "where", "covers"),
    [
        (8, "", "True", True),
        (7, "", "True", False),
        (10, " - 1", "0 <= f // 2 - 1", True),
        (9, " - 1", "0 <= f // 2 - 1", False),
    ],
)
def test_digits_of_one_loop_fill_a_part_that_an_outer_loop_places(count, shift, where, covers):
    state = state_of(SHARED.format(count=count, shift=shift, where=where))
    assert flags(state, "C").region_cover is covers
