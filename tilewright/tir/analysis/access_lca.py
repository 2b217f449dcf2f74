"""The innermost statement around all accesses of each buffer."""

from __future__ import annotations

import sys
from typing import Any

from ...ir.functor import Visitor, on, post_order_visit
from ...ir.node import Node
from ..buffer import Buffer
from ..expr import BufferLoad, IterVarType, Var
from ..function import PrimFunc
from ..stmt import BlockRealize, BufferStore, For


class _Lca(Visitor):
    """Keeps the chain of loops and blocks down to the statement at hand."""

    def __init__(self, function: PrimFunc, *, with_regions: bool = True) -> None:
        self.with_regions = with_regions
        self.grids: list[tuple[Node, ...]] = []
        self.chain: list[Node] = [function]
        self.found: dict[Buffer, tuple[Node, ...]] = {}
        self.by_data: dict[Var, Buffer] = {b.data: b for b in function.buffers()}
        self.views: dict[Buffer, Buffer] = {}
        self.limits: list[dict[Buffer, int]] = []

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop is a place where a buffer may live."""
        self.visit(loop.min)
        self.visit(loop.extent)
        self.chain.append(loop)
        if loop.thread_binding is not None and loop.thread_binding.thread_tag[:9] == "blockIdx.":
            self.grids.append(tuple(self.chain))
        self.visit(loop.body)
        self.chain.pop()

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """What a block updates through a reduction lives outside the reduction's loops."""
        block = realize.block
        self.visit(realize.iter_values)
        self.visit(realize.predicate)
        depth = self._carried_depth(realize)
        self.limits.append({region.buffer: depth for region in block.writes})
        for buffer in block.alloc_buffers:
            self.by_data[buffer.data] = buffer
        for match in block.match_buffers:
            self.by_data[match.buffer.data] = match.buffer
            if not self.with_regions:
                self.views[match.buffer] = match.source.buffer
        if self.with_regions:
            self.visit(block.reads)
            self.visit(block.writes)
        self.chain.append(block)
        for match in block.match_buffers:
            self.visit(match.source if self.with_regions else match.source.region)
        if block.init is not None:
            self.visit(block.init)
        self.visit(block.body)
        self.chain.pop()
        self.limits.pop()

    def _carried_depth(self, realize: BlockRealize) -> int:
        """How much of the chain is free of loops that carry values around."""
        carried: set[Any] = set()
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
            if axis.iter_type != IterVarType.DataPar:
                post_order_visit(value, lambda n: carried.add(n) if isinstance(n, Var) else None)
        for depth, place in enumerate(self.chain):
            if isinstance(place, For) and place.loop_var in carried:
                return depth
        return sys.maxsize

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """Every access pulls the buffer's place up to here."""
        self._touch(access.buffer)
        self.visit_children_but_buffer(access)

    def visit_children_but_buffer(self, access: Any) -> None:
        """The indices and the value of an access."""
        self.visit(access.indices)
        if isinstance(access, BufferStore):
            self.visit(access.value)

    @on(Buffer)
    def region(self, buffer: Buffer) -> None:
        """A declared region or the origin of a view is an access."""
        self._touch(buffer)

    @on(Var)
    def address(self, var: Var) -> None:
        """So is the use of its address."""
        if var in self.by_data:
            self._touch(self.by_data[var])

    def _touch(self, buffer: Buffer) -> None:
        if buffer in self.views:  # what is done to a view is done to what it shows
            self._touch(self.views[buffer])
        depth = min((limit.get(buffer, sys.maxsize) for limit in self.limits), default=None)
        chain = tuple(self.chain[:depth])
        known = self.found.get(buffer)
        self.found[buffer] = chain if known is None else _common(known, chain)


def _common(a: tuple[Node, ...], b: tuple[Node, ...]) -> tuple[Node, ...]:
    """What two chains begin with."""
    shared = 0
    for x, y in zip(a, b, strict=False):
        if x is not y:
            break
        shared += 1
    return a[:shared]


def detect_buffer_access_lca(func: PrimFunc) -> dict[Buffer, Node | None]:
    """The loop or block around all accesses of each buffer, reductions' loops left out; None for
    the whole function. Accesses are those of bodies, not the regions that blocks declare. Global
    memory belongs to whole grids: its place lies within no thread of a block of threads."""
    finder = _Lca(func, with_regions=False)
    finder.walk(func.body)
    places: dict[Buffer, Node | None] = {}
    for buffer, chain in finder.found.items():
        if buffer.scope() == "global":
            for grid in finder.grids:
                chain = _common(grid, chain)
        places[buffer] = None if isinstance(chain[-1], PrimFunc) else chain[-1]
    return places


def access_chains(func: PrimFunc) -> dict[Buffer, tuple[Node, ...]]:
    """For each buffer, the function, loops and blocks around all its accesses, outermost first."""
    finder = _Lca(func)
    finder.walk(func.body)
    return finder.found
