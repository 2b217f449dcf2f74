"""What a piece of program touches, blocks within it opened."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import on, post_order_visit
from ...ir.node import Node
from ...ir.structural import structural_equal
from ..arith.canonical import INDEX_TYPES
from ..arith.conditions import conjuncts
from ..arith.terms import Sum
from ..buffer import Buffer
from ..expr import LE, LT, BufferLoad, IterVar, Var
from ..stmt import (
    AttrStmt,
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    Stmt,
)
from .access_region import AccessCollector, Region


class Reach(AccessCollector):
    """All accesses within a statement: bodies are looked at, and what blocks declare counts only
    where an address is handed out, which does not say what is touched."""

    def __init__(self, buffer_var_map: Mapping[Var, Buffer]) -> None:
        super().__init__(buffer_var_map)
        self.declared: dict[Buffer, list[tuple[dict[Buffer, list[Region]], BufferRegion]]] = {}

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
        around, self.declared = self.declared, self._declarations(block)
        if block.init is not None:
            self._under(realize.predicate, block.init)
        self._under(realize.predicate, block.body)
        self.declared = around

    def _under(self, condition: Any, what: Any) -> None:
        """Also what simple conditions follow: `i < 128` from `i * 4 + j < 512`."""
        if isinstance(condition, IntImm):
            super()._under(condition, what)
            return
        with self.analyzer.constraint_scope(self.analyzer.simplify(condition)):
            super()._under(condition, what)

    def _declarations(self, block: Block) -> dict[Buffer, Any]:
        found: dict[Buffer, Any] = {}
        for where, regions in ((self.reads, block.reads), (self.writes, block.writes)):
            for region in regions:
                found.setdefault(region.buffer, []).append((where, region))
        return found

    @on(Var)
    def variable(self, var: Var) -> None:
        """An address handed out: what the block declares, if it names the buffer."""
        buffer = self.buffers_by_data.get(var)
        if buffer is None or buffer not in self.declared:
            super().variable(var)
        else:
            self._as_declared(buffer)

    def _through_address(self, args: tuple[Any, ...]) -> None:
        buffer = self.buffers_by_data[args[1]]
        if buffer not in self.declared:
            super()._through_address(args)
        else:
            self._as_declared(buffer)
            self.visit(args[2:4])

    def _as_declared(self, buffer: Buffer) -> None:
        for where, region in self.declared[buffer]:
            self._nested(where, region, {})

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The threads of a launch within are a loop."""
        axis = node.node
        if node.attr_key in ("thread_extent", "virtual_thread") and isinstance(axis, IterVar):
            zero = IntImm(axis.var.dtype, 0)
            self.loop(For(axis.var, zero, node.value, ForKind.SERIAL, node.body))
        else:
            self.visit_children(node)

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


@dataclass(frozen=True, eq=False)
class _Access:
    """A region touched where `conditions`, which differ only between runs of the whole, hold;
    `before` writes come first."""

    region: Region
    conditions: list[PrimExpr]
    before: int


