"""Whether blocks that use the same memory keep their order where blocks or iterations move."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.structural import structural_equal
from ..expr import Var
from .bindings import is_affine, uses_loops_up
from .covering import is_covered
from .poly import variables_in
from .refusal import refuse
from .regions import define_axes, space_at
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


def require_elements_apart(
    state: ScheduleState, root: StmtSRef, block: StmtSRef, place: StmtSRef
) -> None:
    """Refuses if `block`, run at `place`, would leave loops that it shares with its readers and
    whose iterations write the same elements: they would find only the last values there."""
    for reader in state.get_block_scope(root).consumers(block):
        loops = state.loops_of(block)
        left = [l for l in loops if reader.is_under(l) and not place.is_under(l)]
        if left and not writes_apart(state, block, loops[loops.index(left[0]) :]):
            refuse("iterations of its loops overwrite what a block in them reads", block, reader)


def writes_apart(state: ScheduleState, block: StmtSRef, loops: Sequence[StmtSRef]) -> bool:
    """True if the block, a single store, writes another element in each iteration of `loops`."""
    space = space_at(state, block)
    numbers = {space._variable(l.loop.loop_var) for l in loops}
    if block.realize is not None:
        define_axes(space, block.realize)
    indices = [r.min for r in block.block.writes[0].region]
    return is_affine(space, indices, numbers) and uses_loops_up(space, indices, numbers)


def ordered_axes(block: StmtSRef) -> set[Var]:
    """The axes along which a block reads what its other instances write: these keep their order.

    B[vi, vj] = B[vi - 1, vj] + A[vi, vj]   ->   {vi}
    """
    stmt = block.block
    axes = {a.var for a in stmt.iter_vars}
    found: set[Var] = set()
    for read in stmt.reads:
        for write in (w for w in stmt.writes if w.buffer.data is read.buffer.data):
            if structural_equal(read.region, write.region):
                continue
            pairs = list(zip(read.region, write.region, strict=False))
            moving = [pair for pair in pairs if not structural_equal(*pair)]
            found |= axes & set(variables_in(moving or pairs))
            found |= axes - set(variables_in(write.region))
    return found


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
