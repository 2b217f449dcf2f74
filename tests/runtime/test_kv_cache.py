"""Attention caches: growth, views, windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilewright.ffi import Shape, get_global_func
from tilewright.runtime import tensor
from tilewright.runtime.vm import KVCache
from tilewright.support.errors import ArgumentError


def call(name: str, *args: Any) -> Any:
    return get_global_func(f"vm.builtin.attention_kv_cache_{name}")(*args)


def rows(*values: float) -> Any:
    return tensor(np.array([[v, v] for v in values], "float32"))


def held(cache: Any) -> list[float]:
    return [row[0] for row in call("view", cache).numpy().tolist()]


@pytest.fixture
def cache() -> Any:
    return call("create", np.zeros((2, 2), "float32"), Shape((2, 2)), 0)


def test_it_grows(cache: Any) -> None:
    assert isinstance(cache, KVCache) and held(cache) == []
    for value in range(5):
        assert call("append", cache, rows(value)) is cache
    assert held(cache) == [0, 1, 2, 3, 4]
    assert call("view", cache, Shape((5, 2))).shape == (5, 2)
    with pytest.raises(ArgumentError, match=r"view of shape \(4, 2\), it holds \(5, 2\)"):
        call("view", cache, Shape((4, 2)))


def test_initial_rows() -> None:
    assert held(call("create", rows(1, 2), Shape((4, 2)), -1)) == [1, 2]
    assert held(call("create", rows(1, 2), Shape((4, 2)), 1)) == [1]


def test_update_pop_and_clear(cache: Any) -> None:
    call("append", cache, rows(1, 2, 3))
    call("update", cache, rows(7, 8))
    assert held(cache) == [7, 8]
    call("array_popn", [cache], 1)
    assert held(cache) == [7]
    with pytest.raises(ArgumentError, match="cannot remove 2 of 1 rows"):
        call("array_popn", [cache], 2)
    call("array_clear", [cache])
    assert held(cache) == []


def test_windows(cache: Any) -> None:
    for value in range(6):
        call("window_override", cache, rows(value), 4)
    assert held(cache) == [4, 5, 2, 3]


def test_windows_with_sinks(cache: Any) -> None:
    call("window_override_with_sinks", cache, rows(*range(7)), 4, 1)
    assert held(cache) == [0, 4, 5, 6]
    with pytest.raises(ArgumentError, match="4 sinks do not fit"):
        call("window_override_with_sinks", cache, rows(1), 4, 4)


@pytest.mark.parametrize("value", [np.zeros((1, 3), "float32"), np.zeros((1, 2), "float64")])
def test_other_rows_are_refused(cache: Any, value: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match=r"expected float32 rows of shape \(2,\)"):
        call("append", cache, value)
    with pytest.raises(ArgumentError, match="expected a KV cache, found int"):
        call("append", 3, value)
