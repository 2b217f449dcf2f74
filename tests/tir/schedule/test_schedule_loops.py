"""Loop primitives: what they make of the program, and when they refuse."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import conv2d, elementwise, matmul, symbolic_sum
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError
from tilewright.tir import ForKind, Schedule, ScheduleError


def loops_text(sch: Schedule, block: str) -> str:
    """The loops around a block, as text."""
    return " ".join(f"{sch.get(l).loop_var.name}:{sch.get(l).extent}" for l in sch.get_loops(block))


def bindings(sch: Schedule, block: str) -> list[str]:
    """What the axes of a block are bound to, as text."""
    return [str(value) for value in sch.get_sref(sch.get_block(block)).realize.iter_values]


def test_split_that_divides_needs_no_predicate():
    func = matmul(n=12)
    sch = Schedule(func)
    i, _, _ = sch.get_loops("C")
    sch.split(i, [3, None])
    assert loops_text(sch, "C") == "i_0:3 i_1:4 j:20 k:9"
    assert "T.where" not in sch.func.script()
    assert_same_result(func, sch.func)


def test_split_that_does_not_divide_guards_the_block():
    func = matmul(n=12)
    sch = Schedule(func)
    i, _, _ = sch.get_loops("C")
    sch.split(i, [None, 5])
    assert "T.where(i_0 * 5 + i_1 < 12)" in sch.func.script()
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("n", [0, 1, 16, 33])
def test_split_of_a_symbolic_extent(n):
    func = symbolic_sum()
    sch = Schedule(func)
    i, _ = sch.get_loops("B")
    sch.split(i, [None, 16])
    assert loops_text(sch, "B") == "i_0:(n + T.int64(15)) // T.int64(16) i_1:T.int64(16) k:6"
    assert "T.where(i_0 * T.int64(16) + i_1 < n)" in sch.func.script()
    assert_same_result(func, sch.func, n=n)


def test_split_without_unit_iters_takes_them_out_of_the_bindings():
    sch = Schedule(matmul(n=12))
    i, _, _ = sch.get_loops("C")
    sch.split(i, [1, 12], preserve_unit_iters=False)
    assert bindings(sch, "C")[0] == "i_1"


@pytest.mark.parametrize(
    ("factors", "why"),
    [
        ([None, None], "more than one factor is None"),
        ([0, None], "not positive"),
        ([2, 5], "may be less than the extent"),
        ([], "no factors"),
    ],
)
def test_split_refuses_bad_factors(factors, why):
    sch = Schedule(matmul(n=12))
    with pytest.raises(ScheduleError, match=why):
        sch.split(sch.get_loops("C")[0], factors)


def test_split_refuses_a_loop_with_annotations():
    sch = Schedule(matmul())
    i = sch.get_loops("C")[0]
    sch.annotate(i, "note", 1)
    with pytest.raises(ScheduleError, match="annotations"):
        sch.split(i, [None, 2])


def test_fuse_computes_the_parts_of_the_index():
    func = matmul(n=4, m=6)
    sch = Schedule(func)
    i, j, _ = sch.get_loops("C")
    sch.fuse(i, j)
    assert "v_i = T.axis.spatial(4, i_j_fused // 6)" in sch.func.script()
    assert "v_j = T.axis.spatial(6, i_j_fused % 6)" in sch.func.script()
    assert_same_result(func, sch.func)


def test_fuse_after_split_gives_back_the_index():
    func = matmul(n=12)
    sch = Schedule(func)
    parts = sch.split(sch.get_loops("C")[0], [3, 4])
    sch.fuse(*parts)
    assert bindings(sch, "C")[0] == "i_0_i_1_fused"
    assert_same_result(func, sch.func)


def test_fuse_of_symbolic_loops():
    func = symbolic_sum()
    sch = Schedule(func)
    sch.fuse(*sch.get_loops("B"))
    assert_same_result(func, sch.func, n=5)


def test_fuse_refuses_loops_that_are_not_nested_directly():
    sch = Schedule(matmul())
    i, _, k = sch.get_loops("C")
    with pytest.raises(ScheduleError, match="not the only child"):
        sch.fuse(i, k)


def test_reorder_keeps_the_places_of_loops_not_named():
    func = matmul()
    sch = Schedule(func)
    i, _, k = sch.get_loops("C")
    sch.reorder(k, i)
    assert loops_text(sch, "C") == "k:9 j:20 i:12"
    assert_same_result(func, sch.func)


def test_reorder_refuses_extents_that_would_use_inner_loops():
    sch = Schedule(elementwise())
    outer, inner = sch.get_loops("B")
    loop = sch.get(inner)
    sch.state.replace(sch.get_sref(inner), loop.replace(extent=sch.get(outer).loop_var + 1))
    with pytest.raises(ScheduleError, match="would come inside it"):
        sch.reorder(inner, outer)


def test_reorder_refuses_loops_with_more_in_their_body():
    sch = Schedule(conv2d())
    h, v = sch.get_loops("conv")[2:4]
    sch.compute_at("pad", h)
    with pytest.raises(ScheduleError, match="more than the next loop"):
        sch.reorder(v, h)


def test_reorder_refuses_loops_of_different_nests():
    sch = Schedule(elementwise())
    with pytest.raises(ScheduleError, match="not nested"):
        sch.reorder(sch.get_loops("B")[0], sch.get_loops("C")[1])


@pytest.mark.parametrize("name", ["parallel", "vectorize"])
def test_a_reduction_loop_cannot_be_run_at_once(name):
    sch = Schedule(matmul())
    with pytest.raises(ScheduleError, match="not data-parallel") as error:
        getattr(sch, name)(sch.get_loops("C")[2])
    assert name in str(error.value)
    assert "loop `k`" in str(error.value)


def test_kinds_of_loops():
    sch = Schedule(matmul())
    i, j, k = sch.get_loops("C")
    sch.parallel(i)
    sch.vectorize(j)
    sch.unroll(k)
    kinds = [sch.get(l).kind for l in (i, j, k)]
    assert kinds == [ForKind.PARALLEL, ForKind.VECTORIZED, ForKind.UNROLLED]


def test_bind_allows_a_reduction_across_the_threads_of_a_block_only():
    sch = Schedule(matmul())
    k = sch.get_loops("C")[2]
    with pytest.raises(ScheduleError, match="not data-parallel"):
        sch.bind(k, "blockIdx.x")
    sch.bind(k, "threadIdx.x")
    assert sch.get(k).thread_binding.thread_tag == "threadIdx.x"
    with pytest.raises(ScheduleError, match="no thread axis"):
        sch.bind(sch.get_loops("C")[0], "threadIdx.q")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_bind_gives_a_thread_to_one_loop_of_a_block(order):
    sch = Schedule(matmul())
    loops = sch.get_loops("C")
    sch.bind(loops[order[0]], "threadIdx.x")
    with pytest.raises(ScheduleError, match="depends on two loops of threadIdx"):
        sch.bind(loops[order[1]], "threadIdx.x")
    sch.bind(loops[order[1]], "threadIdx.y")


def test_bind_gives_a_thread_to_the_copy_of_what_its_block_shares():
    sch = Schedule(matmul())
    row, column, _ = sch.get_loops("C")
    sch.bind(row, "threadIdx.x")
    copy = sch.cache_read("C", 1, "shared")
    sch.compute_at(copy, column)
    sch.bind(sch.get_loops(copy)[-1], "threadIdx.x")


def test_parallel_refuses_tiles_that_share_what_they_both_write():
    sch = Schedule(conv2d())
    h = sch.get_loops("conv")[2]
    sch.compute_at("pad", h)
    sch.parallel(h)  # each iteration computes the rows of `pad` that it reads: they are its own
    assert sch.get(h).kind == ForKind.PARALLEL
    other = Schedule(conv2d())
    other.compute_at("pad", other.get_loops("conv")[2])
    with pytest.raises(ScheduleError, match=r"not bound to affine|not data-parallel"):
        other.parallel(other.get_loops("conv")[4])


def test_add_unit_loop():
    func = matmul()
    sch = Schedule(func)
    sch.add_unit_loop("C")
    sch.add_unit_loop(sch.get_loops("C")[0])
    assert loops_text(sch, "C") == "u:1 i:12 j:20 k:9 u:1"
    assert_same_result(func, sch.func)


def test_annotations_come_and_go():
    sch = Schedule(matmul())
    block = sch.get_block("C")
    sch.annotate(block, "tile", [4, 8])
    assert sch.get(block).annotations == {"tile": (4, 8)}
    sch.unannotate(block, "tile")
    assert sch.get(block).annotations == {}
    with pytest.raises(ScheduleError, match="no annotation 'tile'"):
        sch.unannotate(block, "tile")


def test_wrong_kinds_of_arguments_are_named():
    sch = Schedule(matmul())
    with pytest.raises(ArgumentError, match="split: argument `loop`: expected a LoopRV, found int"):
        sch.split(3, [None, 4])
    with pytest.raises(ArgumentError, match="argument `factors`"):
        sch.split(sch.get_loops("C")[0], 4)
    with pytest.raises(ArgumentError, match="bind: missing a required argument"):
        sch.bind(sch.get_loops("C")[0])


def test_a_fused_loop_split_again_is_divided_as_a_whole() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8, 6, 4), "float32")):
    for i, j, k in T.grid(8, 6, 4):
        with T.block("A"):
            vi, vj, vk = T.axis.remap("SSS", [i, j, k])
            A[vi, vj, vk] = T.float32(1)
"""
    func = from_source(text)
    sch = Schedule(func)
    block = sch.get_block("A")
    fused = sch.fuse(*sch.get_loops(block))
    _, inner = sch.split(fused, [None, 48])
    sch.split(inner, [None, 8])
    total = "(i_j_k_fused_0 * 48 + i_j_k_fused_1_0 * 8 + i_j_k_fused_1_1)"
    assert bindings(sch, "A") == [f"{total} // 24", f"{total} % 24 // 4", f"{total} % 4"]
    assert_same_result(func, sch.func)
