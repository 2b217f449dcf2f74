"""What users are told when a primitive does not apply: the whole message."""

from collections.abc import Callable

import pytest

from tests.tir.schedule.programs import elementwise, matmul
from tilewright.ir import IRModule
from tilewright.support.errors import ArgumentError
from tilewright.tir import Schedule, ScheduleError


def message(take: Callable[[Schedule], object], sch: Schedule, kind: type = ScheduleError) -> str:
    before = sch.mod
    with pytest.raises(kind) as error:
        take(sch)
    assert sch.mod is before
    return str(error.value)


def test_an_axis_that_the_result_does_not_have() -> None:
    sch = Schedule(matmul(4, 4, 4))
    text = message(lambda s: s.rfactor(s.get_loops("C")[2], 5), sch)
    assert (
        text
        == """\
rfactor: the new axis 5 is not one of 3 places
  at block `C`
  note: in the function
# from tilewright.script import tir as T

@T.prim_func
def main(A: T.Buffer((4, 4), "float32"), B: T.Buffer((4, 4), "float32"), \
C: T.Buffer((4, 4), "float32")):
    T.func_attr({"tir.noalias": True})
    # with T.block("root"):
    for i, j, k in T.grid(4, 4, 4):
        # here: block `C`
        with T.block("C"):
            v_i, v_j, v_k = T.axis.remap("SSR", [i, j, k])
            T.reads(A[v_i, v_k], B[v_k, v_j])
            T.writes(C[v_i, v_j])
            with T.init():
                C[v_i, v_j] = T.float32(0.0)
            C[v_i, v_j] = C[v_i, v_j] + A[v_i, v_k] * B[v_k, v_j]"""
    )


def test_a_reorder_of_loops_side_by_side() -> None:
    sch = Schedule(elementwise(4, 4), error_render_level="fast")
    text = message(lambda s: s.reorder(s.get_loops("B")[0], s.get_loops("C")[1]), sch)
    assert (
        text
        == """\
reorder: the loops are not nested in one another
  at loop `i`, loop `j`"""
    )


def test_a_reorder_that_would_pass_an_extent() -> None:
    sch = Schedule(matmul(4, 4, 4), error_render_level="fast")
    i, _, _ = sch.get_loops("C")
    text = message(lambda s: s.reorder(i, i), sch)
    assert (
        text
        == """\
reorder: the loop is named twice
  at loop `i`"""
    )


def two_functions() -> Schedule:
    mod = IRModule({"f": matmul(4, 4, 4), "g": elementwise(4, 4)})
    return Schedule(mod, error_render_level="fast")


@pytest.mark.parametrize("name", ["compute_at", "reverse_compute_at"])
def test_a_loop_of_another_function(name: str) -> None:
    sch = two_functions()
    loop = sch.get_loops(sch.get_block("C", func_name="f"))[0]
    block = sch.get_block("B", func_name="g")
    assert (
        message(lambda s: getattr(s, name)(block, loop), sch)
        == f"""\
{name}: loop `i` is in the function `f`, block `B` in `g`
  hint: a primitive works within one function"""
    )


def test_loops_of_two_functions_are_not_merged_or_blockized() -> None:
    sch = two_functions()
    ours, theirs = sch.get_block("C", func_name="f"), sch.get_block("B", func_name="g")
    first, second = sch.get_loops(ours)[0], sch.get_loops(theirs)[0]
    for take in (
        lambda s: s.merge(first, second),
        lambda s: s.reorder(first, second),
        lambda s: s.blockize([ours, theirs]),
    ):
        assert "in the function `g`" in message(take, sch)


def test_a_loop_of_another_schedule() -> None:
    loop = Schedule(matmul()).get_loops("C")[0]
    sch = Schedule(matmul())
    text = message(lambda s: s.split(loop, [None, 2]), sch)
    assert text.endswith("""\
is not a block or loop of this schedule
  hint: it may come from another schedule, or have been removed by remove_rv""")


def test_a_loop_that_is_gone() -> None:
    sch = Schedule(matmul())
    i, j, _ = sch.get_loops("C")
    sch.fuse(i, j)
    assert (
        message(lambda s: s.parallel(i), sch)
        == """\
the loop is no longer in the program: a primitive has replaced it
  hint: look it up again with get_block or get_loops"""
    )


