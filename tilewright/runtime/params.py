"""Parameters in bytes and files: a dictionary of named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tilewright.support.errors import ArgumentError

from . import tensor_file
from .ndarray import Tensor


def _content(params: Mapping[str, Any]) -> dict[str, Any]:
    names = list(params)
    if not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"parameter names are strings, found {names!r:.120}")
    return {"kind": "params", "names": names}


def _params(content: Any, tensors: list[Tensor], name: str) -> dict[str, Tensor]:
    if not isinstance(content, dict) or content.get("kind") != "params":
        raise ArgumentError(f"{name} holds no parameters")
    names = content.get("names")
    if not isinstance(names, list) or len(names) != len(tensors):
        raise ArgumentError(f"{name} is damaged: {len(tensors)} tensors, names {names!r:.120}")
    return dict(zip(names, tensors, strict=True))


def save_param_dict(params: Mapping[str, Any]) -> bytes:
    """The named tensors (or arrays) as bytes."""
    return tensor_file.to_bytes(_content(params), list(params.values()))


def load_param_dict(param_bytes: bytes | bytearray) -> dict[str, Tensor]:
    """The named tensors that `save_param_dict` wrote. Raises `ArgumentError` on other data."""
    return _params(*tensor_file.from_bytes(param_bytes, "the data"), "the data")


def save_param_dict_to_file(params: Mapping[str, Any], path: str | Path) -> None:
    """Writes the named tensors (or arrays) to a file."""
    tensor_file.to_file(path, _content(params), list(params.values()))


def load_param_dict_from_file(path: str | Path) -> dict[str, Tensor]:
    """The named tensors in a file. Raises `ArgumentError` on other files."""
    return _params(*tensor_file.from_file(path), str(path))
