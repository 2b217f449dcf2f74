"""The primitive `reindex_cache_read`."""

from __future__ import annotations

from ..buffer_args import ReadBuffer
from ..instruction import Block, primitive
from ..layout_args import BlockMap
from ..reindexing import apply, plan
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive(inputs=("index_map",))
def reindex_cache_read(
    state: ScheduleState,
    block: Block,
    read_buffer_index: ReadBuffer,
    storage_scope: StorageScope,
    index_map: BlockMap,
) -> Block:
    """Copies what a block reads of a buffer into `storage_scope`, laid out by a map of its axes.

    B[i, j] = A[j, i]   ->   S[i, j] = A[j, i]; B[i, j] = S[i, j]   # lambda i, j: (i, j)

    The map gives the place in the copy from all the block's axes. Returns the block that copies.
    """
    what = plan(state, block, "read", read_buffer_index, index_map)
    return apply(state, what, "read", storage_scope, f"{what.buffer.name}_{storage_scope}")
