"""Kernels know heights and widths deep in a network by names of their own."""

import numpy as np
import pytest

import tilewright
from tilewright import relax
from tilewright.ir.module import IRModule
from tilewright.relax.transform import NameExtents
from tilewright.tir.expr import Var

from .helpers import module, random, tensor_var


def named(func):
    return NameExtents()(IRModule({"f": func}))["f"]


def kernel(given: str, made: str, offset: str):
    """A copy of every other element, as the graph's sizes and as the kernel's own."""

    def text(head: str, extent: str, results: str) -> str:
        return f"""@T.prim_func
def f(a: T.handle, b: T.handle, h: T.int64):
    {head}
    A = T.match_buffer(a, ({extent},), "float32")
    B = T.match_buffer(b, ({results},), "float32")
    for i in range({results}):
        B[i] = A[i * 2]
"""

    name = f"h_{offset}"
    before = text("pass", given, made)
    after = text(f"{name} = T.int64()", name, f"({name} + T.int64(1)) // T.int64(2)")
    return before.replace("    pass\n", ""), after


@pytest.mark.parametrize(
    ("given", "made", "divisor"),
    [
        ("(h + T.int64(7)) // T.int64(8)", "(h + T.int64(15)) // T.int64(16)", "8"),
        (
            "(h - T.int64(1)) // T.int64(4) + T.int64(1)",
            "((h + T.int64(3)) // T.int64(4) - T.int64(1)) // T.int64(2) + T.int64(1)",
            "4",
        ),
    ],
)
def test_a_size_that_follows_from_another_gets_a_name(given, made, divisor):
    from tilewright.ir.structural import assert_structural_equal
    from tilewright.tir.transform import Simplify

    before, after = (tilewright.script.from_source(text) for text in kernel(given, made, divisor))
    simplify = Simplify()
    found, wanted = (simplify(IRModule({"f": f}))["f"] for f in (named(before), after))
    assert_structural_equal(found, wanted)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("h", "(h + T.int64(1)) // T.int64(2)"),
        ("(h + T.int64(1)) // T.int64(2)", "(h + T.int64(2)) // T.int64(3)"),
        ("h * T.int64(2)", "h"),
        ("(h + T.int64(7)) // T.int64(8)", "(h + T.int64(8)) // T.int64(16)"),
    ],
)
def test_sizes_that_need_all_of_another_stay(given, made):
    func = tilewright.script.from_source(kernel(given, made, "8")[0])
    assert named(func) is func


def test_a_network_of_any_size_computes_the_same():
    h, w = Var("h", "int64"), Var("w", "int64")
    x = tensor_var("x", (1, 3, h, w))
    weights = [relax.const(random(4, c, 3, 3, seed=c)) for c in (3, 4, 4)]

    def layers(bb):
        value = x
        for weight in weights:
            value = bb.emit(relax.op.nn.conv2d(value, weight, strides=2, padding=1))
            value = bb.emit(relax.op.nn.relu(value))
        return value

    mod = module([x], layers)
    run = relax.VirtualMachine(tilewright.compile(mod, "llvm"), tilewright.cpu())["main"]
    for size in ((1, 1), (8, 17), (31, 24)):
        data = random(1, 3, *size, seed=5)
        want = relax.interpreter.run(mod, data)
        got = run(tilewright.runtime.tensor(data)).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
