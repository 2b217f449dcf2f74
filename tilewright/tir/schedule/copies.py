"""Blocks that copy a part of a buffer, and the places where they go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.expr import IntImm, Range
from ...ir.functor import Rewriter, on
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..stmt import (
    Allocate,
    AllocateConst,
    Block,
    BufferRegion,
    BufferStore,
    DeclBuffer,
    LetStmt,
    MatchBufferRegion,
    SeqStmt,
    Stmt,
    stmt_seq,
)
from .instances import fills_what_it_writes
from .moving import nest_of, required_boxes
from .poly import Space
from .refusal import refuse
from .regions import Box, space_at
from .rewrite import point
from .sref import StmtSRef, holds, substatements
from .state import ScheduleState

DECLARATIONS = (Allocate, AllocateConst, DeclBuffer, LetStmt)
"""The statements that give their body a name and do nothing else."""


def fresh_name(state: ScheduleState, at: StmtSRef, name: str) -> str:
    """`name`, numbered if a block of the function has it already."""
    root = next(reversed([at, *at.ancestors()]))
    taken = {s.block.name_hint for s in state.walk(root) if s.is_block}
    made, k = name, 1
    while made in taken:
        made, k = f"{name}_{k}", k + 1
    return made


def copy_block(
    space: Space, name: str, source: Buffer, target: Buffer, box: Box | None
) -> tuple[Stmt, Block]:
    """The loops around a block that copies `box` (None: all) of `source` to the same place of
    `target`."""
    axes = [
        IterVar(Range(IntImm(size.dtype, 0), size), Var(f"v{k}", size.dtype), IterVarType.DataPar)
        for k, size in enumerate(source.shape)
    ]
    indices = tuple(axis.var for axis in axes)
    block = Block(
        tuple(axes),
        (BufferRegion(source, point(indices)),),
        (BufferRegion(target, point(indices)),),
        name,
        BufferStore(target, BufferLoad(source, indices), indices),
    )
    ranges = {} if box is None else dict(zip(indices, box, strict=True))
    return nest_of(space, block, ranges, True), block


def box_under(
    state: ScheduleState,
    top: StmtSRef,
    buffer: Buffer,
    blocks: Sequence[StmtSRef],
    side: str,
    space: Space | None = None,
) -> tuple[Space, Box | None]:
    """What `blocks` read or write of `buffer` in one run of the body of `top`, and the arithmetic
    there (`space`, if it has been made)."""
    space = space or space_at(state, top, inside=True)
    boxes = required_boxes(space, top, blocks, side, [buffer])
    return space, boxes.get(buffer)


class RedirectReads(Rewriter):
    """Makes loads of one buffer load another; what is stored stays."""

    def __init__(self, old: Buffer, new: Buffer) -> None:
        self.old, self.new = old, new
        self.blocks: dict[Block, Block] = {}

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> BufferLoad:
        """The load, of the new buffer."""
        made = self.rewrite_children(load)
        return made.replace(buffer=self.new) if made.buffer is self.old else made

    @on(BufferStore)
    def store(self, store: BufferStore) -> BufferStore:
        """The store, its buffer kept."""
        return store.replace(
            value=self.rewrite(store.value), indices=self.rewrite_tuple(store.indices)
        )

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """Buffers are exchanged where they are loaded only."""
        return buffer

    def _region(self, region: BufferRegion) -> BufferRegion:
        buffer = self.new if region.buffer is self.old else region.buffer
        return BufferRegion(buffer, self.rewrite(region.region))

    @on(Var)
    def variable(self, var: Var) -> Var:
        """The address of the buffer, if it is used by itself."""
        return self.new.data if var is self.old.data else var

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block with its reads declared of the new buffer."""
        written = any(w.buffer is self.old for w in block.writes)
        views = block.match_buffers
        if not written:
            views = tuple(
                MatchBufferRegion(m.buffer, BufferRegion(self.new, m.source.region))
                if m.source.buffer is self.old
                else m
                for m in views
            )
        made = block.replace(
            reads=tuple(self._region(r) for r in block.reads),
            writes=tuple(BufferRegion(w.buffer, self.rewrite(w.region)) for w in block.writes),
            body=self.rewrite(block.body),
            init=self.rewrite(block.init) if block.init is not None else None,
            match_buffers=views,
        )
        self.blocks[block] = made
        return made


