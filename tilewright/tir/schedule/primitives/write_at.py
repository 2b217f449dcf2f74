"""The primitive `write_at`."""

from __future__ import annotations

from ..buffer_args import WriteBuffer
from ..instruction import Block, Loop, primitive
from ..state import ScheduleState
from ..storage_scopes import StorageScope
from ..tile_copies import tile_copy


@primitive
def write_at(
    state: ScheduleState,
    loop: Loop,
    block: Block,
    write_buffer_index: WriteBuffer,
    storage_scope: StorageScope,
) -> Block:
    """Copies what a block has written in one iteration of `loop` from `storage_scope`, just after.

    for i: B[i * 4 + j] = ...   ->   for i: L[i * 4 + j] = ...; B[i * 4 : i * 4 + 4] = L[...]

    The copy is a block with the attribute `auto_copy`, for passes that know how to make it.
    """
    return tile_copy(state, loop, block, "write", write_buffer_index, storage_scope)
