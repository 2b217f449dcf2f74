"""The executable: functions as instruction lists, a pool of constants, and the kernels they call.

Pure data. Two executors run it: `runtime.vm.interpreter` step by step, and native code compiled
from the same lists, attached as `native`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .instructions import (
    DIM_OPS,
    FIELDS,
    INSTRUCTIONS,
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckedDim,
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

if TYPE_CHECKING:
    from .module import Module
    from .ndarray import Tensor


@dataclass(slots=True)
class VMFunction:
    """A function: parameters arrive in registers 0 to n-1; execution starts at instruction 0.

    `slot_names` are the symbolic dimensions' names, for messages; `attrs` is free-form JSON.
    """

    name: str
    params: tuple[str, ...]
    num_registers: int
    num_slots: int
    instructions: tuple[Instruction, ...]
    slot_names: tuple[str, ...] = ()
    attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.params = tuple(self.params)
        self.instructions = tuple(self.instructions)
        self.slot_names = tuple(self.slot_names)

    def slot_name(self, slot: int) -> str:
        """The symbolic dimension's name, or `$slot`."""
        return self.slot_names[slot] if slot < len(self.slot_names) else f"${slot}"

    def as_text(self) -> str:
        """The instructions, one a line."""
        head = f"@{self.name}({', '.join(self.params)})"
        size = f"{self.num_registers} registers, {self.num_slots} slots"
        body = [f"  {i:4}  {instruction_text(ins)}" for i, ins in enumerate(self.instructions)]
        return "\n".join([f"{head}:  # {size}", *body])

    def as_python(self) -> str:
        """Python text that builds this function."""
        rows = "".join(f"        {ins!r},\n" for ins in self.instructions)
        return (
            f"    VMFunction(\n"
            f"        {self.name!r}, {self.params!r}, {self.num_registers}, {self.num_slots},\n"
            f"        slot_names={self.slot_names!r}, attrs={self.attrs!r}, instructions=(\n"
            f"{rows}        ),\n    ),\n"
        )


@dataclass(slots=True, eq=False)
class Executable:
    """What compilation yields and the virtual machine runs.

    `kernels` holds the compiled kernels (bare symbols and packed functions); `native` holds, where
    present, `__tvm_ffi_<name>` for each function, compiled from its instructions. Both are modules,
    or anything `as_module` takes. `attrs` is JSON; of its entries, `failing_kernels` lists the
    kernels that return a status (0, or -1 with an error set) instead of nothing.
    """

    functions: dict[str, VMFunction]
    constants: list[Tensor] = field(default_factory=list)
    kernels: Module | None = None
    native: Module | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def stats(self) -> str:
        """A summary: functions, constants, and what is called how often."""
        rows = [
            "Executable statistics:",
            f"  functions (#{len(self.functions)}): {', '.join(self.functions)}",
            f"  constants (#{len(self.constants)}): {_constants_text(self.constants)}",
        ]
        for title, cls, name in _CALLS:
            counts = self._called(cls, name)
            names = ", ".join(f"{n} x{c}" if c > 1 else n for n, c in counts.items())
            rows.append(f"  {title} (#{len(counts)}): {names}".rstrip())
        total = sum(len(f.instructions) for f in self.functions.values())
        rows.append(f"  instructions: {total}")
        return "\n".join(rows)

    def _called(self, cls: type[Instruction], name: str) -> Counter[str]:
        return Counter(
            str(getattr(ins, name))
            for function in self.functions.values()
            for ins in function.instructions
            if type(ins) is cls
        )

    def as_text(self) -> str:
        """All functions, one instruction a line."""
        return "\n\n".join(f.as_text() for f in self.functions.values()) + "\n"

    def as_python(self) -> str:
        """Python text that builds the functions; constants are left out."""
        body = "".join(f.as_python() for f in self.functions.values())
        return (
            "from tilewright.ffi import dtype\n"
            "from tilewright.runtime.executable import *\n\n"
            f"functions = {{function.name: function for function in (\n{body})}}\n"
        )


_CALLS: tuple[tuple[str, type[Instruction], str], ...] = (
    ("kernels", CallKernel, "symbol"),
    ("packed functions", CallPacked, "name"),
    ("calls", CallFunction, "name"),
)


def _constants_text(constants: list[Tensor]) -> str:
    total = sum(c.nbytes for c in constants)
    shown = [f"{'x'.join(map(str, c.shape)) or 'scalar'} {c.dtype}" for c in constants[:8]]
    more = ", ..." if len(constants) > 8 else ""
    return f"{', '.join(shown)}{more} ({total} bytes)" if constants else "none"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value) if isinstance(value, str) else str(value)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def instruction_text(instruction: Instruction) -> str:
    """`%2 = new_tensor([$0, 4], 'float32')`, default fields left out, the span as a comment."""
    fields = [
        f
        for f in FIELDS[type(instruction)]
        if f.name not in ("dst", "span") and getattr(instruction, f.name) != f.default
    ]
    args = ", ".join(
        _text(getattr(instruction, f.name))
        if f.default is dataclasses.MISSING
        else f"{f.name}={_text(getattr(instruction, f.name))}"
        for f in fields
    )
    dst = getattr(instruction, "dst", None)
    target = "" if dst is None else f"{dst} = "
    span = getattr(instruction, "span", "")
    comment = f"  # {span}" if span else ""
    return f"{target}{_snake(type(instruction).__name__)}({args}){comment}"


__all__ = [
    "DIM_OPS",
    "INSTRUCTIONS",
    "AllocStorage",
    "AllocTensor",
    "BindDim",
    "BindScalar",
    "CallClosure",
    "CallFunction",
    "CallKernel",
    "CallPacked",
    "CheckShape",
    "CheckTensor",
    "CheckTuple",
    "CheckedDim",
    "Const",
    "Dim",
    "DimOp",
    "Executable",
    "GetItem",
    "Goto",
    "If",
    "Imm",
    "Instruction",
    "KillReg",
    "MakeClosure",
    "MakeShape",
    "MakeTuple",
    "Move",
    "NewTensor",
    "Operand",
    "Reg",
    "Ret",
    "SetSlot",
    "Slot",
    "VMFunction",
    "instruction_text",
]
