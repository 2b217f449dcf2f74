"""What a schedule is made of: handles and marks, scopes and dependencies, seeds, decisions."""

from __future__ import annotations

import pytest

from tests.tir.schedule.programs import elementwise, matmul, matmul_relu
from tilewright import tir
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.tir.schedule import (
    BlockRV,
    BlockScope,
    Dependency,
    DepKind,
    ExprRV,
    InstructionKind,
    LoopRV,
    ScheduleState,
    StmtSRef,
)

RAW, WAW, WAR = DepKind.RAW, DepKind.WAW, DepKind.WAR

REUSED = from_source("""
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.block("first"):
            v = T.axis.spatial(8, i)
            B[v] = A[v]
    for i in range(8):
        with T.block("second"):
            v = T.axis.spatial(8, i)
            C[v] = B[v]
    for i in range(8):
        with T.block("third"):
            v = T.axis.spatial(8, i)
            B[v] = T.float32(0)
    for i in range(8):
        with T.block("alone"):
            v = T.axis.spatial(8, i)
            T.evaluate(v)
""")


def sref(state: ScheduleState, name: str) -> StmtSRef:
    (found,) = state.blocks(name, state.roots["main"])
    return found


def test_a_scope_says_what_depends_on_what() -> None:
    state = ScheduleState(REUSED)
    first, second, third, alone = (sref(state, n) for n in ("first", "second", "third", "alone"))
    scope = state.get_block_scope(state.roots["main"])
    assert isinstance(scope, BlockScope) and scope.children == [first, second, third, alone]

    def ends(found: list[Dependency]) -> list[tuple[str, str, DepKind]]:
        assert all(isinstance(d, Dependency) for d in found)
        return [(d.src.block.name_hint, d.dst.block.name_hint, d.kind) for d in found]

    raw, waw = ("first", "second", RAW), ("first", "third", WAW)
    war = ("second", "third", WAR)
    assert ends(scope.get_deps_by_src(first)) == [raw, waw]
    assert ends(scope.get_deps_by_src(second)) == [war]
    assert ends(scope.get_deps_by_dst(second)) == [raw]
    assert ends(scope.get_deps_by_dst(third)) == [waw, war]
    assert scope.get_deps_by_src(third) == scope.get_deps_by_dst(first) == []
    assert scope.get_deps_by_src(alone) == scope.get_deps_by_dst(alone) == []
    assert scope.get_deps_by_dst(third)[0] is scope.get_deps_by_src(first)[1]
    assert scope.producers(second) == [first] and scope.consumers(first) == [second]


def test_kinds_of_dependencies_have_the_numbers_of_the_field() -> None:
    assert [(k.name, k.value) for k in DepKind] == [("RAW", 0), ("WAW", 1), ("WAR", 2),
                                                    ("OPAQUE", 3)]  # fmt: skip


def test_handles_know_their_statement_and_their_parent() -> None:
    sch = tir.Schedule(matmul())
    block = sch.get_block("C")
    loops = sch.get_loops(block)
    at = sch.get_sref(block)
    assert at.is_block and at.block is at.stmt is sch.get(block) and at.block.name_hint == "C"
    assert at.parent is sch.get_sref(loops[-1]) and not at.parent.is_block
    assert at.parent.loop is sch.get(loops[-1])
    chain = list(at.ancestors())
    assert chain == [*(sch.get_sref(loop) for loop in reversed(loops)), sch.state.roots["main"]]
    assert at.is_under(chain[-1]) and not chain[-1].is_under(at)
    with pytest.raises(TypeError, match="not a loop: sref of block C"):
        at.loop  # noqa: B018
    with pytest.raises(TypeError, match="not a block: sref of loop k"):
        at.parent.block  # noqa: B018


def test_places_among_the_statements_of_the_parent() -> None:
    state = ScheduleState(REUSED)
    loops = [sref(state, n).parent for n in ("first", "second", "third", "alone")]
    assert [loop and loop.seq_index for loop in loops] == [0, 1, 2, 3]
    assert sref(state, "first").seq_index == state.roots["main"].seq_index == -1


def test_marks_stand_for_places_that_are_no_loop() -> None:
    root, inline = StmtSRef.root_mark(), StmtSRef.inline_mark()
    assert root is StmtSRef.root_mark() and inline is StmtSRef.inline_mark() and root is not inline
    assert root.is_mark and inline.is_mark and root.stmt is inline.stmt is None
    assert not StmtSRef(None, None).is_mark
    sch = tir.Schedule(elementwise())
    places = [
        (sch.sample_compute_location(sch.get_block("C"), decision=-1), root),
        (sch.sample_compute_location(sch.get_block("C"), decision=-2), inline),
    ]
    for loop, mark in places:
        assert isinstance(loop, LoopRV) and sch.get_sref(loop) is mark and sch.get(loop) is None
    assert sch.copy().get_sref(places[0][0]) is root
    before = sch.mod
    sch.compute_at(sch.get_block("C"), places[0][0])
    assert_structural_equal(sch.mod, before)
    sch.compute_at(sch.get_block("C"), places[1][0])
    inlined = tir.Schedule(elementwise())
    inlined.compute_inline("C")
    assert_structural_equal(sch.mod, inlined.mod)


