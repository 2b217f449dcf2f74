"""The primitive `storage_align`."""

from __future__ import annotations

from ...stmt import BUFFER_DIM_ALIGN
from ..buffer_args import WriteBuffer
from ..instruction import Block, primitive
from ..refusal import refuse
from ..state import ScheduleState
from .set_scope import allocation_site


@primitive
def storage_align(
    state: ScheduleState,
    block: Block,
    buffer_index: WriteBuffer,
    axis: int,
    factor: int,
    offset: int,
) -> None:
    """Asks that the stride of a dimension of a buffer be `k * factor + offset` when it is placed.

    block_attr({})   ->   block_attr({"buffer_dim_align": ((0, axis, factor, offset),)})
    """
    buffer = block.block.writes[buffer_index].buffer
    allocation_site(block, buffer)
    if not -buffer.ndim <= axis < buffer.ndim:
        refuse(f"`{buffer.name}` has {buffer.ndim} dimensions, axis {axis} is not one", block)
    if factor <= 0:
        refuse(f"the factor {factor} is not positive", block)
    axis %= buffer.ndim
    known = block.block.annotations.get(BUFFER_DIM_ALIGN, ())
    rows = [row for row in known if tuple(row[:2]) != (buffer_index, axis)]
    rows.append((buffer_index, axis, factor, offset))
    notes = {**block.block.annotations, BUFFER_DIM_ALIGN: tuple(rows)}
    state.replace(block, block.block.replace(annotations=notes))
