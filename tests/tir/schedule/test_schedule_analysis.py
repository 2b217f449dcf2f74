"""Analyses of schedules and the checks that tests use."""

import pytest

from tests.tir.schedule.evaluate import assert_same_result
from tests.tir.schedule.programs import elementwise, matmul
from tilewright import te, tir
from tilewright.ir import assert_structural_equal
from tilewright.tir import IndexMap, PrimFunc, Schedule, TensorIntrin
from tilewright.tir.schedule import analysis
from tilewright.tir.schedule.analysis import (
    AutoTensorizeMappingInfo,
    TensorizeInfo,
    get_auto_tensorize_mapping_info,
)
from tilewright.tir.schedule.testing import (
    assert_structural_equal_ignore_global_symbol,
    verify_trace_roundtrip,
)
from tilewright.tir.schedule.transform import tile_with_tensor_intrin


def test_has_block_and_output_block():
    sch = Schedule(elementwise())
    assert analysis.has_block(sch, "B")
    assert not analysis.has_block(sch, "x")
    assert analysis.is_output_block(sch, sch.get_block("D"))
    assert not analysis.is_output_block(sch, sch.get_block("B"))


def test_tensorize_loop_mapping():
    sch = Schedule(matmul(32, 64, 16))
    info = analysis.get_tensorize_loop_mapping(sch, sch.get_block("C"), matmul(8, 16, 4))
    assert isinstance(info, TensorizeInfo) and info.block_iter_paddings is None
    names = {ours.loop_var.name: theirs.loop_var.name for ours, theirs in info.loop_map.items()}
    assert names == {"i": "i", "j": "j", "k": "k"}
    small = matmul(5, 16, 4)
    assert analysis.get_tensorize_loop_mapping(sch, sch.get_block("C"), small) is None
    padded = analysis.get_tensorize_loop_mapping(sch, sch.get_block("C"), small, True)
    assert padded.block_iter_paddings == (5, 1, 1)


def test_suggest_index_map():
    a = te.placeholder((8, 12), name="A")
    func = te.create_prim_func([a, te.compute((8, 12), lambda i, j: a[i, j] + 1.0, name="B")])
    sch = Schedule(func)
    i, j = sch.get_loops("B")
    i0, i1 = sch.split(i, [None, 4])
    sch.reorder(i0, j, i1)
    loops = [sch.get(l) for l in sch.get_loops("B")]
    realize = sch.get_sref(sch.get_block("B")).realize
    found = analysis.suggest_index_map(
        func.buffers()[0], realize.iter_values, loops, realize.predicate
    )
    assert found.as_python() == "lambda i0, i1: (i0 // 4, i1, i0 % 4,)"


@pytest.mark.parametrize("size", [16, 14])
def test_tiling_for_an_instruction(size):
    TensorIntrin.register("test.matmul844", matmul(8, 4, 4), matmul(8, 4, 4), override=True)
    func = matmul(size, 8, 4)
    sch = Schedule(func)
    block = sch.get_block("C")
    found = tile_with_tensor_intrin(sch, block, "test.matmul844", allow_padding=True)
    assert [int(sch.get(l).extent) for l in sch.get_loops(block)] == [2, 2, 1, 8, 4, 4]
    assert sch.get(found) is sch.get(sch.get_loops(block)[3])
    assert_same_result(func, sch.func)
    other = Schedule(matmul(14, 8, 4))
    assert tile_with_tensor_intrin(other, other.get_block("C"), "test.matmul844") is None


def test_round_trip_of_a_trace():
    func = elementwise()
    sch = Schedule(func)
    sch.compute_inline("B")
    sch.split(sch.get_loops("D")[0], [None, 4])
    made = verify_trace_roundtrip(sch, func)
    assert_structural_equal_ignore_global_symbol(made.func, sch.func)
    with pytest.raises(ValueError, match="StructuralEqual check failed"):
        verify_trace_roundtrip(sch, matmul_like())


def matmul_like():
    """The same blocks over another shape."""
    return elementwise(20, 6)


def product() -> PrimFunc:
    return TensorIntrin.get("wmma_sync_16x16x16_f16f16f32").desc


def mapping(a: te.Tensor, b: te.Tensor, c: te.Tensor) -> IndexMap | None:
    sch = Schedule(te.create_prim_func([a, b, c]))
    info = get_auto_tensorize_mapping_info(sch, sch.get_block("C"), product())
    if info is None:
        return None
    assert isinstance(info, AutoTensorizeMappingInfo) and len(info.mappings) == 1
    assert info.lhs_iters == tuple(sch.get(sch.get_block("C")).iter_vars)
    assert [v.var.name for v in info.rhs_iters] == ["vi", "vj", "vk"]
    assert [v.iter_type for v in info.rhs_iters] == [0, 0, tir.IterVar.CommReduce]
    return info.mappings[0]


