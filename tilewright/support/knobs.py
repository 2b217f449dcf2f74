"""Settings: each declared once here or beside its user, typed, scoped, listed by the command line.

This is the only module that touches `os.environ`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar, cast

from .errors import ArgumentError

T = TypeVar("T", bound="int | str | float | bool")

REGISTRY: dict[str, Knob[int] | Knob[str] | Knob[float] | Knob[bool]] = {}


FALSE = ("0", "false", "no", "off")
"""Words that turn a setting off, in small letters."""


def _parse_bool(text: str) -> bool:
    return text.strip().lower() not in ("", *FALSE)


_PARSERS: dict[type, Callable[[str], object]] = {
    bool: _parse_bool,
    int: int,
    float: float,
    str: str,
}


_KINDS = {bool: "a truth value", int: "an int of 0 or more", float: "a float", str: "a text"}


class Knob(Generic[T]):
    """One setting, read with `.get()`.

    `TILEWRIGHT_<name>` in the environment sets it for a process, `.set(value)` for a scope.
    """

    def __init__(self, name: str, default: T, doc: str) -> None:
        self.name = name
        self.default = default
        self.doc = doc
        self._scoped: ContextVar[T | None] = ContextVar(name, default=None)
        REGISTRY[name] = self  # type: ignore[assignment]  # the union of the four instances

    @property
    def variable(self) -> str:
        """The environment variable that sets this knob for a whole process."""
        return f"TILEWRIGHT_{self.name}"

    def get(self) -> T:
        """The value in force: the innermost scope, else the environment, else the default."""
        scoped = self._scoped.get()
        if scoped is not None:
            return scoped
        text = os.environ.get(self.variable)
        return self.default if text is None else self._parse(text)

    def _parse(self, text: str) -> T:
        try:
            value = cast(T, _PARSERS[type(self.default)](text))
            if isinstance(value, int) and value < 0:
                raise ValueError
            return value
        except ValueError:
            raise ArgumentError(
                f"{self.variable} must be {_KINDS[type(self.default)]}, found {text!r}",
                hint=self.doc,
            ) from None

    @contextmanager
    def set(self, value: T) -> Iterator[None]:
        """Gives the knob `value` inside the `with` block, in this thread or task only."""
        token = self._scoped.set(value)
        try:
            yield
        finally:
            self._scoped.reset(token)


def in_force() -> dict[str, object]:
    """What is set: the environment's texts by name, scoped values over them.

    Includes settings whose module is not imported yet.
    """
    start = len("TILEWRIGHT_")
    found: dict[str, object] = {
        name[start:]: text for name, text in os.environ.items() if name.startswith("TILEWRIGHT_")
    }
    for knob in REGISTRY.values():
        scoped = knob._scoped.get()
        if scoped is not None:
            found[knob.name] = scoped
    return found


def read_environment(variable: str) -> str | None:
    """A variable that is not ours (such as `CC`), read at the one place that reads them."""
    return os.environ.get(variable)


def set_environment(variable: str, value: str) -> None:
    """Sets a variable for the rest of this process and for its children."""
    os.environ[variable] = value


@contextmanager
def environment(variable: str, value: str) -> Iterator[None]:
    """Sets a variable that is not ours inside the `with` block, for the whole process."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


DUMP = Knob("DUMP", "", "a directory: write the module after every pass there, as script")
DIFF = Knob("DIFF", 0, "1: print what each pass changed")
VERIFY = Knob("VERIFY", 0, "1: check well-formedness after every pass")
NUM_THREADS = Knob("NUM_THREADS", 0, "threads that kernels may use; 0: one for each core")
CACHE = Knob("CACHE", "", "directory of the compilation cache; empty: the user's; off: none")
