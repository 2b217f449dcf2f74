"""Primitives that move, inline, cache and decompose blocks."""

import re

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import conv2d, elementwise, matmul, matmul_relu, symbolic_sum
from tilewright import te
from tilewright.ir import assert_structural_equal
from tilewright.tir import Schedule, ScheduleError


def test_compute_at_computes_the_tile_that_is_read():
    func = conv2d(size=7)
    sch = Schedule(func)
    h = sch.get_loops("conv")[2]
    outer, _ = sch.split(h, [None, 4])
    sch.compute_at("pad", outer)
    extents = [sch.get(l).extent for l in sch.get_loops("pad")[3:]]
    assert [int(e) for e in extents] == [3, 6, 9]
    assert "T.where(h_0 * 4 + ax1 < 9)" in sch.func.script()
    assert_same_result(func, sch.func)


def test_compute_at_with_stride_two():
    func = conv2d(size=7, stride=2)
    sch = Schedule(func)
    outer, _ = sch.split(sch.get_loops("conv")[3], [None, 2])
    sch.compute_at("pad", outer)
    assert int(sch.get(sch.get_loops("pad")[-1]).extent) == 5
    assert_same_result(func, sch.func)


def test_compute_at_symbolic():
    func = symbolic_sum()
    sch = Schedule(func)
    outer, _ = sch.split(sch.get_loops("C")[0], [None, 4])
    sch.compute_at("B", outer)
    assert_same_result(func, sch.func, n=10)


def test_compute_at_refuses_outputs_and_loops_without_the_consumer():
    sch = Schedule(elementwise())
    with pytest.raises(ScheduleError, match="is an output"):
        sch.compute_at("D", sch.get_loops("B")[0])
    with pytest.raises(ScheduleError, match="requires all the consumers"):
        sch.compute_at("B", sch.get_loops("D")[0])


def test_reverse_compute_at():
    func = matmul_relu(n=12)
    sch = Schedule(func)
    i, j, _ = sch.get_loops("C")
    outer, _ = sch.split(i, [None, 5])
    sch.reverse_compute_at("D", outer)
    assert [int(sch.get(l).extent) for l in sch.get_loops("D")] == [3, 5, 10]
    assert_same_result(func, sch.func)
    del j


def test_reverse_compute_at_refuses_a_loop_of_the_reduction():
    sch = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="not complete within one run"):
        sch.reverse_compute_at("D", sch.get_loops("C")[2])


def test_reverse_compute_at_refuses_windows():
    sch = Schedule(conv2d())
    with pytest.raises(ScheduleError, match="windows overlap"):
        sch.reverse_compute_at("conv", sch.get_loops("pad")[2])


def test_unit_loops_are_kept_on_request():
    sch = Schedule(elementwise())
    sch.compute_at("B", sch.get_loops("C")[1], preserve_unit_loops=True)
    assert len(sch.get_loops("B")) == 4


def test_compute_at_places():
    func = elementwise()
    sch = Schedule(func)
    i = sch.get_loops("D")[0]
    sch.compute_at("C", i)
    sch.compute_at("B", i)
    names = [sch.get(b).name_hint for b in sch.get_child_blocks(i)]
    assert names == ["B", "C", "D"]
    with pytest.raises(ScheduleError, match="places 0 to"):
        other = Schedule(func)
        other.compute_at("C", other.get_loops("D")[0], index=5)
    assert_same_result(func, sch.func)


def test_compute_inline_chain():
    func = elementwise()
    sch = Schedule(func)
    sch.compute_inline("B")
    sch.compute_inline("C")
    text = sch.func.script()
    assert "D[v_i, v_j] = A[v_i, v_j] * T.float32(2.0) + T.float32(1.0) - A[v_i, v_j]" in text
    assert "alloc_buffer" not in text
    assert_same_result(func, sch.func)


def test_compute_inline_of_padding_updates_the_reads():
    func = conv2d()
    sch = Schedule(func)
    sch.compute_inline("pad")
    block = sch.get(sch.get_block("conv"))
    assert [r.buffer.name for r in block.reads] == ["X", "W"]
    assert_same_result(func, sch.func)


def test_compute_inline_refuses_reductions_and_outputs():
    sch = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="not a complete block"):
        sch.compute_inline("C")
    with pytest.raises(ScheduleError, match="output"):
        sch.compute_inline("D")


def test_reverse_compute_inline_chain():
    func = elementwise()
    sch = Schedule(func)
    sch.reverse_compute_inline("D")
    sch.reverse_compute_inline("C")
    assert len(sch.get_child_blocks(sch.get_block("root"))) == 1
    assert_same_result(func, sch.func)


def test_reverse_compute_inline_with_transposed_axes():
    a = te.placeholder((4, 6), name="A")
    b = te.compute((4, 6), lambda i, j: a[i, j] + 1.0, name="B")
    c = te.compute((6, 4), lambda j, i: b[i, j] * 3.0, name="C")
    func = te.create_prim_func([a, c])
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    assert "C[v_j, v_i] = (A[v_i, v_j] + T.float32(1.0)) * T.float32(3.0)" in sch.func.script()
    assert_same_result(func, sch.func)


def test_reverse_compute_inline_of_a_part_guards_the_producer():
    a = te.placeholder((8,), name="A")
    b = te.compute((8,), lambda i: a[i] + 1.0, name="B")
    c = te.compute((5,), lambda i: b[i] * 3.0, name="C")
    func = te.create_prim_func([a, c])
    sch = Schedule(func)
    sch.reverse_compute_inline("C")
    assert_same_result(func, sch.func)


