"""Verification of executables: what `verify` accepts, an executor can run without losing its way.

Promises: every field has its type; registers, slots, constants, jumps and called functions exist;
a register or slot is set on every path before it is read; no path runs past the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.support.span import model_span

from .executable import (
    DIM_OPS,
    BindDim,
    CallFunction,
    CheckTensor,
    Const,
    DimOp,
    Executable,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeClosure,
    Reg,
    Ret,
    Slot,
    VMFunction,
    instruction_text,
)
from .instructions import FIELDS


def verify(executable: Executable) -> None:
    """Returns if the executable is well-formed, else raises `CompileError` at the first fault."""
    for key, function in executable.functions.items():
        if key != function.name:
            raise CompileError(f"function {function.name!r} is filed under the name {key!r}")
        _FunctionVerifier(executable, function).run()


# ---- field types -------------------------------------------------------------------------------


def _is_dim(value: object) -> bool:
    if isinstance(value, DimOp):
        return value.op in DIM_OPS and _is_dim(value.a) and _is_dim(value.b)
    return isinstance(value, Slot) or (type(value) is int)


def _is_extent(value: object) -> bool:
    return _is_dim(value) and not (type(value) is int and value < 0)


def _is_operand(value: object) -> bool:
    return isinstance(value, (Reg, Const, Imm, Slot)) or (
        isinstance(value, DimOp) and _is_dim(value)
    )


def _is_checked(value: object) -> bool:
    return value is None or isinstance(value, BindDim) or _is_extent(value)


def _is_dtype(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(dtype_of(value))
    except ArgumentError:
        return False


def _all(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(check, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


_Check = tuple[str, Callable[[object], bool]]
_OPERANDS: _Check = ("operands", _all(_is_operand))
_CHECKS: dict[str, _Check] = {
    "args": _OPERANDS,
    "captured": _OPERANDS,
    "closure": ("an operand", _is_operand),
    "condition": ("an operand", _is_operand),
    "context": ("text", _is_name),
    "device_index": ("a device index", _is_count),
    "dim": ("a dimension", _is_dim),
    "dims": ("non-negative dimensions", _all(_is_extent)),
    "dst": ("a register", lambda v: isinstance(v, Reg)),
    "dtype": ("a dtype", _is_dtype),
    "else_target": ("an instruction index", _is_count),
    "function": ("a function name", _is_name),
    "index": ("an index", _is_count),
    "items": _OPERANDS,
    "name": ("a name", _is_name),
    "ndim": ("a rank", lambda v: type(v) is int and v >= -1),
    "offset": ("a non-negative dimension", _is_extent),
    "reg": ("a register", lambda v: isinstance(v, Reg)),
    "scalar_dtypes": ("dtypes", _all(_is_dtype)),
    "scalars": ("operands", _all(lambda v: _is_operand(v) or _is_dim(v))),
    "size": ("a non-negative dimension", _is_extent),
    "slot": ("a slot", lambda v: isinstance(v, Slot)),
    "span": ("text", _is_name),
    "src": ("an operand", _is_operand),
    "storage": ("a register", lambda v: isinstance(v, Reg)),
    "symbol": ("a symbol", _is_name),
    "target": ("an instruction index", _is_count),
    "tensors": _OPERANDS,
    "tuple": ("an operand", _is_operand),
}
_SPECIAL: dict[tuple[str, str], _Check] = {
    ("CheckTensor", "dims"): ("dimensions to check", _all(_is_checked)),
    ("CheckShape", "dims"): ("dimensions to check", _all(_is_checked)),
    ("CheckTensor", "dtype"): ("a dtype or None", lambda v: v is None or _is_dtype(v)),
    ("CheckTuple", "size"): ("a size", _is_count),
}
_OPTIONAL_DST = ("CallPacked", "CallFunction", "CallClosure")
for _cls in _OPTIONAL_DST:
    _SPECIAL[_cls, "dst"] = ("a register or None", lambda v: v is None or isinstance(v, Reg))


def _field_fault(instruction: Instruction) -> str | None:
    kind = type(instruction).__name__
    for item in FIELDS[type(instruction)]:
        expected, check = _SPECIAL.get((kind, item.name)) or _CHECKS[item.name]
        value = getattr(instruction, item.name)
        if not check(value):
            return f"{item.name} should be {expected}, found {value!r:.80}"
    if isinstance(instruction, CheckTensor) and instruction.dims and instruction.ndim >= 0:
        found, ndim = len(instruction.dims), instruction.ndim
        return None if found == ndim else f"{found} dims for a tensor of rank {ndim}"
    return None


# ---- what an instruction reads and sets --------------------------------------------------------


@dataclass(slots=True)
class _Effects:
    """Registers, slots and constants that an instruction reads and sets."""

    reads: list[Reg | Slot | Const] = field(default_factory=list)
    sets: list[Reg | Slot] = field(default_factory=list)


def _walk(value: Any, effects: _Effects) -> None:
    if isinstance(value, tuple):
        for item in value:
            _walk(item, effects)
    elif isinstance(value, BindDim):
        effects.sets.append(value.slot)
    elif isinstance(value, DimOp):
        _walk(value.a, effects)
        _walk(value.b, effects)
    elif isinstance(value, (Reg, Const)) or (isinstance(value, Slot) and value not in effects.sets):
        effects.reads.append(value)


def _effects(instruction: Instruction) -> _Effects:
    effects = _Effects()
    for item in FIELDS[type(instruction)]:
        if item.name not in ("dst", "slot", "reg"):
            _walk(getattr(instruction, item.name), effects)
    for name in ("dst", "slot"):
        target = getattr(instruction, name, None)
        if target is not None:
            effects.sets.append(target)
    return effects


class _FunctionVerifier:
    """Checks one function; see `verify`."""

    def __init__(self, executable: Executable, function: VMFunction) -> None:
        self.executable = executable
        self.function = function
        self.limits: dict[type, tuple[str, int]] = {
            Reg: ("register", function.num_registers),
            Slot: ("slot", function.num_slots),
            Const: ("constant", len(executable.constants)),
        }
        self.effects: list[_Effects] = []

    def run(self) -> None:
        function = self.function
        if len(function.params) > function.num_registers:
            raise CompileError(
                f"function {function.name!r} has {len(function.params)} parameters "
                f"but only {function.num_registers} registers"
            )
        for index, instruction in enumerate(function.instructions):
            self._check_alone(index, instruction)
        self._check_paths()

    def _fail(self, index: int, problem: str) -> None:
        instruction = self.function.instructions[index]
        origin = getattr(instruction, "span", "")
        span = model_span(origin) if isinstance(origin, str) and origin else None
        raise CompileError(
            f"function {self.function.name!r}, instruction {index}: {problem}",
            span,
            note=instruction_text(instruction) if type(instruction) in FIELDS else "",
        )

    def _check_alone(self, index: int, instruction: Instruction) -> None:
        if type(instruction) not in FIELDS:
            raise CompileError(
                f"function {self.function.name!r}, instruction {index}: "
                f"{type(instruction).__name__} is no instruction"
            )
        fault = _field_fault(instruction) or self._call_fault(instruction)
        if fault is not None:
            self._fail(index, fault)
        for target in _targets(instruction):
            if target >= len(self.function.instructions):
                self._fail(index, f"jumps to {target}, past the end")
        effects = _effects(instruction)
        named = [*effects.reads, *effects.sets]
        if isinstance(instruction, KillReg):
            named.append(instruction.reg)
        for item in named:
            what, limit = self.limits[type(item)]
            if not 0 <= item.index < limit:
                self._fail(index, f"{what} {item.index} does not exist; there are {limit}")
        self.effects.append(effects)

    def _call_fault(self, instruction: Instruction) -> str | None:
        if isinstance(instruction, CallFunction):
            callee, given = instruction.name, len(instruction.args)
        elif isinstance(instruction, MakeClosure):
            callee, given = instruction.function, len(instruction.captured)
        else:
            return None
        target = self.executable.functions.get(callee)
        if target is None:
            return f"there is no function {callee!r}"
        most = len(target.params)
        exact = isinstance(instruction, CallFunction)
        if given > most or (exact and given != most):
            return f"function {callee!r} takes {most} arguments, {given} are given"
        return None

    def _check_paths(self) -> None:
        """Registers and slots are bits of two masks; paths that meet keep what both have set."""
        instructions = self.function.instructions
        states: list[tuple[int, int] | None] = [None] * len(instructions)
        start = ((1 << len(self.function.params)) - 1, 0)
        work: list[tuple[int, int, tuple[int, int]]] = [(-1, 0, start)]
        while work:
            origin, index, state = work.pop()
            if index >= len(instructions):
                raise CompileError(
                    f"function {self.function.name!r}: a path runs past the end without returning, "
                    f"after instruction {origin} of {len(instructions)}"
                )
            seen = states[index]
            merged = state if seen is None else (state[0] & seen[0], state[1] & seen[1])
            if merged == seen:
                continue
            states[index] = merged
            after = self._step(index, merged)
            work += [(index, successor, after) for successor in _successors(index, instructions)]

    def _step(self, index: int, state: tuple[int, int]) -> tuple[int, int]:
        registers, slots = state
        effects = self.effects[index]
        for item in effects.reads:
            if isinstance(item, Reg) and not registers >> item.index & 1:
                self._fail(index, f"register {item.index} may be read before it is set")
            if isinstance(item, Slot) and not slots >> item.index & 1:
                name = self.function.slot_name(item.index)
                self._fail(index, f"slot {item.index} ({name}) may be read before it is bound")
        for target in effects.sets:
            if isinstance(target, Reg):
                registers |= 1 << target.index
            else:
                slots |= 1 << target.index
        instruction = self.function.instructions[index]
        if isinstance(instruction, KillReg):
            registers &= ~(1 << instruction.reg.index)
        return registers, slots


def _targets(instruction: Instruction) -> tuple[int, ...]:
    if isinstance(instruction, If):
        return (instruction.else_target,)
    if isinstance(instruction, Goto):
        return (instruction.target,)
    return ()


def _successors(index: int, instructions: tuple[Instruction, ...]) -> tuple[int, ...]:
    instruction = instructions[index]
    if isinstance(instruction, Ret):
        return ()
    if isinstance(instruction, Goto):
        return (instruction.target,)
    return (index + 1, *_targets(instruction))