def redirect(block: Block, old: Buffer, new: Buffer) -> tuple[Block, dict[Block, Block]]:
    """`block` reading `new` instead of `old`, and all blocks changed, old to new."""
    rewriter = RedirectReads(old, new)
    return rewriter.run(block), rewriter.blocks


def after(top: Stmt, target: Stmt | None, new: Stmt) -> Stmt:
    """The body `top` with `new` after the statement in it that holds `target` (None: at its end),
    within the declarations around that."""
    parts = _parts(top)
    held = [k for k, part in enumerate(parts) if target is not None and holds(part, target)]
    at = held[0] if held else len(parts) - 1
    if isinstance(parts[at], DECLARATIONS):
        parts[at] = parts[at].replace(body=after(parts[at].body, target, new))
        return stmt_seq(parts)
    return stmt_seq([*parts[: at + 1], new, *parts[at + 1 :]])


def before(top: Stmt, targets: Sequence[Stmt], new: Stmt) -> Stmt:
    """The body `top` with `new` before the first statement in it that holds one of `targets`,
    within the declarations around that."""
    parts = _parts(top)
    held = [any(holds(part, target) for target in targets) for part in parts]
    at = held.index(True) if True in held else 0
    if isinstance(parts[at], DECLARATIONS):
        parts[at] = parts[at].replace(body=before(parts[at].body, targets, new))
        return stmt_seq(parts)
    return stmt_seq([*parts[:at], new, *parts[at:]])


def at_beginning(top: Stmt, buffer: Buffer, new: Stmt) -> Stmt:
    """The body `top` with `new`, which uses `buffer`, as early as the buffer is declared. Refuses
    a buffer that is declared in a loop."""
    parts = _parts(top)
    at = next((k for k, part in enumerate(parts) if _declares(part, buffer)), 0)
    if isinstance(parts[at], DECLARATIONS):
        parts[at] = parts[at].replace(body=at_beginning(parts[at].body, buffer, new))
        return stmt_seq(parts)
    if _declares(parts[at], buffer):
        refuse(f"`{buffer.name}` is declared in a loop or a condition", parts[at])
    return stmt_seq([*parts[:at], new, *parts[at:]])


def _parts(body: Stmt) -> list[Any]:
    return list(body.seq) if isinstance(body, SeqStmt) else [body]


def _declares(stmt: Stmt, buffer: Buffer) -> bool:
    """True if `buffer` or its memory is declared at or within `stmt`."""
    if isinstance(stmt, DeclBuffer) and stmt.buffer is buffer:
        return True
    if isinstance(stmt, (Allocate, AllocateConst)) and stmt.buffer_var is buffer.data:
        return True
    if isinstance(stmt, LetStmt) and stmt.var is buffer.data:
        return True
    return any(_declares(part, buffer) for part in substatements(stmt))


def lowest_top(state: ScheduleState, block: StmtSRef, users: Sequence[StmtSRef]) -> StmtSRef:
    """The loop or block below which no user is in the statement that `block` is in, so that a copy
    beside that statement serves them all; users outside of it come before or after all of its
    runs."""
    near = [u for u in users if u is not block]
    top = state.common_ancestor([block, *near])
    while True:
        step = step_towards(top, block)
        near = [u for u in near if step_towards(top, u) is step]
        if not near:
            return top
        top = state.common_ancestor([block, *near])


def require_written(
    state: ScheduleState, root: StmtSRef, top: StmtSRef, writer: StmtSRef, buffer: Buffer
) -> None:
    """Refuses if a copy of the box that `writer` writes under `top` would copy more than it has
    written over what `buffer` holds. At first, a buffer that lives in the scope holds nothing;
    where the copy is made several times, it holds what has been copied before."""
    is_new = top is root and any(b is buffer for b in root.block.alloc_buffers)
    if not is_new and not fills_what_it_writes(state, writer, buffer, top):
        refuse(
            f"the block may leave holes in what it writes of `{buffer.name}`: a copy would "
            "overwrite what is there",
            writer,
        )


def step_towards(top: StmtSRef, below: StmtSRef) -> StmtSRef:
    """The ancestor of `below` (or itself) that is a child of `top`."""
    at = below
    while at.parent is not None and at.parent is not top:
        at = at.parent
    return at
