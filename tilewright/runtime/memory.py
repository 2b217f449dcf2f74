"""Host memory: 64-byte aligned blocks that return to a cache when nothing refers to them.

Reusing a block avoids the page faults that fresh memory costs (about 0.25 us a KiB). A block goes
back when the last array, tensor or DLPack consumer over it is gone, whoever that is.
"""

from __future__ import annotations

import os
import threading
from math import prod
from operator import index
from typing import Any

import numpy as np

from tilewright.support.dtypes import DType
from tilewright.support.errors import ArgumentError
from tilewright.support.knobs import Knob

ALIGNMENT = 64
CACHE_BYTES = Knob("TENSOR_CACHE", 256 << 20, "bytes of freed tensors' memory to keep for reuse")
_LARGEST = 1 << 62


class _Block:
    """A piece of memory: `address` is aligned, `memory` keeps it alive."""

    __slots__ = ("address", "capacity", "memory")

    def __init__(self, capacity: int) -> None:
        self.memory = np.empty(capacity + ALIGNMENT, np.uint8)
        start: int = self.memory.__array_interface__["data"][0]
        self.address = start + -start % ALIGNMENT
        self.capacity = capacity


class _Lease:
    """The owner of a block while arrays over it live; NumPy arrays are made from it."""

    __slots__ = ("__array_interface__", "_block", "_cache")

    def __init__(self, block: _Block, cache: BlockCache | None, interface: dict[str, Any]) -> None:
        self._block = block
        self._cache = cache
        self.__array_interface__ = interface

    def __del__(self) -> None:
        if self._cache is not None:
            self._cache.give_back(self._block)


class BlockCache:
    """Free blocks by size, at most `limit` bytes of them: those that came back last. Safe to use
    from many threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._free: dict[int, list[_Block]] = {}
        self._ages: dict[_Block, None] = {}  # the free blocks, the oldest first
        self._lock = threading.RLock()  # a collection inside the lock may give a block back

    def take(self, nbytes: int) -> _Block:
        """A block of at least `nbytes`."""
        capacity = size_class(nbytes)
        with self._lock:
            free = self._free.get(capacity)
            if free:
                self.held -= capacity
                block = free.pop()
                del self._ages[block]
                return block
        return _Block(capacity)

    def give_back(self, block: _Block) -> None:
        """Keeps `block` for reuse; others that nobody asked for since make room."""
        if block.capacity > self.limit:
            return
        with self._lock:
            self.held += block.capacity
            self._free.setdefault(block.capacity, []).append(block)
            self._ages[block] = None
            while self.held > self.limit:
                oldest = next(iter(self._ages))
                del self._ages[oldest]
                self._free[oldest.capacity].remove(oldest)
                self.held -= oldest.capacity

    def clear(self) -> None:
        """Frees every block that is not in use."""
        with self._lock:
            self._free.clear()
            self._ages.clear()
            self.held = 0

    def _after_fork(self) -> None:
        self._lock = threading.RLock()


def size_class(nbytes: int) -> int:
    """`nbytes` rounded up by at most an eighth, and to a multiple of 64."""
    step = 1 << max(6, nbytes.bit_length() - 4)
    return max(ALIGNMENT, -(-nbytes // step) * step)


CACHE = BlockCache(CACHE_BYTES.get())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CACHE._after_fork)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of Python integers. Raises `ArgumentError` if it is no shape."""
    if type(shape) is tuple:
        for dim in shape:
            if type(dim) is not int or not 0 <= dim <= _LARGEST:
                break
        else:
            return shape
    try:
        dims = (index(shape),) if hasattr(shape, "__index__") else tuple(map(index, shape))
    except TypeError:
        raise ArgumentError(f"expected a shape (a tuple of integers), found {shape!r}") from None
    if any(d < 0 for d in dims):
        raise ArgumentError(f"a shape has no negative dimensions, found {dims}")
    if any(d > _LARGEST for d in dims):
        raise ArgumentError(f"a shape's dimensions fit into 62 bits, found {dims}")
    return dims


def allocate_array(shape: tuple[int, ...], dtype: DType, pooled: bool = True) -> np.ndarray:
    """An uninitialized, aligned, C-contiguous array.

    Types that NumPy lacks appear as unsigned integers, the lanes of a vector type as a dimension.
    """
    itemsize = dtype.bytes
    nbytes = prod(shape) * itemsize
    if nbytes > _LARGEST:
        raise ArgumentError(f"a tensor of shape {shape} and dtype {dtype.name} is too large")
    block = CACHE.take(nbytes) if pooled else _Block(size_class(nbytes))
    interface = {
        "version": 3,
        "data": (block.address, False),
        "shape": shape if dtype.lanes == 1 else (*shape, dtype.lanes),
        "typestr": typestr(dtype),
    }
    return np.asarray(_Lease(block, CACHE if pooled else None, interface))


_CODES = {"int": "i", "uint": "u", "float": "f", "bool": "b"}
_TYPESTRS: dict[str, str] = {}


def typestr(dtype: DType) -> str:
    """The array-interface name of one lane; `<u2` and the like for types that NumPy lacks."""
    found = _TYPESTRS.get(dtype.name)
    if found is None:
        code = _CODES.get(dtype.code, "u")
        size = max(1, dtype.bits // 8)
        found = _TYPESTRS[dtype.name] = f"|{code}1" if size == 1 else f"<{code}{size}"
    return found
