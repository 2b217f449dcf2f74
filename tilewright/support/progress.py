"""Progress: long work reports its stages; whoever talks to a person listens.

with stage("Compile kernels", total=60) as step:
    for kernel in kernels:
        step(kernel.name)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Step = Callable[[str], None]


class Listener:
    """Base of listeners; override what you need."""

    def begin(self, title: str, total: int | None) -> None:
        """A stage begins; `total` is its number of steps, None if unknown."""

    def step(self, title: str, what: str) -> None:
        """A step of the stage is done."""

    def end(self, title: str) -> None:
        """The stage is over."""


_LISTENER: ContextVar[Listener | None] = ContextVar("progress", default=None)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Reports stages to `listener` inside the `with` block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def stage(title: str, total: int | None = None) -> Iterator[Step]:
    """A stage of work; call what it gives once a step, with the step's name."""
    listener = _LISTENER.get()
    if listener is None:
        yield lambda what: None
        return
    listener.begin(title, total)
    try:
        yield lambda what: listener.step(title, what)
    finally:
        listener.end(title)
