"""Intrinsics of matrix units of GPUs: by their descriptions, a product is the product."""

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError
from tilewright.tir import Schedule, interpreter
from tilewright.tir.tensor_intrin import TensorIntrin, cuda, metal, rocm


@pytest.mark.parametrize("name", TensorIntrin.names())
def test_a_block_like_the_description_becomes_the_implementation(name: str) -> None:
    intrin = TensorIntrin.get(name)
    sch = Schedule(intrin.desc.with_attr("global_symbol", "main"), error_render_level="fast")
    (block,) = sch.get_child_blocks("root")
    sch.tensorize(sch.get_loops(block)[0], name)
    text = sch.func.script()
    body = str(intrin.impl.body.block.body)
    for call in ("ptx_mma", "ptx_ldmatrix", "mma_fill", "mma_store", "tvm_mma_sync", "llvm"):
        assert (call in text) == (call in body)
    assert "_o" in text or "T.match_buffer(" in text


def run(name: str, *arrays: np.ndarray) -> None:
    interpreter.run(TensorIntrin.get(name).desc, *arrays)


def product(names: dict[str, str], shapes: list[tuple[int, int]], fragments, dtypes, turned):
    """The result of a group of intrinsics, and what it ought to be."""
    rng = np.random.default_rng(0)
    (m, k), (_, n) = shapes
    a, b = rng.integers(-3, 4, (m, k)), rng.integers(-3, 4, (k, n))
    stored = [np.ascontiguousarray(x.T if t else x) for x, t in zip((a, b), turned, strict=True)]
    operand, result = (dtype_of(d).numpy for d in dtypes)
    left, right, total = (
        np.zeros(shape, d) for shape, d in zip(fragments, (operand, operand, result), strict=True)
    )
    out = np.zeros((m, n), result)
    run(names["init"], total)
    run(names["load_a"], *names_order(names["load_a"], left, stored[0].astype(operand)))
    run(names["load_b"], *names_order(names["load_b"], right, stored[1].astype(operand)))
    run(names["compute"], left, right, total)
    run(names["store"], total, out)
    return out, a @ b


def names_order(name: str, fragment: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, ...]:
    """`ldmatrix` and `mfma` take the fragment first, others the memory."""
    return (memory, fragment) if "simdgroup" in name or "wmma" in name else (fragment, memory)


GROUPS = [
    ("float16", "float16", False, False),
    ("float16", "float32", False, True),
    ("float16", "float32", True, False),
    ("float16", "float32", True, True),
    ("int8", "int32", False, False),
    ("int8", "int32", False, True),
]


@pytest.mark.parametrize(("kind", "out", "trans_a", "trans_b"), GROUPS)
def test_mma_multiplies(kind: str, out: str, trans_a: bool, trans_b: bool) -> None:
    names = cuda.get_mma_intrin_group("shared", "global", kind, out, trans_a, trans_b)
    depth, held = (16, 8) if kind == "float16" else (32, 16)
    shapes = [(16, depth), (depth, 16)]
    fragments = [(32, held), (32, held), (32, 8)]
    got, wanted = product(names, shapes, fragments, (kind, out), (trans_a, trans_b))
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", rocm.KINDS, ids=lambda kind: kind.short)
def test_mfma_multiplies(kind: rocm.Kind) -> None:
    size, short, out = f"16x{kind.depth}", kind.short, rocm.RESULTS[kind.out]
    names = {
        "init": f"ROCM_mfma_fill_16x16_{'i32' if out == 's32' else 'f32'}",
        "load_a": f"rocm_mfma_load_{size}_a_shared_{short}",
        "load_b": f"rocm_mfma_load_b_{size}_shared_{short}",
        "compute": f"rocm_mfma_{short}{short}{out}",
        "store": f"rocm_mfma_store_16x16_{out}",
    }
    fragments = [(64, kind.held), (64, kind.held), (64, 4)]
    shapes = [(16, kind.depth), (kind.depth, 16)]
    got, wanted = product(names, shapes, fragments, (kind.dtype, kind.out), (False, False))
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("trans_b", [False, True])
def test_simdgroups_multiply(trans_b: bool) -> None:
    names = metal.get_simdgroup_intrin_group("shared", "global", "float32", trans_b=trans_b)
    got, wanted = product(
        names, [(8, 8), (8, 8)], [(8, 8)] * 3, ("float32", "float32"), (False, trans_b)
    )
    np.testing.assert_array_equal(got, wanted)


