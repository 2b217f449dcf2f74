"""How deep Python code may recurse without running out of the machine's stack."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

UNBOUNDED = 1_000_000
BYTES_PER_FRAME = 600
ROOM = 120 << 20  # Linux keeps at least 128 MB free below the main thread's stack
OTHER_THREADS = 8_000
SYNTAX = 8_000
"""The interpreter's own walks over syntax go three times as deep, within 3 MB of stack."""


@contextmanager
def syntax_recursion() -> Iterator[None]:
    """Lets `ast.parse` read sums of thousands of terms; deeper ones raise `RecursionError`."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(SYNTAX)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def recursion_depth() -> int:
    """The recursion limit that is safe in this thread, room for it made where that is possible.

    From Python 3.11 a call of Python from Python takes no machine stack. Before, a frame takes
    some 500 bytes of it, and only the main thread's stack can still grow.
    """
    if sys.version_info >= (3, 11):
        return UNBOUNDED
    return _grown_depth()


def _grown_depth() -> int:
    try:
        import resource
    except ImportError:  # not on this system
        return OTHER_THREADS
    if threading.current_thread() is not threading.main_thread():
        return OTHER_THREADS
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and soft < ROOM:
        wanted = ROOM if hard == resource.RLIM_INFINITY else min(ROOM, hard)
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        soft = wanted
    available = ROOM if soft == resource.RLIM_INFINITY else min(soft, ROOM)
    return available // BYTES_PER_FRAME
