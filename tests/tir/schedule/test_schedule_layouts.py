"""Primitives that change layouts, axes and operands of blocks, and take reductions apart."""

import math

import numpy as np
import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import conv2d, elementwise, matmul, matmul_relu
from tilewright import te, tir
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError
from tilewright.tir import (
    Broadcast,
    PrimFunc,
    Schedule,
    ScheduleError,
    TensorIntrin,
    interpreter,
)


@pytest.mark.parametrize("factor_axis", [0, 1, -1])
@pytest.mark.parametrize("k", [3, 9])
def test_rfactor(factor_axis, k):
    func = matmul(4, 5, k)
    sch = Schedule(func)
    _, inner = sch.split(sch.get_loops("C")[2], [None, 4])
    partial = sch.rfactor(inner, factor_axis)
    assert sch.get(partial).name_hint == "C_rf"
    assert sch.get(partial).writes[0].buffer.ndim == 3
    assert_same_result(func, sch.func)


def test_rfactor_of_the_outer_part_of_a_padded_convolution():
    func = conv2d(size=4)
    sch = Schedule(func)
    rc, ry, rx = sch.get_loops("conv")[4:]
    sch.rfactor(sch.fuse(rc, ry), 0)
    assert_same_result(func, sch.func)
    del rx


SUM_OF_IMAGES = """
@T.prim_func
def main(A: T.Buffer((3, 8, 8), "float32"), B: T.Buffer((3,), "float32")):
    for i, k, l in T.grid(3, 8, 8):
        with T.block("B"):
            vi, vk, vl = T.axis.remap("SRR", [i, k, l])
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + A[vi, vk, vl]
"""
FOLLOWER = """
    for i in range(3):
        with T.block("C"):
            vi = T.axis.spatial(3, i)
            A[vi, 0, 0] = B[vi] * T.float32(2)
"""


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_rfactor_of_fused_axes_leaves_independent_axes(factor):
    """Of both the axis that runs in a part of the fused loop and the one that runs in all of it."""
    func = from_source(SUM_OF_IMAGES)
    sch = Schedule(func)
    _, k, l = sch.get_loops("B")
    _, inner = sch.split(sch.fuse(k, l), [None, factor])
    partial = sch.rfactor(inner, 1)
    sch.compute_at(partial, sch.get_loops("B")[0])
    steps = [int(sch.get(loop).extent) for loop in sch.get_loops(partial)]
    assert math.prod(steps) == 3 * 8 * 8
    assert_same_result(func, sch.func)


def test_axes_that_are_not_independent_are_not_moved():
    text = SUM_OF_IMAGES.replace("k, l in T.grid(3, 8, 8)", "k, l in T.grid(3, 8, 4)").replace(
        "[i, k, l]", "[i, k, k]"
    )
    sch = Schedule(from_source(text + FOLLOWER))
    with pytest.raises(ScheduleError, match="not bound to affine, independent parts"):
        sch.compute_at("B", sch.get_loops("C")[0])


def test_rfactor_refuses_loops_that_are_not_of_the_reduction():
    sch = Schedule(matmul())
    with pytest.raises(ScheduleError, match="data-parallel axis `v_i`"):
        sch.rfactor(sch.get_loops("C")[0], 0)
    with pytest.raises(ScheduleError, match="not one of 3 places"):
        sch.rfactor(sch.get_loops("C")[2], 5)


@pytest.mark.parametrize("n", [8, 14])
def test_blockize(n):
    func = matmul(n, 6, 4)
    sch = Schedule(func)
    i, j, k = sch.get_loops("C")
    i0, i1 = sch.split(i, [None, 4])
    j0, j1 = sch.split(j, [None, 3])
    k0, k1 = sch.split(k, [None, 2])
    sch.reorder(i0, j0, k0, i1, j1, k1)
    outer = sch.blockize(i1)
    assert sch.get(outer).name_hint == "C_o"
    assert len(sch.get_loops(outer)) == 3
    assert len(sch.get_loops("C")) == 3
    assert_same_result(func, sch.func)


