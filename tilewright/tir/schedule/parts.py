"""Caches within a nested block, no larger than the part of the buffer that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..stmt import Block, BufferRegion, BufferStore, Stmt
from .copies import box_under
from .moving import nest_of
from .poly import Poly, Space, constant, plus, value_of
from .regions import Box, covers, space_at
from .rewrite import accesses, point
from .sref import StmtSRef
from .state import ScheduleState


@dataclass(frozen=True)
class Part:
    """What a cache holds of a buffer: its shape, and where it begins in each dimension."""

    shape: tuple[PrimExpr, ...]
    begins: tuple[PrimExpr, ...]


def part_touched(
    state: ScheduleState,
    root: StmtSRef,
    buffer: Buffer,
    blocks: Sequence[StmtSRef],
    side: str,
    readers: Sequence[StmtSRef] = (),
) -> Part | None:
    """The part of the buffer that `blocks` touch in one run of the nested block `root`; None if it
    is all of it, or not known to be of constant size within the buffer, if `readers` go beyond it,
    or if one of them takes the buffer's address or a view of it."""
    if root.parent is None or any(_is_viewed(user.block, buffer) for user in (*blocks, *readers)):
        return None
    space, box = box_under(state, root, buffer, blocks, side)
    needed = box_under(state, root, buffer, readers, "reads", space)[1] if readers else box
    if box is None or needed is None or not covers(space, buffer, box, needed):
        return None
    shape: list[PrimExpr] = []
    begins: list[PrimExpr] = []
    for size, (low, high) in zip(buffer.shape, box, strict=True):
        span = _span(space, low, high, space.poly(size))
        known = span is not None and low is not None
        shape.append(IntImm(size.dtype, span) if known and span is not None else size)
        begins.append(space.expr(low if known and low is not None else {}, size.dtype))
    if all(
        T.is_const_int(b, 0) and space.poly(s) == space.poly(d)
        for b, s, d in zip(begins, shape, buffer.shape, strict=True)
    ):
        return None
    return Part(tuple(shape), tuple(begins))


def _span(space: Space, low: Poly | None, high: Poly | None, size: Poly) -> int | None:
    """How many places there are from `low` to `high`, if these are known to be within `size`."""
    if low is None or high is None:
        return None
    inside = space.nonneg(low) and space.nonneg(plus(plus(size, high, -1), constant(-1)))
    return value_of(plus(plus(high, low, -1), constant(1))) if inside else None


def _is_viewed(block: Block, buffer: Buffer) -> bool:
    found = accesses(block)
    if buffer.data in found.variables:
        return True
    return any(m.source.buffer is buffer for b in found.blocks for m in b.match_buffers)


def copy_part(
    space: Space, name: str, buffer: Buffer, cache: Buffer, part: Part, box: Box, side: str
) -> tuple[Stmt, Block]:
    """The loops around a block that copies `box` of `buffer` into its place in the cache ("reads")
    or back ("writes")."""
    axes = [
        IterVar(Range(IntImm(d.dtype, 0), d), Var(f"v{k}", d.dtype), IterVarType.DataPar)
        for k, d in enumerate(part.shape)
    ]
    here = tuple(axis.var for axis in axes)
    there = tuple(T.add(begin, v) for begin, v in zip(part.begins, here, strict=True))
    ends = [(buffer, there), (cache, here)]
    (source, at), (target, to) = ends if side == "reads" else reversed(ends)
    block = Block(
        tuple(axes),
        (BufferRegion(source, point(at)),),
        (BufferRegion(target, point(to)),),
        name,
        BufferStore(target, BufferLoad(source, at), to),
    )
    ranges = {
        v: (
            None if low is None else plus(low, space.poly(begin), -1),
            None if high is None else plus(high, space.poly(begin), -1),
        )
        for v, begin, (low, high) in zip(here, part.begins, box, strict=True)
    }
    return nest_of(space, block, ranges, True), block


def moved(
    state: ScheduleState,
    root: StmtSRef,
    block: Block,
    cache: Buffer,
    part: Part,
    reuse: dict[Block, Block],
) -> Block:
    """`block` accessing the part of a buffer where it accesses the cache as if it were all of it;
    `reuse` is brought up to date."""
    rewriter = _Shift(cache, part.begins, space_at(state, root, inside=True))
    made: Block = rewriter.run(block)
    for old, new in list(reuse.items()):
        reuse[old] = rewriter.blocks.get(new, new)
    return made


class _Shift(Rewriter):
    """Accesses `buffer` counting from where the part begins; `blocks` records what changes."""

    def __init__(self, buffer: Buffer, begins: tuple[PrimExpr, ...], space: Space) -> None:
        self.target, self.begins, self.space = buffer, begins, space
        self.blocks: dict[Block, Block] = {}

    def _places(self, indices: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
        return tuple(
            i if T.is_const_int(b, 0) else self.space.simplify(T.subtract(i, b))
            for i, b in zip(indices, self.begins, strict=True)
        )

    @on(BufferLoad, BufferStore)
    def access(self, access: BufferLoad | BufferStore) -> BufferLoad | BufferStore:
        """The access, moved if it is of the buffer."""
        made = self.rewrite_children(access)
        if made.buffer is not self.target:
            return made
        return made.replace(indices=self._places(made.indices))

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """The region, moved if it is of the buffer."""
        made: BufferRegion = self.rewrite_children(region)
        if made.buffer is not self.target:
            return made
        lows = self._places([r.min for r in made.region])
        ranges = tuple(Range(low, r.extent) for low, r in zip(lows, made.region, strict=True))
        return BufferRegion(made.buffer, ranges)

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block, noted if it changes."""
        made: Block = self.rewrite_children(block)
        if made is not block:
            self.blocks[block] = made
        return made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers stay."""
        return buffer
