"""What is written over in place is a value of its own, whatever passes make of it."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from tilewright import relax
from tilewright.relax.analysis.overwriting import overwritten
from tilewright.script import from_source
from tilewright.support.errors import CompileError

MODULE = """
@I.ir_module
class Module:
    @T.prim_func(private=True)
    def copy(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.block("copy"):
                v = T.axis.spatial(8, i)
                B[v] = A[v]

    @T.prim_func(private=True)
    def increment(A: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.block("increment"):
                v = T.axis.spatial(8, i)
                A[v] = A[v] + T.float32(1)

    @R.function
    def main(x: R.Tensor((8,), "float32")):
        cls = Module
        with R.dataflow():
            BEFORE
            z = R.call_tir_inplace(
                cls.increment, (y,), out_sinfo=R.Tensor((8,), "float32"), inplace_indices=[0]
            )
            AFTER
            R.output(out)
        return out
"""
COPY = 'R.call_tir(cls.copy, (ARG,), out_sinfo=R.Tensor((8,), "float32"))'
X = np.arange(8, dtype="float32")


def module(before: str, after: str):
    return from_source(MODULE.replace("BEFORE", before).replace("AFTER", after))


CASES = {
    "a copy of an argument": (f"y = {COPY.replace('ARG', 'x')}", "out = R.exp(z)", np.exp(X + 1)),
    "a sum with nothing": ("y = R.add(x, R.const(0.0))", "out = R.exp(z)", np.exp(X + 1)),
    "a constant": ('y = R.zeros((8,), "float32")', "out = R.add(z, x)", X + 1),
    "a view of a constant": (
        'c = R.zeros((2, 4), "float32"); y = R.reshape(c, (8,))', "out = R.add(z, x)", X + 1,
    ),
    "a value computed twice": (
        "y = R.exp(x)", "w = R.exp(x); out = R.add(z, w)", 2 * np.exp(X) + 1,
    ),
    "a view of a view": (
        "r = R.reshape(x, (2, 4)); y = R.reshape(r, (8,))", "out = R.exp(z)", np.exp(X + 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("executor", ["native", "interpreter"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_else_is_written_over(case: str, executor: str) -> None:
    before, after, expected = CASES[case]
    lines = [part.replace("; ", "\n            ") for part in (before, after)]
    executable = tilewright.compile(module(*lines), target="llvm")
    machine = relax.VirtualMachine(executable, tilewright.cpu(), executor=executor)
    x = tilewright.nd.array(X)
    for _ in range(2):
        np.testing.assert_allclose(machine["main"](x).numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(x.numpy(), X)


def test_what_an_argument_in_place_may_be_a_view_of() -> None:
    mod = module("r = R.exp(x)\n            y = R.reshape(r, (8,))", "out = R.exp(z)")
    assert {var.name_hint for var in overwritten(mod["main"])} == {"r", "y"}


def test_a_constant_is_not_written_over() -> None:
    mod = module("y = R.const([0, 1, 2, 3, 4, 5, 6, 7], 'float32')", "out = R.exp(z)")
    with pytest.raises(CompileError, match="`increment` would write over a constant"):
        tilewright.compile(mod, target="llvm")
