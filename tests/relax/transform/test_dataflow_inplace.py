"""Elementwise results in the memory of arguments that end there."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from tilewright import relax
from tilewright.ir import IRModule
from tilewright.relax.transform import DataflowUseInplaceCalls
from tilewright.script import from_source

HEAD = """
@R.function
def main(x: R.Tensor((2, 3), "float32"), y: R.Tensor((1, 3), "float32")):
    with R.dataflow():
"""


def module(text: str) -> IRModule:
    lines = [*text.strip().splitlines(), "R.output(out)"]
    body = "".join(f"        {line}\n" for line in lines)
    return IRModule({"main": from_source(HEAD + body + "    return out\n")})


def inplace_of(mod: IRModule) -> dict[str, list[int]]:
    """The variables that are bound to in-place calls, with the argument that each overwrites."""
    (block,) = mod["main"].body.blocks
    return {
        b.var.name_hint: list(b.value.attrs["inplace_indices"])
        for b in block.bindings
        if "inplace_indices" in getattr(b.value, "attrs", {})
    }


CHAIN = """
z = R.add(x, y)
a = R.add(z, y)
b = R.nn.silu(a)
r = R.multiply(y, y)
s = R.multiply(r, r)
out = R.subtract(b, s)
"""


def test_results_take_over_what_nothing_else_uses() -> None:
    mod = module(CHAIN)
    made = DataflowUseInplaceCalls()(mod)
    assert inplace_of(made) == {"a": [0], "b": [0], "s": [1], "out": [0]}
    assert {n for n in made.names() if n != "main"} == {
        "add_inplace", "silu_inplace", "multiply_inplace", "subtract_inplace"
    }  # fmt: skip
    for name in made.names():
        assert name == "main" or len(made[name].params) <= 2
    x, y = np.random.rand(2, 3).astype("float32"), np.random.rand(1, 3).astype("float32")
    kept = x.copy(), y.copy()
    machine = relax.VirtualMachine(tilewright.compile(made, "llvm"), tilewright.cpu())
    given = [tilewright.nd.array(x), tilewright.nd.array(y)]
    found = machine["main"](*given).numpy()
    a = x + 2 * y
    np.testing.assert_allclose(found, a / (1 + np.exp(-a)) - y**4, rtol=1e-5)
    for array, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(array.numpy(), before)


@pytest.mark.parametrize(
    "text",
    [
        "out = R.add(x, y)",  # a parameter is the caller's
        "z = R.add(x, y)\na = R.exp(z)\nb = R.add(z, y)\nout = R.concat([a, b])",  # used twice
        "z = R.reshape(x, (2, 3))\nout = R.add(z, y)",  # the same memory in another shape
        "z = R.multiply(y, y)\nout = R.add(x, z)",  # too small
        "z = R.add(x, y)\nout = R.less(z, y)",  # another type
        # equal values become one, which is used twice
        "z = R.add(x, y)\nw = R.add(x, y)\na = R.exp(z)\nb = R.sin(w)\nout = R.concat([a, b])",
        # what is made of constants is shared by all calls
        "z = R.add(R.const([[1.0, 2.0, 3.0]]), R.const([[1.0], [2.0]]))\nout = R.add(z, y)",
    ],
)
def test_memory_that_others_see_stays(text: str) -> None:
    mod = module(text)
    assert DataflowUseInplaceCalls()(mod)["main"] is mod["main"]


def test_unknown_sizes_have_to_be_equal() -> None:
    text = """
@R.function
def main(x: R.Tensor(("n",), "float32"), y: R.Tensor(("SIZE",), "float32")):
    with R.dataflow():
        z = R.exp(x)
        out = R.add(z, y)
        R.output(out)
    return out
"""
    for size, expected in (("n", {"out": [0]}), ("m", {})):
        mod = IRModule({"main": from_source(text.replace("SIZE", size))})
        assert inplace_of(DataflowUseInplaceCalls()(mod)) == expected
