"""Keeping a buffer in another data type."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ..buffer import Buffer
from ..expr import BufferLoad, Cast, Var, pointer
from ..stmt import Block, BufferRegion, BufferStore
from .refusal import refuse
from .rewrite import view_within


class _Retype(Rewriter):
    def __init__(self, old: Buffer, new: Buffer) -> None:
        self.new = {old: new}
        self.blocks: dict[Block, Block] = {}

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """The value as it was before, cast from how it is kept."""
        indices = self.rewrite_tuple(load.indices)
        new = self.new.get(load.buffer)
        if new is None:
            return load.replace(indices=indices)
        return Cast(load.dtype, BufferLoad(new, indices, load.predicate))

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The store, its value cast to how it is kept."""
        value = self.rewrite(store.value)
        indices = self.rewrite_tuple(store.indices)
        new = self.new.get(store.buffer)
        if new is None:
            return store.replace(value=value, indices=indices)
        kept = value if value.dtype == new.dtype else Cast(new.dtype, value)
        return BufferStore(new, kept, indices, store.predicate)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> BufferRegion:
        """The same part of the new buffer."""
        made = self.rewrite(region.region)
        buffer = self.new.get(region.buffer, region.buffer)
        if made is region.region and buffer is region.buffer:
            return region
        return BufferRegion(buffer, made)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """The new buffer where the old one is declared."""
        return self.new.get(buffer, buffer)

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The variable. Refuses memory that is used otherwise than by loads and stores."""
        old = next((b for b in self.new if b.data is var), None)
        if old is not None:
            refuse(f"the memory of `{old.name}` is used otherwise than by loads and stores")
        return var

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block rewritten, recorded; views of the buffer are of the new type as well."""
        for match in block.match_buffers:
            source = self.new.get(match.source.buffer)
            if source is not None:
                self.new[match.buffer] = view_within(match.buffer, source)
        made = self.rewrite_children(block)
        if made is not block:
            self.blocks[block] = made
        return made


def retyped(block: Block, old: Buffer, dtype: str) -> tuple[Block, dict[Block, Block]]:
    """`block`, which allocates `old`, with it kept as `dtype`; and the blocks changed."""
    data = Var(old.data.name, pointer(dtype, old.scope()))  # type: ignore[arg-type]
    rewriter = _Retype(old, old.replace(data=data, dtype=dtype))
    made = rewriter.run(block)
    return made, rewriter.blocks
