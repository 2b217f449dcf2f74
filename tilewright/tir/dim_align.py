"""Strides that blocks ask for: the annotation `buffer_dim_align`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..support.errors import ArgumentError
from .buffer import Buffer
from .stmt import BUFFER_DIM_ALIGN, Block


class AlignedDim(NamedTuple):
    """The stride of dimension `axis` of `buffer` is `offset` more than a multiple of `factor`."""

    buffer: Buffer
    axis: int
    factor: int
    offset: int


def aligned_dims(block: Block) -> list[AlignedDim]:
    """What a block asks of the strides of buffers that it writes.

    Raises `ArgumentError` for a row of the annotation that is not the place of a buffer among
    `block.writes`, one of its dimensions, a positive factor and an offset.
    """
    rows = block.annotations.get(BUFFER_DIM_ALIGN, ())
    return [_aligned_dim(block, tuple(map(int, row))) for row in rows]


def _aligned_dim(block: Block, row: tuple[int, ...]) -> AlignedDim:
    if len(row) == 4:
        place, axis, factor, offset = row
        buffer = block.writes[place].buffer if 0 <= place < len(block.writes) else None
        if buffer is not None and 0 <= axis < buffer.ndim and factor > 0:
            return AlignedDim(buffer, axis, factor, offset)
    raise ArgumentError(
        f"`{BUFFER_DIM_ALIGN}` of block `{block.name_hint}` has the row {list(row)}", block.span,
        hint="a row is [which of the buffers written, dimension, factor, offset]",
    )  # fmt: skip


def with_aligned_dims(block: Block, dims: Iterable[AlignedDim]) -> Block:
    """The block with the annotation for those of `dims` whose buffers it writes."""
    places = {region.buffer: place for place, region in enumerate(block.writes)}
    rows = tuple((places[d.buffer], *d[1:]) for d in dims if d.buffer in places)
    notes = {key: note for key, note in block.annotations.items() if key != BUFFER_DIM_ALIGN}
    made: Block = block.replace(annotations={**notes, BUFFER_DIM_ALIGN: rows} if rows else notes)
    return made
