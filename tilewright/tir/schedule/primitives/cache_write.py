"""The primitive `cache_write`."""

from __future__ import annotations

from ...buffer import Buffer
from ...stmt import Block as BlockNode
from ...stmt import Stmt
from ..buffer_args import WriteBuffer
from ..copies import (
    after,
    box_under,
    copy_block,
    fresh_name,
    lowest_top,
    redirect,
    require_written,
    step_towards,
)
from ..covering import is_covered
from ..instruction import Block, primitive
from ..parts import copy_part, moved, part_touched
from ..refusal import refuse
from ..rewrite import replace_buffer, replace_statements, with_scope
from ..scope import DepKind
from ..sref import StmtSRef
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def cache_write(
    state: ScheduleState,
    block: Block,
    write_buffer_index: WriteBuffer,
    storage_scope: StorageScope,
    consumer_blocks: list[Block] | None = None,
) -> Block:
    """Computes a block's result in memory of `storage_scope`, and copies it to the buffer then.

    B[i] = f(A[i])   ->   B_local[i] = f(A[i]); B[i] = B_local[i]

    The copy stands at the end of the scope, or behind the loops that write if blocks read the
    buffer there.
    `consumer_blocks`: blocks that read the cache instead of the buffer (default: none). Within a
    nested block the cache is no larger than what is written.
    """
    root = state.scope_root(block)
    buffer = block.block.writes[write_buffer_index].buffer
    scope = state.get_block_scope(root)
    writers = scope.buffer_writers.get(buffer.data, [])
    if len(writers) > 1:
        refuse(f"`{buffer.name}` is written by more than one block", *writers)
    if block.block.init is None and _updates(state, block, buffer):
        refuse(f"the block reads `{buffer.name}` as well", block, hint="use cache_inplace instead")
    readers = consumer_blocks or []
    for reader in readers:
        if reader is block:
            refuse(f"the block named as consumer is the one that writes `{buffer.name}`", block)
        if all(r.buffer is not buffer for r in reader.block.reads):
            refuse(f"the block named as consumer does not read `{buffer.name}`", reader)
    early = [d.src for d in scope.get_deps_by_dst(block) if d.kind is DepKind.WAR]
    others = [*scope.consumers(block),
              *(r for r in early if state.common_ancestor((r, block)) is not root)]  # fmt: skip
    others = [o for o in others if o is not block and o not in readers]
    top = lowest_top(state, block, others) if others else root
    require_written(state, root, top, block, buffer)
    space, box = box_under(state, top, buffer, [block], "writes")
    cache = with_scope(buffer, storage_scope, f"{buffer.name}_{storage_scope}")
    name = fresh_name(state, block, cache.name)
    part = part_touched(state, root, buffer, [block], "writes", readers)
    if part is None or box is None:
        nest, copied = copy_block(space, name, cache, buffer, box)
    else:
        cache = cache.replace(shape=part.shape)
        nest, copied = copy_part(space, name, buffer, cache, part, box, "writes")
    made, reuse = replace_buffer(block.block, {buffer: cache})
    if part is not None:
        made = moved(state, root, made, cache, part, reuse)
    table: dict[int, Stmt | None] = {}
    if block.realize is not None:
        table[id(block.realize)] = block.realize.replace(block=made)
    for reader in readers:
        redirected, changed = redirect(reader.block, buffer, cache)
        if part is not None:
            redirected = moved(state, root, redirected, cache, part, changed)
        reuse.update(changed)
        if reader.realize is not None:
            table[id(reader.realize)] = reader.realize.replace(block=redirected)
    holder = top.loop if not top.is_block else top.block
    body = after(holder.body, step_towards(top, block).node if others else None, nest)
    inner = replace_statements(body, table)
    if inner is None:
        raise TypeError("nothing left of the body")
    changed_holder = holder.replace(body=inner)
    if top is root:
        made_root: BlockNode = changed_holder  # type: ignore[assignment]
    else:
        made_root = root.block.replace(
            body=replace_statements(root.block.body, {**table, id(top.stmt): changed_holder})
        )
    made_root = made_root.replace(alloc_buffers=(*made_root.alloc_buffers, cache))
    state.replace(root, made_root, {**reuse, root.block: made_root})
    return state.srefs[id(copied)]


def _updates(state: ScheduleState, block: StmtSRef, buffer: Buffer) -> bool:
    """True if the block needs what the buffer held before; False if it reads no more of the buffer
    than the blocks in it have written."""
    if all(r.buffer is not buffer for r in block.block.reads):
        return False
    scope = state.get_block_scope(block)
    readers = [c for c in scope.children if any(r.buffer is buffer for r in c.block.reads)]
    for reader in readers:
        makers = [p for p in scope.producers(reader) if p is not reader
                  and any(w.buffer is buffer for w in p.block.writes)]  # fmt: skip
        if not makers or not is_covered(state, reader, makers):
            return True
    return not readers
