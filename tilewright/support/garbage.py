"""Python's collector of cycles, held back while a compiler builds large trees."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 50_000
"""New objects between two collections of the youngest."""

_LOCK = threading.Lock()
_inside = 0
_before: tuple[int, int, int] = gc.get_threshold()


@contextmanager
def rare_collections() -> Iterator[None]:
    """The collector looks at new objects less often inside.

    Nodes live long and hold no cycles: walking them again and again is a sixth of a compilation.
    What the user has set is back at the end, also where several threads are inside at once; a
    collector that is switched off, or rarer still, stays as it is.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _before
    with _LOCK:
        _inside += 1
        if _inside == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < PAUSE:
                gc.set_threshold(PAUSE, *_before[1:])


def _leave() -> None:
    global _inside
    with _LOCK:
        _inside -= 1
        if _inside == 0:
            gc.set_threshold(*_before)
