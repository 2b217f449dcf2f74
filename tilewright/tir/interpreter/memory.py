"""What programs address when interpreted: bytes, and places in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError

Array = np.ndarray[Any, Any]


class Memory:
    """Bytes, seen as elements of one type or another."""

    def __init__(self, data: Array) -> None:
        self.bytes = data.reshape(-1).view(np.uint8) if data.size else np.empty(0, np.uint8)
        self._views: dict[str, Array] = {}

    def view(self, dtype: str) -> Array:
        """All of it as elements of `dtype`."""
        known = self._views.get(dtype)
        if known is None:
            size = dtype_of(dtype).numpy.itemsize
            whole = self.bytes[: len(self.bytes) // size * size]
            known = self._views[dtype] = whole.view(dtype_of(dtype).numpy)
        return known


class Pointer:
    """An address: a memory and how many bytes after its beginning."""

    __slots__ = ("memory", "offset")

    def __init__(self, memory: Memory, offset: int = 0) -> None:
        self.memory, self.offset = memory, offset


def new_memory(count: int, dtype: str) -> Array:
    """New memory that nobody should read before writing."""
    info = dtype_of(dtype)
    kind = dtype_of(info.element).numpy
    made = np.empty(count * info.lanes, kind)
    made.view(np.uint8)[:] = 0xA5
    return made


def pointer_to(array: Array | Pointer, name: str) -> Pointer:
    """The address of an argument. Raises `ArgumentError` for an array with gaps."""
    if isinstance(array, Pointer):
        return array
    if not array.flags.c_contiguous:
        raise ArgumentError(f"`{name}` must be a compact row-major array")
    return Pointer(Memory(array))
