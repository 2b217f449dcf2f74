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


class _Limit:
    """The interpreter's recursion limit, which threads raise at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.before = self.raised = sys.getrecursionlimit()
        self.own = threading.local()

    def hold(self) -> bool:
        """Raises the limit until `release`; False if this thread has done so already."""
        if getattr(self.own, "holds", False):
            return False
        with self.lock:
            if not self.threads:
                self.before = self.raised = sys.getrecursionlimit()
            self.raised = max(self.raised, recursion_depth())
            sys.setrecursionlimit(self.raised)
            self.threads += 1
        self.own.holds = True
        return True

    def release(self) -> None:
        """Lowers the limit again when the last thread that held it up lets it go."""
        self.own.holds = False
        with self.lock:
            self.threads -= 1
            self.restore()

    def restore(self) -> None:
        sys.setrecursionlimit(self.raised if self.threads else self.before)


_LIMIT = _Limit()


class _Deep:
    """A `with` block under the raised limit. A class, as it is entered for every expression."""

    __slots__ = ("holds",)

    def __enter__(self) -> None:
        self.holds = _LIMIT.hold()

    def __exit__(self, *error: object) -> None:
        if self.holds:
            _LIMIT.release()


def deep_recursion() -> _Deep:
    """Lets pure Python recursion go as deep as IR does (a sum of thousands of terms)."""
    return _Deep()


@contextmanager
def syntax_recursion() -> Iterator[None]:
    """Lets `ast.parse` read sums of thousands of terms; deeper ones raise `RecursionError`."""
    with _LIMIT.lock:
        if not _LIMIT.threads:
            _LIMIT.before = sys.getrecursionlimit()
        sys.setrecursionlimit(SYNTAX)
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.restore()


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
