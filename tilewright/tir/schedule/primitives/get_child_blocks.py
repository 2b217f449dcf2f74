"""Looking up the blocks within a block or loop."""

from __future__ import annotations

from ..instruction import Block, BlockOrLoop, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_child_blocks(state: ScheduleState, block_or_loop: BlockOrLoop) -> list[Block]:
    """The blocks directly within, in order."""
    return state.child_blocks(block_or_loop)
