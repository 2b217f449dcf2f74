"""Hand-made programs and the virtual machines that run them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.runtime import (
    Executable,
    VirtualMachine,
    VMFunction,
    cpu,
)
from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    CallKernel,
    CheckTensor,
    DimOp,
    Imm,
    Instruction,
    KillReg,
    NewTensor,
    Reg,
    Ret,
    Slot,
)

N, M = Slot(0), Slot(1)
F32 = "float32"


def function(
    name: str, params: str, *instructions: Instruction, registers: int = 12, slots: int = 4
) -> VMFunction:
    names = tuple(params.split())
    return VMFunction(name, names, registers, slots, instructions, slot_names=("n", "m", "p", "q"))


def machine(kernels: Any, *functions: VMFunction, **options: Any) -> VirtualMachine:
    constants = options.pop("constants", [])
    attrs = options.pop("attrs", {})
    table = {f.name: f for f in functions}
    return VirtualMachine(Executable(table, constants, kernels, attrs=attrs), cpu(0), **options)


def two_layers(name: str = "main") -> VMFunction:
    """2 * x + w, with a temporary in planned storage."""
    return function(
        name,
        "x w",
        CheckTensor(0, F32, 1, (BindDim(0),), "x"),
        CheckTensor(1, F32, 1, (N,), "w"),
        AllocStorage(2, DimOp("add", DimOp("mul", N, 4), 64)),
        AllocTensor(3, 2, 64, (N,), F32),
        CallKernel("scale", (Reg(0), Reg(3)), (N, Imm(2.0)), ("int64", F32), span="conv1"),
        NewTensor(4, (N,), F32),
        CallKernel("add", (Reg(3), Reg(1), Reg(4)), (N,), span="add1"),
        KillReg(3),
        Ret(Reg(4)),
    )


X = np.arange(4, dtype=F32)


def read_only(x: np.ndarray) -> np.ndarray:
    copy = x.copy()
    copy.flags.writeable = False
    return copy
