"""The primitive `read_at`."""

from __future__ import annotations

from ..buffer_args import ReadBuffer
from ..instruction import Block, Loop, primitive
from ..state import ScheduleState
from ..storage_scopes import StorageScope
from ..tile_copies import tile_copy


@primitive
def read_at(
    state: ScheduleState,
    loop: Loop,
    block: Block,
    read_buffer_index: ReadBuffer,
    storage_scope: StorageScope,
) -> Block:
    """Copies what a block reads in one iteration of `loop` to `storage_scope`, just before.

    for i: ... A[i * 4 + j]   ->   for i: S[i * 4 : i * 4 + 4] = A[...]; ... S[i * 4 + j]

    The copy is a block with the attribute `auto_copy`, for passes that know how to make it.
    """
    return tile_copy(state, loop, block, "read", read_buffer_index, storage_scope)
