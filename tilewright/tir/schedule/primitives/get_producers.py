"""Looking up the producers of a block."""

from __future__ import annotations

from ..instruction import Block, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_producers(state: ScheduleState, block: Block) -> list[Block]:
    """The blocks of the same scope whose results `block` reads, in order."""
    return state.get_block_scope(state.scope_root(block)).producers(block)
