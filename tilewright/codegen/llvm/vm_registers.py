"""What each register of a virtual-machine function needs in native code.

A register is *local* if all it ever holds are tensors that only kernels, and functions that do not
keep their arguments, see: it is then a mere pointer. Storage lies in the call's *arena* if all its
tensors are local. Any other register is *boxed*: a tvm-ffi `Any` that owns what it holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeGuard

from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    CallKernel,
    CallPacked,
    CheckTensor,
    Const,
    Dim,
    DimOp,
    Executable,
    Goto,
    If,
    Instruction,
    KillReg,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Operand,
    Reg,
    VMFunction,
)
from tilewright.runtime.instructions import FIELDS

from .vm_builtins import ALIASES, READERS


@dataclass
class Registers:
    """The classes of a function's registers, by index."""

    arena: set[int] = field(default_factory=set)
    local: set[int] = field(default_factory=set)
    boxed: set[int] = field(default_factory=set)
    owned_params: set[int] = field(default_factory=set)
    definitions: Counter[int] = field(default_factory=Counter)
    shapes: dict[int, tuple[Dim, ...]] = field(default_factory=dict)
    dtypes: dict[int, str] = field(default_factory=dict)
    lenders: set[int] = field(default_factory=set)  # boxed storage that local tensors lie in
    loops: bool = False

    def owned(self, register: int, params: int) -> bool:
        """Whether the register must be released when the function ends."""
        if register not in self.boxed:
            return False
        return register >= params or register in self.owned_params


def defined(instruction: Instruction) -> int | None:
    """The register that an instruction sets."""
    dst = getattr(instruction, "dst", None)
    return dst.index if isinstance(dst, Reg) else None


def used(instruction: Instruction) -> list[int]:
    """The registers that an instruction reads."""
    found: list[int] = []
    for row in FIELDS[type(instruction)]:
        if row.name == "dst":
            continue
        value = getattr(instruction, row.name)
        items = value if isinstance(value, tuple) else (value,)
        found += [item.index for item in items if isinstance(item, Reg)]
    return found


def targets(instruction: Instruction) -> list[int]:
    """Where an instruction may jump."""
    if isinstance(instruction, If):
        return [instruction.else_target]
    return [instruction.target] if isinstance(instruction, Goto) else []


def classify(function: VMFunction, executable: Executable) -> Registers:
    """The cheapest class that is right for each register."""
    result = Registers()
    params = len(function.params)
    for at, instruction in enumerate(function.instructions):
        dst = defined(instruction)
        if dst is not None:
            result.definitions[dst] += 1
        if any(target <= at for target in targets(instruction)):
            result.loops = True
    for instruction in function.instructions:
        if isinstance(instruction, MakeTuple):
            result.owned_params |= {r for r in used(instruction) if r < params}
    result.owned_params |= {r for r in range(params) if result.definitions[r]}
    everything = set(range(function.num_registers))
    if result.loops:  # storage made again and again must be given back each time
        result.boxed = everything
        return result
    _Settling(function, executable, result).run(everything - set(range(params)))
    result.boxed = everything - result.arena - result.local
    for instruction in function.instructions:
        if isinstance(instruction, AllocTensor) and instruction.dst.index in result.local:
            result.lenders |= {instruction.storage.index} & result.boxed
    return result