def test_blockize_refuses_bindings_that_mix():
    sch = Schedule(elementwise(6, 4))
    fused = sch.fuse(*sch.get_loops("B"))
    _, inner = sch.split(fused, [None, 3])
    with pytest.raises(ScheduleError, match="mixes outer and inner loops"):
        sch.blockize(inner)


def test_blockize_refuses_a_part_that_begins_in_the_midst_of_a_result():
    func = matmul(3, 1, 4)
    sch = Schedule(func)
    rows, _, k = sch.get_loops("C")
    sch.reorder(rows, k)
    sch.loop_partition(sch.fuse(*sch.get_loops("C")), [1, None])
    rest = sch.get_loops("C_i_j_k_fused1")[-1]
    with pytest.raises(ScheduleError, match="begins in its midst for some results"):
        sch.blockize(rest)
    whole = Schedule(func)
    whole.blockize(whole.fuse(*whole.get_loops("C")))
    assert_same_result(func, whole.func)


def doubling(lanes: int) -> tuple[PrimFunc, PrimFunc]:
    """b = a * 2 for one vector: in a loop, and as one instruction."""
    a = te.placeholder((lanes,), name="a")
    b = te.compute((lanes,), lambda i: a[i] * 2.0, name="b")
    desc = te.create_prim_func([a, b])
    source, target = desc.buffers()
    two = Broadcast(tir.const(2.0, "float32"), lanes)
    body = target.vstore([0], source.vload([0], f"float32x{lanes}") * two)
    block = desc.body.block.replace(body=body)
    return desc, desc.with_body(desc.body.replace(block=block))


def test_tensorize():
    TensorIntrin.register("test.double8", *doubling(8), override=True)
    a = te.placeholder((3, 16), name="A")
    func = te.create_prim_func([a, te.compute((3, 16), lambda i, j: a[i, j] * 2.0, name="B")])
    sch = Schedule(func)
    _, inner = sch.split(sch.get_loops("B")[1], [None, 8])
    sch.tensorize(inner, "test.double8")
    assert "T.match_buffer(A[v_i_o, v_j_o * 8:v_j_o * 8 + 8]" in sch.func.script()
    x = np.arange(48, dtype="float32").reshape(3, 16)
    y = np.zeros_like(x)
    interpreter.run(sch.func, x, y)
    np.testing.assert_array_equal(y, 2 * x)


def test_tensorize_refuses_what_the_instruction_does_not_do():
    TensorIntrin.register("test.double8", *doubling(8), override=True)
    sch = Schedule(elementwise(8, 8))
    with pytest.raises(ScheduleError, match=r"does not do what 'test\.double8' describes"):
        sch.tensorize(sch.get_loops("C")[1], "test.double8")
    with pytest.raises(ScheduleError, match="does not match"):
        sch.tensorize(sch.get_loops("B")[0], "test.double8")
    with pytest.raises(ScheduleError, match="no tensor intrinsic"):
        sch.tensorize(sch.get_loops("B")[1], "test.nothing")
    assert_structural_equal(sch.func, elementwise(8, 8))


def test_tensor_intrin_registry():
    TensorIntrin.register("test.double4", *doubling(4), override=True)
    with pytest.raises(ArgumentError, match="registered already"):
        TensorIntrin.register("test.double4", *doubling(4))
    assert TensorIntrin.get("test.unknown", allow_missing=True) is None
    with pytest.raises(ArgumentError, match="no tensor intrinsic is called"):
        TensorIntrin.get("test.unknown")


