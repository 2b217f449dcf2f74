"""The primitive `compute_at`."""

from __future__ import annotations

from ..conditions import require_covered, require_not_output, require_stage_pipeline
from ..instruction import Block, Loop, primitive
from ..moving import (
    keep_shared,
    move,
    nest_of,
    place_among,
    region_space,
    require_movable,
    required_boxes,
    solve_axes,
)
from ..ordering import require_order_kept
from ..refusal import refuse
from ..regions import bind
from ..sref import INLINE_MARK
from ..state import ScheduleState
from .compute_inline import compute_inline


@primitive
def compute_at(
    state: ScheduleState,
    block: Block,
    loop: Loop,
    preserve_unit_loops: bool = False,
    index: int = -1,
) -> None:
    """Moves a producer under a loop of its consumers, where it computes what they read there.

    for i: B[i] = f(A[i])                ->   for i:
    for i: C[i] = g(B[i])                         B[i] = f(A[i]); C[i] = g(B[i])

    All consumers must be under the loop, and the block must not be an output of its scope. Into
    memory that threads share it computes what all of them read.
    `index`: the place in the loop's body; -1 the last possible one, -2 the first.
    """
    if loop.is_mark:
        if loop is INLINE_MARK:
            compute_inline(state, block)
        return
    root = require_movable(state, block, loop)
    require_stage_pipeline(state, root, block)
    require_not_output(state, block, root)
    scope = state.get_block_scope(root)
    consumers = scope.consumers(block)
    if not consumers:
        refuse("no block reads what the block writes", block)
    for consumer in consumers:
        if not consumer.is_under(loop):
            refuse("it requires all the consumers of the block under the loop", consumer, loop)
    require_order_kept(state, root, block, [loop])
    place = place_among(loop, scope.producers(block), consumers, index)
    space = region_space(state, loop)
    stmt = block.block
    written = [w.buffer for w in stmt.writes]
    boxes = required_boxes(space, loop, consumers, "reads", written, for_threads=True)
    ranges = solve_axes(space, stmt, stmt.writes, boxes)
    for at in state.loops_of(block):
        bind(space, at)
    ranges = keep_shared(state, space, block, loop, ranges)
    nest = nest_of(space, stmt, ranges, preserve_unit_loops, block.realize)
    move(state, root, block, loop, nest, place)
    require_covered(state, [block, *consumers], root)
