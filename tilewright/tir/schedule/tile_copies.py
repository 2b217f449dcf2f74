"""Copies of the part of a buffer that one iteration of a loop touches."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var
from ..stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    For,
    ForKind,
    IfThenElse,
    Stmt,
    stmt_seq,
)
from .copies import fresh_name, redirect, require_written, step_towards
from .instances import fills_what_it_writes
from .poly import Space, constant, plus, variables_in
from .refusal import refuse
from .regions import loops_between, shared_threads, space_at, touched
from .rewrite import accesses, replace_buffer, replace_statements, substitute, with_scope
from .sref import StmtSRef
from .state import ScheduleState


def tile_copy(
    state: ScheduleState, loop: StmtSRef, block: StmtSRef, side: str, place: int, scope: str
) -> StmtSRef:
    """Copies before ("read") or after ("write") the statement with the block in each iteration of
    `loop`, and lets the block use the copy. Where threads share memory of `scope`, what all of them
    touch is copied; of what is written, if that leaves no holes. Returns the block that copies."""
    root = state.scope_root(block)
    if not block.is_under(loop) or block.realize is None or state.scope_root(loop) is not root:
        refuse("the loop is not around the block in its scope", loop, block)
    buffer: Buffer = getattr(block.block, f"{side}s")[place].buffer
    other = "writes" if side == "read" else "reads"
    is_sum = side == "write" and block.block.init is not None
    if not is_sum and any(r.buffer is buffer for r in getattr(block.block, other)):
        refuse(f"the block both reads and writes `{buffer.name}`", block)
    writers = state.get_block_scope(root).buffer_writers.get(buffer.data, [])
    if side == "write" and len(writers) > 1:
        refuse(f"`{buffer.name}` is written by more than one block", *writers)
    users = [c for c in state.child_blocks(loop) if c is not block and _uses(c, buffer)]
    if users:
        refuse(f"another block under the loop uses `{buffer.name}` as well", users[0], block)
    if side == "write":
        require_written(state, root, loop, block, buffer)
    cache = with_scope(buffer, scope, f"{buffer.name}_{scope}")
    threads = shared_threads(loop, scope)
    if side == "write" and not fills_what_it_writes(state, block, buffer, loop, threads):
        threads = []
    ranges = _ranges(state, loop, block, buffer, side, threads)
    name = fresh_name(state, block, cache.name)
    pair = (buffer, cache) if side == "read" else (cache, buffer)
    space = space_at(state, loop, inside=True)
    copied = _with_axes(space, loop, _copy(space, name, *pair, ranges))
    if side == "read":
        made, reuse = redirect(block.block, buffer, cache)
    else:
        made, reuse = replace_buffer(block.block, {buffer: cache})
    table: dict[int, Stmt | None] = {id(block.realize): block.realize.replace(block=made)}
    step = step_towards(loop, block).node
    changed_step = replace_statements(step, table) or step
    parts = (copied, changed_step) if side == "read" else (changed_step, copied)
    body = replace_statements(loop.loop.body, {id(step): stmt_seq(parts)})
    inner = replace_statements(root.block.body, {id(loop.stmt): loop.loop.replace(body=body)})
    changed = root.block.replace(body=inner, alloc_buffers=(*root.block.alloc_buffers, cache))
    state.replace(root, changed, {**reuse, root.block: changed})
    return state.srefs[id(copied.block)]


def _uses(block: StmtSRef, buffer: Buffer) -> bool:
    return any(r.buffer is buffer for r in (*block.block.reads, *block.block.writes))


def _ranges(
    state: ScheduleState,
    loop: StmtSRef,
    block: StmtSRef,
    buffer: Buffer,
    side: str,
    threads: list[StmtSRef],
) -> list[Range]:
    """What the block touches in one run of the loop's body, in that of all `threads` around it."""
    space = space_at(state, loop, inside=True)
    regions = [r for r in getattr(block.block, f"{side}s") if r.buffer is buffer]
    relaxed = [*threads, *loops_between(block, loop)]
    box = touched(space, block, regions, relaxed)
    out = []
    for k, size in enumerate(buffer.shape):
        low, high = box[k] if box is not None else (None, None)
        if low is None or high is None:
            out.append(Range(IntImm(size.dtype, 0), size))
            continue
        extent = plus(plus(high, low, -1), constant(1))
        made = Range(space.expr(low, size.dtype), space.expr(extent, size.dtype))
        depends = accesses(made).loads  # on data: all of the dimension is copied
        out.append(Range(IntImm(size.dtype, 0), size) if depends else made)
    return out


def _with_axes(space: Space, loop: StmtSRef, copied: BlockRealize) -> BlockRealize:
    """The block with an axis for each loop around it that it uses, in the order of their use, over
    all that it takes on."""
    around = {at.loop.loop_var: at.loop for at in (loop, *loop.ancestors()) if not at.is_block}
    loops = [around[v] for v in variables_in(copied.block.reads) if v in around]
    axes = [
        IterVar(
            _domain(space, loop, l),
            l.loop_var.copy_with_name(f"v{k}"),
            IterVarType.DataPar,
        )
        for k, l in enumerate(loops)
    ]
    env: dict[Var, PrimExpr] = {l.loop_var: a.var for l, a in zip(loops, axes, strict=True)}
    block = copied.block
    made = block.replace(
        iter_vars=tuple(axes),
        reads=tuple(substitute(r, env) for r in block.reads),
        writes=tuple(substitute(w, env) for w in block.writes),
        body=substitute(block.body, env),
    )
    return BlockRealize(tuple(l.loop_var for l in loops), copied.predicate, made)


def _domain(space: Space, at: StmtSRef, loop: For) -> Range:
    """What the variable of a loop takes on in all runs of it."""
    dtype = loop.loop_var.dtype
    low, high = space.relax(space.poly(loop.loop_var))
    if low is None or high is None:
        refuse(f"the range of the loop `{loop.loop_var.name}` is not known", at)
    extent = plus(plus(high, low, -1), constant(1))
    return Range(space.expr(low, dtype), space.expr(extent, dtype))


def _copy(
    space: Space, name: str, source: Buffer, target: Buffer, ranges: list[Range]
) -> BlockRealize:
    """A block without axes that copies the ranges, as far as they are within the buffer."""
    loops = [Var(f"ax{k}", r.extent.dtype) for k, r in enumerate(ranges)]
    indices = tuple(T.add(r.min, v) for r, v in zip(ranges, loops, strict=True))
    body: Stmt = BufferStore(target, BufferLoad(source, indices), indices)
    inside: list[PrimExpr] = []
    for index, r, size in zip(indices, ranges, source.shape, strict=True):
        low, extent = space.poly(r.min), space.poly(r.extent)
        if r.extent is not size and not space.nonneg(
            plus(plus(space.poly(size), low, -1), extent, -1)
        ):
            inside.append(T.less(index, size))
        if not space.nonneg(low):
            inside.append(T.greater_equal(index, 0))
    if inside:
        body = IfThenElse(T.every(inside), body)
    for var, r in zip(reversed(loops), reversed(ranges), strict=True):
        body = For(var, IntImm(var.dtype, 0), r.extent, ForKind.SERIAL, body)
    block = Block(
        (),
        (BufferRegion(source, tuple(ranges)),),
        (BufferRegion(target, tuple(ranges)),),
        name,
        body,
        annotations={"auto_copy": True},
    )
    return BlockRealize((), T.const(1, "bool"), block)
