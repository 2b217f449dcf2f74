"""Looking up the loops of a block."""

from __future__ import annotations

from ..instruction import Block, Loop, primitive
from ..state import ScheduleState


@primitive(pure=True)
def get_loops(state: ScheduleState, block: Block) -> list[Loop]:
    """The loops around `block` within its scope, outermost first."""
    return state.loops_of(block)
