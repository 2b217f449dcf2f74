"""Conditions on loops that several primitives share."""

from __future__ import annotations

from .. import op as T
from ..expr import IterVarType
from ..stmt import ForKind
from .conditions import affine, affine_within, require_affine, require_complete_or_reduction
from .covering import is_covered
from .ordering import require_separate_iterations
from .poly import variables_in
from .refusal import refuse
from .sref import StmtSRef
from .state import ScheduleState


def require_plain(loop: StmtSRef) -> None:
    """Refuses a loop that carries annotations or is bound to a thread."""
    if loop.loop.annotations:
        refuse(f"the loop has the annotations {sorted(loop.loop.annotations)}", loop)
    if loop.loop.thread_binding is not None:
        refuse(f"the loop is bound to {loop.loop.thread_binding.thread_tag}", loop)


def require_zero_min(loop: StmtSRef) -> None:
    """Refuses a loop that does not start at 0."""
    if not T.is_const_int(loop.loop.min, 0):
        refuse(f"the loop starts at {loop.loop.min}, not at 0", loop)


def require_parallelizable(state: ScheduleState, loop: StmtSRef, thread_tag: str = "") -> None:
    """Refuses unless the iterations of `loop` are independent: for each block within, affine
    bindings, complete or reduction, and only data-parallel axes depend on the loop. A thread of
    the same block (`threadIdx`) may also run a part of a reduction. A block may do the same work
    in several iterations if its result is used within the iteration only."""
    root = state.scope_root(loop)
    blocks = state.child_blocks(loop)
    for block in blocks:
        if not (
            affine(state, block)
            or affine_within(state, block, loop)
            or is_private(state, block, loop, root)
        ):
            require_affine(state, block)
        require_complete_or_reduction(state, block, root, loop)
        _require_independent(block, loop, thread_tag)
    require_separate_iterations(state, loop, blocks)


def is_private(state: ScheduleState, block: StmtSRef, loop: StmtSRef, root: StmtSRef) -> bool:
    """True if what `block` writes lives within one iteration of `loop`: allocated in the scope,
    accessed under the loop only, and written there before it is read."""
    own = {b.data for b in root.block.alloc_buffers}
    written = {w.buffer.data for w in block.block.writes}
    if not written <= own:
        return False
    scope = state.get_block_scope(root)
    for other in scope.children:
        stmt = other.block
        if not any(r.buffer.data in written for r in (*stmt.reads, *stmt.writes)):
            continue
        if not other.is_under(loop):
            return False
    return all(is_covered(state, c, [block]) for c in scope.consumers(block))


def _require_independent(block: StmtSRef, loop: StmtSRef, thread_tag: str) -> None:
    if block.realize is None:
        return
    for axis, value in zip(block.block.iter_vars, block.realize.iter_values, strict=True):
        if loop.loop.loop_var not in variables_in(value):
            continue
        if axis.iter_type is IterVarType.DataPar:
            continue
        if axis.iter_type is IterVarType.CommReduce and thread_tag.startswith("threadIdx"):
            continue
        refuse(
            f"the loop runs the axis `{axis.var.name}` of block `{block.block.name_hint}`, "
            "which is not data-parallel",
            loop,
            block,
        )


def require_apart(state: ScheduleState, block: StmtSRef) -> None:
    """Refuses a block if iterations of a parallel loop around it would take parts of its sum."""
    for at in state.loops_of(block):
        binding = at.loop.thread_binding
        if binding is not None or at.loop.kind in (ForKind.PARALLEL, ForKind.VECTORIZED):
            _require_independent(block, at, "" if binding is None else binding.thread_tag)


def set_kind(state: ScheduleState, loop: StmtSRef, kind: ForKind) -> None:
    """Changes how a loop runs."""
    state.replace(loop, loop.loop.replace(kind=kind, thread_binding=None))
