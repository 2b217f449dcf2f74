"""ExecBuilder: writes executables instruction by instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..runtime.executable import (
    CallClosure,
    CallFunction,
    CallPacked,
    Const,
    Executable,
    Goto,
    If,
    Imm,
    Instruction,
    MakeClosure,
    MakeShape,
    Operand,
    Reg,
    Ret,
    VMFunction,
)
from ..runtime.ndarray import Tensor, tensor
from ..support.dtypes import dtype_name
from ..support.errors import ArgumentError
from .base import ShapeExpr

VOID = Imm(None)


@dataclass(frozen=True)
class _Jump:
    """A jump by a number of instructions as they are written; `condition` None: always."""

    offset: int
    condition: Operand | None = None


@dataclass
class _Function:
    name: str
    params: tuple[str, ...]
    steps: list[list[Instruction | _Jump]] = field(default_factory=list)
    before: list[Instruction] = field(default_factory=list)
    registers: int = 0
    spare: int = 0

    def finished(self, names: Sequence[str]) -> VMFunction:
        """The function; jumps get the indices of the instructions that they reach."""
        starts = [0]
        for step in self.steps:
            starts.append(starts[-1] + len(step))
        code: list[Instruction] = []
        for index, step in enumerate(self.steps):
            code += [self._final(ins, index, starts, names) for ins in step]
        return VMFunction(self.name, self.params, self.registers, 0, tuple(code))

    def _final(
        self, ins: Instruction | _Jump, index: int, starts: list[int], names: Sequence[str]
    ) -> Instruction:
        if isinstance(ins, CallPacked) and ins.name in names:
            return CallFunction(ins.name, ins.args, ins.dst)
        if not isinstance(ins, _Jump):
            return ins
        target = index + ins.offset
        if not 0 <= target < len(self.steps):
            raise ArgumentError(
                f"function `{self.name}`: instruction {index} jumps to {target}, there are "
                f"{len(self.steps)}"
            )
        place = starts[target]
        return Goto(place) if ins.condition is None else If(ins.condition, place)


class ExecBuilder:
    """Writes an executable.

    ```
    ib = ExecBuilder()
    with ib.function("main", num_inputs=2):
        ib.emit_call("test.vm.add", args=[ib.r(0), ib.r(1)], dst=ib.r(2))
        ib.emit_ret(ib.r(2))
    ex = ib.get()
    ```
    """

    def __init__(self) -> None:
        self._functions: dict[str, _Function] = {}
        self._constants: list[Tensor] = []
        self._open: _Function | None = None

    @contextmanager
    def function(
        self, func_name: str, num_inputs: int = 0, param_names: Sequence[str] | None = None
    ) -> Iterator[ExecBuilder]:
        """Writes the function `func_name` inside the `with`; arguments are in the first registers.

        Raises `ArgumentError` if it is there already or does not end with `emit_ret`.
        """
        if self._open is not None or func_name in self._functions:
            raise ArgumentError(f"function `{func_name}` is being written or was before")
        names = tuple(param_names or (f"arg{i}" for i in range(num_inputs)))
        if len(names) != num_inputs:
            raise ArgumentError(f"{len(names)} names for {num_inputs} parameters")
        self._open = _Function(func_name, names, registers=num_inputs)
        try:
            yield self
            self._check_end(self._open)
            self._functions[func_name] = self._open
        finally:
            self._open = None

    @staticmethod
    def _check_end(function: _Function) -> None:
        last = function.steps[-1][-1] if function.steps else None
        if not isinstance(last, (Ret, _Jump)):
            raise ArgumentError(f"function `{function.name}` does not return")

    def _writing(self) -> _Function:
        if self._open is None:
            raise ArgumentError(
                "there is no function to write to", hint="use `with ib.function(...)` first"
            )
        return self._open

    # operands

    def r(self, idx: int) -> Reg:
        """Register `idx` of the function."""
        function = self._writing()
        function.registers = max(function.registers, idx + 1)
        return Reg(idx)

    def imm(self, value: int) -> Imm:
        """A number."""
        return Imm(int(value))

    def c(self, idx: int) -> Const:
        """Constant `idx` of the executable."""
        return Const(idx)

    def f(self, name: str) -> Operand:
        """The function `name` of this executable as a value."""
        register = self._fresh()
        self._writing().before.append(MakeClosure(register, name))
        return register

    def void_arg(self) -> Imm:
        """No value."""
        return VOID

    def vm_state(self) -> None:
        """What built-ins of other machines take first; ours know their machine."""
        return None

    def _fresh(self) -> Reg:
        """A register of the builder's own: far from those that programs name, until the end."""
        function = self._writing()
        function.spare += 1
        return Reg(-function.spare)

    def convert_constant(self, const: Any) -> Operand:
        """A value as an operand: tensors go to the pool, lists of integers are shapes."""
        if const is None or isinstance(const, (bool, int, float, str)):
            return Imm(const)
        if isinstance(const, (Reg, Const, Imm)):
            return const
        if isinstance(const, (np.dtype, type)):
            return Imm(dtype_name(const))
        if isinstance(const, (np.ndarray, Tensor)):
            self._constants.append(tensor(const) if isinstance(const, np.ndarray) else const)
            return Const(len(self._constants) - 1)
        if isinstance(const, (list, tuple, ShapeExpr)) or hasattr(const, "__iter__"):
            given: Any = const.values if isinstance(const, ShapeExpr) else const
            dims = tuple(int(getattr(d, "value", d)) for d in given)
            register = self._fresh()
            self._writing().before.append(MakeShape(register, dims))
            return register
        raise ArgumentError(f"a {type(const).__name__} is no constant of an executable")

    # instructions

    def _emit(self, ins: Instruction | _Jump) -> None:
        function = self._writing()
        function.steps.append([*function.before, ins])
        function.before = []

    def emit_call(
        self, name: str, args: Sequence[Any] | None = None, dst: Reg | Imm | None = None
    ) -> None:
        """`dst = name(*args)`: a function of this executable, a built-in or a global function."""
        given = tuple(self.convert_constant(a) for a in args or () if a is not None)
        target = dst if isinstance(dst, Reg) else None
        if name == "vm.builtin.invoke_closure" and given:
            self._emit(CallClosure(target, given[0], given[1:]))
        else:
            self._emit(CallPacked(name, given, target))

    def emit_ret(self, result: Reg | Imm | Const) -> None:
        """Returns `result`."""
        self._emit(Ret(self.convert_constant(result)))

    def emit_goto(self, pc_offset: int) -> None:
        """Goes on `pc_offset` instructions from here."""
        self._emit(_Jump(pc_offset))

    def emit_if(self, cond: Reg, false_offset: int) -> None:
        """Goes on with the next instruction if `cond` holds, else `false_offset` from here."""
        self._emit(_Jump(false_offset, cond))

    def check_func_args(self, *names: str) -> None:
        """Raises `ArgumentError` if one of these functions has not been written."""
        for name in names:
            if name not in self._functions:
                raise ArgumentError(f"function `{name}` is not written")

    def get(self) -> Executable:
        """The executable."""
        names = list(self._functions)
        made = {name: _settled(f).finished(names) for name, f in self._functions.items()}
        return Executable(made, list(self._constants))


def _settled(function: _Function) -> _Function:
    """The function with the builder's own registers behind all others."""
    first = function.registers

    def operand(value: Any) -> Any:
        if isinstance(value, Reg) and value.index < 0:
            return Reg(first - 1 - value.index)
        return tuple(map(operand, value)) if isinstance(value, tuple) else value

    def settled(ins: Any) -> Any:
        names = [n for n in type(ins).__dataclass_fields__ if n != "span"]
        return type(ins)(**{n: operand(getattr(ins, n)) for n in names})

    steps = [[settled(ins) for ins in step] for step in function.steps]
    return _Function(
        function.name, function.params, steps, [], first + function.spare, function.spare
    )
