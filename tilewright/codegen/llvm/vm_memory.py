"""Where the storage of a function lies in its arena: what is never used at once shares memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tilewright.runtime.executable import (
    AllocStorage,
    BindDim,
    BindScalar,
    CheckShape,
    CheckTensor,
    Dim,
    Instruction,
    KillReg,
    SetSlot,
    VMFunction,
)

from .vm_registers import Registers, defined, targets, used

ALIGNMENT = 64


@dataclass
class Plan:
    """Places of `AllocStorage` instructions, by their index.

    A size known at compile time has a fixed offset. Another has either an earlier instruction of
    the same size whose memory it takes over, or no entry: its place is found when it runs.
    """

    offsets: dict[int, int] = field(default_factory=dict)
    reused: dict[int, int] = field(default_factory=dict)
    static_bytes: int = 0


def plan_memory(function: VMFunction, registers: Registers) -> Plan:
    """A plan for the storage that `registers` assigns to the arena."""
    plan = Plan()
    ends = _last_uses(function, registers)
    _place_static(function, ends, plan)
    if _slots_are_set_once(function):
        _reuse_dynamic(function, ends, plan)
    return plan


def _last_uses(function: VMFunction, registers: Registers) -> dict[int, int]:
    """For each `AllocStorage` of the arena, the index of the last instruction that needs it.

    Jumps lead forward (else nothing is in the arena), so that order holds on every path.
    """
    code = function.instructions
    heirs: dict[int, set[int]] = {}  # local register -> the registers whose memory it may hold
    uses: dict[int, int] = {}
    for at, ins in enumerate(code):
        dst = defined(ins)
        if dst in registers.local and not isinstance(ins, AllocStorage):
            sources = [r for r in used(ins) if r in registers.local or r in registers.arena]
            heirs.setdefault(dst, set()).update(sources)
        if not isinstance(ins, KillReg):
            for register in used(ins):
                uses[register] = at
    result = {}
    for at, ins in enumerate(code):
        if isinstance(ins, AllocStorage) and ins.dst.index in registers.arena:
            index = ins.dst.index
            single = registers.definitions[index] == 1
            result[at] = _needed_until(index, heirs, uses) if single else len(code)
    return result


def _needed_until(storage: int, heirs: dict[int, set[int]], uses: dict[int, int]) -> int:
    family, grown = {storage}, True
    while grown:
        more = {r for r, sources in heirs.items() if sources & family} - family
        family |= more
        grown = bool(more)
    return max(uses.get(register, 0) for register in family)


def _place_static(function: VMFunction, ends: dict[int, int], plan: Plan) -> None:
    """First fit, in the order of the program."""
    active: list[tuple[int, int, int]] = []  # offset, end of the memory, last use
    for at, ins in enumerate(function.instructions):
        if at not in ends or not isinstance(ins, AllocStorage) or not isinstance(ins.size, int):
            continue
        size = max(ALIGNMENT, -(-ins.size // ALIGNMENT) * ALIGNMENT)
        active = sorted(row for row in active if row[2] >= at)
        offset = 0
        for start, stop, _ in active:
            if start - offset >= size:
                break
            offset = max(offset, stop)
        active.append((offset, offset + size, ends[at]))
        plan.offsets[at] = offset
        plan.static_bytes = max(plan.static_bytes, offset + size)


def _reuse_dynamic(function: VMFunction, ends: dict[int, int], plan: Plan) -> None:
    """Storage of a size that another, no longer needed, had takes that one's memory over."""
    waiting: dict[Dim, list[tuple[int, int]]] = {}  # size -> (last use, instruction)
    code = function.instructions
    straight = min((i for i, ins in enumerate(code) if targets(ins)), default=len(code))
    for at, ins in enumerate(code):
        if at not in ends or not isinstance(ins, AllocStorage) or isinstance(ins.size, int):
            continue
        rows = waiting.setdefault(ins.size, [])
        free = next((row for row in rows if row[0] < at), None)
        if free is not None:
            rows.remove(free)
            plan.reused[at] = free[1]
        if at < straight:  # on every path, so whoever takes it over finds it made
            rows.append((ends[at], at))
        elif free is not None:
            rows.append((max(ends[at], free[0]), free[1]))


def _slots_are_set_once(function: VMFunction) -> bool:
    return all(count == 1 for count in _slot_definitions(function.instructions).values())


def _slot_definitions(code: tuple[Instruction, ...]) -> Counter[int]:
    found: Counter[int] = Counter()
    for ins in code:
        if isinstance(ins, (BindScalar, SetSlot)):
            found[ins.slot.index] += 1
        elif isinstance(ins, (CheckTensor, CheckShape)):
            bound = {d.slot.index for d in ins.dims if isinstance(d, BindDim)}
            found.update(bound)
    return found


__all__ = ["ALIGNMENT", "Plan", "plan_memory"]
