"""The instruction set of the executable: operands, dimensions and instructions, as plain data.

A register holds a tensor, tuple, shape, scalar, storage, closure or None; a slot holds an int64,
the value of a symbolic dimension. Registers and slots may be given as plain integers where only
one of them makes sense (`dst`, `slot`); they are stored as `Reg` and `Slot`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reg:
    """A register of the current call."""

    index: int

    def __index__(self) -> int:
        return self.index

    def __str__(self) -> str:
        return f"%{self.index}"


@dataclass(frozen=True, slots=True)
class Const:
    """An entry of the executable's constant pool."""

    index: int

    def __index__(self) -> int:
        return self.index

    def __str__(self) -> str:
        return f"const[{self.index}]"


@dataclass(frozen=True, slots=True)
class Imm:
    """An immediate value: int, float, bool, str, `ffi.dtype` or None."""

    value: int | float | bool | str | None

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Slot:
    """The value of a symbolic dimension."""

    index: int

    def __index__(self) -> int:
        return self.index

    def __str__(self) -> str:
        return f"${self.index}"


@dataclass(frozen=True, slots=True)
class DimOp:
    """An operation on dimensions; a comparison yields 0 or 1. `DIM_OPS` lists the operators."""

    op: str
    a: Dim
    b: Dim

    def __str__(self) -> str:
        symbol = DIM_OPS.get(self.op, self.op)
        if symbol.isalpha():
            return f"{symbol}({self.a}, {self.b})"
        return f"({self.a} {symbol} {self.b})"


@dataclass(frozen=True, slots=True)
class BindDim:
    """In `CheckTensor` and `CheckShape`: the dimension found becomes the value of `slot`."""

    slot: Slot

    def __post_init__(self) -> None:
        object.__setattr__(self, "slot", _as(Slot, self.slot))

    def __str__(self) -> str:
        return f"bind {self.slot}"


Dim: TypeAlias = int | Slot | DimOp
Operand: TypeAlias = Reg | Const | Imm | Slot | DimOp
CheckedDim: TypeAlias = BindDim | int | Slot | DimOp | None

DIM_OPS: dict[str, str] = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "floordiv": "//",
    "floormod": "%",
    "min": "min",
    "max": "max",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "and",
    "or": "or",
}


def _as(cls: Callable[[int], T], value: Any) -> T | Any:
    return cls(value) if type(value) is int else value


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step. `span` names the model's nodes it comes from, for errors and profiles."""

    def __post_init__(self) -> None:
        for name, cls in _INDEX_FIELDS:
            value = getattr(self, name, None)
            if type(value) is int:
                object.__setattr__(self, name, cls(value))
        for name in _SEQUENCES:
            value = getattr(self, name, None)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


_INDEX_FIELDS: tuple[tuple[str, type], ...] = (
    ("dst", Reg), ("src", Reg), ("reg", Reg), ("storage", Reg),
    ("tuple", Reg), ("closure", Reg), ("slot", Slot),
)  # fmt: skip
_SEQUENCES = ("dims", "tensors", "scalars", "scalar_dtypes", "args", "captured", "items")


@dataclass(frozen=True, slots=True)
class CheckTensor(Instruction):
    """`src` is a tensor of `dtype` (None: any), `ndim` (-1: any) and `dims`, on `device_index`.

    A dimension is None (any), `BindDim` (its value goes to a slot) or a value that it must equal.
    `dims` is empty where only the rank matters. `context` names the argument in errors.
    """

    src: Operand
    dtype: str | None
    ndim: int
    dims: tuple[CheckedDim, ...] = ()
    context: str = ""
    device_index: int = 0
    span: str = ""


@dataclass(frozen=True, slots=True)
class CheckShape(Instruction):
    """`src` is a shape with `dims`; as in `CheckTensor`."""

    src: Operand
    dims: tuple[CheckedDim, ...]
    context: str = ""
    span: str = ""


@dataclass(frozen=True, slots=True)
class CheckTuple(Instruction):
    """`src` is a tuple of `size` items."""

    src: Operand
    size: int
    context: str = ""
    span: str = ""


@dataclass(frozen=True, slots=True)
class BindScalar(Instruction):
    """`slot = src`, where `src` holds an integer."""

    slot: Slot
    src: Operand
    context: str = ""
    span: str = ""


