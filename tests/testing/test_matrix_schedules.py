"""Schedules of matrix products by the matrix units of GPUs."""

import pytest

from tilewright import te
from tilewright.testing.tir import mfma_schedule, mma_schedule
from tilewright.tir import transform as X
from tilewright.tir.tensor_intrin import cuda, rocm


def product(size: int):
    a, b = (te.placeholder((size, size), "float16", name) for name in "AB")
    k = te.reduce_axis((0, size), "k")

    def element(i, j):
        return te.sum(a[i, k].astype("float32") * b[k, j].astype("float32"), axis=k)

    return te.create_prim_func([a, b, te.compute((size, size), element, name="C")])


def nvidia(i, j):
    return (i // 16, j // 16, *cuda.shared_16x16_to_ldmatrix_32x8_layout(i % 16, j % 16))


def amd_a(i, j):
    return (i // 16, j // 16, *rocm.shared_16x16_to_local_64x4_layout_A(i % 16, j % 16))


def amd_b(i, j):
    return (i // 16, j // 16, *rocm.shared_16x16_to_local_64x4_layout_B(i % 16, j % 16))


def amd_c(i, j):
    return (i // 16, j // 16, *rocm.shared_16x16_to_local_64x4_layout_C(i % 16, j % 16))


NVIDIA = (
    mma_schedule, (nvidia, nvidia, nvidia),
    (cuda.LDMATRIX_f16_A_INTRIN, cuda.LDMATRIX_f16_B_INTRIN, cuda.MMA_f16f16f32_INTRIN,
     cuda.MMA_fill_16x16_f32_INTRIN, cuda.MMA_store_16x16_f32_global_INTRIN),
    "T.ptx_mma(", 2,
)  # fmt: skip
AMD = (
    mfma_schedule, (amd_a, amd_b, amd_c),
    (rocm.ROCM_MFMA_LOAD_16x16_A_SHARED_f16_INTRIN, rocm.ROCM_MFMA_LOAD_16x16_B_SHARED_f16_INTRIN,
     rocm.ROCM_MFMA_f16f16f32_INTRIN, rocm.ROCM_MFMA_fill_16x16_f32_INTRIN,
     rocm.ROCM_MFMA_STORE_16x16_f32_INTRIN),
    "llvm.amdgcn.mfma", 1,
)  # fmt: skip


@pytest.mark.parametrize("case", [NVIDIA, AMD], ids=["mma", "mfma"])
def test_each_square_is_computed_where_it_lies(case):
    schedule, maps, intrins, call, calls = case
    sch = schedule(
        product(128), 16, "float16", False, [1, 1, 1, 4, 2], [1, 1, 2, 4, 1], [4, 2, 1],
        *maps, *intrins,
    )  # fmt: skip
    text = X.Simplify()(X.LowerMatchBuffer()(sch.mod))["main"].script()
    rows = [line for line in text.splitlines() if call in line]
    assert len(rows) == calls
    # the fragments of a warp lie behind one another in its registers
    assert all(f"v_{axis}_o" in row for row in rows for axis in "ijk")