def test_names_of_a_product_of_fragments() -> None:
    names = cuda.get_mma_intrin_group(
        "shared.dyn", "shared", "float8_e4m3fn", "float32", False, True, False
    )
    assert names == {
        "init": "mma_fill_16x16_f32",
        "load_a": "mma_ldmatrix_e4m3_a_dyn",
        "load_b": "mma_ldmatrix_e4m3_b_trans_dyn",
        "compute": "mma_e4m3e4m3f32_trans_b",
        "store": "mma_store_16x16_f32_shared_",
    }
    assert set(names.values()) <= set(TensorIntrin.names())
    assert cuda.LDMATRIX_f16_A_TRANS_DYN_INTRIN == "mma_ldmatrix_f16_a_trans_dyn"
    assert cuda.MMA_f16f16f32_TRANS_A_TRANS_B_INTRIN == "mma_f16f16f32_trans_a_trans_b"
    assert (
        cuda.MMA_store_16x16_f16_shared_dyn_INTRIN_SIMPLE
        == "mma_store_16x16_f16_shared_dyn_simple_"
    )
    assert cuda.MMA_fill_16x16_i32_INTRIN == "mma_fill_16x16_i32"
    assert rocm.ROCM_MFMA_LOAD_16x4_B_SHARED_f32_INTRIN == "rocm_mfma_load_b_16x4_shared_f32"
    assert rocm.ROCM_MFMA_fill_16x16_f32_INTRIN == "ROCM_mfma_fill_16x16_f32"
    assert metal.SIMDGROUP_FILLED_8x8x8_bf16_INTRIN == "simdgroup_fill_8x8x8_bf16"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("shared", "global", "float64", "float64", False, False), "no product of float64 into"),
        (("shared", "global", "int8", "float32", False, False), "no product of int8 into float32"),
        (("local", "global", "int8", "int32", False, False), "no fragments from 'local'"),
        (("shared", "global", "int8", "int32", True, False), "there is no mma_ldmatrix_i8_a_trans"),
    ],
)
def test_products_of_fragments_that_do_not_exist(args, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        cuda.get_mma_intrin_group(*args)


def test_a_product_by_fragments() -> None:
    a = te.placeholder((32, 32), "float16", "A")
    b = te.placeholder((32, 32), "float16", "B")
    k = te.reduce_axis((0, 32), "k")
    c = te.compute(
        (32, 32),
        lambda i, j: te.sum(a[i, k].astype("float32") * b[k, j].astype("float32"), axis=k),
        name="C",
    )
    sch = Schedule(te.create_prim_func([a, b, c]))
    names = cuda.get_mma_intrin_group("shared", "global", "float16", "float32", False, False)
    i, j, k = sch.get_loops("C")
    tiles = [sch.split(loop, [None, 16]) for loop in (i, j, k)]
    sch.reorder(*(t[0] for t in tiles), *(t[1] for t in tiles))
    loads = {}
    for place, name in ((0, "load_a"), (1, "load_b")):
        sch.cache_read("C", place, "shared")
        loads[name] = sch.cache_read("C", place, "warp")
    store = sch.cache_write("C", 0, "warp")

    def fragments(i: tir.Var, j: tir.Var) -> list[tir.PrimExpr]:
        return [i // 16, j // 16, *cuda.shared_16x16_to_ldmatrix_32x8_layout(i % 16, j % 16)]

    for block in (*loads.values(), sch.get_block("C")):
        sch.transform_layout(block, ("write", 0), fragments)
    start = sch.decompose_reduction("C", tiles[2][0])
    blocks = {**loads, "store": store, "init": start}
    for name, block in blocks.items():
        inner = sch.get_loops(block)[-2:]
        if name != "init":
            outer = [sch.split(loop, [None, 16]) for loop in inner]
            sch.reorder(*(t[0] for t in outer), *(t[1] for t in outer))
            inner = [t[1] for t in outer]
        sch.tensorize(inner[0], names[name])
    sch.tensorize(tiles[0][1], names["compute"])
    text = sch.func.script()
    assert text.count("T.ptx_mma(") == 2 and text.count("T.ptx_ldmatrix(") == 2
    assert text.count("T.mma_fill(") == 1 and "local" in text
