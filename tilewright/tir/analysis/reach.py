"""What a piece of program touches, blocks within it opened."""

from __future__ import annotations

from ...ir.expr import PrimExpr, Range
from ...ir.functor import on
from ..arith.canonical import INDEX_TYPES
from ..arith.terms import Sum
from ..buffer import Buffer
from ..stmt import BlockRealize, BufferRegion, DeclBuffer, For, Stmt
from .access_region import AccessCollector, Region


class Reach(AccessCollector):
    """All accesses within a statement; declared regions do not matter, bodies are looked at."""

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """A block's axes are their values, and its predicate holds in it."""
        block = realize.block
        self.visit(realize.iter_values)
        self.visit(realize.predicate)
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            if axis.var.dtype in INDEX_TYPES:
                self.analyzer.bind(axis.var, value, override=True)
        for match in block.match_buffers:
            self.match(match.source)
        if block.init is not None:
            self._under(realize.predicate, block.init)
        self._under(realize.predicate, block.body)

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A declaration touches nothing."""
        self.visit(node.body)

    @on(BufferRegion)
    def match(self, region: BufferRegion) -> None:
        """A view may touch all of its source."""
        lows = self._region(tuple(r.min for r in region.region))
        last = self._region(tuple(r.min + r.extent - 1 for r in region.region))
        box = tuple((low[0], high[1]) for low, high in zip(lows, last, strict=True))
        self._touch(self.reads, region.buffer, box)
        self._touch(self.writes, region.buffer, box)

    def box(self, buffer: Buffer, found: list[Region]) -> BufferRegion:
        """The smallest region around all accesses found."""
        return self._box(buffer, found)


def is_self_contained(body: Stmt, buffer: Buffer, outer: list[For]) -> bool:
    """True if one run of `body` reads no more of `buffer` than it writes itself."""
    reach = Reach({buffer.data: buffer})
    for loop in outer:
        reach.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
    reach.walk(body)
    if buffer in reach.opaque:
        return False
    reads, writes = reach.reads.get(buffer), reach.writes.get(buffer)
    if not reads or not writes:
        return not reads
    inner = reach.box(buffer, reads)
    around = reach.box(buffer, writes)
    return all(
        _within(reach, a.min, a.min + a.extent, b.min, b.min + b.extent)
        for a, b in zip(inner.region, around.region, strict=True)
    )


def _within(reach: Reach, low: PrimExpr, end: PrimExpr, least: PrimExpr, most: PrimExpr) -> bool:
    engine = reach.analyzer.engine

    def not_above(a: PrimExpr, b: PrimExpr) -> bool:
        difference: Sum = engine.terms.sub(engine.sum(b), engine.sum(a))
        return engine.bounds.is_not_negative(difference)

    return not_above(least, low) and not_above(end, most)
