"""How the instructions of a trace are written as Python."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ..expr import StringImm, Var
from ..index_map import IndexMap
from .instruction import STATEMENT, Instruction
from .rv import BlockRV, LoopRV

_PREFIX: tuple[tuple[type, str], ...] = ((BlockRV, "b"), (LoopRV, "l"), (PrimExpr, "v"))


def name_outputs(outputs: Iterable[Any], names: dict[int, str]) -> list[str]:
    """Names for the random variables that an instruction gives, noted in `names`."""
    made = []
    for out in outputs:
        prefix = next(letter for kind, letter in _PREFIX if isinstance(out, kind))
        names[id(out)] = f"{prefix}{len(names)}"
        made.append(names[id(out)])
    return made


def with_names(index_map: IndexMap, names: dict[int, str]) -> IndexMap:
    """The map with the random variables in it called as in the trace."""
    free = [v for v in index_map.free_variables if id(v) in names]
    return index_map.with_values({v: Var(names[id(v)], v.dtype) for v in free})


def statement(inst: Instruction, decision: Any, known: dict[int, str] | None) -> str:
    """The call of the method that does what the instruction says. `known` names the random
    variables and takes those of the results; without it all are `_`."""
    names = {} if known is None else known
    parts = []
    values = inst.values()
    for p in inst.kind.params:
        value = values[p.name]
        if p.is_variadic:
            parts += [_text(v, names) for v in value]
        elif not (p.is_list and p.is_optional and not value):
            shown = f"({_items(value, names)})" if p.role.width > 1 else _text(value, names)
            parts.append(f"{p.name}={shown}")
    if decision is not None:
        parts.append(f"decision={_text(decision, names)}")
    call = f"sch.{inst.kind.method}({', '.join(parts)})"
    outputs = ["_" for _ in inst.outputs] if known is None else name_outputs(inst.outputs, names)
    if not outputs:
        return call
    comma = "," if inst.kind.result == "list" and len(outputs) == 1 else ""
    return f"{', '.join(outputs)}{comma} = {call}"


def _items(values: Iterable[Any], names: dict[int, str]) -> str:
    return ", ".join(_text(value, names) for value in values)


def _text(value: Any, names: dict[int, str]) -> str:
    if id(value) in names:
        return names[id(value)]
    if isinstance(value, (BlockRV, LoopRV, Var)):
        return "_"  # an instruction by itself, whose variables have no names
    if isinstance(value, (list, tuple)):
        return f"[{_items(value, names)}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(k)}: {_text(v, names)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (IntImm, FloatImm, StringImm)):
        return repr(value.value)
    if isinstance(value, IndexMap):
        value = with_names(value, names)
    as_python = getattr(value, "as_python", None)
    return str(as_python()) if as_python is not None else repr(value)


STATEMENT.append(lambda inst: statement(inst, None, None))
