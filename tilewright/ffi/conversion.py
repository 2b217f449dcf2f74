"""Python's values as values of the ABI."""

from __future__ import annotations

from typing import Any

from ._load import core, tvm_ffi


def convert(value: Any) -> Any:
    """`value` as the ABI has it: an `Array` of a list, a `Map` of a dict, a `Function` of what is
    callable. What it knows no form of, such as a node of a program, stays itself, and so does a
    dict with such keys (a `Map` would not find them)."""
    if isinstance(value, dict) and any(_stays(key) for key in value):
        return dict(value)
    return value if _stays(value) else tvm_ffi.convert(value)


def _stays(value: Any) -> bool:
    if isinstance(value, (bool, int, float, str, bytes, tuple, list, dict, type(None))):
        return False
    return isinstance(tvm_ffi.convert(value), core.OpaquePyObject)
