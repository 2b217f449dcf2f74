"""Lists on the command line, with commas between the entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import click

T = TypeVar("T")


class Listed(click.ParamType, Generic[T]):  # type: ignore[type-arg]  # generic in new releases
    """A list of what `entry` makes of each word between commas."""

    name = "text"

    def entry(self, word: str) -> T:
        """The value of a word. Raises `ValueError` that says what was expected."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The list. Raises a usage error at the first word that is not allowed."""
        if isinstance(value, list):
            return value
        try:
            return [self.entry(word.strip()) for word in str(value).split(",")]
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Counts(Listed[int]):
    """`1,2` as numbers of at least 1."""

    def entry(self, word: str) -> int:
        """The number."""
        if not word.isdecimal() or int(word) < 1:
            raise ValueError(f"expected numbers of at least 1 by commas, found {word!r}")
        return int(word)


class Words(Listed[str]):
    """Some of the words that are known."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = tuple(known)

    def entry(self, word: str) -> str:
        """The word itself."""
        if word not in self.known:
            raise ValueError(f"{word!r} is none of {', '.join(self.known)}")
        return word
