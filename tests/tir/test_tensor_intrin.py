"""Tensor intrinsics: what they compute, by name, and natively where this machine has them."""

from pathlib import Path

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.driver import build_tir
from tilewright.ir import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError, ArgumentTypeError
from tilewright.tir.analysis import verify_well_formed
from tilewright.tir.tensor_intrin import TensorIntrin, cuda, cuda_layouts, metal, x86


def test_every_intrinsic_is_well_formed_script() -> None:
    for name in TensorIntrin.names():
        intrin = TensorIntrin.get(name)
        for func in (intrin.desc, intrin.impl):
            verify_well_formed(func)
            assert_structural_equal(from_source(func.script()), func)


def byte_product(n: int = 4, m: int = 32, k: int = 16) -> tir.PrimFunc:
    """C = A @ B of bytes, B in panels of sixteen columns by four rows."""
    a = te.placeholder((n, k), "uint8", "A")
    b = te.placeholder((m // 16, k // 4, 16, 4), "int8", "B")
    r = te.reduce_axis((0, k), "k")

    def element(i, j):
        left, right = a[i, r], b[j // 16, r // 4, j % 16, r % 4]
        return te.sum(left.astype("int32") * right.astype("int32"), axis=r)

    return te.create_prim_func([a, b, te.compute((n, m), element, name="C")])


def tensorized(name: str) -> tir.Schedule:
    sch = tir.Schedule(byte_product())
    i, j, k = sch.get_loops("C")
    j0, j1 = sch.split(j, [None, 16])
    k0, k1 = sch.split(k, [None, 4])
    sch.reorder(i, j0, k0, j1, k1)
    sch.decompose_reduction("C", k0)
    sch.tensorize(j1, name)
    return sch


def has(flag: str) -> bool:
    return flag in Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize(
    ("name", "instruction", "flag"),
    [
        (x86.VNNI_DOT_16x4_INTRIN, "vpdpbusd", "avx512_vnni"),
        (x86.AVX512_DOT_16x4_INTRIN, "pmaddubs", "avx512bw"),
    ],
)
def test_dot_products_of_bytes(name: str, instruction: str, flag: str) -> None:
    sch = tensorized(name)
    assert instruction in sch.func.script()
    if not has(flag):
        return  # the program is right; this machine cannot run it
    rng = np.random.default_rng(0)
    a = rng.integers(0, 60, (4, 16)).astype("uint8")
    b = rng.integers(-60, 60, (2, 4, 16, 4)).astype("int8")
    c = np.zeros((4, 32), "int32")
    build_tir(sch.func.with_attr("tir.is_scheduled", True), target="llvm")["main"](a, b, c)
    flat = b.transpose(0, 2, 1, 3).reshape(32, 16).astype("int32")
    np.testing.assert_array_equal(c, a.astype("int32") @ flat.T)


def test_an_intrinsic_does_not_fit_another_product() -> None:
    with pytest.raises(tir.ScheduleError, match="does not do what 'dot_4x4_i8i8s32_sdot'"):
        tensorized("dot_4x4_i8i8s32_sdot")


def test_registering_twice_is_refused() -> None:
    known = TensorIntrin.get("dot_16x4_vnni")
    with pytest.raises(ArgumentError, match="'dot_16x4_vnni' is registered already"):
        TensorIntrin.register("dot_16x4_vnni", known.desc, known.impl)
    TensorIntrin.register("dot_16x4_vnni", known.desc, known.impl, override=True)


def test_unknown_intrinsics() -> None:
    assert TensorIntrin.get("nope", allow_missing=True) is None
    with pytest.raises(ArgumentError, match="no tensor intrinsic is called 'nope'"):
        TensorIntrin.get("nope")


def test_wmma_intrinsics_of_a_product() -> None:
    group = cuda.get_wmma_intrin_group("shared", "global", "float16", "float32", trans_b=True)
    assert group == {
        "init": "wmma_fill_16x16x16_f32",
        "load_a": "wmma_load_16x16x16_f16_a_shared",
        "load_b": "wmma_load_16x16x16_f16_b_trans_shared",
        "compute": "wmma_sync_16x16x16_f16f16f32_trans",
        "store": "wmma_store_16x16x16_f32_global",
    }
    assert set(group.values()) <= set(TensorIntrin.names())
    assert group["init"] == cuda.WMMA_FILL_16x16x16_F32_INTRIN


def test_wmma_calls_follow_the_tiles() -> None:
    a = te.placeholder((32, 16), "float16", "A")
    b = te.compute((32, 16), lambda i, j: a[i, j], name="B")
    sch = tir.Schedule(te.create_prim_func([a, b]))
    copy = sch.cache_read("B", 0, "shared")
    fragment = sch.cache_read("B", 0, "wmma.matrix_a")
    _, inner = sch.split(sch.get_loops(fragment)[0], [None, 16])
    sch.tensorize(inner, cuda.WMMA_LOAD_16x16x16_F16_A_INTRIN)
    text = sch.func.script()
    assert "T.tvm_load_matrix_sync(" in text and 'scope="wmma.matrix_a"' in text
    assert copy is not None


def test_simdgroup_intrinsics_of_a_product() -> None:
    group = metal.get_simdgroup_intrin_group("shared", "global", "float16", trans_b=True)
    assert group["load_b"] == "simdgroup_load_8x8x8_f16_shared_trans"
    assert set(group.values()) <= set(TensorIntrin.names())


LAYOUTS = [
    ("shared_16x16_to_ldmatrix_32x8_layout", "ldmatrix_32x8_to_shared_16x16_layout", 16, 16),
    ("shared_16x32_to_ldmatrix_32x16_layout", "ldmatrix_32x16_to_shared_16x32_layout_a", 16, 32),
]


@pytest.mark.parametrize(("to", "back", "rows", "columns"), LAYOUTS)
def test_layouts_of_fragments_go_back(to: str, back: str, rows: int, columns: int) -> None:
    places = set()
    for i in range(rows):
        for j in range(columns):
            thread, place = getattr(cuda_layouts, to)(i, j)
            assert getattr(cuda_layouts, back)(thread, place) == (i, j)
            places.add((thread, place))
    assert places == {(t, p) for t in range(32) for p in range(rows * columns // 32)}


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("ldmatrix_32x16_to_shared_16x32_layout_b", 16, 32),
     ("ldmatrix_32x4_to_shared_16x8_layout_a", 16, 8),
     ("mma_store_32x8_to_shared_16x16_layout", 16, 16)],
)  # fmt: skip
def test_every_element_of_a_fragment_has_one_place(name: str, rows: int, columns: int) -> None:
    layout, count = getattr(cuda_layouts, name), rows * columns // 32
    places = {(t, p): layout(t, p) for t in range(32) for p in range(count)}
    assert sorted(places.values()) == [(i, j) for i in range(rows) for j in range(columns)]
    assert all(i % 8 == t // 4 for (t, _), (i, _) in places.items())  # a row of 8 by 4 threads
    index_map = tir.IndexMap.from_func(layout)
    assert [int(d) for d in index_map.map_shape([32, count])] == [rows, columns]


def test_the_functions_of_an_intrinsic_are_loop_programs() -> None:
    with pytest.raises(ArgumentTypeError, match="`impl` of a tensor intrinsic is a PrimFunc"):
        tir.TensorIntrin.register("not_one", tir.TensorIntrin.get("dot_4x4_i8i8s32_neon").desc, 3)