def test_a_convolution_is_a_product_of_joined_axes() -> None:
    x = te.placeholder((2, 18, 18, 64), "float16", "X")
    w = te.placeholder((3, 3, 64, 64), "float16", "W")
    y, z, k = (te.reduce_axis((0, n), m) for n, m in ((3, "y"), (3, "z"), (64, "k")))
    c = te.compute(
        (2, 16, 16, 64),
        lambda n, h, v, o: te.sum(
            x[n, h + y, v + z, k].astype("float32") * w[y, z, k, o].astype("float32"),
            axis=[y, z, k],
        ),
        name="C",
    )
    wanted = IndexMap.from_func(
        lambda n, h, v, o, y, z, k: (n * 256 + h * 16 + v, o, y * 192 + z * 64 + k),
        index_dtype="int32",
    )
    assert_structural_equal(mapping(x, w, c), wanted)


def test_an_index_that_is_always_zero_takes_no_axis() -> None:
    a, b = (te.placeholder((64, 64), "float16", name) for name in "AB")
    k = te.reduce_axis((0, 64), "k")
    c = te.compute(
        (64, 64),
        lambda i, j: te.sum(
            a[i, j // 64 * 64 + k].astype("float32") * b[k, j].astype("float32"), axis=k
        ),
        name="C",
    )
    wanted = IndexMap.from_func(lambda i, j, k: (i, j, k), index_dtype="int32")
    assert_structural_equal(mapping(a, b, c), wanted)


def test_axes_of_all_operands_stay_in_front() -> None:
    a = te.placeholder((4, 32, 16), "float16", "A")
    b = te.placeholder((4, 16, 32), "float16", "B")
    k = te.reduce_axis((0, 16), "k")
    c = te.compute(
        (32, 4, 32),
        lambda i, n, j: te.sum(a[n, i, k].astype("float32") * b[n, k, j].astype("float32"), axis=k),
        name="C",
    )
    wanted = IndexMap.from_func(lambda i, n, j, k: (n, i, j, k), index_dtype="int32")
    assert_structural_equal(mapping(a, b, c), wanted)


def test_another_operation_has_no_mapping() -> None:
    a = te.placeholder((32, 16), "float16", "A")
    b = te.placeholder((16, 32), "float16", "B")
    k = te.reduce_axis((0, 16), "k")
    c = te.compute(
        (32, 32),
        lambda i, j: te.sum(a[i, k].astype("float32") + b[k, j].astype("float32"), axis=k),
        name="C",
    )
    assert mapping(a, b, c) is None


@pytest.mark.parametrize(
    ("loops", "indices", "shape", "wanted"),
    [
        ((4, 8), lambda i, j: [i, j], (4, 8), "lambda i0, i1: (i0, i1,)"),
        ((4, 8), lambda i, j: [j, i], (8, 4), "lambda i0, i1: (i1, i0,)"),
        ((4, 2, 8, 4), lambda a, b, c, d: [a * 8 + c, b * 4 + d], (32, 8),
         "lambda i0, i1: (i0 // 8, i1 // 4, i0 % 8, i1 % 4,)"),
        ((2, 4, 2, 4), lambda a, b, c, d: [a * 8 + c * 4 + d, b], (16, 4),
         "lambda i0, i1: (i0 // 8, i1, i0 % 8 // 4, i0 % 4,)"),
        ((32,), lambda i: [i // 8, i % 8], (4, 8), "lambda i0, i1: (i0 * 8 + i1,)"),
        ((48, 2), lambda i, j: [i // 16 * 2 + i % 8 // 4, i % 4 * 2 + j], (6, 8),
         "lambda i0, i1: (i0 // 2, i0 % 2 * 4 + i1 // 2, i1 % 2,)"),
        ((4, 8), lambda i, j: [i * 2, j], (8, 8), None),
        ((4, 8), lambda i, j: [i + 1, j], (8, 8), None),
        ((4, 8), lambda i, j: [i * i, j], (16, 8), None),
        ((4, 8), lambda i, j: [i, 0], (4, 8), None),
    ],
)  # fmt: skip
def test_suggested_layouts(loops, indices, shape, wanted):
    names = [tir.Var(f"l{k}", "int32") for k in range(len(loops))]
    nest = [tir.For(v, 0, n, 0, tir.Evaluate(0)) for v, n in zip(names, loops, strict=True)]
    buffer = tir.decl_buffer(shape, "float32", "A")
    found = analysis.suggest_index_map(buffer, indices(*names), nest, tir.const(True, "bool"))
    assert (found and found.as_python()) == wanted
