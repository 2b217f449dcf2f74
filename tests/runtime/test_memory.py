"""The cache of freed memory: reuse, bounds, no block in two hands."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tilewright.runtime import empty
from tilewright.runtime.memory import BlockCache, allocate_array, size_class
from tilewright.support.dtypes import dtype_of


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65, 1000, 4097, 1 << 20, (1 << 20) + 1])
def test_size_classes_waste_little(nbytes: int) -> None:
    size = size_class(nbytes)
    assert size >= nbytes and size % 64 == 0
    assert size <= max(64, nbytes + 63, nbytes * 9 // 8 + 1)


def test_a_freed_block_is_used_again_but_never_a_live_one() -> None:
    first = empty((5000,), "float32")
    address = first.data_ptr()
    second = empty((5000,), "float32")
    assert second.data_ptr() != address
    del first
    third = empty((5000,), "float32")
    assert third.data_ptr() == address
    assert third.data_ptr() != second.data_ptr()


def test_the_cache_holds_no_more_than_its_limit() -> None:
    cache = BlockCache(limit=1 << 20)
    blocks = [cache.take(400_000) for _ in range(5)]
    for block in blocks:
        cache.give_back(block)
    assert 0 < cache.held <= 1 << 20
    cache.clear()
    assert cache.held == 0


def test_the_cache_gives_up_what_came_back_first() -> None:
    cache = BlockCache(limit=1 << 20)
    old, new = cache.take(600_000), cache.take(500_000)
    cache.give_back(old)
    cache.give_back(new)
    assert cache.held == new.capacity and cache.take(500_000) is new
    assert cache.take(600_000) is not old
    cache.give_back(cache.take(2 << 20))
    assert cache.held == 0


def test_unpooled_memory_is_fresh() -> None:
    array = allocate_array((4,), dtype_of("float32"), pooled=False)
    array[:] = 1
    assert array.sum() == 4 and array.ctypes.data % 64 == 0


def test_threads_never_share_a_block() -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(300):
            t = empty((256,), "int64")
            t[:] = seed
            if not np.all(t.view_numpy() == seed):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
