"""Random programs: compiled code and the interpreter give the same bits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tvm_ffi

from tests.codegen.llvm.kernels import executable, function
from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckTensor,
    Const,
    DimOp,
    GetItem,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Operand,
    Reg,
    Ret,
    Slot,
    VMFunction,
)
from tilewright.runtime.ndarray import tensor
from tilewright.runtime.vm.machine import VirtualMachine

N = Slot(0)
ELEMENTS = DimOp("mul", N, 4)
ROWS = 3


class Program:
    """Grows a function over tensors of 4n floats; every register in `live` holds one."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.name = f"f{seed}"
        self.code: list[Instruction] = [
            CheckTensor(Reg(0), "float32", 2, (BindDim(N), 4), "x"),
            CheckTensor(Reg(1), "float32", 2, (N, 4), "y"),
        ]
        self.registers = 3  # x, y, and the flag
        self.live: list[Operand] = [Reg(0), Reg(1), Const(0)]

    def fresh(self) -> Reg:
        self.registers += 1
        return Reg(self.registers - 1)

    def pick(self) -> Operand:
        return self.random.choice(self.live)

    def dims(self) -> tuple[Any, ...]:
        return self.random.choice([(N, 4), (4, N), (ELEMENTS,), (2, DimOp("mul", N, 2))])

    def place(self, where: Reg | None = None) -> Reg:
        """A new tensor, in the arena or on the heap."""
        target = where or self.fresh()
        if self.random.random() < 0.6:
            storage = self.fresh()
            size: Any = DimOp("mul", N, 16) if self.random.random() < 0.7 else 16 * ROWS + 64
            offset = 0 if isinstance(size, DimOp) else self.random.choice([0, 64])
            self.code.append(AllocStorage(storage, size))
            self.code.append(AllocTensor(target, storage, offset, self.dims(), "float32"))
        else:
            self.code.append(NewTensor(target, self.dims(), "float32"))
        return target

    def compute(self, where: Reg | None = None) -> Reg:
        sources = (self.pick(), self.pick())
        target = self.place(where)
        if self.random.random() < 0.5:
            self.code.append(CallKernel("add", (*sources, target), (ELEMENTS,)))
        else:
            factor = Imm(self.random.choice([0.5, 1.0, -1.0]))
            types = ("int32", "float32")
            self.code.append(CallKernel("scale", (sources[0], target), (ELEMENTS, factor), types))
        return target

    def grow_compute(self) -> None:
        self.live.append(self.compute())

    def grow_reshape(self) -> None:
        source, shape, target = self.pick(), self.fresh(), self.fresh()
        self.code.append(MakeShape(shape, self.dims()))
        self.code.append(CallPacked("vm.builtin.reshape", (source, shape), target))
        self.live.append(target)

    def grow_move(self) -> None:
        source, target = self.pick(), self.fresh()
        self.code.append(Move(target, source))
        self.live.append(target)

    def grow_tuple(self) -> None:
        items, packed, target = (self.pick(), Imm(1), self.pick()), self.fresh(), self.fresh()
        self.code.append(MakeTuple(packed, items))
        self.code.append(GetItem(target, packed, self.random.choice([0, 2])))
        self.live.append(target)

    def grow_call(self) -> None:
        arguments, target = (self.pick(), self.pick()), self.fresh()
        self.code.append(CallFunction("helper", arguments, target))
        self.live.append(target)

    def grow_packed(self) -> None:
        source, target = self.pick(), self.fresh()
        self.code.append(CallPacked("test.native.same", (source,), target))
        self.live.append(target)

    def grow_branch(self) -> None:
        target = self.fresh()
        bound = self.random.choice([1, 9])
        condition = self.random.choice([Reg(2), DimOp("gt", N, bound), self.condition()])
        split = len(self.code)
        self.code.append(Goto(0))
        self.compute(target)
        middle = len(self.code)
        self.code.append(Goto(0))
        self.code[split] = If(condition, len(self.code))
        self.compute(target)
        self.code[middle] = Goto(len(self.code))
        self.live.append(target)

    def condition(self) -> Operand:
        """A boolean that a kernel computes."""
        result = self.fresh()
        if self.random.random() < 0.7:
            storage = self.fresh()
            self.code.append(AllocStorage(storage, 1))
            self.code.append(AllocTensor(result, storage, 0, (), "bool"))
        else:
            self.code.append(NewTensor(result, (), "bool"))
        self.code.append(CallKernel("positive", (self.pick(), result)))
        return result

    def grow_shared(self) -> None:
        """Two tensors in one storage, of which one may leave the function."""
        storage, first, second = self.fresh(), self.fresh(), self.fresh()
        self.code.append(AllocStorage(storage, DimOp("mul", N, 32)))
        self.code.append(AllocTensor(first, storage, 0, self.dims(), "float32"))
        self.code.append(AllocTensor(second, storage, DimOp("mul", N, 16), self.dims(), "float32"))
        self.code.append(CallKernel("add", (self.pick(), self.pick(), first), (ELEMENTS,)))
        self.code.append(CallKernel("add", (first, self.pick(), second), (ELEMENTS,)))
        self.code.append(KillReg(storage))
        self.live += [first, second]

    def grow_readers(self) -> None:
        shape, target, copy = self.fresh(), self.fresh(), self.fresh()
        self.code.append(CallPacked("vm.builtin.shape_of", (self.pick(),), shape))
        self.code.append(CallPacked("vm.builtin.tensor_copy", (self.pick(),), copy))
        self.code.append(CallPacked("vm.builtin.reshape", (copy, shape), target))
        self.live += [copy, target]
        if self.random.random() < 0.5:
            holds = DimOp("gt", N, 0)
            values = (holds, Imm("no"), self.pick())
            self.code.append(CallPacked("relax.run.assert_op", values, None))

    def grow_kill(self) -> None:
        candidates = [r for r in self.live if isinstance(r, Reg) and r.index > 2]
        if candidates:
            register = self.random.choice(candidates)
            self.live.remove(register)
            self.code.append(KillReg(register))

    def build(self) -> VMFunction:
        steps: list[Callable[[], None]] = [
            self.grow_compute, self.grow_compute, self.grow_reshape, self.grow_move,
            self.grow_tuple, self.grow_call, self.grow_packed, self.grow_branch, self.grow_kill,
            self.grow_shared, self.grow_readers,
        ]  # fmt: skip
        for _ in range(self.random.randint(3, 25)):
            self.random.choice(steps)()
        result = self.fresh()
        chosen = tuple(self.pick() for _ in range(3))
        self.code += [MakeTuple(result, chosen), Ret(result)]
        return function(
            "x y flag", self.code, name=self.name, registers=self.registers, slots=("n",)
        )


