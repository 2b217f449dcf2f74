"""The primitive `reindex_cache_write`."""

from __future__ import annotations

from ..buffer_args import WriteBuffer
from ..instruction import Block, primitive
from ..layout_args import BlockMap
from ..reindexing import apply, plan
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive(inputs=("index_map",))
def reindex_cache_write(
    state: ScheduleState,
    block: Block,
    write_buffer_index: WriteBuffer,
    storage_scope: StorageScope,
    index_map: BlockMap,
) -> Block:
    """Writes a result into `storage_scope`, laid out by a map of the axes, and copies it then.

    B[j, i] = A[i]   ->   B_local[i, j] = A[i]; B[j, i] = B_local[i, j]   # lambda i, j: (i, j)

    The map gives the place in the copy from all the block's axes. Returns the block that copies.
    """
    what = plan(state, block, "write", write_buffer_index, index_map)
    return apply(state, what, "write", storage_scope, f"{what.buffer.name}_{storage_scope}")
