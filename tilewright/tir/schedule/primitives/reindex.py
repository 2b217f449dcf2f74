"""The primitive `reindex`."""

from __future__ import annotations

from ..buffer_args import SomeBuffer
from ..instruction import Block, primitive
from ..reindexing import apply, plan
from ..state import ScheduleState


@primitive(name="ReIndex")
def reindex(
    state: ScheduleState, block: Block, buffer: SomeBuffer, skip_simplify: bool = False
) -> Block:
    """Lets a block access a buffer through a copy that has one dimension for each of its axes.

    C[i] += A[i * 2 + k]   ->   A_reindex[i, k] = A[i * 2 + k]; C[i] += A_reindex[i, k]

    All accesses of the buffer in the block are at the same place. `skip_simplify`: the copy has
    the index as the block has it. Returns the block that copies.
    """
    side, place = buffer
    what = plan(state, block, side, place, None, simplified=not skip_simplify)
    name = f"{what.buffer.name}_reindex"
    block_name = f"{name}_reindex" if side == "read" else name
    return apply(state, what, side, what.buffer.scope(), name, block_name)