def test_a_buffer_that_the_block_does_not_have() -> None:
    sch = Schedule(matmul())
    text = message(lambda s: s.cache_read("C", 2, "local"), sch)
    assert (
        text
        == """\
cache_read: argument `read_buffer_index`: block `C` has no read buffer 2
  note: its reads: A, B"""
    )


def test_an_argument_of_another_type() -> None:
    sch = Schedule(matmul())
    text = message(lambda s: s.split("i", [None, 2]), sch, TypeError)
    assert text == "split: argument `loop`: expected a LoopRV, found str"
    with pytest.raises(ArgumentError):
        sch.split("i", [None, 2])


def test_an_unknown_block() -> None:
    sch = Schedule(matmul())
    text = message(lambda s: s.get_block("D"), sch)
    assert text == "get_block: no block is called 'D'; there are root, C"


@pytest.mark.parametrize(
    ("take", "why"),
    [
        (lambda s, l: s.parallel(l[2]), "which is not data-parallel\n  at loop `k`, block `C`"),
        (lambda s, l: s.split(l[0], [2, 3]), "the factors' product 6 may be less than the extent"),
        (lambda s, l: s.split(l[0], [None, 0]), "the factor 0 is not positive"),
        (lambda s, l: s.split(l[0], [None, None]), "more than one factor is None"),
        (lambda s, l: s.bind(l[0], "threadIdx.w"), "'threadIdx.w' is no thread axis"),
        (lambda s, l: s.fuse(l[0], l[2]), "the loop is not the only child of the one before it"),
        (lambda s, l: s.merge(l[0], l[0]), "the loop is named twice"),
        (lambda s, l: (s.reorder(l[2], l[0]), s.decompose_reduction("C", l[0])),
         "a loop outside of it runs the reduction axis `v_k`"),
        (lambda s, l: s.compute_inline("C"), "the block is not a complete block"),
        (lambda s, l: s.rolling_buffer("C", 0), "is not allocated in the function"),
        (lambda s, l: s.pad_einsum("C", [1, 2]), "is not a positive multiple for each"),
        (lambda s, l: s.tensorize(l[0], "nope"), "no tensor intrinsic is called 'nope'"),
    ],
)  # fmt: skip
def test_each_refusal_says_why(take: Callable, why: str) -> None:
    sch = Schedule(matmul(8, 8, 8), error_render_level="fast")
    loops = sch.get_loops("C")
    with pytest.raises(ScheduleError) as error:
        take(sch, loops)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("n", "most", "text"),
    [
        (0, 16, "`n` must be at least 1, got 0"),
        (-2, 16, "`n` must be at least 1, got -2"),
        (2, 0, "`max_innermost_factor` must be at least 1, got 0"),
    ],
)
def test_a_tile_has_factors_and_each_is_at_least_one(n: int, most: int, text: str) -> None:
    sch = Schedule(elementwise(4, 4))
    loop = sch.get_loops("B")[0]
    assert text in message(lambda s: s.sample_perfect_tile(loop, n, most), sch)


def test_an_annotation_is_plain_data() -> None:
    sch = Schedule(elementwise(4, 4))
    for value in (object(), [1, {"deep": object()}]):
        text = message(lambda s, v=value: s.annotate("B", "x", v), sch)
        assert "the annotation `x` holds a value of type object" in text
        assert "hint: allowed are" in text


def test_a_block_is_no_consumer_of_what_it_writes() -> None:
    sch = Schedule(matmul(4, 4, 4))
    text = message(lambda s: s.cache_write("C", 0, "local", consumer_blocks=["C"]), sch)
    assert "the block named as consumer is the one that writes `C`" in text


@pytest.mark.parametrize("place", [("write", 1), ("read", -1)])
def test_a_place_beside_a_side_that_the_block_does_not_have(place) -> None:
    sch = Schedule(matmul())
    with pytest.raises(AssertionError, match=f"block `C` has no {place[0]} buffer {place[1]}"):
        sch.set_axis_separator("C", place, [1])
    with pytest.raises(ScheduleError):
        sch.set_axis_separator("C", place, [1])
