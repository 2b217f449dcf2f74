"""Index maps and expressions in the JSON of TVM's `save_json`, as tuning records hold them.

A list of nodes, each a `type_key` with `attrs`, in which other nodes are named by their place:

    {"root": 1, "nodes": [{"type_key": ""},
                          {"type_key": "tir.IndexMap", "attrs": {"final_indices": "9", ...}}, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...ir.expr import FloatImm, IntImm
from ...ir.functor import deep_recursion
from ...ir.op import Op
from ...support.errors import ArgumentError
from .. import expr as E
from ..index_map import IndexMap


def load_tvm_json(text: str) -> Any:
    """The node that the text describes. Raises `ArgumentError` if it is not such JSON, or has a
    kind of node that neither an index map nor an expression holds."""
    try:
        with deep_recursion():
            data = json.loads(text)
            return _Reader(data["nodes"]).at(data["root"])
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"not a program saved by save_json: {error!r}") from error


class _Reader:
    def __init__(self, nodes: list[Any]) -> None:
        self.nodes = nodes
        self.made: dict[int, Any] = {}
        self.begun: set[int] = set()

    def at(self, place: Any) -> Any:
        """The node at a place, made once."""
        k = int(place)
        if k not in self.made:
            if k in self.begun:
                raise ArgumentError(f"node {k} of the JSON is part of itself")
            self.begun.add(k)
            self.made[k] = self._make(self.nodes[k])
        return self.made[k]

    def _make(self, saved: dict[str, Any]) -> Any:
        key = saved["type_key"]
        layer, _, name = key.rpartition(".")
        if name in _LEAVES:
            return _LEAVES[name](self, saved)
        if name not in _ATTRS or layer not in _LAYERS:
            raise ArgumentError(f"the JSON holds a {key or 'null'}, which no index map does")
        return _ATTRS[name](self, saved["attrs"])


_LAYERS = ("tir", "ir", "")
"""Where the keys of expressions come from; those of before 0.18 have none for some."""

Maker = Callable[[_Reader, dict[str, Any]], Any]

_LEAVES: dict[str, Maker] = {
    "": lambda reader, saved: None,
    "Array": lambda reader, saved: tuple(reader.at(k) for k in saved.get("data", ())),
    "String": lambda reader, saved: saved["repr_str"],
    "Op": lambda reader, saved: Op.get(saved["repr_str"]),
}
"""What has no attributes, by the last part of its key."""


def _binary(kind: type[Any]) -> Maker:
    return lambda reader, attrs: kind(reader.at(attrs["a"]), reader.at(attrs["b"]))


def _map(reader: _Reader, attrs: dict[str, Any]) -> IndexMap:
    back = attrs.get("inverse_index_map", "null")
    return IndexMap(
        reader.at(attrs["initial_indices"]),
        reader.at(attrs["final_indices"]),
        None if back == "null" else reader.at(back),
    )


_ATTRS: dict[str, Maker] = {
    **{
        kind.__name__: _binary(kind)
        for kind in (
            E.Add, E.Sub, E.Mul, E.Div, E.Mod, E.FloorDiv, E.FloorMod, E.Min, E.Max,
            E.EQ, E.NE, E.LT, E.LE, E.GT, E.GE, E.And, E.Or,
        )
    },
    "IndexMap": _map,
    "Var": lambda reader, attrs: E.Var(reader.at(attrs["name"]), attrs["dtype"]),
    "SizeVar": lambda reader, attrs: E.SizeVar(reader.at(attrs["name"]), attrs["dtype"]),
    "IntImm": lambda reader, attrs: IntImm(attrs["dtype"], int(attrs["value"])),
    "FloatImm": lambda reader, attrs: FloatImm(attrs["dtype"], float(attrs["value"])),
    "StringImm": lambda reader, attrs: E.StringImm(reader.at(attrs["value"])),
    "Cast": lambda reader, attrs: E.Cast(attrs["dtype"], reader.at(attrs["value"])),
    "Not": lambda reader, attrs: E.Not(reader.at(attrs["a"])),
    "Select": lambda reader, attrs: E.Select(
        reader.at(attrs["condition"]),
        reader.at(attrs["true_value"]),
        reader.at(attrs["false_value"]),
    ),
    "Call": lambda reader, attrs: E.Call(
        attrs["dtype"], reader.at(attrs["op"]), reader.at(attrs["args"])
    ),
}  # fmt: skip
"""What is made of its attributes, by the last part of its key."""
