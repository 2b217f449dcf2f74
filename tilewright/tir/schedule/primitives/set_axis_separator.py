"""The primitive `set_axis_separator`."""

from __future__ import annotations

from ..buffer_args import SomeBuffer
from ..instruction import Block, primitive
from ..refusal import refuse
from ..rewrite import exchange_everywhere
from ..state import ScheduleState


@primitive
def set_axis_separator(
    state: ScheduleState, block: Block, buffer: SomeBuffer, axis_separators: list[int] | None = None
) -> None:
    """Says where the dimensions of a buffer are split into groups, each flattened to one.

    B: Buffer((4, 8, 16))   ->   B: Buffer((4, 8, 16), axis_separators=[1])   # memory is (4, 128)
    """
    side, place = buffer
    old = getattr(block.block, f"{side}s")[place].buffer
    wanted = tuple(axis_separators or ())
    if list(wanted) != sorted(set(wanted)) or any(not 0 <= s <= old.ndim for s in wanted):
        refuse(f"the separators {list(wanted)} are not rising places in {old.ndim} dimensions")
    exchange_everywhere(state, block, old, old.replace(axis_separators=wanted))
