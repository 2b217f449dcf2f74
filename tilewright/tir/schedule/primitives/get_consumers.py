"""Looking up the consumers of a block."""

from __future__ import annotations

from ..instruction import Block, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_consumers(state: ScheduleState, block: Block) -> list[Block]:
    """The blocks of the same scope that read what `block` writes, in order."""
    return state.get_block_scope(state.scope_root(block)).consumers(block)