def test_reverse_compute_inline_refuses_a_reduction_as_producer():
    sch = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="not a complete block"):
        sch.reverse_compute_inline("D")


def test_decompose_reduction():
    func = matmul()
    sch = Schedule(func)
    i, j, k = sch.get_loops("C")
    sch.split(i, [None, 5])
    init = sch.decompose_reduction("C", sch.get_loops("C")[1])
    assert sch.get(init).name_hint == "C_init"
    assert len(sch.get_loops(init)) == 3
    assert sch.get(sch.get_block("C_update")).init is None
    assert_same_result(func, sch.func)
    del j, k


def test_decompose_reduction_refuses_a_loop_inside_the_reduction():
    sch = Schedule(matmul())
    i, j, k = sch.get_loops("C")
    sch.reorder(k, i, j)
    with pytest.raises(ScheduleError, match="reduction axis `v_k`"):
        sch.decompose_reduction("C", i)


@pytest.mark.parametrize("index", [0, "A"])
def test_cache_read_of_an_input(index):
    func = matmul()
    sch = Schedule(func)
    made = sch.cache_read("C", index, "local")
    assert sch.get(made).name_hint == "A_local"
    assert sch.get(made).writes[0].buffer.scope() == "local"
    assert_same_result(func, sch.func)


def test_cache_read_of_an_intermediate_for_one_consumer():
    func = elementwise()
    sch = Schedule(func)
    sch.cache_read("C", "B", "shared")
    names = [sch.get(b).name_hint for b in sch.get_child_blocks("root")]
    assert names == ["B", "B_shared", "C", "D"]
    assert_same_result(func, sch.func)


def test_cache_write_and_moving_the_copy():
    func = matmul()
    sch = Schedule(func)
    i = sch.get_loops("C")[0]
    copy = sch.cache_write("C", 0, "local")
    sch.reverse_compute_at(copy, i)
    sch.compute_at(sch.cache_read("C", "B", "local"), i)
    assert [sch.get(b).name_hint for b in sch.get_child_blocks(i)] == ["B_local", "C", "C_local"]
    assert_same_result(func, sch.func)


def test_set_scope():
    sch = Schedule(elementwise())
    sch.set_scope("B", 0, "shared")
    assert sch.get(sch.get_block("C")).reads[0].buffer.scope() == "shared"
    with pytest.raises(ScheduleError, match="memory is the caller's"):
        sch.set_scope("D", 0, "shared")


def test_looking_around():
    sch = Schedule(conv2d())

    def names(blocks):
        return [sch.get(b).name_hint for b in blocks]

    assert names(sch.get_producers("conv")) == ["pad"]
    assert names(sch.get_consumers("conv")) == ["added"]
    assert names(sch.get_output_blocks("root")) == ["relu"]
    with pytest.raises(ScheduleError, match="no block is called 'x'; there are root, pad"):
        sch.get_block("x")


def test_a_failed_primitive_changes_nothing():
    sch = Schedule(matmul_relu())
    loops = sch.get_loops("C")
    before = sch.mod
    steps = len(sch.trace.insts)
    with pytest.raises(ScheduleError):
        sch.reverse_compute_at("D", loops[2])
    assert sch.mod is before
    assert [sch.get(l).loop_var.name for l in loops] == ["i", "j", "k"]
    assert len(sch.trace.insts) == steps + 1  # looking up "D" by name


def test_the_error_shows_the_function_and_names_the_culprit():
    sch = Schedule(matmul_relu())
    with pytest.raises(ScheduleError) as error:
        sch.compute_inline("C")
    assert "compute_inline: the block is not a complete block" in str(error.value)
    assert "block `C`" in str(error.value)
    assert re.search(r'# here: block `C`\n +with T\.block\("C"\):', str(error.value))
    with pytest.raises(ScheduleError, match=r"# here: loop `k`\n +for k in range"):
        sch.vectorize(sch.get_loops("C")[2])
    brief = Schedule(matmul_relu(), error_render_level="fast")
    with pytest.raises(ScheduleError) as error:
        brief.compute_inline("C")
    assert "@T.prim_func" not in str(error.value)


def test_handles_outlive_changes_around_them_and_die_with_their_block():
    sch = Schedule(elementwise())
    block, i = sch.get_block("B"), sch.get_loops("B")[0]
    sch.split(sch.get_loops("D")[0], [None, 4])
    sch.compute_inline("C")
    assert sch.get(i).loop_var.name == "i"
    assert sch.get_sref(block) is sch.state.get_sref(sch.get(block))
    sch.compute_inline(block)
    with pytest.raises(ScheduleError, match="no longer in the program"):
        sch.get(block)


def test_a_copy_goes_on_apart():
    sch = Schedule(matmul())
    i = sch.get_loops("C")[0]
    other = sch.copy()
    other.split(i, [None, 2])
    assert len(sch.get_loops("C")) == 3
    assert len(other.get_loops("C")) == 4
    assert sch.get(i).loop_var.name == "i"
    assert_structural_equal(sch.func, matmul())


def test_a_block_with_fused_and_split_loops_can_be_moved():
    func = elementwise(14, 6)
    sch = Schedule(func)
    sch.split(sch.fuse(*sch.get_loops("B")), [None, 5])
    assert "T.where(i_j_fused_0 * 5 + i_j_fused_1 < 84)" in sch.func.script()
    sch.compute_at("B", sch.get_loops("C")[0])
    assert "T.where" not in sch.func.script()
    assert_same_result(func, sch.func)
