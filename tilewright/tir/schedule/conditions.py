"""The properties of blocks on which primitives rest, and the refusals where they do not hold."""

from __future__ import annotations

from collections.abc import Iterable

from ..expr import IterVar, IterVarType, Var
from ..stmt import Block, For
from .bindings import digits_of, is_affine, uses_loops_up
from .covering import is_covered
from .poly import Space, variables_in
from .refusal import refuse
from .regions import bind_admitted, space_at
from .scope import BlockScope
from .sref import StmtSRef
from .state import ScheduleState


def _not_dominant(scope: BlockScope, block: StmtSRef, under: StmtSRef | None) -> str | None:
    for region in block.block.writes:
        writers = scope.buffer_writers.get(region.buffer.data, [])
        others = [w for w in writers if w is not block and (under is None or w.is_under(under))]
        if others:
            return f"`{region.buffer.name}` is also written by block `{others[0].block.name_hint}`"
    return None


def not_complete(
    state: ScheduleState,
    block: StmtSRef,
    root: StmtSRef,
    under: StmtSRef | None = None,
    *,
    in_order: bool = False,
) -> str | None:
    """Why `block` is not complete: it is the only writer of its buffers (among the blocks `under` a
    loop), all its axes are data-parallel, and it does not read what it writes. None if it is.

    `in_order`: axes may also be opaque, as those of loops that only have to keep their order.
    """
    stmt = block.block
    for axis in stmt.iter_vars:
        if axis.iter_type is not IterVarType.DataPar and not (in_order and _is_opaque(axis)):
            return f"its axis `{axis.var.name}` is not data-parallel"
    written = {w.buffer.data for w in stmt.writes}
    for read in stmt.reads:
        if read.buffer.data in written:
            return f"it reads `{read.buffer.name}`, which it writes"
    return _not_dominant(state.get_block_scope(root), block, under)


def _is_opaque(axis: IterVar) -> bool:
    return axis.iter_type is IterVarType.Opaque


def not_reduction(
    state: ScheduleState,
    block: StmtSRef,
    root: StmtSRef,
    under: StmtSRef | None = None,
    *,
    in_order: bool = False,
) -> str | None:
    """Why `block` is not a reduction: it has an `init`, its axes are data-parallel or reduce, it
    is the only writer (`under` a loop), and no reduction axis indexes what it writes. None if it
    is. `in_order`: as of `not_complete`."""
    stmt = block.block
    if stmt.init is None:
        return "it has no `init`"
    allowed = (IterVarType.DataPar, IterVarType.CommReduce)
    for axis in stmt.iter_vars:
        if axis.iter_type not in allowed and not (in_order and _is_opaque(axis)):
            return f"its axis `{axis.var.name}` is neither data-parallel nor a reduction axis"
    why = _not_dominant(state.get_block_scope(root), block, under)
    if why is not None:
        return why
    reducing = {a.var for a in stmt.iter_vars if a.iter_type is IterVarType.CommReduce}
    for region in stmt.writes:
        for r in region.region:
            bad = [v for v in (*variables_in(r.min), *variables_in(r.extent)) if v in reducing]
            if bad:
                return f"its reduction axis `{bad[0].name}` indexes `{region.buffer.name}`"
    return None


def affine(state: ScheduleState, block: StmtSRef) -> bool:
    """True if the bindings of `block` are independent mixed-radix numbers of its loops, as far as
    its condition admits these."""
    if block.realize is None:
        return False
    loops = [at.stmt for at in block.ancestors()]
    known = state.facts.get(("affine", block))
    if known is not None and known[0] is block.realize and _same(known[1], loops):
        return bool(known[2])
    space = space_at(state, block)
    inner = {space._variable(at.loop.loop_var) for at in state.loops_of(block)}
    bind_admitted(space, block.realize, inner)
    answer = is_affine(space, list(block.realize.iter_values), inner)
    state.facts[("affine", block)] = (block.realize, loops, answer)
    return answer


