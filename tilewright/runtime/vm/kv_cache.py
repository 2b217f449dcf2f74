"""Growing caches of attention keys and values, as `relax.frontend.nn.KVCache` uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewright.ffi import core
from tilewright.support.errors import ArgumentError

from ..ndarray import Tensor, empty
from .builtins import builtin

_PREFIX = "vm.builtin.attention_kv_cache"


class KVCache:
    """Rows of equal shape, appended along the first dimension; memory doubles when it is full."""

    def __init__(self, capacity: Sequence[int], dtype: str) -> None:
        self.data: Tensor = empty(tuple(capacity), dtype)
        self.count = 0
        self.position = 0  # the row that `window_override` writes next

    def __tvm_ffi_object__(self) -> Any:
        return core._convert_to_opaque_object(self)

    def _rows(self, value: Tensor) -> np.ndarray[Any, Any]:
        expected = self.data.shape[1:]
        if value.dtype != self.data.dtype or value.shape[1:] != expected or value.ndim == 0:
            raise ArgumentError(
                f"KV cache: expected {self.data.dtype} rows of shape {expected}, "
                f"found {value.dtype} of shape {value.shape}"
            )
        return value.view_numpy()

    def _reserve(self, rows: int) -> None:
        capacity = self.data.shape[0]
        if rows <= capacity:
            return
        while capacity < rows:
            capacity = max(1, 2 * capacity)
        larger = empty((capacity, *self.data.shape[1:]), str(self.data.dtype))
        larger.view_numpy()[: self.count] = self.data.view_numpy()[: self.count]
        self.data = larger

    def append(self, value: Tensor) -> None:
        """Adds the rows of `value`."""
        rows = self._rows(value)
        self._reserve(self.count + len(rows))
        self.data.view_numpy()[self.count : self.count + len(rows)] = rows
        self.count += len(rows)

    def override(self, value: Tensor, window: int, sinks: int) -> None:
        """Adds rows while there are fewer than `window`; then each new row replaces the oldest,
        the first `sinks` rows excepted."""
        rows = self._rows(value)
        if not 0 <= sinks < window:
            raise ArgumentError(f"KV cache: {sinks} sinks do not fit into a window of {window}")
        self._reserve(min(window, self.count + len(rows)))
        data = self.data.view_numpy()
        for row in rows:
            if self.count < window:
                data[self.count] = row
                self.count += 1
                self.position = self.count
                continue
            if self.position >= window:
                self.position = sinks
            data[self.position] = row
            self.position += 1

    def view(self, shape: Sequence[int]) -> Tensor:
        """The rows filled so far, without a copy; `shape` must be theirs."""
        found = (self.count, *self.data.shape[1:])
        if tuple(shape) != found:
            raise ArgumentError(f"KV cache: a view of shape {tuple(shape)}, it holds {found}")
        return self.data._create_view(found)


def _cache(value: Any) -> KVCache:
    if not isinstance(value, KVCache):
        raise ArgumentError(f"expected a KV cache, found {type(value).__name__}")
    return value


@builtin(f"{_PREFIX}_create")
def create(init_data: Tensor, reserve_shape: Sequence[int], init_fill_count: int) -> KVCache:
    """A cache with room for `reserve_shape`, holding `init_fill_count` rows of `init_data`
    (all of them if it is negative)."""
    cache = KVCache([int(d) for d in reserve_shape], str(init_data.dtype))
    if init_data.shape[0]:
        cache.append(init_data)
    if init_fill_count >= 0:
        cache.count = min(int(init_fill_count), cache.count)
    return cache


@builtin(f"{_PREFIX}_append")
def append(cache: KVCache, value: Tensor) -> KVCache:
    """The cache with the rows of `value` added."""
    _cache(cache).append(value)
    return cache


@builtin(f"{_PREFIX}_update")
def update(cache: KVCache, value: Tensor) -> KVCache:
    """The cache with the rows of `value` in place of its own."""
    _cache(cache).count = 0
    return append(cache, value)


@builtin(f"{_PREFIX}_view")
def view(cache: KVCache, shape: Sequence[int] | None = None) -> Tensor:
    """The rows of the cache, without a copy."""
    held = _cache(cache)
    return held.view((held.count, *held.data.shape[1:]) if shape is None else shape)


@builtin(f"{_PREFIX}_window_override")
def window_override(cache: KVCache, value: Tensor, max_cache_size: int) -> KVCache:
    """The cache with the rows of `value` replacing the oldest beyond `max_cache_size`."""
    _cache(cache).override(value, int(max_cache_size), 0)
    return cache


@builtin(f"{_PREFIX}_window_override_with_sinks")
def window_override_with_sinks(
    cache: KVCache, value: Tensor, max_cache_size: int, num_attention_sinks: int
) -> KVCache:
    """As `window_override`, but the first rows stay."""
    _cache(cache).override(value, int(max_cache_size), int(num_attention_sinks))
    return cache


@builtin(f"{_PREFIX}_array_clear")
def array_clear(caches: Sequence[KVCache]) -> None:
    """Empties all the caches."""
    for cache in caches:
        held = _cache(cache)
        held.count = held.position = 0


@builtin(f"{_PREFIX}_array_popn")
def array_popn(caches: Sequence[KVCache], n: int) -> None:
    """Removes the last `n` rows of all the caches."""
    for cache in caches:
        held = _cache(cache)
        if not 0 <= n <= held.count:
            raise ArgumentError(f"KV cache: cannot remove {n} of {held.count} rows")
        held.count -= int(n)
