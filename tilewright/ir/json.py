"""Saving nodes as JSON and reading them back, derived from their declarations.

The text is a list of nodes, children before parents, so that shared nodes stay shared and depth
does not matter. Plain data is written as it is, or as a one-key object that names its kind.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ffi.container import MAPPINGS, SEQUENCES
from ..support.dtypes import dtype_name, dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..support.span import Span
from .functor import deep_recursion
from .node import NODE_TYPES, Node
from .op import Op
from .structural import array_digest

VERSION = 1
LEAF_SAVE: dict[type, tuple[str, Callable[[Any], Any]]] = {}
LEAF_LOAD: dict[str, Callable[[Any], Any]] = {}


def register_leaf(
    kind: type, tag: str, save: Callable[[Any], Any], load: Callable[[Any], Any]
) -> None:
    """Tells JSON how to keep plain values of type `kind`, as data under `tag`."""
    LEAF_SAVE[kind] = (tag, save)
    LEAF_LOAD[tag] = load


def save_json(value: object) -> str:
    """`value`, a node or a container of nodes, as JSON text."""
    with deep_recursion():
        writer = _Writer()
        root = writer.save(value)
    return json.dumps({"tilewright": VERSION, "root": root, "nodes": writer.nodes})


def load_json(text: str) -> Any:
    """What `save_json` saved. Raises `ArgumentError` if the text is not such JSON."""
    if not isinstance(text, (str, bytes)):
        raise ArgumentTypeError(f"load_json reads a text, found {type(text).__name__}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"the text is no JSON: {error}") from None
    keys = ("tilewright", "root", "nodes")
    missing = [key for key in keys if key not in data] if isinstance(data, dict) else keys
    if missing:
        raise _refusal(f"the JSON lacks {', '.join(repr(key) for key in missing)}")
    if data["tilewright"] != VERSION:
        raise ArgumentError(f"JSON of format {data['tilewright']}, expected {VERSION}")
    try:
        return _Reader(data["nodes"]).load(data["root"])
    except ArgumentError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise _refusal(f"its nodes do not fit together: {error!r}") from error


def _refusal(reason: str) -> ArgumentError:
    hint = "give what save_json returned, whole and unchanged"
    return ArgumentError("not a program saved by save_json", note=reason, hint=hint)


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.index: dict[int, int] = {}

    def save(self, value: Any) -> Any:
        if isinstance(value, Op):
            return {"op": value.name}
        if isinstance(value, Node):
            return {"node": self._node(value)}
        if isinstance(value, SEQUENCES):
            return [self.save(item) for item in value]
        if isinstance(value, MAPPINGS):
            return {"dict": [[self.save(k), self.save(v)] for k, v in value.items()]}
        if isinstance(value, Span):
            return {"span": [getattr(value, name) for name in Span.__slots__]}
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return {"float": value.hex()}
        if type(value) in LEAF_SAVE:
            tag, save = LEAF_SAVE[type(value)]
            return {tag: save(value)}
        raise ArgumentError(f"cannot save a {type(value).__name__} as JSON")

    def _node(self, value: Node) -> int:
        known = self.index.get(id(value))
        if known is not None:
            return known
        names = [info.name for info in type(value).fields]
        saved = [self.save(getattr(value, name)) for name in names]
        span = self.save(value.span)
        self.index[id(value)] = len(self.nodes)
        self.nodes.append([type(value).type_key, saved, span])
        return self.index[id(value)]


def fingerprint(value: object) -> str | None:
    """A digest of all that `save_json` would write, names and spans included; None if it holds
    something that cannot be saved. Large arrays are hashed once, on all processors."""
    try:
        with deep_recursion():
            writer = _Describer()
            root = writer.save(value)
    except ArgumentError:
        return None
    text = json.dumps([root, writer.nodes])
    return hashlib.sha256(text.encode()).hexdigest()


class _Describer(_Writer):
    """Writes arrays as digests."""

    def save(self, value: Any) -> Any:
        if type(value) is np.ndarray:
            return {"digest": [dtype_name(value.dtype), value.shape, array_digest(value).hex()]}
        return super().save(value)


class _Reader:
    def __init__(self, nodes: list[Any]) -> None:
        self.made: list[Node] = []
        for key, saved, span in nodes:
            self.made.append(self._node(key, saved, span))

    def _node(self, key: str, saved: list[Any], span: Any) -> Node:
        cls = NODE_TYPES.get(key)
        if cls is None:
            raise ArgumentError(f"unknown node type {key!r} in JSON")
        values = [self.load(item) for item in saved]
        positional = [v for v, f in zip(values, cls.fields, strict=True) if not f.is_keyword]
        keyword = {f.name: v for v, f in zip(values, cls.fields, strict=True) if f.is_keyword}
        return cls(*positional, span=self.load(span), **keyword)

    def load(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self.load(item) for item in value)
        if not isinstance(value, dict):
            return value
        ((tag, inner),) = value.items()
        return _LOADERS[tag](self, inner) if tag in _LOADERS else LEAF_LOAD[tag](inner)


_LOADERS: dict[str, Callable[[_Reader, Any], Any]] = {
    "node": lambda reader, index: reader.made[index],
    "op": lambda reader, name: Op.get(name),
    "dict": lambda reader, rows: {reader.load(k): reader.load(v) for k, v in rows},
    "span": lambda reader, parts: Span(*parts),
    "float": lambda reader, text: float.fromhex(text),
}


def save_array(array: np.ndarray[Any, Any]) -> Any:
    """An array as JSON data: dtype, shape, base64 of its bytes."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [dtype_name(array.dtype), list(array.shape), data]


def load_array(saved: Any) -> np.ndarray[Any, Any]:
    """The array, read-only, that `save_array` saved."""
    dtype, shape, data = saved
    flat: np.ndarray[Any, Any] = np.frombuffer(base64.b64decode(data), dtype_of(dtype).numpy)
    shaped: np.ndarray[Any, Any] = flat.reshape(shape)
    return shaped


register_leaf(np.ndarray, "array", save_array, load_array)
register_leaf(bytes, "bytes", lambda b: base64.b64encode(b).decode(), base64.b64decode)