def require_once(state: ScheduleState, block: StmtSRef) -> None:
    """Refuses a reduction that would not run each of its instances once, its `init` first."""
    if block.block.init is None or block.realize is None:
        return
    loops = state.loops_of(block)
    space = space_at(state, block)
    numbers = {space._variable(at.loop.loop_var) for at in loops}
    values = list(block.realize.iter_values)
    if not (is_affine(space, values, numbers) and uses_loops_up(space, values, numbers)):
        refuse("the block is a reduction, and would run some of its steps more than once", block)
    if len(mixed_loops(block)) > 1:
        refuse("the reduction's `init` might no longer come first", block)


def mixed_loops(block: StmtSRef) -> set[Var]:
    """The loops that run data-parallel and reduction axes of the block at once."""
    used: dict[IterVarType, set[Var]] = {}
    if block.realize is None:
        return set()
    for axis, value in zip(block.block.iter_vars, block.realize.iter_values, strict=True):
        used.setdefault(axis.iter_type, set()).update(variables_in(value))
    return used.get(IterVarType.DataPar, set()) & used.get(IterVarType.CommReduce, set())


def affine_within(state: ScheduleState, block: StmtSRef, loop: StmtSRef) -> bool:
    """True if the bindings are affine in `loop` and the loops in it, those around it fixed."""
    if block.realize is None:
        return False
    space, inner = _loops_within(state, block, loop)
    return is_affine(space, list(block.realize.iter_values), inner)


def is_idempotent(state: ScheduleState, block: StmtSRef, loop: StmtSRef) -> bool:
    """True if `block` is complete and bound to sums of parts of `loop` and the loops in it. These
    may overlap: what it writes does not depend on how often and in which order it runs."""
    if block.realize is None or not_complete(state, block, state.scope_root(block)) is not None:
        return False
    space, inner = _loops_within(state, block, loop)
    values = [space.joined(space.poly(v)) for v in block.realize.iter_values]
    return all(digits_of(space, p, inner) is not None for p in values)


def _loops_within(state: ScheduleState, block: StmtSRef, loop: StmtSRef) -> tuple[Space, set[int]]:
    """Arithmetic at the block, and the numbers of `loop` and the loops between it and the block."""
    space = space_at(state, block)
    inner = {space._variable(loop.loop.loop_var)}
    inner |= {space._variable(at.loop.loop_var) for at in state.loops_of(block)
              if at.is_under(loop)}  # fmt: skip
    return space, inner


