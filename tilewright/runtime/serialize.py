"""Executables as JSON and as bytes.

The JSON has a version; an instruction is `{"op": name, field: value, ...}` with default fields left
out. Operands are one-entry tables: `{"r": 3}` register, `{"c": 0}` constant, `{"s": 1}` slot,
`{"i": 7}` immediate, `{"f": "nan"}` non-finite float, `{"d": "float32"}` data type,
`{"b": 1}` binding of a slot, `{"add": [a, b]}` dimension arithmetic; a bare integer is a dimension.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tilewright.ffi import dtype as ffi_dtype
from tilewright.support.errors import ArgumentError

from . import tensor_file
from .executable import (
    DIM_OPS,
    INSTRUCTIONS,
    BindDim,
    Const,
    DimOp,
    Executable,
    Imm,
    Instruction,
    Reg,
    Slot,
    VMFunction,
)
from .instructions import FIELDS
from .ndarray import Tensor
from .verify import verify

VERSION = 1


def _encode_imm(imm: Imm) -> dict[str, Any]:
    value = imm.value
    if isinstance(value, ffi_dtype):
        return {"d": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": str(value)}
    return {"i": value}


_ENCODERS: dict[type, Callable[[Any], Any]] = {
    Reg: lambda v: {"r": v.index},
    Const: lambda v: {"c": v.index},
    Slot: lambda v: {"s": v.index},
    BindDim: lambda v: {"b": v.slot.index},
    Imm: _encode_imm,
    DimOp: lambda v: {v.op: [_encode(v.a), _encode(v.b)]},
    tuple: lambda v: [_encode(item) for item in v],
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "r": lambda v: Reg(_index(v)),
    "c": lambda v: Const(_index(v)),
    "s": lambda v: Slot(_index(v)),
    "b": lambda v: BindDim(Slot(_index(v))),
    "i": lambda v: Imm(v),
    "f": lambda v: Imm(float(v)),
    "d": lambda v: Imm(ffi_dtype(v)),
}


def _encode(value: Any) -> Any:
    encoder = _ENCODERS.get(type(value))
    return value if encoder is None else encoder(value)


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ArgumentError(f"damaged executable: {value!r:.80} is no index")
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ArgumentError(f"damaged executable: {value!r:.80} is no operand")
    ((key, content),) = value.items()
    if key in DIM_OPS and isinstance(content, list) and len(content) == 2:
        return DimOp(key, _decode(content[0]), _decode(content[1]))
    if key not in _DECODERS:
        raise ArgumentError(f"damaged executable: unknown operand {key!r}")
    return _DECODERS[key](content)


def instruction_to_json(instruction: Instruction) -> dict[str, Any]:
    """The instruction as a table."""
    values = {
        f.name: _encode(getattr(instruction, f.name))
        for f in FIELDS[type(instruction)]
        if getattr(instruction, f.name) != f.default
    }
    return {"op": type(instruction).__name__, **values}


def instruction_from_json(table: Any) -> Instruction:
    """The instruction that a table describes. Raises `ArgumentError` if it describes none."""
    cls = INSTRUCTIONS.get(str(table.get("op"))) if isinstance(table, dict) else None
    if cls is None:
        raise ArgumentError(f"damaged executable: unknown instruction {table!r:.120}")
    known = {f.name for f in FIELDS[cls]}
    needed = {f.name for f in FIELDS[cls] if f.default is dataclasses.MISSING}
    given = set(table) - {"op"}
    if not needed <= given <= known:
        raise ArgumentError(
            f"damaged executable: {cls.__name__} has fields {sorted(given)}, "
            f"expected {sorted(needed)} and possibly {sorted(known - needed)}"
        )
    return cls(**{name: _decode(table[name]) for name in given})


def function_to_json(function: VMFunction) -> dict[str, Any]:
    """The function as a table."""
    return {
        "name": function.name,
        "params": list(function.params),
        "num_registers": function.num_registers,
        "num_slots": function.num_slots,
        "slot_names": list(function.slot_names),
        "attrs": function.attrs,
        "instructions": [instruction_to_json(ins) for ins in function.instructions],
    }


def function_from_json(table: Any) -> VMFunction:
    """The function that a table describes."""
    try:
        return VMFunction(
            str(table["name"]),
            tuple(str(p) for p in table["params"]),
            _index(table["num_registers"]),
            _index(table["num_slots"]),
            tuple(instruction_from_json(ins) for ins in table["instructions"]),
            slot_names=tuple(str(n) for n in table.get("slot_names", ())),
            attrs=dict(table.get("attrs", {})),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"damaged executable: function {table!r:.80}: {error!r}") from None


def to_json(executable: Executable) -> dict[str, Any]:
    """Functions and attributes as JSON; constants, kernels and native code are kept elsewhere."""
    return {
        "kind": "executable",
        "version": VERSION,
        "functions": [function_to_json(f) for f in executable.functions.values()],
        "attrs": executable.attrs,
    }


def from_json(table: Any, constants: list[Tensor]) -> Executable:
    """The executable that `to_json` described, verified. Raises `ArgumentError` on other data."""
    if not isinstance(table, dict) or table.get("kind") != "executable":
        raise ArgumentError("the data holds no executable")
    if table.get("version") != VERSION:
        raise ArgumentError(
            f"the executable has version {table.get('version')!r}, "
            f"this tilewright runs version {VERSION}"
        )
    rows, attrs = table.get("functions"), table.get("attrs", {})
    if not isinstance(rows, list) or not isinstance(attrs, dict):
        raise ArgumentError("damaged executable: no table of functions or of attributes")
    functions = [function_from_json(f) for f in rows]
    result = Executable({f.name: f for f in functions}, constants, attrs=attrs)
    if len(result.functions) != len(functions):
        raise ArgumentError("damaged executable: two functions have one name")
    verify(result)
    return result


def to_bytes(executable: Executable) -> bytes:
    """Functions, attributes and constants as bytes."""
    return tensor_file.to_bytes(to_json(executable), executable.constants)


def from_bytes(data: bytes | bytearray | memoryview) -> Executable:
    """The executable that `to_bytes` wrote, without kernels. Raises `ArgumentError` otherwise."""
    return from_json(*tensor_file.from_bytes(data, "the executable"))


def save(executable: Executable, path: str | Path) -> None:
    """Writes functions, attributes and constants to a file."""
    tensor_file.to_file(path, to_json(executable), executable.constants)


def load(path: str | Path) -> Executable:
    """The executable in a file that `save` wrote, without kernels."""
    return from_json(*tensor_file.from_file(path))
