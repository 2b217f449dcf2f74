"""What a schedule knows of its blocks, for primitives and for users."""

from __future__ import annotations

from .conditions import affine
from .regions import is_covered
from .sref import StmtSRef
from .state import CachedFlags, ScheduleState


def cached_flags(state: ScheduleState, block: StmtSRef) -> CachedFlags:
    """The flags of a block; the root block, which nothing surrounds, is bound and covered."""
    scope = state.get_block_scope(block)
    pipeline = all(_region_cover(state, child, block) for child in scope.children)
    if block.parent is None:
        return CachedFlags(True, True, pipeline)
    cover = _region_cover(state, block, state.scope_root(block))
    return CachedFlags(affine(state, block), cover, pipeline)


def _region_cover(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> bool:
    return is_covered(state, block, state.get_block_scope(root).producers(block))


ScheduleState.flags = staticmethod(cached_flags)
