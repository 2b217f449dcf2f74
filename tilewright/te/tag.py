"""Tags: a word on an operation that says what kind of computation it is."""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import Any

from ..support.errors import ArgumentError

_CURRENT: ContextVar[str] = ContextVar("te_tag", default="")


class TagScope(ContextDecorator):
    """Gives `tag` to the operations made inside the `with` block that name none themselves.

    Raises `ArgumentError` within another scope.
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._tokens: list[Token[str]] = []

    def __enter__(self) -> TagScope:
        if _CURRENT.get():
            raise ArgumentError(
                f"the scope of tag {self.tag!r} stands within that of {_CURRENT.get()!r}"
            )
        self._tokens.append(_CURRENT.set(self.tag))
        return self

    def __exit__(self, *error: Any) -> None:
        _CURRENT.reset(self._tokens.pop())


def tag_scope(tag: str) -> TagScope:
    """A scope, also a decorator, in which operations without a tag get `tag`."""
    return TagScope(tag)


def current_tag(tag: str) -> str:
    """`tag` if it is not empty, else the scope's."""
    return tag or _CURRENT.get()