def _same(a: list[Block | For | None], b: list[Block | For | None]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def require_affine(state: ScheduleState, block: StmtSRef) -> None:
    """Refuses unless the bindings of `block` are affine."""
    if state.enable_check and not affine(state, block):
        refuse("the block's axes are not bound to affine, independent parts of its loops", block)


def require_complete(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> None:
    """Refuses unless `block` is complete."""
    why = not_complete(state, block, root)
    if why is not None:
        refuse(f"the block is not a complete block: {why}", block)


def require_reduction(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> None:
    """Refuses unless `block` is a reduction with affine bindings."""
    why = not_reduction(state, block, root)
    if why is None and not affine(state, block):
        why = "its bindings are not affine"
    if why is not None:
        refuse(f"the block is not a reduction: {why}", block)


def require_complete_or_reduction(
    state: ScheduleState,
    block: StmtSRef,
    root: StmtSRef,
    under: StmtSRef | None = None,
    *,
    in_order: bool = False,
) -> None:
    """Refuses unless `block` is complete or a reduction (among the blocks `under` a loop).
    `in_order`: as of `not_complete`."""
    why = not_complete(state, block, root, under, in_order=in_order)
    if why is None:
        return
    other = not_reduction(state, block, root, under, in_order=in_order)
    if other is not None:
        refuse(f"the block is not a complete block ({why}) and not a reduction ({other})", block)


def require_compact(
    state: ScheduleState, blocks: Iterable[StmtSRef], root: StmtSRef, *, in_order: bool = False
) -> None:
    """Refuses unless each of `blocks` of the scope `root` is complete or a reduction. `in_order`:
    as of `not_complete`."""
    for block in blocks:
        require_complete_or_reduction(state, block, root, in_order=in_order)


def require_stage_pipeline(
    state: ScheduleState,
    root: StmtSRef,
    moving: StmtSRef | None = None,
    *,
    in_order: bool = False,
) -> None:
    """Refuses unless each block of the scope (where one is `moving`: it and its producers) is
    complete or a reduction, and each reads only what its producers have written in the same run of
    their common loops. `in_order`: as of `not_complete`."""
    key = ("pipeline in order" if in_order else "pipeline", root)
    known = state.facts.get(key)
    if known is not None and known[0] is root.stmt:
        return
    scope = state.get_block_scope(root)
    if moving is not None:
        require_compact(state, (moving, *scope.producers(moving)), root)
        key = ("covered", root)
        known = state.facts.get(key)
        if known is not None and known[0] is root.stmt:
            return
    else:
        require_compact(state, scope.children, root, in_order=in_order)
    for block in scope.children if state.enable_check else ():
        if not is_covered(state, block, scope.producers(block)):
            refuse(
                "the block reads a part of its producers' results that is not written in the same "
                "run of their common loops",
                block,
            )
    state.facts[key] = (root.stmt,)


def require_covered(state: ScheduleState, blocks: Iterable[StmtSRef], root: StmtSRef) -> None:
    """Refuses if one of `blocks` reads what its producers have not written in the same run of
    their common loops: asked where a block has been moved."""
    scope = state.get_block_scope(root)
    for block in blocks if state.enable_check else ():
        producers = scope.producers(block)
        if not is_covered(state, block, producers):
            refuse(
                "the block would read more than its producers write in the same run of the loop",
                block,
                *producers,
            )


def require_finished(producer: StmtSRef, loop: StmtSRef) -> None:
    """Refuses if a reduction axis of the producer depends on the loop or one around it."""
    if producer.realize is None:
        return
    outer = {at.loop.loop_var for at in (loop, *loop.ancestors()) if not at.is_block}
    for axis, value in zip(producer.block.iter_vars, producer.realize.iter_values, strict=True):
        if axis.iter_type is not IterVarType.DataPar and outer & set(variables_in(value)):
            refuse(
                f"the reduction over `{axis.var.name}` is not complete within one run of the loop",
                producer,
                loop,
            )


def require_sources_finished(scope: BlockScope, producer: StmtSRef, loop: StmtSRef) -> None:
    """Refuses if a reduction axis of the producer, or of a block from which it has its values,
    depends on the loop or one around it: its last run alone would give the whole result."""
    sources = [producer]
    for block in sources:
        require_finished(block, loop)
        sources += [p for p in scope.producers(block) if p not in sources]


def require_leaf(state: ScheduleState, block: StmtSRef) -> None:
    """Refuses a block that holds other blocks."""
    inner = state.child_blocks(block)
    if inner:
        refuse("the block holds other blocks", block, *inner)


def writes_out(block: StmtSRef, root: StmtSRef) -> bool:
    """True if `block`, whose scope is `root`, writes a buffer that lives longer than the scope."""
    own = {b.data for b in root.block.alloc_buffers}
    return any(w.buffer.data not in own for w in block.block.writes)


def require_not_output(state: ScheduleState, block: StmtSRef, root: StmtSRef) -> None:
    """Refuses if `block` writes a buffer that lives longer than the scope."""
    own = {b.data for b in root.block.alloc_buffers}
    for region in block.block.writes:
        if region.buffer.data not in own:
            refuse(
                f"the block is an output block: `{region.buffer.name}` is not allocated in its "
                "scope",
                block,
            )
