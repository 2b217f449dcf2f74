"""Looking up the outputs of a scope."""

from __future__ import annotations

from ..conditions import output_blocks
from ..instruction import Block, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_output_blocks(state: ScheduleState, scope_block: Block) -> list[Block]:
    """The blocks in `scope_block` that write a buffer which lives longer than it."""
    return output_blocks(state, scope_block)
