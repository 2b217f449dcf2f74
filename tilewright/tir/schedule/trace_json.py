"""The instructions of a trace as plain data, in the layout that tuning records have.

Among the inputs, a string is the name of a random variable and text stands in quotes of its own;
other IR is its JSON text.
"""

from __future__ import annotations

import json
from typing import Any

from ...ir.expr import FloatImm, IntImm
from ...ir.json import load_json, save_json
from ...ir.node import Node
from ...support.errors import ArgumentError
from ..expr import StringImm
from .instruction import Instruction, InstructionKind
from .rv import BlockRV, LoopRV
from .trace_text import name_outputs

_NODE = '{"tilewright"'
"""How the JSON text of a node begins."""


def instruction_to_json(inst: Instruction, names: dict[int, str]) -> list[Any]:
    """`[kind, inputs, attrs, outputs]`; the outputs get names."""
    inputs = [_input(value, names) for value in inst.inputs]
    if inst.kind.spread:
        inputs = ["None" if value is None else value for value in inputs]
    inputs = [[] if value is None else value for value in inputs]
    attrs = [_attr(value, inst.kind) for value in inst.attrs]
    return [inst.kind.name, inputs, attrs, name_outputs(inst.outputs, names)]


def decision_to_json(decision: Any) -> Any:
    """A decision as numbers and lists of numbers."""
    if isinstance(decision, (list, tuple)):
        return [decision_to_json(item) for item in decision]
    return decision.value if isinstance(decision, IntImm) else decision


def instruction_from_json(row: list[Any], known: dict[str, Any]) -> Instruction:
    """The instruction of a row, its outputs left out. Raises `ArgumentError` for a row of an
    unknown kind or of random variables that no row before it gives."""
    name, inputs, attrs, _ = row
    kind = InstructionKind.get(name)
    return Instruction(
        kind, [_read_input(v, known) for v in inputs], [_read_attr(v) for v in attrs]
    )


def _input(value: Any, names: dict[int, str]) -> Any:
    if id(value) in names:
        return names[id(value)]
    if isinstance(value, (BlockRV, LoopRV)):
        raise ArgumentError("the trace uses a random variable that it does not define")
    if isinstance(value, (list, tuple)):
        return [_input(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _entry(item, names) for key, item in value.items()}
    if isinstance(value, (str, StringImm)):
        return json.dumps(value if isinstance(value, str) else value.value)
    return _plain(value)


def _entry(value: Any, names: dict[int, str]) -> Any:
    """What stands in a dictionary: text as it is, random variables marked."""
    if id(value) in names:
        return {"rv": names[id(value)]}
    if isinstance(value, (list, tuple)):
        return [_entry(item, names) for item in value]
    return value if isinstance(value, str) else _plain(value)


def _attr(value: Any, kind: InstructionKind) -> Any:
    if isinstance(value, (list, tuple)):
        return [_attr(item, kind) for item in value]
    if isinstance(value, bool) and kind.method != "split":
        return int(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (IntImm, FloatImm)):
        return value.value
    return save_json(value) if isinstance(value, Node) else value


def _read_input(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return tuple(_read_input(item, known) for item in value)
    if isinstance(value, dict):
        return {key: _read_entry(item, known) for key, item in value.items()}
    if not isinstance(value, str) or value in known:
        return known.get(value, value) if isinstance(value, str) else value
    if value == "None":
        return None
    if value.startswith('"'):
        return json.loads(value)
    if value.startswith(_NODE):
        return load_json(value)
    raise ArgumentError(f"the trace uses {value!r} as an input, which no instruction before gives")


def _read_entry(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return tuple(_read_entry(item, known) for item in value)
    return known[value["rv"]] if isinstance(value, dict) else value


def _read_attr(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read_attr(item) for item in value)
    return load_json(value) if isinstance(value, str) and value.startswith(_NODE) else value
