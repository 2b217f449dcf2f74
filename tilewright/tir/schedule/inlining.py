"""What inlining a block into others needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir.expr import PrimExpr
from ...ir.functor import on
from ...support.errors import ArgumentError
from .. import op as T
from ..analysis.access_region import access_regions
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, Var
from ..index_map import IndexMap
from ..stmt import Block, BufferRegion, BufferStore, full_region
from .refusal import refuse
from .rewrite import MapLoads, accesses
from .sref import StmtSRef


def single_store(block: StmtSRef) -> BufferStore:
    """The one store that the block consists of. Refuses other bodies."""
    stmt = block.block
    if stmt.init is not None:
        refuse("the block is a reduction", block)
    if not isinstance(stmt.body, BufferStore) or stmt.match_buffers or stmt.alloc_buffers:
        refuse("the block's body is not a single store", block)
    return stmt.body


def axes_at(
    block: Block, indices: Sequence[PrimExpr], what: str
) -> Callable[[Sequence[PrimExpr]], dict[Var, PrimExpr]]:
    """A function from values of the indices to the values of the axes that give them.

    Refuses if the indices do not determine the axes.
    """
    axes = {axis.var: axis for axis in block.iter_vars}
    constants = unit_values(block)
    places: dict[Var, int] = {}
    for k, index in enumerate(indices):
        if isinstance(index, Var) and index in axes and index not in places:
            places[index] = k
        elif not T.is_const_int(index):
            return _axes_by_inverse(block, indices, what)
    for var, axis in axes.items():
        if var not in places and not is_unit(axis):
            refuse(f"{what} without its axis `{var.name}`", block)
    return lambda given: {**constants, **{v: given[k] for v, k in places.items()}}


def _axes_by_inverse(
    block: Block, indices: Sequence[PrimExpr], what: str
) -> Callable[[Sequence[PrimExpr]], dict[Var, PrimExpr]]:
    """The same for indices that are computed from the axes by a map with an inverse."""
    axes = tuple(axis.var for axis in block.iter_vars)
    extents = [axis.dom.extent for axis in block.iter_vars if axis.dom is not None]
    starts = [axis.dom.min for axis in block.iter_vars if axis.dom is not None]
    shown = ", ".join(str(i) for i in indices)
    if len(extents) != len(axes) or not all(T.is_const_int(s, 0) for s in starts):
        refuse(f"{what} at [{shown}], and its axes do not start at 0", block)
    try:
        back, _ = IndexMap(axes, tuple(indices)).non_surjective_inverse(extents)
    except ArgumentError:
        refuse(f"{what} at [{shown}], which does not determine its axes", block)
    return lambda given: {
        v: T.cast(value, v.dtype) for v, value in zip(axes, back.map_indices(given), strict=True)
    }


def is_unit(axis: IterVar) -> bool:
    """True if the axis has one value."""
    return axis.dom is not None and T.is_const_int(axis.dom.extent, 1)


def unit_values(block: Block) -> dict[Var, PrimExpr]:
    """The values of the axes that have only one."""
    return {
        axis.var: axis.dom.min for axis in block.iter_vars if axis.dom is not None and is_unit(axis)
    }


def require_loads_only(root: StmtSRef, buffer: Buffer) -> None:
    """Refuses if the buffer is viewed through `match_buffer` or its address is used."""
    found = accesses(root.block)
    for block in found.blocks:
        if any(m.source.buffer is buffer for m in block.match_buffers):
            refuse(f"`{buffer.name}` is viewed as another buffer in the block", block)
    if buffer.data in found.variables:
        refuse(f"the address of `{buffer.name}` is used by itself")


def with_regions(block: Block, *moved_here: Buffer) -> Block:
    """The block with its reads and writes computed from its body; what it accesses by address alone
    stays as declared. It reads buffers `moved_here`, which it did not declare, as a whole."""
    declared = (*block.reads, *block.writes)
    new = [b for b in moved_here if all(r.buffer is not b for r in declared)]
    known = {b.data: b for b in (*(r.buffer for r in declared), *new)}
    reads, writes, addressed = access_regions(block, known)
    hidden = {r.buffer for r in addressed}

    def kept(found: Sequence[BufferRegion], old: Sequence[BufferRegion]) -> list[BufferRegion]:
        seen = (r for r in found if r.buffer not in hidden)
        return [*(r for r in old if r.buffer in hidden), *seen]

    return block.replace(
        reads=tuple(kept(reads, [*block.reads, *map(full_region, new)])),
        writes=tuple(kept(writes, block.writes)),
    )


class InlineLoads(MapLoads):
    """Replaces loads; blocks that change have their regions computed anew and are recorded."""

    def __init__(
        self, function: Callable[[BufferLoad], PrimExpr | None], *moved_here: Buffer
    ) -> None:
        super().__init__(function)
        self.blocks: dict[Block, Block] = {}
        self.moved_here = moved_here

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block with its loads replaced."""
        body = self.rewrite(block.body)
        init = self.rewrite(block.init) if block.init is not None else None
        if body is block.body and init is block.init:
            return block
        made = with_regions(block.replace(body=body, init=init), *self.moved_here)
        if not block.reads and not block.writes:
            made = made.replace(reads=(), writes=())
        self.blocks[block] = made
        return made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer


def without_buffer(root: Block, buffer: Buffer) -> Block:
    """The block no longer allocating `buffer`."""
    return root.replace(alloc_buffers=tuple(b for b in root.alloc_buffers if b is not buffer))
