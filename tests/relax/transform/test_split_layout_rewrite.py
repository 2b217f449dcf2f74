"""Kernels that change the layout of weights, apart from those that use them."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from tilewright import relax
from tilewright.ir import IRModule
from tilewright.relax.transform import SplitLayoutRewritePreproc
from tilewright.script import from_source

TEXT = """
@I.ir_module
class Module:
    @T.prim_func(private=True)
    def add(x: T.Buffer((8, 8), "float32"), w: T.Buffer((8, 8), "float32"),
            v: T.Buffer((8,), "float32"), y: T.Buffer((8, 8), "float32")):
        T.func_attr({"layout_free_buffers": [1, 2], "tir.noalias": True})
        w_ = T.alloc_buffer((2, 8, 4))
        v_ = T.alloc_buffer((2, 4))
        z = T.alloc_buffer((8, 8))
        for i, j in T.grid(8, 8):
            with T.block("w_"):
                a, b = T.axis.remap("SS", [i, j])
                T.block_attr({"meta_schedule.layout_rewrite_preproc": True})
                w_[b // 4, a, b % 4] = w[a, b]
        for j in range(8):
            with T.block("v_"):
                b = T.axis.spatial(8, j)
                T.block_attr({"meta_schedule.layout_rewrite_preproc": True})
                v_[b // 4, b % 4] = v[b]
        for i, j in T.grid(8, 8):
            with T.block("z"):
                a, b = T.axis.remap("SS", [i, j])
                z[a, b] = x[a, b] * FACTOR
        for i, j in T.grid(8, 8):
            with T.block("y"):
                a, b = T.axis.remap("SS", [i, j])
                y[a, b] = z[a, b] + w_[b // 4, a, b % 4] * v_[b // 4, b % 4]

    @R.function
    def main(x: R.Tensor((8, 8), "float32"), w: R.Tensor((8, 8), "float32"),
             v: R.Tensor((8,), "float32")):
        with R.dataflow():
            y = R.call_tir(cls.add, (x, w, v), out_sinfo=R.Tensor((8, 8), "float32"))
            R.output(y)
        return y
"""


def result(mod: IRModule, *arrays: np.ndarray) -> np.ndarray:
    built = tilewright.compile(mod, "llvm")
    machine = relax.VirtualMachine(built, tilewright.cpu())
    return machine["main"](*map(tilewright.nd.array, arrays)).numpy()


def test_what_takes_weights_alone_is_a_kernel_of_its_own() -> None:
    mod = from_source(TEXT.replace("FACTOR", "T.float32(2)"))
    made = SplitLayoutRewritePreproc()(mod)
    assert set(made.names()) == {"add_weight_prepack", "add_prepacked", "main"}
    first, second = made["add_weight_prepack"], made["add_prepacked"]
    shapes = [[int(n) for n in b.shape] for f in (first, second) for b in f.buffers()]
    assert shapes == [
        [8, 8], [8], [2, 8, 4], [2, 4],
        [8, 8], [2, 8, 4], [2, 4], [8, 8],
    ]  # fmt: skip
    for func in (first, second):
        assert dict(func.attrs) == {"tir.noalias": True}
        assert "layout_rewrite_preproc" not in func.script()
    x, w, v = (np.random.rand(*shape).astype("float32") for shape in ((8, 8), (8, 8), (8,)))
    np.testing.assert_allclose(result(made, x, w, v), x * 2 + w * v, rtol=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FACTOR", "w[a, b]"),  # the weight is used as it was, too
        ("w_[b // 4, a, b % 4] = w[a, b]", "w_[b // 4, a, b % 4] = w[a, b] + x[a, b]"),
        ('T.block_attr({"meta_schedule.layout_rewrite_preproc": True})', "pass"),
    ],
)
def test_kernels_that_do_more_stay(before: str, after: str) -> None:
    mod = from_source(TEXT.replace(before, after).replace("FACTOR", "T.float32(2)"))
    assert SplitLayoutRewritePreproc()(mod) is mod