@dataclass(frozen=True, slots=True)
class SetSlot(Instruction):
    """`slot = dim`."""

    slot: Slot
    dim: Dim
    span: str = ""


@dataclass(frozen=True, slots=True)
class MakeShape(Instruction):
    """`dst = shape(dims)`."""

    dst: Reg
    dims: tuple[Dim, ...]
    span: str = ""


@dataclass(frozen=True, slots=True)
class AllocStorage(Instruction):
    """`dst` = `size` bytes, 64-byte aligned, on the device of that index."""

    dst: Reg
    size: Dim
    device_index: int = 0
    span: str = ""


@dataclass(frozen=True, slots=True)
class AllocTensor(Instruction):
    """`dst` = a tensor in `storage`, `offset` bytes in."""

    dst: Reg
    storage: Reg
    offset: Dim
    dims: tuple[Dim, ...]
    dtype: str
    span: str = ""


@dataclass(frozen=True, slots=True)
class NewTensor(Instruction):
    """`dst` = a tensor in memory of its own (it may leave the function)."""

    dst: Reg
    dims: tuple[Dim, ...]
    dtype: str
    device_index: int = 0
    span: str = ""


@dataclass(frozen=True, slots=True)
class KillReg(Instruction):
    """Forgets what `reg` holds."""

    reg: Reg
    span: str = ""


@dataclass(frozen=True, slots=True)
class CallKernel(Instruction):
    """Calls the bare kernel: the data pointers of `tensors`, then `scalars`.

    `scalar_dtypes` gives the C types of the scalars; empty means int64 for dimensions and integers,
    float64 for floats.
    """

    symbol: str
    tensors: tuple[Operand, ...]
    scalars: tuple[Operand | int, ...] = ()
    scalar_dtypes: tuple[str, ...] = ()
    span: str = ""


@dataclass(frozen=True, slots=True)
class CallPacked(Instruction):
    """`dst = name(*args)`: a function of the module, a VM built-in, or a global function."""

    name: str
    args: tuple[Operand, ...]
    dst: Reg | None = None
    span: str = ""


@dataclass(frozen=True, slots=True)
class CallFunction(Instruction):
    """`dst = name(*args)`: a function of this executable."""

    name: str
    args: tuple[Operand, ...]
    dst: Reg | None = None
    span: str = ""


@dataclass(frozen=True, slots=True)
class MakeClosure(Instruction):
    """`dst` = `function` with `captured` values, which follow the arguments of the call."""

    dst: Reg
    function: str
    captured: tuple[Operand, ...] = ()
    span: str = ""


@dataclass(frozen=True, slots=True)
class CallClosure(Instruction):
    """`dst = closure(*args)`."""

    dst: Reg | None
    closure: Operand
    args: tuple[Operand, ...]
    span: str = ""


@dataclass(frozen=True, slots=True)
class MakeTuple(Instruction):
    """`dst = (items...)`."""

    dst: Reg
    items: tuple[Operand, ...]
    span: str = ""


@dataclass(frozen=True, slots=True)
class GetItem(Instruction):
    """`dst = tuple[index]`."""

    dst: Reg
    tuple: Operand
    index: int
    span: str = ""


@dataclass(frozen=True, slots=True)
class Move(Instruction):
    """`dst = src`."""

    dst: Reg
    src: Operand
    span: str = ""


@dataclass(frozen=True, slots=True)
class If(Instruction):
    """Goes on with the next instruction if `condition` holds, else with `else_target`.

    A condition is a boolean scalar, a 0-d boolean tensor in a register, or a dimension (0: false).
    """

    condition: Operand
    else_target: int
    span: str = ""


@dataclass(frozen=True, slots=True)
class Goto(Instruction):
    """Goes on with `target`, the index of an instruction of this function."""

    target: int
    span: str = ""


@dataclass(frozen=True, slots=True)
class Ret(Instruction):
    """Returns `src` to the caller."""

    src: Operand
    span: str = ""


OPERANDS: dict[str, type] = {c.__name__: c for c in (Reg, Const, Imm, Slot, DimOp, BindDim)}
INSTRUCTIONS: dict[str, type[Instruction]] = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and issubclass(value, Instruction) and value is not Instruction
}
FIELDS: dict[type[Instruction], tuple[dataclasses.Field[Any], ...]] = {
    cls: dataclasses.fields(cls) for cls in INSTRUCTIONS.values()
}
