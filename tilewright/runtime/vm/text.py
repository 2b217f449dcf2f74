"""Tensors of strings and the packed functions that work on them.

A tensor of strings is a tuple: its shape, then its elements in row-major order. Functions take
their options as a JSON object first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tilewright.ffi import Shape

from ..ndarray import Tensor, tensor
from .builtins import builtin

Array: TypeAlias = Any
F = TypeVar("F", bound=Callable[..., Any])


def encode(array: Array) -> tuple[Any, ...]:
    """An array of strings as a value of the virtual machine."""
    flat = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array.flat]
    return (Shape([int(d) for d in array.shape]), *flat)


def decode(value: Sequence[Any]) -> Array:
    """The array of strings (of dtype object) that a value stands for."""
    out = np.empty(len(value) - 1, object)
    out[:] = [str(v) for v in list(value)[1:]]
    return out.reshape(tuple(int(d) for d in value[0]))


def is_text(value: Any) -> bool:
    """Whether a value is a tensor of strings."""
    if isinstance(value, (Tensor, str, Shape)) or not hasattr(value, "__len__") or not len(value):
        return False
    return isinstance(value[0], Shape)


def _host(value: Any) -> Any:
    return decode(value) if is_text(value) else value.numpy()


def _device(array: Any) -> Any:
    made = np.asarray(array)
    if made.dtype.kind in "OUS":
        return encode(made)
    return tensor(np.ascontiguousarray(made).reshape(made.shape))


def text_function(name: str) -> Callable[[F], F]:
    """Registers a function of options and NumPy arrays as the packed function `vm.text.<name>`."""

    def declare(function: F) -> F:
        def call(options: str, *args: Any) -> Any:
            made = function(json.loads(options), *[_host(a) for a in args])
            return tuple(map(_device, made)) if isinstance(made, tuple) else _device(made)

        builtin(f"vm.text.{name}")(call)
        return function

    return declare


def _objects(items: Sequence[str], shape: Sequence[int]) -> Array:
    out = np.empty(len(items), object)
    out[:] = items
    return out.reshape(tuple(shape))


@text_function("concat")
def concat(options: dict[str, Any], a: Array, b: Array) -> Array:
    """The strings of both joined, with broadcasting."""
    x, y = np.broadcast_arrays(a, b)
    return _objects([p + q for p, q in zip(x.flat, y.flat, strict=True)], x.shape)


@text_function("equal")
def equal(options: dict[str, Any], a: Array, b: Array) -> Array:
    """Whether the strings are the same, with broadcasting."""
    x, y = np.broadcast_arrays(a, b)
    return np.array([p == q for p, q in zip(x.flat, y.flat, strict=True)], bool).reshape(x.shape)


@text_function("split")
def split(options: dict[str, Any], x: Array) -> tuple[Array, Array]:
    """The parts between delimiters, filled up with empty strings, and their numbers."""
    delimiter = options.get("delimiter") or None
    limit = options.get("maxsplit", -1)
    parts = [str(s).split(delimiter, limit) if s else [] for s in x.flat]
    width = max((len(p) for p in parts), default=0)
    flat = [item for p in parts for item in [*p, *[""] * (width - len(p))]]
    counts = np.array([len(p) for p in parts], "int64").reshape(x.shape)
    return _objects(flat, (*x.shape, width)), counts


@text_function("regex")
def regex(options: dict[str, Any], x: Array) -> Array:
    """Whether the whole string matches the pattern."""
    pattern = re.compile(options["pattern"])
    return np.array([pattern.fullmatch(s) is not None for s in x.flat], bool).reshape(x.shape)


_CASES: dict[str, Callable[[str], str]] = {"LOWER": str.lower, "UPPER": str.upper, "NONE": str}


@text_function("normalize")
def normalize(options: dict[str, Any], x: Array) -> Array:
    """Without stop words, in another case; a string stays empty if nothing is left."""
    change = _CASES[options["case"]]
    sensitive = bool(options["sensitive"])
    fold: Callable[[str], str] = str if sensitive else str.lower
    stops = {fold(word) for word in options["stopwords"]}
    kept = [change(s) for s in x.flat if fold(s) not in stops] or [""]
    return _objects(kept, (1, len(kept)) if x.ndim == 2 else (len(kept),))


@text_function("encode_labels")
def encode_labels(options: dict[str, Any], x: Array) -> Array:
    """Each element replaced by the value of its key, or by a default."""
    keys, values, default = options["keys"], options["values"], options["default"]
    table = {_key(k): v for k, v in zip(keys, values, strict=True)}
    items = [table.get(_key(item), default) for item in x.reshape(-1).tolist()]
    if options["dtype"] == "string":
        return _objects(items, x.shape)
    return np.array(items, options["dtype"]).reshape(x.shape)


def _key(value: Any) -> Any:
    return "nan" if isinstance(value, float) and np.isnan(value) else value


@text_function("ngrams")
def ngrams(options: dict[str, Any], x: Array) -> Array:
    """Counts (or weights) of the word sequences of a pool, per row."""
    rows = x.reshape(1, -1) if x.ndim < 2 else x
    counts, bounds = options["counts"], [*options["starts"], len(options["pool"])]
    table: dict[tuple[Any, ...], int] = {}
    for size, (begin, end) in enumerate(pairwise(bounds), 1):
        for start in range(begin, end, size):
            table[tuple(options["pool"][start : start + size])] = counts[len(table)]
    out = np.zeros((len(rows), max(counts) + 1), "float32")
    for row, items in zip(out, rows.tolist(), strict=True):
        for place in _found(items, options, table):
            row[place] += 1
    weights = np.array(options["weights"] or np.ones(out.shape[1]), "float32")
    mode = options["mode"]
    if mode != "TF":
        out = (out > 0) * (weights if mode == "IDF" else out * weights)
    return out.reshape(-1) if x.ndim < 2 else out


def _found(items: list[Any], options: dict[str, Any], table: dict[tuple[Any, ...], int]) -> Any:
    """Where the sequences of one row count: all sizes and skips asked for."""
    for size in range(options["least"], options["most"] + 1):
        for skip in range(1, (options["skip"] + 1 if size > 1 else 1) + 1):
            for start in range(len(items) - (size - 1) * skip):
                place = table.get(tuple(items[start : start + size * skip : skip]))
                if place is not None:
                    yield place


@text_function("cast")
def cast(options: dict[str, Any], x: Array) -> Array:
    """Strings as numbers, numbers as strings."""
    if options["dtype"] == "string":
        return _objects([_shown(v) for v in x.reshape(-1)], x.shape)
    numbers = [float(s) for s in x.flat]
    return np.array(numbers, "float64").reshape(x.shape).astype(options["dtype"])


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else str(np.asarray(value).item())


@text_function("reshape")
def reshape(options: dict[str, Any], x: Array) -> Array:
    """Another shape."""
    return x.reshape(options["shape"])
