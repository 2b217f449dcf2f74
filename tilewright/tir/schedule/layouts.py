"""Giving a buffer another layout, wherever it is accessed."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..index_map import IndexMap
from ..stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    ForKind,
    Stmt,
)
from .poly import Space
from .refusal import refuse
from .rewrite import substitute
from .sref import StmtSRef


class ChangeLayout(Rewriter):
    """Accesses `old` as `new`, at mapped indices; `blocks` records the blocks that change."""

    def __init__(self, old: Buffer, new: Buffer, index_map: IndexMap, space: Space) -> None:
        self.old, self.new, self.map, self.space = old, new, index_map, space
        self.blocks: dict[Block, Block] = {}
        self.units: dict[Var, PrimExpr] = {}

    def _bind(self, var: Var, low: PrimExpr, extent: PrimExpr) -> None:
        """Notes the range of a variable. The mapped indices do not use those of one value."""
        self.space.bind(var, low, extent)
        if T.is_const_int(extent, 1):
            self.units[var] = low

    def indices(self, indices: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
        """Where the element at old `indices` is now."""
        env = {v: T.cast(i, v.dtype)
               for v, i in zip(self.map.initial_indices, indices, strict=True)}  # fmt: skip
        return tuple(
            self.space.simplify(substitute(substitute(index, env), self.units))
            for index in self.map.final_indices
        )

    @on(For)
    def loop(self, loop: For) -> For:
        """The loop, its variable's range noted."""
        self._bind(loop.loop_var, loop.min, loop.extent)
        return loop.replace(body=self.rewrite(loop.body))

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block with its accesses and regions mapped."""
        for axis in block.iter_vars:
            if axis.dom is not None:
                self._bind(axis.var, axis.dom.min, axis.dom.extent)
        if any(m.source.buffer is self.old for m in block.match_buffers):
            refuse(f"`{self.old.name}` is viewed as another buffer in the block", block)
        made = block.replace(
            reads=tuple(self._region(r) for r in block.reads),
            writes=tuple(self._region(w) for w in block.writes),
            body=self.rewrite(block.body),
            init=self.rewrite(block.init) if block.init is not None else None,
            alloc_buffers=self._allocated(block.alloc_buffers),
        )
        if made is not block:
            self.blocks[block] = made
        return made

    def _allocated(self, buffers: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
        if all(b is not self.old for b in buffers):
            return buffers
        return tuple(self.new if b is self.old else b for b in buffers)

    def _region(self, region: BufferRegion) -> BufferRegion:
        inside = self.rewrite(region.region)
        if region.buffer is not self.old:
            return region if inside is region.region else BufferRegion(region.buffer, inside)
        if all(T.is_const_int(r.extent, 1) for r in inside):
            at = self.indices([r.min for r in inside])
            ranges = [Range(i, IntImm(i.dtype, 1)) for i in at]
        else:
            ranges = self.map.map_ranges(inside)
        return BufferRegion(self.new, tuple(ranges))

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> BufferLoad:
        """The load, mapped if it is of the buffer."""
        made: BufferLoad = self.rewrite_children(load)
        if made.buffer is not self.old:
            return made
        return BufferLoad(self.new, self.indices(made.indices), made.predicate)

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The store, mapped if it is to the buffer."""
        made: BufferStore = self.rewrite_children(store)
        if made.buffer is not self.old:
            return made
        return BufferStore(self.new, made.value, self.indices(made.indices), made.predicate)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are exchanged where they are accessed."""
        return buffer


def full_nest(
    name: str,
    shape: Sequence[PrimExpr],
    body: object,
    reads: tuple[BufferRegion, ...] = (),
    writes: tuple[BufferRegion, ...] = (),
    axes: Sequence[IterVar] = (),
    predicate: PrimExpr | None = None,
    *,
    prefix: str = "ax",
) -> tuple[Stmt, Block]:
    """Loops over `shape`, numbered after `prefix`, around a block of `body`, whose `axes` are bound
    to them one by one."""
    block = Block(tuple(axes), reads, writes, name, body)  # type: ignore[arg-type]
    loops = [Var(f"{prefix}{k}", size.dtype) for k, size in enumerate(shape)]
    values = tuple(T.cast(v, a.var.dtype) for v, a in zip(loops, axes, strict=True))
    env: dict[Var, PrimExpr] = {a.var: v for a, v in zip(axes, values, strict=True)}
    condition = T.const(1, "bool") if predicate is None else substitute(predicate, env)
    stmt: Stmt = BlockRealize(values, condition, block)
    for var, size in zip(reversed(loops), reversed(list(shape)), strict=True):
        stmt = For(var, IntImm(var.dtype, 0), size, ForKind.SERIAL, stmt)
    return stmt, block


def axes_over(shape: Sequence[PrimExpr], prefix: str = "v") -> list[IterVar]:
    """A data-parallel axis a dimension."""
    return [
        IterVar(Range(IntImm(d.dtype, 0), d), Var(f"{prefix}{k}", d.dtype), IterVarType.DataPar)
        for k, d in enumerate(shape)
    ]


def sole_nest(block: StmtSRef) -> StmtSRef:
    """The outermost of the loops that hold nothing but the block (itself if there are none).
    Refuses if a loop around holds something else as well."""
    top = block
    for at in block.ancestors():
        if at.is_block:
            return top
        if at.loop.body is not top.node:
            refuse("a loop around the block holds other statements", at, block)
        top = at
    return top
