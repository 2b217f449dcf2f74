"""Loops that write a whole buffer, made to run over its new layout, padding included."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.expr import IntImm, PrimExpr
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, Var
from ..index_map import IndexMap
from ..stmt import Block, BlockRealize, BufferStore, For, ForKind, SeqStmt, Stmt
from .inlining import with_regions
from .poly import Space
from .rewrite import MapLoads, accesses, substitute
from .sref import StmtSRef
from .state import ScheduleState

Value = Callable[[list[Var]], PrimExpr]


def over_new_layout(
    state: ScheduleState,
    root: StmtSRef,
    writer: StmtSRef,
    old: Buffer,
    new: Buffer,
    back: IndexMap,
    is_padding: Value,
    fill: Value,
) -> bool:
    """Lets loops around a block without axes run over all places of `new`. False, with nothing
    changed, unless the loops of the old dimensions hold all stores to the buffer, which go to
    their place, and nothing else that has an effect.

    for i in range(14): B[i // 4, i % 4] = A[i]
    ->   for ax0, ax1 in grid(4, 4): B[ax0, ax1] = if_then_else(padding, fill, A[ax0 * 4 + ax1])
    """
    found = _loops(root, writer, old)
    if found is None:
        return False
    top, old_loops, body = found
    loops = [Var(f"ax{k}", d.dtype) for k, d in enumerate(new.shape)]
    space = Space()
    for var, size in zip(loops, new.shape, strict=True):
        space.bind(var, IntImm(var.dtype, 0), size)
    places = zip(old_loops, back.map_indices(loops), strict=True)
    env = {loop.loop_var: T.cast(v, loop.loop_var.dtype) for loop, v in places}
    turning = _Turning(new, loops, env, space, is_padding(loops), fill(loops))
    made = turning.statement(body)
    stores = [s for s in accesses(root.block.body).stores if s.buffer is new]
    if made is None or len(stores) != turning.count:
        return False
    for var, size in zip(reversed(loops), reversed(new.shape), strict=True):
        made = For(var, IntImm(var.dtype, 0), size, ForKind.SERIAL, made)
    state.replace(top, made, turning.blocks)
    return True


def _loops(
    root: StmtSRef, writer: StmtSRef, old: Buffer
) -> tuple[StmtSRef, list[For], Stmt] | None:
    """The loops of the old dimensions, outermost first, the handle of the first, and what they
    hold; None if there are none such."""
    path = [writer, *writer.ancestors()]
    if root not in path:
        return None
    around = path[: path.index(root)][::-1]
    loops: list[For] = []
    for at, size in zip(around, old.shape, strict=False):
        if at.is_block or (loops and loops[-1].body is not at.stmt):
            return None
        if not _is_plain(at.loop) or not T.is_const_int(T.simplified(at.loop.extent - size), 0):
            return None
        loops.append(at.loop)
    return None if len(loops) < old.ndim else (around[0], loops, loops[-1].body)


def _is_plain(loop: For) -> bool:
    return (
        loop.kind is ForKind.SERIAL and not loop.annotations
        and isinstance(loop.extent, IntImm) and T.is_const_int(loop.min, 0)
    )  # fmt: skip


class _Turning:
    """Rewrites statements of the loops for the new ones; None for what may not stand there."""

    def __init__(
        self,
        new: Buffer,
        loops: list[Var],
        env: dict[Var, PrimExpr],
        space: Space,
        is_padding: PrimExpr,
        fill: PrimExpr,
    ) -> None:
        self.new, self.loops, self.env, self.space = new, loops, env, space
        self.is_padding, self.fill = is_padding, fill
        self.blocks: dict[Block, Block] = {}
        self.count = 0
        """How many stores have been rewritten."""

    def statement(self, stmt: Stmt) -> Stmt | None:
        """The statement in the new loops."""
        if isinstance(stmt, BufferStore):
            return self._store(stmt)
        if isinstance(stmt, SeqStmt):
            parts = [self.statement(part) for part in stmt.seq]
            return None if None in parts else SeqStmt(tuple(p for p in parts if p is not None))
        if isinstance(stmt, For) and _is_plain(stmt):
            body = self.statement(stmt.body)
            return None if body is None else stmt.replace(body=body)
        if isinstance(stmt, BlockRealize) and not stmt.iter_values:
            return self._block(stmt)
        return None

    def _block(self, realize: BlockRealize) -> Stmt | None:
        block = realize.block
        if not T.is_const_int(realize.predicate, 1) or block.init is not None:
            return None
        if block.match_buffers or block.alloc_buffers:
            return None
        body = self.statement(block.body)
        if body is None:
            return None
        made = self.blocks[block] = with_regions(block.replace(body=body))
        return realize.replace(block=made)

    def _store(self, store: BufferStore) -> Stmt | None:
        if store.buffer is not self.new or not self._is_own(store.indices):
            return None
        if any(
            load.buffer is self.new and not self._is_own(load.indices)
            for load in accesses(store.value).loads
        ):
            return None
        self.count += 1
        value = MapLoads(self._load).run(substitute(store.value, self.env))
        value = T.if_then_else(self.is_padding, self.fill, value)
        return BufferStore(self.new, value, tuple(self.loops))

    def _load(self, load: BufferLoad) -> BufferLoad:
        return load.replace(indices=self._simple(load.indices))

    def _is_own(self, indices: tuple[PrimExpr, ...]) -> bool:
        """True if an access is at the place of the loops."""
        made = self._simple(tuple(substitute(i, self.env) for i in indices))
        return all(a is b for a, b in zip(made, self.loops, strict=True))

    def _simple(self, indices: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
        return tuple(map(self.space.simplify, indices))
