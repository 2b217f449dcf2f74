"""What a schedule knows of its blocks, for primitives and for users."""

from __future__ import annotations

from .conditions import affine
from .covering import is_covered
from .scope import BlockScope, DepKind
from .sref import StmtSRef
from .state import CachedFlags, ScheduleState


def cached_flags(state: ScheduleState, block: StmtSRef) -> CachedFlags:
    """The flags of a block; the root block, which nothing surrounds, is bound and covered. Its
    children are no pipeline if one writes what another has read before."""
    scope = state.get_block_scope(block)
    pipeline = all(_is_stage(state, scope, child, block) for child in scope.children)
    if block.parent is None:
        return CachedFlags(True, True, pipeline)
    cover = _region_cover(state, block, state.scope_root(block))
    return CachedFlags(affine(state, block), cover, pipeline)


def _is_stage(state: ScheduleState, scope: BlockScope, child: StmtSRef, block: StmtSRef) -> bool:
    late = any(d.kind is DepKind.WAR for d in scope.get_deps_by_dst(child))
    return not late and _region_cover(state, child, block)


def _region_cover(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> bool:
    return is_covered(state, block, state.get_block_scope(root).producers(block))


ScheduleState.flags = staticmethod(cached_flags)
