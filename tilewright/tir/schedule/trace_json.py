"""The instructions of a trace as plain data, in the layout that tuning records have.

Among the inputs, a string is the name of a random variable and text stands in quotes of its own;
other IR is its JSON text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...ir.expr import FloatImm, IntImm
from ...ir.json import load_json, save_json
from ...ir.node import Node
from ...support.errors import ArgumentError
from ..expr import StringImm
from ..index_map import IndexMap
from .instruction import Instruction, InstructionKind
from .rv import BlockRV, LoopRV
from .trace_text import name_outputs, with_names
from .tvm_json import load_tvm_json

if TYPE_CHECKING:
    from .schedule import Schedule

_NODE = '{"tilewright"'
"""How the JSON text of a node begins."""
_TVM_NODE = '"nodes"'
"""What the JSON text of a node of TVM has, after the brace with which it begins."""


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


def trace_from_json(text_or_data: Any) -> tuple[list[Any], dict[int, Any]]:
    """The rows of a trace, and the decisions by the place of their row. Raises `ArgumentError` for
    what is not a trace."""
    data = text_or_data
    if isinstance(data, (str, bytes)):
        try:
            data = json.loads(data)
        except ValueError as error:
            raise ArgumentError(f"the trace is not JSON: {error}") from None
    if not _is_list(data, 2) or not all(_is_list(part) for part in data):
        raise ArgumentError(f"a trace is [instructions, decisions], found {_shown(data)}")
    rows, decided = data
    decisions: dict[int, Any] = {}
    for pair in decided:
        if not _is_list(pair, 2) or not isinstance(pair[0], int) or not 0 <= pair[0] < len(rows):
            raise ArgumentError(
                f"a decision is [place of its instruction, decision], the place less than "
                f"{len(rows)}, found {_shown(pair)}"
            )
        decisions[pair[0]] = pair[1]
    return rows, decisions


def instruction_from_json(row: Any, known: dict[str, Any]) -> Instruction:
    """The instruction of a row, its outputs left out. Raises `ArgumentError` for a row of another
    form, of an unknown kind or of random variables that no row before it gives."""
    if not _is_list(row, 4) or not isinstance(row[0], str) or not all(map(_is_list, row[1:])):
        raise ArgumentError(f"expected [kind, inputs, attrs, outputs], found {_shown(row)}")
    name, inputs, attrs, _ = row
    kind = InstructionKind.get(name)
    _require_count(kind, inputs, attrs)
    return Instruction(
        kind, [_read_input(v, known) for v in inputs], [_read_attr(v) for v in attrs]
    )


def values_from_json(inst: Instruction, sch: Schedule) -> dict[str, Any]:
    """The arguments of an instruction that has been read, by name. Raises `ArgumentError` for one
    that the primitive does not take."""
    try:
        given = inst.values()
    except (TypeError, IndexError, KeyError, ValueError) as error:
        raise ArgumentError(f"an attribute is out of its range: {error}") from None
    values: dict[str, Any] = {}
    for param in inst.kind.params:
        value = given[param.name]
        if isinstance(value, tuple) and not value and param.is_optional and not param.is_list:
            value = None
        values[param.name] = param.accept(sch, value, values)
    return values


def _require_count(kind: InstructionKind, inputs: list[Any], attrs: list[Any]) -> None:
    counts = {True: 0, False: 0}
    many = False
    for p in kind.params:
        if p.is_variadic or p.name == kind.spread:
            many = True
        else:
            counts[kind.is_traced_input(p)] += p.role.width
    if len(inputs) < counts[True] or (len(inputs) > counts[True] and not many):
        least = "at least " * many
        raise ArgumentError(f"expected {least}{counts[True]} inputs, found {len(inputs)}")
    if len(attrs) != counts[False]:
        raise ArgumentError(f"expected {counts[False]} attributes, found {len(attrs)}")


def _is_list(value: Any, length: int | None = None) -> bool:
    return isinstance(value, (list, tuple)) and (length is None or len(value) == length)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _input(value: Any, names: dict[int, str]) -> Any:
    if id(value) in names:
        return names[id(value)]
    if isinstance(value, (BlockRV, LoopRV)):
        raise ArgumentError("the trace uses a random variable that it does not define")
    if isinstance(value, (list, tuple)):
        return [_input(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _entry(item, names) for key, item in value.items()}
    if isinstance(value, IndexMap):
        return save_json(with_names(value, names))
    if isinstance(value, (str, StringImm)):
        return json.dumps(value if isinstance(value, str) else value.value)
    return _plain(value)


def _entry(value: Any, names: dict[int, str]) -> Any:
    """What stands in a dictionary: text as it is, random variables marked."""
    if id(value) in names:
        return {"rv": names[id(value)]}
    if isinstance(value, (list, tuple)):
        return [_entry(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _entry(item, names) for key, item in value.items()}
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
        try:
            return json.loads(value)
        except ValueError:
            raise ArgumentError(f"the text {value} does not end with a quotation mark") from None
    node = _read_node(value)
    if isinstance(node, IndexMap):
        free = [v for v in node.free_variables if v.name in known]
        return node.with_values({v: known[v.name] for v in free})
    if node is not None:
        return node
    raise ArgumentError(f"the trace uses {value!r} as an input, which no instruction before gives")


def _read_entry(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return tuple(_read_entry(item, known) for item in value)
    if not isinstance(value, dict):
        return value
    if list(value) == ["rv"] and value["rv"] in known:
        return known[value["rv"]]
    return {key: _read_entry(item, known) for key, item in value.items()}


def _read_attr(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read_attr(item) for item in value)
    node = _read_node(value) if isinstance(value, str) else None
    return value if node is None else node


def _read_node(text: str) -> Any:
    """The node whose JSON, ours or TVM's, the text is; None if it is other text."""
    if text.startswith(_NODE):
        return load_json(text)
    return load_tvm_json(text) if text.startswith("{") and _TVM_NODE in text else None
