"""Buffers allocated as far inside as their accesses allow."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ..analysis.access_lca import access_chains
from ..analysis.access_region import get_block_read_write_region
from ..analysis.reach import is_self_contained
from ..buffer import Buffer
from ..dim_align import aligned_dims, with_aligned_dims
from ..expr import Var
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, Stmt
from .base import factory


class _Move(Rewriter):
    """Puts buffers where they belong; blocks around these places touch them no more."""

    def __init__(self, func: PrimFunc, places: dict[int, list[Buffer]]) -> None:
        self.places = places
        self.absent = {buffer for group in places.values() for buffer in group}
        self.moved = frozenset(self.absent)
        self.by_data: dict[Var, Buffer] = {b.data: b for b in func.buffers()}

    @on(Block)
    def block(self, block: Block) -> Block:
        """Takes over what belongs here, gives up what belongs elsewhere."""
        reads, writes = (
            tuple(r for r in regions if r.buffer not in self.absent)
            for regions in (block.reads, block.writes)
        )
        taken = self.places.get(id(block), [])
        allocated = (*(b for b in block.alloc_buffers if b not in self.moved), *taken)
        views = (match.buffer for match in block.match_buffers)
        self.by_data.update((b.data, b) for b in (*allocated, *views))
        self.absent.difference_update(taken)
        dims = aligned_dims(block)
        new = block.replace(reads=reads, writes=writes, alloc_buffers=allocated)
        if dims:
            new = with_aligned_dims(new, dims)
        made: Block = self.rewrite_children(new)
        return made

    @on(For)
    def loop(self, loop: For) -> For:
        """A loop gets a block of its own for its buffers."""
        taken = self.places.get(id(loop), [])
        self.by_data.update((b.data, b) for b in taken)
        self.absent.difference_update(taken)
        new: For = self.rewrite_children(loop)
        return new.replace(body=self._around(new.body, taken)) if taken else new

    def _around(self, body: Stmt, buffers: list[Buffer]) -> Stmt:
        block = Block((), (), (), "", body, alloc_buffers=tuple(buffers))
        reads, writes = get_block_read_write_region(block, self.by_data)
        return BlockRealize((), IntImm("bool", 1), block.replace(reads=reads, writes=writes))


def _innermost(buffer: Buffer, chain: tuple[Node, ...], home: Block) -> Node:
    """The innermost place from which one run reads only what it wrote itself."""
    first = next((depth for depth, place in enumerate(chain) if place is home), 0)
    asking = (
        depth for depth, place in enumerate(chain)
        if isinstance(place, Block) and any(dim.buffer is buffer for dim in aligned_dims(place))
    )  # fmt: skip
    inside = next(asking, len(chain))  # what a block asks strides for lies outside of it
    for depth in range(inside - 1, 0, -1):
        place = chain[depth]
        if place is home or (isinstance(place, Block) and place.iter_vars):
            return place
        outer = [loop for loop in chain[: depth + 1] if isinstance(loop, For)]
        own = {loop.loop_var for loop in chain[first : depth + 1] if isinstance(loop, For)}
        if isinstance(place, (For, Block)) and is_self_contained(place.body, buffer, outer, own):
            return place
    return home


@factory
def PlanAndUpdateBufferAllocationLocation(func: PrimFunc) -> PrimFunc:
    """alloc in the root block   ->   alloc in the innermost loop around all uses"""
    owned: list[tuple[Buffer, Block]] = []

    def look(node: Node) -> None:
        if isinstance(node, Block):
            owned.extend((buffer, node) for buffer in node.alloc_buffers)

    post_order_visit(func.body, look)
    chains = access_chains(func)
    places: dict[int, list[Buffer]] = {}
    for buffer, home in owned:
        place = _innermost(buffer, chains.get(buffer, ()), home)
        if place is not home:
            places.setdefault(id(place), []).append(buffer)
    return func.replace(body=_Move(func, places).run(func.body)) if places else func
