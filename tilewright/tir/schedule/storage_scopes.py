"""The argument `storage_scope` of primitives: the memory that a buffer is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from ...support.errors import ArgumentError, ArgumentTypeError, ScheduleError
from .instruction import Role

if TYPE_CHECKING:
    from .schedule import Schedule

_WITH_TAGS = ("global", "local", "shared", "texture", "warp")
"""Kinds of memory of which a tag may tell a part, as in `shared.dyn`."""

_WHOLE = (
    *("wmma.matrix_a", "wmma.matrix_b", "wmma.accumulator", "metal.simdgroup"),
    *("m16n8k8.matrixA", "m16n8k8.matrixB", "m16n8k8.matrixC"),
)


class NoSuchScope(ScheduleError, ArgumentError):
    """There is no memory of the name given."""


def _accept(schedule: Schedule, value: Any, given: dict[str, Any]) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"expected a string, found {type(value).__name__}")
    if value and value.partition(".")[0] not in _WITH_TAGS and value not in _WHOLE:
        raise NoSuchScope(
            f"there is no memory called {value!r}",
            hint=f"known are {', '.join(_WITH_TAGS)} (with or without a tag, as in shared.dyn) "
            f"and {', '.join(_WHOLE)}",
        )
    return value


StorageScope: TypeAlias = Annotated[str, Role("a kind of memory", False, _accept)]
"""The name of a kind of memory; raises `ScheduleError` for one that no target has."""
