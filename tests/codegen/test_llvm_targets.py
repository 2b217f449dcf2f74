"""The same programs for other processors: objects come out, and vector code calls no libm."""

from __future__ import annotations

import pytest

from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import Machine, compile_module
from tilewright.codegen.llvm.elf import read_symbols
from tilewright.codegen.math import FUNCTIONS
from tilewright.target import Target
from tilewright.target.machine import MachineModel
from tilewright.tir import (
    BufferLoad,
    BufferStore,
    Call,
    For,
    ForKind,
    PrimFunc,
    Ramp,
    Var,
    const,
    decl_buffer,
)

TARGETS = {
    "x86-64": "llvm -mtriple=x86_64-linux-gnu -mcpu=x86-64",
    "haswell": "llvm -mtriple=x86_64-linux-gnu -mcpu=haswell",
    "avx512": "llvm -mtriple=x86_64-linux-gnu -mcpu=skylake-avx512",
    "aarch64": "llvm -mtriple=aarch64-linux-gnu -mcpu=neoverse-n1",
    "riscv": "llvm -mtriple=riscv64-linux-gnu -mattr=+m,+a,+f,+d,+v",
}


def every_function(dtype: str, lanes: int) -> dict[str, PrimFunc]:
    """A loop for each elementary function over arrays of `dtype`."""
    made = {}
    for name, function in FUNCTIONS.items():
        x, y = decl_buffer((64,), dtype, "x"), decl_buffer((64,), dtype, "y")
        i = Var("i", "int32")
        where = Ramp(i * lanes, const(1, "int32"), lanes)
        args = [BufferLoad(x, [where])] * function.arity
        store = BufferStore(y, Call(args[0].dtype, f"tir.{name}", args), [where])
        loop = For(i, 0, 64 // lanes, ForKind.PARALLEL, store)
        made[f"kernel_{name}"] = PrimFunc([x.data, y.data], loop)
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TARGETS)
def test_elementary_functions_on(name: str, dtype: str) -> None:
    target = Target(TARGETS[name])
    model = MachineModel.of(target)
    machine = Machine(model.triple, model.cpu, model.llvm_features)
    text = emit_module(every_function(dtype, 4), target)
    symbols = read_symbols(compile_module(text, machine, cache=False))
    assert set(symbols.undefined) <= {"tilewright_parallel_launch"}
    assert {f"kernel_{f}" for f in FUNCTIONS} <= set(symbols.defined)
