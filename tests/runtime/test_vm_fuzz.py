"""Random programs: what verification accepts runs to an answer or to an error of ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright.ffi import Shape
from tilewright.ffi import dtype as ffi_dtype
from tilewright.runtime import Executable, VirtualMachine, VMFunction, serialize, tensor, verify
from tilewright.runtime.executable import (
    DIM_OPS,
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallPacked,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
    Dim,
    DimOp,
    GetItem,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeClosure,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Operand,
    Reg,
    Ret,
    SetSlot,
    Slot,
)
from tilewright.support.errors import CompileError, TVMError

REGISTERS, SLOTS = 4, 3
PACKED = {
    "vm.builtin.shape_of": 1,
    "vm.builtin.reshape": 2,
    "vm.builtin.tensor_to_shape": 1,
    "vm.builtin.make_tuple": 3,
    "relax.run.nonzero": 1,
}
ARGUMENTS: list[Callable[[], Any]] = [
    lambda: np.zeros((2, 3), "float32"), lambda: (np.ones(3), (1, 2)), lambda: Shape((2, 3)),
    lambda: 3, lambda: 2.5, lambda: "x", lambda: None, lambda: True, lambda: np.array(2),
    lambda: np.array([2, 3]),
]  # fmt: skip


class Programs:
    """Makes programs without backward jumps, so that they end."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)

    def reg(self) -> Reg:
        return Reg(self.r.randrange(REGISTERS))

    def slot(self) -> Slot:
        return Slot(self.r.randrange(SLOTS))

    def dim(self, depth: int = 0) -> Dim:
        kind = self.r.randrange(4)
        if kind == 0 or depth > 2:
            return self.r.randrange(6)
        if kind == 1:
            return self.slot()
        return DimOp(self.r.choice(list(DIM_OPS)), self.dim(depth + 1), self.dim(depth + 1))

    def dims(self) -> tuple[Dim, ...]:
        return tuple(self.dim() for _ in range(self.r.randrange(3)))

    def checked(self) -> tuple[Any, ...]:
        kinds = (None, BindDim(self.slot()), self.dim())
        return tuple(self.r.choice(kinds) for _ in range(self.r.randrange(4)))

    def dtype(self) -> str:
        return self.r.choice(["float32", "int8", "bfloat16", "bool", "int64"])

    def operand(self) -> Operand:
        values = (1, 2.5, True, "s", None, ffi_dtype("int8"))
        simple = (Const(0), Imm(self.r.choice(values)), self.slot(), DimOp("add", self.dim(), 1))
        return self.reg() if self.r.random() < 0.6 else self.r.choice(simple)

    def packed(self) -> Instruction:
        name = self.r.choice(list(PACKED))
        return CallPacked(name, tuple(self.operand() for _ in range(PACKED[name])), self.reg())

    def instruction(self, index: int, last: int) -> Instruction:
        target = self.r.randrange(index + 1, last + 1)
        any_dtype = self.r.choice([None, self.dtype()])
        makers: list[Callable[[], Instruction]] = [
            lambda: CheckTensor(self.operand(), any_dtype, self.r.choice([-1, 0, 1, 2]),
                                self.checked(), "x"),
            lambda: CheckShape(self.operand(), self.checked(), "x"),
            lambda: CheckTuple(self.operand(), self.r.randrange(3)),
            lambda: BindScalar(self.slot(), self.operand()),
            lambda: SetSlot(self.slot(), self.dim()),
            lambda: MakeShape(self.reg(), self.dims()),
            lambda: AllocStorage(self.reg(), self.dim()),
            lambda: AllocTensor(self.reg(), self.reg(), self.dim(), self.dims(), self.dtype()),
            lambda: NewTensor(self.reg(), self.dims(), self.dtype()),
            lambda: KillReg(self.reg()),
            self.packed,
            lambda: CallFunction("other", (self.operand(),), self.reg()),
            lambda: MakeClosure(self.reg(), "other", ()),
            lambda: CallClosure(self.reg(), self.operand(), (self.operand(),)),
            lambda: MakeTuple(self.reg(), tuple(self.operand() for _ in range(3))),
            lambda: GetItem(self.reg(), self.operand(), self.r.randrange(3)),
            lambda: Move(self.reg(), self.operand()),
            lambda: If(self.operand(), target),
            lambda: Goto(target),
            lambda: Ret(self.operand()),
        ]  # fmt: skip
        return self.r.choice(makers)()

    def executable(self) -> Executable:
        last = self.r.randrange(1, 9)
        body = [self.instruction(i, last) for i in range(last)]
        main = VMFunction("main", ("a", "b"), REGISTERS, SLOTS, (*body, Ret(self.operand())))
        other = VMFunction("other", ("x",), 1, 0, (Ret(Reg(0)),))
        return Executable({"main": main, "other": other}, [tensor(np.arange(3.0))])

    def arguments(self) -> tuple[Any, Any]:
        return self.r.choice(ARGUMENTS)(), self.r.choice(ARGUMENTS)()


@pytest.mark.parametrize("seed", range(20))
def test_random_programs(seed: int) -> None:
    programs = Programs(seed)
    accepted = 0
    while accepted < 20:
        executable = programs.executable()
        try:
            verify(executable)
        except CompileError:
            continue
        accepted += 1
        again = serialize.from_bytes(serialize.to_bytes(executable))
        assert again.functions == executable.functions
        vm = VirtualMachine(executable, executor="interpreter")
        for _ in range(3):
            try:
                vm["main"](*programs.arguments())
            except TVMError as error:
                assert str(error)
