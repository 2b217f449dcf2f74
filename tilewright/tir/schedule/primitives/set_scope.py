"""The primitive `set_scope`."""

from __future__ import annotations

from ..buffer_args import WriteBuffer
from ..instruction import Block, primitive
from ..refusal import refuse
from ..rewrite import replace_buffer, with_scope
from ..sref import StmtSRef
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def set_scope(
    state: ScheduleState, block: Block, buffer_index: WriteBuffer, storage_scope: StorageScope
) -> None:
    """Moves a buffer that the block writes to memory of `storage_scope`.

    B = alloc_buffer((n,))   ->   B_shared = alloc_buffer((n,), scope="shared")
    """
    buffer = block.block.writes[buffer_index].buffer
    if buffer.scope() == storage_scope:
        return
    home = allocation_site(block, buffer)
    moved = with_scope(buffer, storage_scope, f"{buffer.name}_{storage_scope}")
    made, reuse = replace_buffer(home.block, {buffer: moved})
    state.replace(home, made, reuse)


def allocation_site(block: StmtSRef, buffer: object) -> StmtSRef:
    """The block around `block` that allocates `buffer`. Refuses if it is a parameter."""
    for at in block.ancestors():
        if at.is_block and any(b is buffer for b in at.block.alloc_buffers):
            return at
    name = getattr(buffer, "name", "the buffer")
    refuse(f"`{name}` is not allocated in the function: its memory is the caller's", block)
