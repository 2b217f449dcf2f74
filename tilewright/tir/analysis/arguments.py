"""What an analysis is given is checked before it begins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ...support.errors import ArgumentTypeError

P = ParamSpec("P")
R = TypeVar("R")


def looks_at(*kinds: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declares what an analysis looks at, its first argument; anything else is an
    `ArgumentTypeError` that names both."""
    names = " or ".join(kind.__name__ for kind in kinds)

    def declared(analysis: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(analysis)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if args and not isinstance(args[0], kinds):
                given = args[0]
                raise ArgumentTypeError(
                    f"{analysis.__name__} looks at a {names}, found {given!r}"
                    f" of type {type(given).__name__}"
                )
            return analysis(*args, **kwargs)

        return checked

    return declared
