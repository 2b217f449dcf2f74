"""The primitive `sample_compute_location`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from ....ir.expr import IntImm
from ... import op as T
from ...expr import IterVarType
from ..instruction import Block, Loop, primitive
from ..poly import variables_in
from ..sampling import as_int
from ..sref import INLINE_MARK, ROOT_MARK, StmtSRef
from ..state import ScheduleState
from .compute_at import compute_at
from .compute_inline import compute_inline


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
    return places[chosen], IntImm("int32", chosen)  # type: ignore[return-value]


def _possible(state: ScheduleState, block: StmtSRef) -> dict[int, StmtSRef]:
    places = {-1: ROOT_MARK}
    if state.would_apply(compute_inline, block):
        places[-2] = INLINE_MARK
    for depth, loop in _worthwhile(state, block):
        if state.would_apply(compute_at, block, loop, True):
            places[depth] = loop
    return places


def _worthwhile(state: ScheduleState, block: StmtSRef) -> Iterator[tuple[int, StmtSRef]]:
    """The loops that all consumers share and that run more than once, by depth; no data-parallel
    ones within others, and no others within which there is no data-parallel one."""
    consumers = state.get_block_scope(state.scope_root(block)).consumers(block)
    if not consumers:
        return
    shared = state.loops_of(consumers[0])
    for consumer in consumers[1:]:
        theirs = state.loops_of(consumer)
        shared = [l for l in shared if l in theirs]
    parallel = [_is_data_parallel(state, l) for l in shared]
    last = max((k for k, holds in enumerate(parallel) if holds), default=-1)
    is_within_other = False
    for depth, loop in enumerate(shared[: last + 1]):
        if T.is_const_int(loop.loop.extent, 1):
            continue
        if not parallel[depth]:
            is_within_other = True
        elif is_within_other:
            return
        yield depth, loop


def _is_data_parallel(state: ScheduleState, loop: StmtSRef) -> bool:
    """True if no axis but data-parallel ones is bound to the loop, in no block under it."""
    for block in state.child_blocks(loop):
        if block.realize is None:
            continue
        for axis, value in zip(block.block.iter_vars, block.realize.iter_values, strict=True):
            is_parallel = axis.iter_type is IterVarType.DataPar
            if not is_parallel and loop.loop.loop_var in variables_in(value):
                return False
    return True