class _Ordered(Reach):
    """The accesses of one run of a statement in their order; `outer` tells runs apart. Of bounds of
    what is read that cannot be compared those of conditions count, if `by_conditions`, else those
    of loops."""

    def __init__(self, buffer: Buffer, outer: Set[Var], by_conditions: bool) -> None:
        super().__init__({buffer.data: buffer})
        self.traced, self.outer = buffer, outer
        self.by_conditions, self.is_read = by_conditions, False
        self.axes: dict[Var, PrimExpr] = {}
        self.at: tuple[PrimExpr, ...] = ()
        self.read: list[_Access] = []
        self.written: list[_Access] = []

    def _is_closer(self, limit: Sum, most: Sum) -> bool:
        if self.by_conditions and self.is_read:
            return not self._is_not_below(limit, most)
        return super()._is_closer(limit, most)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """Axes of blocks stand for their values."""
        axes = (axis.var for axis in realize.block.iter_vars)
        self.axes.update(zip(axes, realize.iter_values, strict=True))
        super().realize(realize)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """What is stored is read before."""
        self.visit(store.indices)
        self.visit(store.value)
        self.at, self.is_read = store.indices, False
        self._touch(self.writes, store.buffer, self._region(store.indices))

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """A read."""
        self.at, self.is_read = load.indices, True
        super().load(load)

    def _declarations(self, block: Block) -> dict[Buffer, Any]:
        """In which order an address is read and written through is never declared."""
        return {}

    @on(BufferRegion)
    def match(self, region: BufferRegion) -> None:
        """Through a view elements are written before they are read."""
        super().match(region)
        if region.buffer is self.traced:
            last = self.read.pop()
            self.read.append(replace(last, before=len(self.written)))

    def _touch(self, where: dict[Buffer, list[Region]], buffer: Buffer, region: Region) -> None:
        super()._touch(where, buffer, region)
        if buffer is self.traced:
            parts = [p for c in self.conditions for p in conjuncts(c)]
            own = [p for p in parts if self._tells_runs_apart(p)]
            trace = self.written if where is self.writes else self.read
            trace.append(_Access(region, own, len(self.written)))

    def _tells_runs_apart(self, condition: PrimExpr) -> bool:
        """True for a condition that may hold in some runs and in others not at all. One on an index
        itself, `i * 8 + j < n` of `A[i * 8 + j]`, is told by the region."""
        if isinstance(condition, IntImm):
            return False
        found: set[Var] = set()

        def look(node: Node) -> None:
            if isinstance(node, Var) and node in self.axes:
                post_order_visit(self.axes[node], look)
            elif isinstance(node, Var):
                found.add(node)

        post_order_visit(condition, look)
        if not found & self.outer:
            return False
        return found <= self.outer or not self._is_on_index(condition)

    def _is_on_index(self, condition: PrimExpr) -> bool:
        if not isinstance(condition, (LT, LE)) or condition.a.dtype not in INDEX_TYPES:
            return False
        terms, total = self.analyzer.engine.terms, self.analyzer.sum
        sides = [total(condition.a), total(condition.b)]
        return any(
            terms.sub(total(index), side).constant is not None
            for index in self.at
            for side in sides
            if index.dtype == side.dtype
        )

    def is_covered(self) -> bool:
        """True if every read lies within what was written before under its conditions, or nothing
        is written at all: then no read has a value to lose."""
        if not self.written:
            return True
        groups: dict[tuple[int, ...], list[Region]] = {}
        for read in self.read:
            surely = (
                place for place, write in enumerate(self.written[: read.before])
                if all(any(structural_equal(c, r) for r in read.conditions)
                       for c in write.conditions)
            )  # fmt: skip
            groups.setdefault(tuple(surely), []).append(read.region)
        return all(self._covers(places, reads) for places, reads in groups.items())

    def _covers(self, places: tuple[int, ...], reads: list[Region]) -> bool:
        if not places:
            return False
        inner = self.box(self.traced, reads)
        around = self.box(self.traced, [self.written[place].region for place in places])
        return all(
            _within(self, a.min, a.min + a.extent, b.min, b.min + b.extent)
            or _within(self, IntImm(b.min.dtype, 0), extent, b.min, b.min + b.extent)
            for a, b, extent in zip(inner.region, around.region, self.traced.shape, strict=True)
        )


def is_self_contained(body: Stmt, buffer: Buffer, outer: list[For], inside: Set[Var]) -> bool:
    """True if one run of `body` reads no more of `buffer` than it has written itself before.

    `outer` are the loops around; the memory lives through runs of those over `inside`.
    """
    for by_conditions in (False, True):
        reach = _Ordered(buffer, inside, by_conditions)
        for loop in outer:
            reach.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        reach.walk(body)
        if buffer in reach.opaque:
            return False
        if reach.is_covered():
            return True
    return False


def _within(reach: Reach, low: PrimExpr, end: PrimExpr, least: PrimExpr, most: PrimExpr) -> bool:
    engine = reach.analyzer.engine

    def not_above(a: PrimExpr, b: PrimExpr) -> bool:
        difference: Sum = engine.terms.sub(engine.sum(b), engine.sum(a))
        return engine.bounds.is_not_negative(difference)

    return not_above(least, low) and not_above(end, most)