class _Settling:
    """Starts from the most hopeful classes and withdraws them until all uses agree."""

    def __init__(self, function: VMFunction, executable: Executable, result: Registers) -> None:
        self.function = function
        self.constants = executable.constants
        self.result = result
        self.arena, self.local = result.arena, result.local

    def run(self, candidates: set[int]) -> None:
        self._find_shapes()
        self.arena |= candidates
        self.local |= candidates
        before = -1
        while before != len(self.arena) + len(self.local):
            before = len(self.arena) + len(self.local)
            for instruction in self.function.instructions:
                self._withdraw(instruction)

    def _find_shapes(self) -> None:
        """The dimensions of registers that are set once, where they are known."""
        shapes, params = self.result.shapes, len(self.function.params)
        for ins in self.function.instructions:
            if isinstance(ins, CheckTensor) and isinstance(ins.src, Reg):
                index = ins.src.index
                dims = [d.slot if isinstance(d, BindDim) else d for d in ins.dims]
                known = tuple(d for d in dims if d is not None)
                complete = len(known) == len(dims) and (dims or ins.ndim == 0)
                if complete and index < params and not self.result.definitions[index]:
                    shapes[index] = known
                continue
            dst = defined(ins)
            if dst is None or self.result.definitions[dst] != 1 or dst < params:
                continue
            if isinstance(ins, (AllocTensor, NewTensor, MakeShape)) and -1 not in ins.dims:
                shapes[dst] = ins.dims
            elif is_alias(ins):
                target = self.shape(ins.args[1])
                if target is not None:
                    shapes[dst] = target
            dtype = self._dtype(ins)
            if dtype is not None:
                self.result.dtypes[dst] = dtype

    def _dtype(self, ins: Instruction) -> str | None:
        """The data type of the tensor that an instruction makes, where it is known."""
        if isinstance(ins, (AllocTensor, NewTensor)):
            return ins.dtype
        if not is_alias(ins):
            return None
        source = ins.args[0]
        if isinstance(source, Const):
            return str(self.constants[source.index].dtype)
        return self.result.dtypes.get(source.index) if isinstance(source, Reg) else None

    def shape(self, operand: Operand) -> tuple[Dim, ...] | None:
        """The dimensions of a tensor or a shape, where they are known."""
        if isinstance(operand, Const):
            return tuple(int(d) for d in self.constants[operand.index].shape)
        return self.result.shapes.get(operand.index) if isinstance(operand, Reg) else None

    def _withdraw(self, instruction: Instruction) -> None:
        if isinstance(instruction, AllocStorage):
            self.local.discard(instruction.dst.index)
        elif isinstance(instruction, AllocTensor):
            self._withdraw_tensor(instruction)
        elif isinstance(instruction, Move):
            self._withdraw_alias(instruction.src, instruction.dst.index)
        elif is_alias(instruction):
            self._withdraw_reshape(instruction)
        else:
            self._withdraw_other(instruction)

    def _withdraw_tensor(self, ins: AllocTensor) -> None:
        tensor, storage = ins.dst.index, ins.storage.index
        self.arena.discard(tensor)
        self.local.discard(storage)
        if tensor not in self.local:
            self.arena.discard(storage)
        if storage not in self.arena and self.result.definitions[storage] != 1:
            self.local.discard(tensor)  # its memory could be given back under it

    def _withdraw_alias(self, source: Operand, target: int) -> None:
        """Two names of one memory: both are pointers, or neither is."""
        self.arena.discard(target)
        if isinstance(source, Const) or self._is_borrowed(source):
            return
        if not isinstance(source, Reg):
            self.local.discard(target)
            return
        self.arena.discard(source.index)
        if source.index not in self.local or target not in self.local:
            self.local -= {source.index, target}

    def _is_borrowed(self, operand: Operand) -> bool:
        """A tensor parameter: the caller keeps it until the call ends."""
        return (
            isinstance(operand, Reg)
            and operand.index in self.result.shapes
            and operand.index < len(self.function.params)
            and operand.index not in self.result.owned_params
        )

    def _withdraw_reshape(self, ins: CallPacked) -> None:
        source, shape = ins.args
        if ins.dst is None:
            return self._withdraw_other(ins)
        if isinstance(shape, Reg):
            self.arena.discard(shape.index)
            self.local.discard(shape.index)
        if self.shape(source) is None or self.shape(shape) is None:
            return self._withdraw_other(ins)
        return self._withdraw_alias(source, ins.dst.index)

    def _withdraw_other(self, instruction: Instruction) -> None:
        dst = defined(instruction)
        if dst is not None:
            self.arena.discard(dst)
            self.local.discard(dst)
        if isinstance(instruction, KillReg):
            return
        for register in used(instruction):
            self.arena.discard(register)
            if not self._only_reads(instruction, register):
                self.local.discard(register)

    def _only_reads(self, instruction: Instruction, register: int) -> bool:
        """Whether a local tensor may be given to the instruction."""
        if isinstance(instruction, CallKernel):
            return True
        known = register in self.result.shapes and register in self.result.dtypes
        if isinstance(instruction, CallPacked):
            return known and instruction.name in READERS
        byte = self.result.dtypes.get(register) in ("bool", "int8", "uint8")
        return isinstance(instruction, If) and known and byte and not self.result.shapes[register]


def is_alias(instruction: Instruction) -> TypeGuard[CallPacked]:
    """Whether the instruction gives memory another shape."""
    return (
        isinstance(instruction, CallPacked)
        and instruction.name in ALIASES
        and len(instruction.args) == 2
    )


def same_size(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    """Whether two shapes have equally many elements for all values of their dimensions."""
    return _factors(a) == _factors(b)


def _factors(dims: tuple[Dim, ...]) -> tuple[int, Counter[Dim]]:
    constant, symbols = 1, Counter[Dim]()
    pending = list(dims)
    while pending:
        dim = pending.pop()
        if isinstance(dim, DimOp) and dim.op == "mul":
            pending += [dim.a, dim.b]
        elif isinstance(dim, int):
            constant *= dim
        else:
            symbols[dim] += 1
    return constant, symbols


__all__ = ["Registers", "classify", "defined", "is_alias", "same_size", "targets", "used"]
