"""What each register of a virtual-machine function needs in native code.

A register is *local* if all it ever holds are tensors of the call's arena that only kernels see: it
is then a mere pointer. Any other register is *boxed*: a tvm-ffi `Any` that owns what it holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    CallKernel,
    Goto,
    If,
    Instruction,
    KillReg,
    MakeTuple,
    Move,
    Reg,
    VMFunction,
)
from tilewright.runtime.instructions import FIELDS


@dataclass
class Registers:
    """The classes of a function's registers, by index."""

    arena: set[int] = field(default_factory=set)
    local: set[int] = field(default_factory=set)
    boxed: set[int] = field(default_factory=set)
    owned_params: set[int] = field(default_factory=set)
    definitions: Counter[int] = field(default_factory=Counter)
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


def classify(function: VMFunction) -> Registers:
    """The cheapest class that is right for each register."""
    result = Registers()
    params = len(function.params)
    for at, instruction in enumerate(function.instructions):
        dst = defined(instruction)
        if dst is not None:
            result.definitions[dst] += 1
        if any(target <= at for target in targets(instruction)):
            result.loops = True
    everything = set(range(function.num_registers))
    if result.loops:  # storage made again and again must be given back each time
        result.boxed = everything
    else:
        _settle(function, result, everything - set(range(params)))
        result.boxed = everything - result.arena - result.local
    for instruction in function.instructions:
        if isinstance(instruction, MakeTuple):
            result.owned_params |= {r for r in used(instruction) if r < params}
    result.owned_params |= {r for r in range(params) if result.definitions[r]}
    return result


def _settle(function: VMFunction, result: Registers, candidates: set[int]) -> None:
    """Starts from the most hopeful classes and withdraws them until all uses agree."""
    result.arena, result.local = set(candidates), set(candidates)
    changed = True
    while changed:
        before = len(result.arena) + len(result.local)
        for instruction in function.instructions:
            _withdraw(instruction, result)
        changed = len(result.arena) + len(result.local) != before


def _withdraw(instruction: Instruction, result: Registers) -> None:
    arena, local = result.arena, result.local
    dst = defined(instruction)
    if isinstance(instruction, AllocStorage):
        local.discard(instruction.dst.index)
        return
    if isinstance(instruction, AllocTensor):
        arena.discard(instruction.dst.index)
        local.discard(instruction.storage.index)
        if instruction.dst.index not in local:
            arena.discard(instruction.storage.index)
        if instruction.storage.index not in arena:
            local.discard(instruction.dst.index)
        return
    if isinstance(instruction, Move) and isinstance(instruction.src, Reg):
        source, target = instruction.src.index, instruction.dst.index
        arena -= {source, target}
        if source not in local or target not in local:
            local -= {source, target}
        return
    if dst is not None:
        arena.discard(dst)
        local.discard(dst)
    if isinstance(instruction, KillReg):
        return
    for register in used(instruction):
        arena.discard(register)
        if not isinstance(instruction, CallKernel):
            local.discard(register)


__all__ = ["Registers", "classify", "defined", "targets", "used"]
