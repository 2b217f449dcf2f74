"""Whether blocks that use the same memory keep their order where blocks or iterations move."""

from __future__ import annotations

from collections.abc import Sequence

from .covering import is_covered
from .refusal import refuse
from .scope import DepKind
from .sref import StmtSRef
from .state import ScheduleState


def require_order_kept(
    state: ScheduleState, root: StmtSRef, block: StmtSRef, places: Sequence[StmtSRef]
) -> None:
    """Refuses if `block`, run at `places` (the loops or blocks where it goes), would read what has
    been overwritten by then, or overwrite what is still to be read."""
    scope = state.get_block_scope(root)
    late = [d.dst for d in scope.get_deps_by_src(block) if d.kind is DepKind.WAR]
    early = [d.src for d in scope.get_deps_by_dst(block) if d.kind is DepKind.WAR]
    if not late and not early:
        return
    order = {s: k for k, s in enumerate(state.walk(root))}
    for place in places:
        for other in (*late, *early):
            together = state.common_ancestor((block, other))
            stays = not other.is_under(place) and together is state.common_ancestor((place, other))
            if stays and (order[place] < order[other]) == (other in late):
                continue
            if other in late:
                refuse("what the block reads would be overwritten before", other, block)
            refuse("the block would overwrite what is read after it then", other, block)


def require_separate_iterations(
    state: ScheduleState, loop: StmtSRef, blocks: Sequence[StmtSRef]
) -> None:
    """Refuses if one of `blocks`, all of those under `loop`, reads what another one writes in other
    iterations than its own: the iterations must keep their order then."""
    if len(blocks) < 2 or not state.enable_check:
        return
    scope = state.get_block_scope(state.scope_root(loop))
    inside = set(blocks)
    for block in blocks:
        makers = [p for p in scope.producers(block) if p in inside and p is not block]
        if makers and not is_covered(state, block, makers):
            refuse("the block reads what another iteration of the loops has written", block)
        for dependency in scope.get_deps_by_dst(block):
            reader = dependency.src
            if dependency.kind is not DepKind.WAR or reader not in inside:
                continue
            if not is_covered(state, reader, [block], at_most=True):
                refuse("the block writes what another iteration of the loops reads", block, reader)
