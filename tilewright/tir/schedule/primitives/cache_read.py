"""The primitive `cache_read`."""

from __future__ import annotations

from ...buffer import Buffer
from ...stmt import Block as BlockNode
from ...stmt import Stmt
from ..buffer_args import ReadBuffer
from ..copies import (
    at_beginning,
    before,
    box_under,
    copy_block,
    fresh_name,
    lowest_top,
    redirect,
    step_towards,
)
from ..instruction import Block, primitive
from ..parts import Part, copy_part, moved, part_touched
from ..refusal import refuse
from ..rewrite import replace_statements, with_scope
from ..sref import StmtSRef
from ..state import ScheduleState
from ..storage_scopes import StorageScope


@primitive
def cache_read(
    state: ScheduleState,
    block: Block,
    read_buffer_index: ReadBuffer,
    storage_scope: StorageScope,
    consumer_blocks: list[Block] | None = None,
) -> Block:
    """Copies what is read of a buffer into memory of `storage_scope`, and reads it from there.

    B[i] = f(A[i])   ->   A_local[i] = A[i]; B[i] = f(A_local[i])

    The copy stands before the first block that reads it, in the loops of the block that writes the
    buffer if one reads it there; at the beginning of the scope if no block of it writes the buffer.
    `consumer_blocks`: the blocks that read the copy (default: all of the scope). Within a nested
    block the copy is no larger than what is read.
    """
    root = state.scope_root(block)
    buffer = block.block.reads[read_buffer_index].buffer
    scope = state.get_block_scope(root)
    readers = [c for c in scope.children if any(r.buffer is buffer for r in c.block.reads)]
    wanted = _consumers(readers, consumer_blocks, block)
    writers = scope.buffer_writers.get(buffer.data, [])
    if len(writers) > 1:
        refuse(f"`{buffer.name}` is written by more than one block", *writers)
    readers = [r for r in wanted if r not in writers]
    if not readers:
        refuse(f"no other block than its writer reads `{buffer.name}`", block)
    top = lowest_top(state, writers[0], readers) if writers else root
    far = [r for r in readers if not r.is_under(top)]
    if writers:
        order = {at: k for k, at in enumerate(state.walk(root))}
        early = [r for r in readers if order[r] < order[writers[0]]]
        if 0 < len(early) < len(readers) or (early and far):
            refuse(f"`{buffer.name}` is read before and after it is written", early[0], writers[0])
    if far and all(b is not buffer for b in root.block.alloc_buffers):
        refuse(
            f"`{buffer.name}`, which is not allocated in the scope, is read in the loops that "
            "write it, and elsewhere as well",
            *far,
            hint="name the block that is to use the copy in consumer_blocks",
        )
    touching = (writers, "writes") if far else (readers, "reads")
    space, box = box_under(state, top, buffer, *touching)
    cache = with_scope(buffer, storage_scope, f"{buffer.name}_{storage_scope}")
    name = fresh_name(state, block, cache.name)
    part = None if far else part_touched(state, root, buffer, readers, "reads")
    if part is None or box is None:
        nest, copied = copy_block(space, name, buffer, cache, box)
    else:
        cache = cache.replace(shape=part.shape)
        nest, copied = copy_part(space, name, buffer, cache, part, box, "reads")
    _insert(state, root, top, nest, writers, readers, (buffer, cache), part)
    return state.srefs[id(copied)]


def _consumers(
    readers: list[StmtSRef], given: list[StmtSRef] | None, block: StmtSRef
) -> list[StmtSRef]:
    if not given:
        return readers
    for consumer in given:
        if consumer not in readers:
            refuse("the block named as consumer does not read the buffer in this scope", consumer)
    return given


def _insert(
    state: ScheduleState,
    root: StmtSRef,
    top: StmtSRef,
    nest: Stmt,
    writers: list[StmtSRef],
    readers: list[StmtSRef],
    pair: tuple[Buffer, Buffer],
    part: Part | None,
) -> None:
    """Puts the copy into the body of `top`, redirects the readers, allocates the cache (of the
    part of the buffer, if not all of it)."""
    old, new = pair
    reuse: dict[BlockNode, BlockNode] = {}
    table: dict[int, Stmt | None] = {}
    for reader in readers:
        made, changed = redirect(reader.block, old, new)
        if part is not None:
            made = moved(state, root, made, new, part, changed)
        reuse.update(changed)
        if reader.realize is not None:
            table[id(reader.realize)] = reader.realize.replace(block=made)
    holder = top.stmt
    if holder is None:
        raise TypeError("no statement to insert into")
    if writers:
        near = [step_towards(top, reader).node for reader in readers if reader.is_under(top)]
        body = before(holder.body, near, nest)
    else:
        body = at_beginning(holder.body, old, nest)
    changed_holder = holder.replace(body=replace_statements(body, table) or body)
    made_root = root.block
    if top is root:
        made_root = changed_holder  # type: ignore[assignment]
    else:
        inner = replace_statements(made_root.body, {**table, id(top.stmt): changed_holder})
        made_root = made_root.replace(body=inner)
    made_root = made_root.replace(alloc_buffers=(*made_root.alloc_buffers, new))
    reuse[root.block] = made_root
    state.replace(root, made_root, reuse)
