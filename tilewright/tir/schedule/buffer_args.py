"""Arguments that name one of the buffers that a block reads or writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from ...support.errors import ArgumentError, ScheduleError, listing
from ..buffer import Buffer
from .instruction import Role

if TYPE_CHECKING:
    from .schedule import Schedule


class NoSuchBuffer(ScheduleError, ArgumentError):
    """The block does not access the buffer that is named."""


class NoSuchPlace(NoSuchBuffer, AssertionError):
    """The block has no buffer at the place given beside "read" or "write"."""


def buffer_index(block: Any, value: Any, side: str) -> int:
    """The place of a buffer (given by place, name or itself) among a block's reads or writes."""
    buffers = [r.buffer for r in getattr(block, side)]
    names = [b.name for b in buffers]
    if isinstance(value, Buffer):
        found = [k for k, b in enumerate(buffers) if b is value]
        label = value.name
    elif isinstance(value, str):
        found = [k for k, name in enumerate(names) if name == value]
        label = value
    elif hasattr(value, "__index__") and not isinstance(value, bool):
        found = [int(value)] if 0 <= int(value) < len(buffers) else []
        label = str(int(value))
    else:
        raise ArgumentError(f"expected a place, a name or a Buffer, found {type(value).__name__}")
    if not found:
        raise NoSuchBuffer(
            f"block `{block.name_hint}` has no {side[:-1]} buffer {label}",
            note=f"its {side}: {listing(names)}",
        )
    if len(found) > 1:
        raise ArgumentError(f"block `{block.name_hint}` {side} two buffers called {label}")
    return found[0]


def _role(side: str) -> Role:
    def accept(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
        return buffer_index(schedule.get(given["block"]), value, side)

    return Role(f"one of the buffers it {side}", False, accept)


def accept_buffer(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    """The buffer that `value` says of the block in `given`, as ("read" or "write", place)."""
    block = schedule.get(given["block"])
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] in ("read", "write"):
        try:
            return (value[0], buffer_index(block, value[1], f"{value[0]}s"))
        except NoSuchBuffer as error:
            raise NoSuchPlace(error.message, note=error.note) from None
    if isinstance(value, (str, Buffer)):
        for side in ("write", "read"):
            buffers = [r.buffer for r in getattr(block, f"{side}s")]
            if any(b is value or b.name == value for b in buffers):
                return (side, buffer_index(block, value, f"{side}s"))
        name = value if isinstance(value, str) else value.name
        raise NoSuchBuffer(f"block `{block.name_hint}` does not access a buffer called {name}")
    raise ArgumentError('expected ("read", place), ("write", place), a name or a Buffer')


_SIDES = ("read", "write")


def _accept_side(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if value not in _SIDES:
        raise ArgumentError(f'expected "read" or "write", found {value!r}')
    return value


BufferSide: TypeAlias = Annotated[
    str,
    Role(
        '"read" or "write"',
        False,
        _accept_side,
        parts=lambda value: (_SIDES.index(value),),
        whole=lambda parts: _SIDES[parts[0]],
    ),
]
"""Whether the buffers are those that the block reads or writes."""

ReadBuffer: TypeAlias = Annotated[int, _role("reads")]
"""A buffer that the argument `block` reads: given by place, name or itself, kept as a place."""

WriteBuffer: TypeAlias = Annotated[int, _role("writes")]
"""A buffer that the argument `block` writes: given by place, name or itself, kept as a place."""

SomeBuffer: TypeAlias = Annotated[
    "tuple[str, int]",
    Role(
        "one of its buffers",
        False,
        accept_buffer,
        width=2,
        parts=lambda value: (value[1], _SIDES.index(value[0])),
        whole=lambda parts: (_SIDES[parts[1]], parts[0]),
    ),
]
"""A buffer that the argument `block` accesses, kept as ("read" or "write", place)."""