def test_transform_layout_of_an_intermediate():
    func = elementwise(14, 6)
    sch = Schedule(func)
    sch.transform_layout(
        "B", ("write", 0), lambda i, j: [i // 4, j, i % 4], assume_injective_transform=True
    )
    buffer = sch.get(sch.get_block("C")).reads[0].buffer
    assert [int(d) for d in buffer.shape] == [4, 6, 4]
    assert_same_result(func, sch.func)
    for name in ("compute_inline", "reverse_compute_inline"):
        other = sch.copy()
        getattr(other, name)("B" if name == "compute_inline" else "C")
        assert_same_result(func, other.func)
    outer, _ = sch.split(sch.get_loops("C")[0], [None, 4])
    sch.compute_at("B", outer)
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("name", ["B", "C"])
def test_transform_layout_with_padding(name):
    func = elementwise(14, 6) if name == "B" else matmul_relu(12, 10, 8)
    sch = Schedule(func)
    sch.transform_layout(name, name, lambda i, j: [i // 8, j, i % 8], pad_value=1.0)
    assert_same_result(func, sch.func)
    stores = sch.func.script()
    assert "T.float32(1.0)" in stores


def test_transform_layout_of_a_parameter_changes_the_signature():
    sch = Schedule(elementwise(12, 6))
    sch.transform_layout("B", "A", lambda i, j: [j, i])
    assert [int(d) for d in sch.func.buffers()[0].shape] == [6, 12]
    x = np.arange(72, dtype="float32").reshape(6, 12)
    y = np.zeros((12, 6), "float32")
    interpreter.run(sch.func, x, y)
    np.testing.assert_array_equal(y, x.T * 2 + 1 - x.T)


def test_transform_layout_refuses_maps_that_lose_elements():
    sch = Schedule(elementwise())
    with pytest.raises(ScheduleError, match="two elements might meet"):
        sch.transform_layout("B", "B", lambda i, j: [i // 2, j])
    with pytest.raises(ArgumentError, match="the padding of `B` is float64"):
        sch.transform_layout("B", "B", lambda i, j: [i, j], pad_value=tir.const(0.0, "float64"))
    for integer in (0, lambda *_: 0):
        with pytest.raises(
            ScheduleError, match=r"is int32, the buffer float32\n.*hint: 0\.0 is of"
        ):
            sch.transform_layout("B", "B", lambda i, j: [i // 8, j, i % 8], pad_value=integer)


def test_transform_block_layout():
    func = matmul_relu(12, 10, 8)
    sch = Schedule(func)
    sch.transform_block_layout("D", lambda i, j: [i * 10 + j])
    sch.transform_block_layout("C", lambda i, j, k: [i, j // 4, k, j % 4])
    assert len(sch.get_loops("D")) == 1
    assert len(sch.get_loops("C")) == 4
    assert_same_result(func, sch.func)
    with pytest.raises(ScheduleError, match="mixes axes of the reduction"):
        sch.transform_block_layout("C", lambda i, a, k, b: [i * 8 + k, a, b])


def test_reindex():
    func = conv2d(size=5)
    sch = Schedule(func)
    sch.reindex("conv", ("read", 0))
    sch.reindex("conv", ("write", 0))
    assert [r.buffer.ndim for r in sch.get(sch.get_block("conv")).reads] == [6, 4]
    assert_same_result(func, sch.func)


def test_reindex_cache():
    func = conv2d(size=5)
    sch = Schedule(func)
    sch.reindex_cache_read(
        "conv", 0, "shared", lambda n, o, h, v, c, y, x: [n * 25 + h * 5 + v, c * 9 + y * 3 + x]
    )
    sch.reindex_cache_write("conv", 0, "local", lambda n, o, h, v, c, y, x: [n, h, v, o])
    assert [int(d) for d in sch.get(sch.get_block("conv")).reads[0].buffer.shape] == [25, 27]
    assert_same_result(func, sch.func)


def test_the_cache_of_an_axis_of_64_bits_is_counted_in_64_bits():
    n, a = te.var("n", "int64"), te.placeholder((6,), name="A")
    func = te.create_prim_func([a, te.compute((n, 6), lambda i, j: a[j] * 2.0, name="B")])
    sch = Schedule(func)
    sch.reindex_cache_read("B", 0, "global", lambda i, j: (i // 3, j, i % 3))
    shape = sch.get(sch.get_block("B")).reads[0].buffer.shape
    assert [d.dtype for d in shape] == ["int64"] * 3


def test_pad_einsum():
    func = matmul(13, 10, 7)
    sch = Schedule(func)
    sch.pad_einsum("C", [4, 8, 4])
    assert [int(sch.get(l).extent) for l in sch.get_loops("C")] == [16, 16, 8]
    assert_same_result(func, sch.func)


def test_pad_einsum_refuses_reductions_in_which_zeros_count():
    a = te.placeholder((6, 7), name="A")
    r = te.reduce_axis((0, 7), name="r")
    func = te.create_prim_func([a, te.compute((6,), lambda i: te.max(a[i, r], axis=r), name="M")])
    sch = Schedule(func)
    with pytest.raises(ScheduleError, match="zeros count"):
        sch.pad_einsum("M", [1, 4])
    sch.pad_einsum("M", [4, 1])
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("depth", [0, 2])
def test_decompose_padding(depth):
    func = conv2d(size=5)
    sch = Schedule(func)
    fill = sch.decompose_padding("pad", sch.get_loops("pad")[depth])
    assert sch.get(fill).name_hint == "pad_pad_const"
    assert_same_result(func, sch.func)


def test_merge():
    a = te.placeholder((4, 6), name="A")
    b = te.compute((4, 6), lambda i, j: a[i, j] + 1.0, name="B")
    c = te.compute((4, 6), lambda i, j: a[i, j] * 2.0, name="C")
    func = te.create_prim_func([a, b, c])
    sch = Schedule(func)
    loop = sch.merge(sch.get_loops("B")[1], sch.get_loops("C")[1])
    assert [sch.get(x).name_hint for x in sch.get_child_blocks(loop)] == ["B", "C"]
    assert_same_result(func, sch.func)


def test_merge_of_nests_that_need_each_other():
    sch = Schedule(elementwise())
    loop = sch.merge(sch.get_loops("B")[0], sch.get_loops("C")[0])
    assert [sch.get(x).name_hint for x in sch.get_child_blocks(loop)] == ["B", "C"]
    assert_same_result(elementwise(), sch.func)
    other = Schedule(row_sums())
    with pytest.raises(ScheduleError, match="not complete within one run"):
        other.merge(other.get_loops("sums")[1], other.get_loops("scaled")[1])
    shifted = Schedule(neighbours())
    with pytest.raises(ScheduleError, match="read more than its producers write"):
        shifted.merge(shifted.get_loops("B")[0], shifted.get_loops("C")[0])


def row_sums():
    a = te.placeholder((4, 6), name="A")
    k = te.reduce_axis((0, 6), name="k")
    sums = te.compute((4,), lambda i: te.sum(a[i, k], axis=k), name="sums")
    return te.create_prim_func(
        [a, te.compute((4, 6), lambda i, j: a[i, j] / sums[i], name="scaled")]
    )


def neighbours():
    a = te.placeholder((6,), name="A")
    b = te.compute((6,), lambda i: a[i] + 1.0, name="B")
    return te.create_prim_func([a, te.compute((6,), lambda i: b[5 - i], name="C")])


def test_loop_partition():
    func = elementwise(16, 6)
    sch = Schedule(func)
    parts = sch.loop_partition(sch.get_loops("B")[0], [3, None, 2])
    assert [int(sch.get(l).extent) for l in parts] == [3, 11, 2]
    assert_same_result(func, sch.func)
    with pytest.raises(ScheduleError, match="more than the extent"):
        sch.loop_partition(sch.get_loops("C")[0], [10, 10])


def test_unsafe_set_dtype():
    sch = Schedule(elementwise())
    sch.unsafe_set_dtype("B", 0, "float16")
    assert sch.get(sch.get_block("C")).reads[0].buffer.dtype == "float16"
    assert "T.Cast(" in sch.func.script()
    assert_same_result(elementwise(), sch.func)


def test_notes_on_blocks():
    sch = Schedule(elementwise(12, 6))
    block = sch.get_block("B")
    sch.storage_align(block, 0, axis=-2, factor=32, offset=8)
    assert sch.get(block).annotations["buffer_dim_align"] == ((0, 0, 32, 8),)
    sch.set_axis_separator(block, ("write", 0), [1])
    assert sch.get(sch.get_block("C")).reads[0].buffer.axis_separators == (1,)
    sch.reorder_block_iter_var(block, [1, 0])
    assert [a.var.name for a in sch.get(block).iter_vars] == ["v_j", "v_i"]
    sch.annotate_buffer_access(block, 0, "read", lambda j, i: [(i - 1, i + 2), j])
    assert [int(r.extent) for r in sch.get(block).reads[0].region] == [3, 1]
    sch.unsafe_hide_buffer_access(block, "read", [0])
    assert sch.get(block).reads == ()
    assert_same_result(elementwise(12, 6), sch.func)


def test_sampling_is_recorded_and_replayed():
    func = matmul(16, 24, 8)
    sch = Schedule(func, seed=7)
    for loop in sch.get_loops("C"):
        tile = sch.sample_perfect_tile(loop, n=3, max_innermost_factor=8)
        sch.split(loop, tile)
    sch.annotate("C", "unroll", sch.sample_categorical([0, 16, 64], [0.2, 0.5, 0.3]))
    other = Schedule(func, seed=99)
    sch.trace.apply_to_schedule(other, remove_postproc=False)
    assert_structural_equal(sch.mod, other.mod)
    assert_same_result(func, sch.func)
    again = Schedule(func, seed=7)
    for loop in again.get_loops("C"):
        again.sample_perfect_tile(loop, n=3, max_innermost_factor=8)
    firsts = [sch.trace.decisions[i] for i in sch.trace.insts if i in sch.trace.decisions][:3]
    assert list(again.trace.decisions.values()) == firsts


def test_perfect_tiles_multiply_to_the_extent():
    sch = Schedule(matmul(24, 30, 7), seed=1)
    for loop in sch.get_loops("C"):
        for _ in range(20):
            tile = [int(sch.get(v)) for v in sch.sample_perfect_tile(loop, 4, 4)]
            assert np.prod(tile) == int(sch.get(loop).extent)
            assert tile[-1] <= 4


def test_a_changed_decision_changes_the_program():
    func = matmul(16, 8, 4)
    sch = Schedule(func, seed=0)
    loop = sch.get_loops("C")[0]
    sch.split(loop, sch.sample_perfect_tile(loop, n=2))
    inst = next(i for i in sch.trace.insts if i.kind.name == "SamplePerfectTile")
    other = Schedule(func)
    sch.trace.with_decision(inst, [2, 8], True).apply_to_schedule(other, True)
    assert [int(other.get(l).extent) for l in other.get_loops("C")] == [2, 8, 8, 4]


@pytest.mark.parametrize("decision", [-2, -1, 0, 1])
def test_compute_location(decision):
    func = elementwise(6, 4)
    sch = Schedule(func)
    sch.compute_at("B", sch.sample_compute_location("B", decision=decision))
    assert_same_result(func, sch.func)
    count = len([b for b in sch.state.walk(sch.state.roots["main"]) if b.is_block])
    assert count == (3 if decision == -2 else 4)


def test_read_at_and_write_at():
    func = matmul(8, 6, 4)
    sch = Schedule(func)
    outer, _ = sch.split(sch.get_loops("C")[0], [None, 3])
    copy = sch.read_at(outer, "C", 0, "shared")
    assert sch.get(copy).annotations == {"auto_copy": True}
    sch.write_at(outer, "C", 0, "local")
    assert_same_result(func, sch.func)


def test_cache_index():
    a = te.placeholder((12,), name="A")
    b = te.compute((12,), lambda i: a[i // 4 * 4 + i % 3] + a[i // 4 * 4 + i % 3] * 2.0, name="B")
    func = te.create_prim_func([a, b])
    sch = Schedule(func)
    (made,) = sch.cache_index("B", "global", 1)
    assert sch.get(made).name_hint == "index_0"
    assert_same_result(func, sch.func)
    with pytest.raises(ScheduleError, match="computed so often"):
        sch.cache_index("B", "global", 5)


def test_cache_index_takes_what_is_computed_often():
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((40,)), B: T.Buffer((8, 8))):
    for i, j in T.grid(8, 8):
        with T.block("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi // 2 + vj] + A[vi // 2 + 1] - A[vj + vi // 2] * A[vi // 2]
""")
    sch = Schedule(func)
    first, second = sch.cache_index("B", "local", 2)
    text = sch.func.script()
    assert "index_var_0[vi, vj] = vi // 2 + vj" in text  # written in two orders
    assert "index_var_1[vi] = vi // 2\n" in text
    assert "A[index_var_1[vi] + 1]" in text
    assert [sch.get(block).name_hint for block in (first, second)] == ["index_0", "index_1"]
    regions = [r.buffer.name for r in sch.get(sch.get_block("B")).reads]
    assert regions == ["A", "index_var_0", "index_var_1"]
    assert_same_result(func, sch.func)


def test_cache_inplace():
    func = matmul(4, 6, 3)
    sch = Schedule(func)
    sch.decompose_reduction("C", sch.get_loops("C")[0])
    first, last = sch.cache_inplace("C_update", "C", "local")
    assert sch.get(first).reads[0].buffer.name == "C"
    assert sch.get(last).writes[0].buffer.name == "C"
    assert_same_result(func, sch.func)


def test_a_reduction_is_not_moved_to_where_it_would_run_twice():
    func = matmul(4, 6, 5)
    sch = Schedule(func)
    i, j, k = sch.get_loops("C")
    sch.reorder(k, j, i)
    sch.split(sch.fuse(k, j), [None, 4])
    copy = sch.cache_read("C", 0, "local")
    sch.compute_at(copy, sch.get_loops("C")[0])
    with pytest.raises(ScheduleError, match="more than once"):
        sch.reverse_compute_at("C", sch.get_loops(copy)[1])
    assert_same_result(func, sch.func)


def test_a_reduction_moves_within_the_loop_that_tells_its_axes():
    func = matmul(4, 6, 5)
    sch = Schedule(func)
    i, j, k = sch.get_loops("C")
    sch.reorder(k, j, i)
    sch.fuse(k, j)
    copy = sch.cache_read("C", 0, "local")
    sch.compute_at(copy, sch.get_loops("C")[1], preserve_unit_loops=True)
    sch.reverse_compute_at("C", sch.get_loops(copy)[2])
    assert [int(sch.get(l).extent) for l in sch.get_loops("C")] == [30, 4, 1]
    assert_same_result(func, sch.func)


def test_rfactor_of_the_whole_reduction_leaves_no_init():
    func = matmul(4, 5, 3)
    sch = Schedule(func)
    partial = sch.get(sch.rfactor(sch.get_loops("C")[2], 0))
    assert partial.init is None
    assert "C_rf[vk, v_i, v_j] = A[v_i, vk] * B[vk, v_j]" in sch.func.script()
    assert_same_result(func, sch.func)


def test_pad_einsum_refuses_indices_that_are_loaded():
    sch = Schedule(conv2d(size=4))
    sch.cache_index("conv", "global", 0)
    before = sch.mod
    with pytest.raises(ScheduleError, match="`pad` is not indexed by axes alone"):
        sch.pad_einsum("conv", [1, 3, 1, 1, 2, 1, 1])
    assert sch.mod is before
