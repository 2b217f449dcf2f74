"""Deep recursion does not end the process."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from tilewright.support import stack


def descend(depth: int) -> int:
    return 0 if depth == 0 else 1 + descend(depth - 1)


def use_all() -> int:
    before = sys.getrecursionlimit()
    limit = min(stack.recursion_depth(), 150_000)
    sys.setrecursionlimit(limit)
    try:
        return limit - descend(limit - 500)
    finally:
        sys.setrecursionlimit(before)


def test_the_main_thread_goes_deep() -> None:
    assert use_all() == 500
    assert stack.recursion_depth() >= 100_000


def test_other_threads_keep_to_their_stack() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(use_all).result() == 500


def test_room_is_made_on_old_pythons() -> None:
    assert 8_000 <= stack._grown_depth() <= stack.ROOM // stack.BYTES_PER_FRAME


def test_threads_raise_the_limit_together() -> None:
    before = sys.getrecursionlimit()
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with stack.deep_recursion():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with stack.deep_recursion():
        thread.start()
        inside.wait(10)
        with stack.syntax_recursion(), stack.deep_recursion():
            assert sys.getrecursionlimit() == stack.SYNTAX
    assert sys.getrecursionlimit() > before
    leave.set()
    thread.join()
    assert sys.getrecursionlimit() == before
