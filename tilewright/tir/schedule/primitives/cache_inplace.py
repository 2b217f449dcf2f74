"""The primitive `cache_inplace`."""

from __future__ import annotations

from ... import op as T
from ...buffer import Buffer
from ...stmt import Stmt, stmt_seq
from ..buffer_args import ReadBuffer
from ..copies import box_under, copy_block, fresh_name, step_towards
from ..instances import fills_what_it_writes
from ..instruction import Block, primitive
from ..refusal import refuse
from ..regions import unite
from ..rewrite import replace_buffer, replace_statements, with_scope
from ..sref import StmtSRef
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def cache_inplace(
    state: ScheduleState, block: Block, read_buffer_index: ReadBuffer, storage_scope: StorageScope
) -> list[Block]:
    """Lets a block that changes a buffer in place do so in memory of `storage_scope`.

    B[i] = f(B[i])   ->   B_local[i] = B[i]; B_local[i] = f(B_local[i]); B[i] = B_local[i]

    Returns the block that copies before, what the block reads and leaves as it is, and the one
    that copies after.
    """
    root = state.scope_root(block)
    stmt, realize = block.block, block.realize
    buffer: Buffer = stmt.reads[read_buffer_index].buffer
    if realize is None or all(w.buffer is not buffer for w in stmt.writes):
        refuse(f"the block does not write `{buffer.name}`, which it reads", block)
    _require_alone(state, root, block, buffer)
    cache = with_scope(buffer, storage_scope, f"{buffer.name}_{storage_scope}")
    around = _top(root, block)
    space, taken = box_under(state, around, buffer, [block], "reads")
    written = box_under(state, around, buffer, [block], "writes", space)[1]
    if not fills_what_it_writes(state, block, buffer, around):
        taken = unite(space, taken, written) if taken and written else None
    name = fresh_name(state, block, cache.name)
    before, first = copy_block(space, name, buffer, cache, taken)
    behind, last = copy_block(space, f"{name}_back", cache, buffer, written)
    made, reuse = replace_buffer(stmt, {buffer: cache})
    table: dict[int, Stmt | None] = {id(realize): realize.replace(block=made)}
    step = step_towards(around, block).node
    changed_step = replace_statements(step, table) or step
    parts = stmt_seq(before, changed_step, behind)
    body = replace_statements(root.block.body, {id(step): parts})
    changed = root.block.replace(body=body, alloc_buffers=(*root.block.alloc_buffers, cache))
    state.replace(root, changed, {**reuse, root.block: changed})
    return [state.srefs[id(first)], state.srefs[id(last)]]


def _top(root: StmtSRef, block: StmtSRef) -> StmtSRef:
    """The block or loop in which the copies go: outside of all loops but those of one iteration."""
    found = root
    for at in reversed(list(block.ancestors())):
        if at.is_under(root):
            if at.is_block or not T.is_const_int(at.loop.extent, 1):
                break
            found = at
    return found


def _require_alone(state: ScheduleState, root: StmtSRef, block: StmtSRef, buffer: Buffer) -> None:
    """Refuses if another block in the same loops uses the buffer: it would miss the changes."""
    for other in state.child_blocks(root):
        regions = (*other.block.reads, *other.block.writes)
        if other is block or all(r.buffer.data is not buffer.data for r in regions):
            continue
        if step_towards(root, other) is step_towards(root, block):
            refuse(f"`{buffer.name}` is used by another block in the same loops", other, block)
