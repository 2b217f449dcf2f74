"""Layouts converted, kernels exchanged, workspaces handed over."""

from typing import Any

import pytest

from tilewright import tir
from tilewright.relax import transform as T
from tilewright.relax.analysis import check_well_formed
from tilewright.support.errors import TVMError

from ..helpers import random
from ..rewrites import check, check_meaning, read

NHWC = T.ConvertLayout({"relax.nn.conv2d": ["NHWC", "OHWI"]})
HEAD = """
    @R.function
    def main(x: R.Tensor((2, 3, 8, 8), "float32"), w: R.Tensor((4, 3, 3, 3), "float32"),
             b: R.Tensor((4, 1, 1), "float32")):
        with R.dataflow():
            c = R.nn.conv2d(x, w, padding=1)
"""


def program(lines: str, result: str = "out") -> str:
    body = "".join(f"            {line}\n" for line in lines.strip().splitlines())
    return f"{HEAD}{body}            R.output({result})\n        return {result}\n"


ARGS = (random(2, 3, 8, 8), random(4, 3, 3, 3, seed=1), random(4, 1, 1, seed=2))


def converted(lines: str) -> Any:
    before = read(program(lines))
    after = NHWC(before)
    check_well_formed(after)
    check_meaning(before, after, *ARGS)
    return after


def permutations(mod: Any) -> int:
    return mod.script().count("R.permute_dims")


def test_a_convolution_alone() -> None:
    after = """
    @R.function
    def main(x: R.Tensor((2, 3, 8, 8), "float32"), w: R.Tensor((4, 3, 3, 3), "float32"),
             b: R.Tensor((4, 1, 1), "float32")):
        with R.dataflow():
            lv = R.permute_dims(x, axes=[0, 2, 3, 1])
            lv1 = R.permute_dims(w, axes=[0, 2, 3, 1])
            c = R.nn.conv2d(lv, lv1, padding=1, data_layout="NHWC", kernel_layout="OHWI",
                            out_layout="NHWC")
            lv2 = R.permute_dims(c, axes=[0, 3, 1, 2])
            out = R.flatten(lv2)
            R.output(out)
        return out
    """
    check(NHWC, program("out = R.flatten(c)"), after)


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ("out = R.nn.relu(c)", 3),
        ("d = R.add(c, b)\nout = R.nn.relu(d)", 4),
        ("d = R.add(c, R.const(2.0))\nout = R.multiply(d, c)", 3),
        ("out = R.nn.max_pool2d(c, 2, 2)", 3),
        ("out = R.nn.avg_pool2d(c, 3, 2, 1, ceil_mode=True)", 3),
        ("out = R.nn.adaptive_avg_pool2d(c, 1)", 3),
        ("out = R.mean(c, axis=[2, 3])", 2),
        ("out = R.sum(c, axis=[1], keepdims=True)", 3),
        ("out = R.max(c, axis=[0])", 3),
        ("out = R.nn.softmax(c, axis=1)", 3),
        ("d = R.nn.relu(c)\nout = R.concat((c, d), axis=1)", 3),
        ("d = R.split(c, 2, axis=1)\ne = d[1]\nout = R.nn.relu(e)", 3),
        ("out = R.permute_dims(c, axes=[0, 2, 3, 1])", 3),
        ("out = R.image.resize2d(c, (16, 16))", 3),
        ("d = R.reshape(c, (2, 4, 64))\nout = R.nn.relu(d)", 3),
        ("out = R.nn.layer_norm(c, R.const([1.0] * 8), R.const([0.0] * 8), axes=[-1])", 3),
        ("d = (c, x)\ne = d[0]\nout = R.exp(e)", 3),
    ],
)
def test_what_follows_keeps_the_layout(lines: str, count: int) -> None:
    assert permutations(converted(lines)) == count


def test_layouts_must_have_the_same_letters() -> None:
    with pytest.raises(TVMError, match="layout NCHW cannot be written as NHWC4c"):
        T.ConvertLayout({"relax.nn.conv2d": ["NHWC4c", "OHWI"]})(read(program("out = c")))


ADD = """
    @T.prim_func(private=True)
    def add(a: T.Buffer((16,), "float32"), b: T.Buffer((16,), "float32"),
            c: T.Buffer((16,), "float32")):
        T.func_attr({"operator_name": "relax.add"})
        for i in range(16):
            with T.block("add"):
                vi = T.axis.spatial(16, i)
                c[vi] = a[vi] + b[vi]

    @R.function
    def main(x: R.Tensor((16,), "float32"), y: R.Tensor((16,), "float32")):
        with R.dataflow():
            out = R.call_tir(cls.add, (x, y), out_sinfo=R.Tensor((16,), "float32"))
            R.output(out)
        return out
"""
BLOCKED = """
    @T.prim_func(private=True)
    def blocked(a: T.Buffer((4, 4), "float32"), b: T.Buffer((4, 4), "float32"),
                c: T.Buffer((4, 4), "float32")):
        T.func_attr({"operator_name": "relax.add"})
        for i, j in T.grid(4, 4):
            with T.block("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                c[vi, vj] = a[vi, vj] + b[vi, vj]
"""


def test_kernels_are_exchanged_for_others_in_their_layouts() -> None:
    before = read(ADD)
    kernel = read(BLOCKED)["blocked"]
    split = lambda i: (i // 4, i % 4)  # noqa: E731
    after = T.AlterOpImpl({"relax.add": kernel}, {"relax.add": [split, split, split]})(before)
    check_well_formed(after)
    assert after.script().count("R.layout_transform") == 3
    assert [len(f.params) for f in after.functions.values() if isinstance(f, tir.PrimFunc)] == [3]
    check_meaning(before, after, random(16), random(16, seed=1))


def test_every_array_needs_its_layout() -> None:
    with pytest.raises(TVMError, match=r"`relax\.add` has 2 inputs and 1 results, found 2"):
        T.AlterOpImpl({"relax.add": read(BLOCKED)["blocked"]}, {"relax.add": [None, None]})(
            read(ADD)
        )


def test_workspaces_are_allocated_by_callers() -> None:
    before = """
    @R.function
    def ext(x: R.Tensor((4,), "float32")):
        R.func_attr({"Codegen": "c", "WorkspaceSize": 64})
        return x

    @R.function
    def main(x: R.Tensor((4,), "float32")):
        with R.dataflow():
            y = cls.ext(x)
            R.output(y)
        return y
    """
    after = """
    @R.function
    def ext(x: R.Tensor((4,), "float32"), workspace: R.Tensor((64,), "uint8")):
        R.func_attr({"Codegen": "c"})
        return x

    @R.function
    def main(x: R.Tensor((4,), "float32")):
        workspace = R.builtin.alloc_tensor(R.shape([64]), R.dtype("uint8"), R.prim_value(0))
        with R.dataflow():
            y = cls.ext(x, workspace)
            R.output(y)
        return y
    """
    check(T.AllocateWorkspace(), before, after)


def test_kernels_know_their_weights() -> None:
    before = read(ADD.replace("with R.dataflow():", 'R.func_attr({"num_input": 1})\n        '
                              "with R.dataflow():", 1))  # fmt: skip
    after = T.AttachAttrLayoutFreeBuffers()(before)
    check_well_formed(after)
    (kernel,) = (f for f in after.functions.values() if isinstance(f, tir.PrimFunc))
    assert list(kernel.attrs["layout_free_buffers"]) == [1]
    assert T.AttachAttrLayoutFreeBuffers()(read(ADD)).names() == ["add", "main"]