def helper() -> VMFunction:
    """x + y, of any shape with 4n elements."""
    code: list[Instruction] = [
        MakeShape(2, (3, 4)), CallPacked("vm.builtin.reshape", (Reg(0), Reg(2)), Reg(3)),
        NewTensor(4, (3, 4), "float32"), CallKernel("add", (Reg(3), Reg(1), Reg(4)), (12,)),
        Ret(Reg(4)),
    ]  # fmt: skip
    return function("x y", code, name="helper")


@pytest.mark.parametrize("batch", range(8))
def test_random_programs_agree(batch: int) -> None:
    tvm_ffi.register_global_func("test.native.same", lambda x: x, override=True)
    programs = [Program(batch * 25 + i).build() for i in range(25)]
    weights = np.random.default_rng(batch).standard_normal(4 * ROWS).astype(np.float32)
    exe = executable(*programs, helper(), constants=(tensor(weights),))
    x, y = np.random.default_rng(batch + 100).standard_normal((2, ROWS, 4)).astype(np.float32)
    native = VirtualMachine(exe, executor="native")
    interpreter = VirtualMachine(exe, executor="interpreter")
    for program in programs:
        for flag in (True, False):
            expected = interpreter[program.name](x, y, flag)
            for _ in range(2):  # the second call finds a used arena
                got = native[program.name](x, y, flag)
                for a, b in zip(got, expected, strict=True):
                    np.testing.assert_array_equal(
                        np.from_dlpack(a), np.from_dlpack(b), err_msg=program.as_text()
                    )
