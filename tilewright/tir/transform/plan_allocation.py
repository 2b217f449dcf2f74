"""Buffers allocated as far inside as their accesses allow."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ..analysis.access_lca import access_chains
from ..analysis.reach import is_self_contained
from ..buffer import Buffer
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, Stmt
from .base import factory


class _Move(Rewriter):
    def __init__(self, places: dict[int, list[Buffer]], moved: set[Buffer]) -> None:
        self.places, self.moved = places, moved

    @on(Block)
    def block(self, block: Block) -> Block:
        """Takes over what belongs here, gives up what belongs elsewhere."""
        new: Block = self.rewrite_children(block)
        kept = tuple(b for b in block.alloc_buffers if b not in self.moved)
        return new.replace(alloc_buffers=kept + tuple(self.places.get(id(block), ())))

    @on(For)
    def loop(self, loop: For) -> For:
        """A loop gets a block of its own for its buffers."""
        new: For = self.rewrite_children(loop)
        buffers = self.places.get(id(loop))
        return new.replace(body=_around(new.body, buffers)) if buffers else new


def _around(body: Stmt, buffers: list[Buffer]) -> Stmt:
    block = Block((), (), (), "", body, alloc_buffers=tuple(buffers))
    return BlockRealize((), IntImm("bool", 1), block)


def _innermost(buffer: Buffer, chain: tuple[Node, ...], home: Block) -> Node:
    """The innermost place from which one run reads only what it wrote itself."""
    for depth in range(len(chain) - 1, 0, -1):
        place = chain[depth]
        if place is home or isinstance(place, Block):
            return place
        outer = [loop for loop in chain[: depth + 1] if isinstance(loop, For)]
        if isinstance(place, For) and is_self_contained(place.body, buffer, outer):
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
    moved: set[Buffer] = set()
    for buffer, home in owned:
        place = _innermost(buffer, chains.get(buffer, ()), home)
        if place is not home:
            places.setdefault(id(place), []).append(buffer)
            moved.add(buffer)
    if not moved:
        return func
    return func.replace(body=_Move(places, moved).run(func.body))
