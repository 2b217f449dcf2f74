"""Whether a block finds what it reads: its producers have written all of it before."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.structural import structural_equal
from .. import op as T
from ..buffer import Buffer
from .exact import fills_box, is_dense
from .instances import is_domain, is_skipped, may_move
from .poly import Space, variables_in
from .regions import (
    covers,
    joined_boxes,
    loops_between,
    shared_threads,
    space_at,
    surely_written,
    touched,
)
from .rewrite import conjuncts
from .sref import StmtSRef
from .state import ScheduleState


def is_covered(
    state: ScheduleState,
    consumer: StmtSRef,
    producers: list[StmtSRef],
    *,
    at_most: bool = False,
) -> bool:
    """True if all that `consumer` reads of its producers' results has been written before, in
    the same run of the loops that they share: by one of them, or by several together.

    What a producer that has run as a whole leaves out of its box, such as the padding of a layout,
    nothing reads. In loops that it shares, a condition under which it runs holds for the consumer
    as well, or leaves out nothing. `at_most`: what they may write, whatever their conditions.
    """
    for buffer in dict.fromkeys(r.buffer for r in consumer.block.reads):
        makers = [p for p in producers if any(w.buffer is buffer for w in p.block.writes)]
        if not makers or any(_covered_by(state, consumer, [p], buffer, at_most) for p in makers):
            continue
        if len(makers) == 1 or not _covered_by(state, consumer, makers, buffer, at_most):
            return False
    return True


def _covered_by(
    state: ScheduleState,
    consumer: StmtSRef,
    producers: list[StmtSRef],
    buffer: Buffer,
    at_most: bool,
) -> bool:
    top = state.common_ancestor((consumer, *producers))
    space = space_at(state, top, inside=True)
    shared = shared_threads(top, buffer.scope())
    boxes = []
    is_sure = at_most or top.is_block
    for producer in producers:
        writes = surely_written(producer.block, buffer)
        relaxed = [*shared, *loops_between(producer, top)]
        free = {space._variable(at.loop.loop_var) for at in relaxed}
        for part in writes:
            box = touched(space, producer, [part], relaxed, admitted=True)
            if not (is_sure or _runs(space, producer, consumer, relaxed)):
                continue
            is_whole = top.is_block and is_dense(space, part.region, free)
            if box is not None and (is_whole or fills_box(space, part.region, free, buffer.shape)):
                boxes.append(box)
    reads = [r for r in consumer.block.reads if r.buffer is buffer]
    needed = touched(space, consumer, reads, loops_between(consumer, top), where=True)
    if needed is None:
        return False
    return any(covers(space, buffer, made, needed) for made in joined_boxes(space, boxes))


def _runs(space: Space, producer: StmtSRef, consumer: StmtSRef, loops: Sequence[StmtSRef]) -> bool:
    """True if no condition on what is fixed in `loops` lets the producer rest while the consumer
    runs."""
    if producer.realize is None or consumer.realize is None:
        return False
    given = conjuncts(consumer.realize.predicate)
    left = [c for c in conjuncts(producer.realize.predicate)
            if not any(structural_equal(c, g) for g in given)]  # fmt: skip
    realize = producer.realize.replace(predicate=T.every(left))
    own = {at.loop.loop_var for at in loops}
    fixed = [c for c in left if not own & variables_in(c)]
    return not is_skipped(space, realize, loops) and all(
        is_domain(space, c, realize) or not any(may_move(space, v) for v in variables_in(c))
        for c in fixed
    )
