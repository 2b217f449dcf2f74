"""What sampling primitives choose from, and how random variables are looked at."""

import pytest

from tests.tir.schedule.programs import elementwise, matmul_relu
from tilewright.script import tir as T
from tilewright.support.errors import ScheduleError
from tilewright.tir import Schedule


@T.prim_func
def tiled_sum(A: T.Buffer((4, 6), "float32"), C: T.Buffer((4,), "float32")):
    B = T.alloc_buffer((4, 6), "float32")
    for i, j in T.grid(4, 6):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    for i0, _u, k0, i1, k1 in T.grid(2, 1, 2, 2, 3):
        with T.block("C"):
            vi = T.axis.spatial(4, i0 * 2 + i1)
            vk = T.axis.reduce(6, k0 * 3 + k1)
            with T.init():
                C[vi] = T.float32(0)
            C[vi] = C[vi] + B[vi, vk]


def test_locations_are_those_where_compute_at_pays():
    sch = Schedule(tiled_sum, seed=0)
    found = set()
    for _ in range(60):
        sch.sample_compute_location("B")
        found.add(int(sch.trace.decisions[sch.trace.insts[-1]]))
    # inline, in place, i0, k0; not the unit loop, not `i1` within a reduction, nor `k1`
    assert found == {-2, -1, 0, 2}


def test_a_location_that_is_none_any_more_is_the_next_outer_one():
    sch = Schedule(tiled_sum)
    inside = sch.get_sref(sch.sample_compute_location("B", decision=3))
    assert inside.same_as(sch.get_sref(sch.get_loops("C")[2]))


def test_an_integer_is_given_as_such():
    sch = Schedule(elementwise(), seed=1)
    picked = sch.sample_categorical([5, 7], [0.0, 1.0])
    assert type(sch.get(picked)) is int
    assert sch.get(picked) == 7
    assert sch.trace.decisions[sch.trace.insts[-1]].value == 1


def test_random_variables_of_others_are_no_index():
    sch = Schedule(elementwise())
    loop = sch.get_loops("B")[0]
    with pytest.raises(IndexError, match="not a block or loop of this schedule"):
        Schedule(elementwise()).get(loop)
    sch.remove_rv(loop)
    with pytest.raises(ScheduleError, match="not a random variable"):
        sch.remove_rv(loop)


def test_the_function_worked_on_is_a_variable_of_the_module():
    sch = Schedule(elementwise())
    sch.work_on("main")
    assert sch.func_working_on.same_as(sch.mod.get_global_var("main"))


def test_outputs_are_found_in_nested_blocks_too():
    sch = Schedule(matmul_relu())
    sch.blockize(sch.get_loops("D")[1])
    names = [sch.get(b).name_hint for b in sch.get_output_blocks("root")]
    assert names == ["D_o", "D"]


def test_kinds_and_instructions_are_compared_by_identity():
    sch = Schedule(elementwise())
    sch.get_block("B")
    first, second = sch.trace.insts[-1], (sch.get_block("B"), sch.trace.insts[-1])[1]
    assert first.same_as(first)
    assert not first.same_as(second)
    assert first.kind.same_as(second.kind)
    assert first.outputs[0].same_as(first.outputs[0])
    assert not first.outputs[0].same_as(second.outputs[0])
