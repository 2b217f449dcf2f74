"""The primitive `reverse_compute_at`."""

from __future__ import annotations

from ..conditions import require_covered, require_finished, require_once, require_stage_pipeline
from ..instances import require_every_instance
from ..instruction import Block, Loop, primitive
from ..loop_checks import require_apart
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
from ..scope import BlockScope, DepKind
from ..sref import INLINE_MARK, StmtSRef
from ..state import ScheduleState
from .reverse_compute_inline import reverse_compute_inline


@primitive
def reverse_compute_at(
    state: ScheduleState,
    block: Block,
    loop: Loop,
    preserve_unit_loops: bool = False,
    index: int = -1,
) -> None:
    """Moves a consumer under a loop of its producers, where it uses what they write there.

    for i: B[i] = f(A[i])                ->   for i:
    for i: C[i] = g(B[i])                         B[i] = f(A[i]); C[i] = g(B[i])

    Its producers must be under the loop (or before it), their reductions complete in one run of
    the loop's body. A block without producers runs whole in each iteration. `index`: the place in
    the body; -1 the last possible one, -2 the first.
    """
    if loop.is_mark:
        if loop is INLINE_MARK:
            reverse_compute_inline(state, block)
        return
    root = require_movable(state, block, loop)
    require_stage_pipeline(state, root)
    scope = state.get_block_scope(root)
    producers = scope.producers(block)
    inside = [p for p in producers if p.is_under(loop)]
    if producers and not inside:
        refuse("no producer of the block is under the loop", block, loop)
    order = {s: k for k, s in enumerate(state.walk(root))}
    for producer in producers:
        if producer not in inside and order[producer] > order[loop]:
            refuse("a producer of the block comes after the loop", producer, loop)
    for producer in inside:
        require_finished(producer, loop)
    if not producers:
        _require_repeatable(scope, block, loop, order)
    require_order_kept(state, root, block, [loop])
    place = place_among(loop, inside, scope.consumers(block), index)
    require_every_instance(state, block, conditions=True)
    space = region_space(state, loop)
    stmt = block.block
    buffers = [r.buffer for r in stmt.reads
               if any(w.buffer is r.buffer for p in inside for w in p.block.writes)]  # fmt: skip
    boxes = required_boxes(space, loop, inside, "writes", buffers)
    ranges = solve_axes(space, stmt, stmt.reads, boxes, exact=True)
    for at in state.loops_of(block):
        bind(space, at)
    ranges = keep_shared(state, space, block, loop, ranges)
    nest = nest_of(space, stmt, ranges, preserve_unit_loops, block.realize, exact=True)
    move(state, root, block, loop, nest, place)
    require_apart(state, block)
    if producers:
        require_once(state, block)
    require_covered(state, [block], root)


def _require_repeatable(
    scope: BlockScope, block: StmtSRef, loop: StmtSRef, order: dict[StmtSRef, int]
) -> None:
    """Refuses if the block cannot run whole in each iteration of the loop: others write what it
    writes, or have used it before."""
    for dependency in scope.get_deps_by_dst(block):
        refuse("another block uses what the block writes before it", dependency.src, block)
    for dependency in scope.get_deps_by_src(block):
        if dependency.kind is not DepKind.RAW:
            refuse("another block writes what the block writes", dependency.dst, block)
        if not dependency.dst.is_under(loop) and order[dependency.dst] < order[loop]:
            refuse("a consumer of the block comes before the loop", dependency.dst, loop)
