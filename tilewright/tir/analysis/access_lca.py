"""The innermost statement around all accesses of each buffer."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import Visitor, on, post_order_visit
from ...ir.node import Node
from ..arith.int_set import mentions
from ..buffer import Buffer
from ..expr import BufferLoad, IterVarType, Var
from ..function import PrimFunc
from ..stmt import BlockRealize, BufferStore, For
from .arguments import looks_at


class _Lca(Visitor):
    """Keeps the chain of loops and blocks down to the statement at hand."""

    def __init__(self, function: PrimFunc) -> None:
        self.grids: list[tuple[Node, ...]] = []
        self.chain: list[Node] = [function]
        self.found: dict[Buffer, tuple[Node, ...]] = {}
        self.by_data: dict[Var, Buffer] = {b.data: b for b in function.buffers()}
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
        """What a block updates through a reduction lives outside the reduction's loops, what it
        reads at places of an ordered or opaque axis outside the loops of this axis."""
        block = realize.block
        self.visit(realize.iter_values)
        self.visit(realize.predicate)
        self.limits.append(self._limits(realize))
        for buffer in block.alloc_buffers:
            self.by_data[buffer.data] = buffer
        for match in block.match_buffers:
            self.by_data[match.buffer.data] = match.buffer
        self.chain.append(block)
        self.visit(tuple(match.source for match in block.match_buffers))
        if block.init is not None:
            self.visit(block.init)
        self.visit(block.body)
        self.chain.pop()
        self.limits.pop()

    def _limits(self, realize: BlockRealize) -> dict[Buffer, int]:
        """How much of the chain, by buffer, is free of loops that carry values around."""
        block = realize.block
        carried = [
            (axis, value)
            for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)
            if axis.iter_type != IterVarType.DataPar
        ]
        if not carried:
            return {}
        depth = self._depth_outside([value for _, value in carried])
        limits = {region.buffer: depth for region in block.writes}
        for region in block.reads:
            ordered = [
                value for axis, value in carried
                if axis.iter_type != IterVarType.CommReduce and mentions(region.region, {axis.var})
            ]  # fmt: skip
            if ordered:
                known = limits.get(region.buffer, len(self.chain) + 1)
                limits[region.buffer] = min(known, self._depth_outside(ordered))
        return limits

    def _depth_outside(self, values: list[PrimExpr]) -> int:
        """How much of the chain lies outside the loops over the variables of `values`."""
        variables: set[Any] = set()
        post_order_visit(values, lambda n: variables.add(n) if isinstance(n, Var) else None)
        for depth, place in enumerate(self.chain):
            if isinstance(place, For) and place.loop_var in variables:
                return depth
        return len(self.chain) + 1

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
        """A view is an access."""
        self._touch(buffer)

    @on(Var)
    def address(self, var: Var) -> None:
        """So is the use of its address."""
        if var in self.by_data:
            self._touch(self.by_data[var])

    def _touch(self, buffer: Buffer) -> None:
        depth = min((limit.get(buffer, len(self.chain)) for limit in self.limits), default=99999)
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


@looks_at(PrimFunc)
def detect_buffer_access_lca(func: PrimFunc) -> dict[Buffer, Node | None]:
    """The loop or block around all accesses of each buffer, reductions' loops left out; None for
    the whole function. Accesses are those of bodies, not the regions that blocks declare. Global
    memory belongs to whole grids: its place lies within no thread of a block of threads."""
    finder = _Lca(func)
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
