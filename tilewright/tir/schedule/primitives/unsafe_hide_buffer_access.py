"""The primitive `unsafe_hide_buffer_access`."""

from __future__ import annotations

from ...dim_align import aligned_dims, with_aligned_dims
from ..instruction import Block, primitive
from ..refusal import refuse
from ..state import ScheduleState


@primitive(inputs=("buf_type", "buf_index_array"))
def unsafe_hide_buffer_access(
    state: ScheduleState, block: Block, buf_type: str, buf_index_array: list[int]
) -> None:
    """Takes buffers off the list of what a block reads or writes, so that no dependency is seen.

    reads(A[i], B[i])   ->   reads(A[i])

    What `storage_align` has asked for the other buffers written stays theirs.
    """
    if buf_type not in ("read", "write"):
        refuse(f'the kind of access is "read" or "write", not {buf_type!r}', block)
    regions = getattr(block.block, f"{buf_type}s")
    for place in buf_index_array:
        if not 0 <= place < len(regions):
            refuse(f"the block has {len(regions)} {buf_type} buffers, {place} is not one", block)
    kept = [k for k in range(len(regions)) if k not in set(buf_index_array)]
    left = tuple(regions[k] for k in kept)
    dims = aligned_dims(block.block)
    changed = block.block.replace(**{f"{buf_type}s": left})
    if dims:
        changed = with_aligned_dims(changed, dims)
    state.replace(block, changed)
