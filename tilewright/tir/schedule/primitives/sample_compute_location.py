"""The primitive `sample_compute_location`."""

from __future__ import annotations

import random
from typing import Any

from ...expr import IterVarType
from ..conditions import not_complete
from ..instruction import Block, Loop, primitive
from ..poly import variables_in
from ..refusal import Refusal, refuse
from ..sampling import as_int
from ..sref import INLINE_MARK, ROOT_MARK, StmtSRef
from ..state import ScheduleState


@primitive(sampling=True)
def sample_compute_location(
    state: ScheduleState, block: Block, *, rand: random.Random, decision: Any = None
) -> Loop:
    """A loop under which the block may be computed (`compute_at`), or where it is, or inline.

    The decision is the place among the possible loops; -1: where it is; -2: inline. `compute_at`
    does what it says for each of them.
    """
    places = _possible(state, block)
    if decision is None:
        chosen = rand.choice(sorted(places))
    else:
        chosen = as_int(decision)
        if chosen not in places:
            chosen = max((p for p in places if p <= chosen), default=-1)
    return places[chosen], chosen  # type: ignore[return-value]


def _possible(state: ScheduleState, block: StmtSRef) -> dict[int, StmtSRef]:
    root = state.scope_root(block)
    places = {-1: ROOT_MARK}
    try:
        if not_complete(state, block, root) is None:
            places[-2] = INLINE_MARK
        places.update(_loops(state, block, root))
    except Refusal:
        pass
    return places


def _loops(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> dict[int, StmtSRef]:
    """The loops that all consumers share, by depth, as far as they run data-parallel axes."""
    consumers = state.get_block_scope(root).consumers(block)
    if not consumers:
        refuse("the block has no consumers", block)
    shared = state.loops_of(consumers[0])
    for consumer in consumers[1:]:
        theirs = state.loops_of(consumer)
        shared = [l for l in shared if l in theirs]
    found: dict[int, StmtSRef] = {}
    for depth, loop in enumerate(shared):
        if block.is_under(loop) or _reduces(consumers, loop):
            continue
        found[depth] = loop
    return found


def _reduces(consumers: list[StmtSRef], loop: StmtSRef) -> bool:
    for consumer in consumers:
        if consumer.realize is None:
            continue
        for axis, value in zip(consumer.block.iter_vars, consumer.realize.iter_values, strict=True):
            reduces = axis.iter_type is not IterVarType.DataPar
            if reduces and loop.loop.loop_var in variables_in(value):
                return True
    return False
