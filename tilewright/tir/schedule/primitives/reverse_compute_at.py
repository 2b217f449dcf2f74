"""The primitive `reverse_compute_at`."""

from __future__ import annotations

from ...expr import IterVarType
from ..conditions import require_covered, require_once, require_stage_pipeline
from ..instances import require_every_instance
from ..instruction import Block, Loop, primitive
from ..moving import (
    move,
    nest_of,
    place_among,
    region_space,
    require_movable,
    required_boxes,
    solve_axes,
)
from ..poly import variables_in
from ..refusal import refuse
from ..regions import bind
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
    the loop's body. `index`: the place in the body; -1 the last possible one, -2 the first.
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
    if not inside:
        refuse("no producer of the block is under the loop", block, loop)
    _require_before(state, root, [p for p in producers if p not in inside], loop)
    for producer in inside:
        _require_finished(producer, loop)
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
    nest = nest_of(space, stmt, ranges, preserve_unit_loops, {}, block.realize)
    move(state, root, block, loop, nest, place)
    require_once(state, block)
    require_covered(state, [block], root)


def _require_before(
    state: ScheduleState, root: StmtSRef, producers: list[StmtSRef], loop: StmtSRef
) -> None:
    """Refuses unless the producers that are not under the loop come before it."""
    order = {s: k for k, s in enumerate(state.walk(root))}
    for producer in producers:
        if order[producer] > order[loop]:
            refuse("a producer of the block comes after the loop", producer, loop)


def _require_finished(producer: StmtSRef, loop: StmtSRef) -> None:
    """Refuses if a reduction axis of the producer depends on the loop or one around it."""
    if producer.realize is None:
        return
    outer = {at.loop.loop_var for at in (loop, *loop.ancestors()) if not at.is_block}
    for axis, value in zip(producer.block.iter_vars, producer.realize.iter_values, strict=True):
        if axis.iter_type is IterVarType.DataPar:
            continue
        if any(v in outer for v in variables_in(value)):
            refuse(
                f"the reduction over `{axis.var.name}` is not complete within one run of the loop",
                producer,
                loop,
            )