def test_random_variables_stand_for_blocks_loops_and_integers() -> None:
    sch = tir.Schedule(matmul(n=12))
    block = sch.get_block("C")
    loop = sch.get_loops(block)[0]
    factors = sch.sample_perfect_tile(loop, 2, decision=[3, 4])
    assert isinstance(block, BlockRV) and isinstance(loop, LoopRV)
    assert all(isinstance(f, ExprRV) and isinstance(f, tir.Var) for f in factors)
    assert [sch.get(f) for f in factors] == [3, 4]
    assert sch.get(factors[0] * factors[1] + 1) == 13
    outer, inner = sch.split(loop, factors)
    assert [sch.get(part).extent.value for part in (outer, inner)] == [3, 4]


def test_seeds_follow_from_the_seed() -> None:
    def seeds(sch: tir.Schedule) -> list[int]:
        return [sch.fork_seed() for _ in range(4)]

    one, two = tir.Schedule(matmul(), seed=7), tir.Schedule(matmul(), seed=7)
    drawn = seeds(one)
    assert drawn == seeds(two) and len(set(drawn)) == 4
    assert all(1 <= seed < 2**31 for seed in drawn)
    one.seed(7)
    assert seeds(one) == drawn
    assert seeds(tir.Schedule(matmul(), seed=8)) != drawn


def test_a_copy_draws_on_its_own() -> None:
    sch, same = tir.Schedule(matmul(), seed=3), tir.Schedule(matmul(), seed=3)
    twin = sch.copy()
    same.copy()
    for _ in range(4):
        twin.fork_seed()
    assert sch.fork_seed() == same.fork_seed()


def test_a_trace_knows_the_decisions_of_what_samples() -> None:
    sch = tir.Schedule(matmul(n=12))
    loop = sch.get_loops(sch.get_block("C"))[0]
    sch.split(loop, sch.sample_perfect_tile(loop, 2, decision=[3, 4]))
    trace = sch.trace.copy()
    kinds = [inst.kind.name for inst in trace.insts]
    assert kinds == ["GetBlock", "GetLoops", "SamplePerfectTile", "Split"]
    found = [trace.get_decision(inst) for inst in trace.insts]
    assert [list(d) if d else d for d in found] == [None, None, [3, 4], None]
    changed = trace.with_decision(trace.insts[2], [6, 2], remove_postproc=True)
    assert list(changed.get_decision(trace.insts[2])) == [6, 2]
    assert list(trace.get_decision(trace.insts[2])) == [3, 4]
    again = tir.Schedule(matmul(n=12))
    changed.apply_to_schedule(again, remove_postproc=False)
    assert [sch.get(v).extent.value for v in sch.get_loops("C")[:2]] == [3, 4]
    assert [again.get(v).extent.value for v in again.get_loops("C")[:2]] == [6, 2]
    assert trace.pop().kind.name == "Split" and len(trace.insts) == 3


def test_what_comes_after_the_mark_is_left_out() -> None:
    assert InstructionKind.get("EnterPostproc").is_postproc
    assert not InstructionKind.get("Split").is_postproc
    sch = tir.Schedule(matmul_relu())
    sch.parallel(sch.get_loops("C")[0])
    sch.enter_postproc()
    sch.vectorize(sch.get_loops("D")[1])
    bare, whole = tir.Schedule(matmul_relu()), tir.Schedule(matmul_relu())
    sch.trace.apply_to_schedule(bare, remove_postproc=True)
    sch.trace.apply_to_schedule(whole, remove_postproc=False)
    assert "T.parallel" in bare.mod.script() and "T.vectorized" not in bare.mod.script()
    assert_structural_equal(whole.mod, sch.mod)
    kept = sch.trace.simplified(remove_postproc=True)
    assert [inst.kind.name for inst in kept.insts] == ["GetBlock", "GetLoops", "Parallel"]
    assert len(sch.trace.as_python(remove_postproc=True)) == 3
    assert len(sch.trace.as_json(remove_postproc=True)[0]) == 3


def test_what_an_instruction_reads_is_told_from_what_it_says() -> None:
    split = InstructionKind.get("Split")
    inputs = [p.name for p in split.params if split.is_traced_input(p)]
    assert inputs == ["loop", "factors"]
    assert [p.name for p in split.params if not split.is_traced_input(p)] == [
        "preserve_unit_iters", "disable_predication",
    ]  # fmt: skip


def test_a_schedule_shows_its_program_and_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    sch = tir.Schedule(matmul())
    sch.parallel(sch.get_loops("C")[0])
    sch.show()
    out = capsys.readouterr().out
    program, trace = out.split("# from tilewright import tir\n")
    assert_structural_equal(from_source(program), sch.mod)
    assert trace == f"{sch.trace}\n".partition("\n")[2] and "sch.parallel(loop=l1)" in trace
    sch.trace.show()
    assert capsys.readouterr().out == f"{sch.trace}\n"
    bare = tir.Schedule._create_non_traced(matmul())
    bare.show()
    assert_structural_equal(from_source(capsys.readouterr().out), bare.mod)
