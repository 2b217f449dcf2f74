"""Looking up the outputs of a scope."""

from __future__ import annotations

from ..conditions import writes_out
from ..instruction import Block, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_output_blocks(state: ScheduleState, scope_block: Block) -> list[Block]:
    """The blocks in `scope_block`, nested ones too, that write a buffer which lives longer than
    the block around them; in the order of the program."""
    found = []
    for child in state.child_blocks(scope_block):
        if writes_out(child, scope_block):
            found.append(child)
        found += get_output_blocks(state, child)
    return found
