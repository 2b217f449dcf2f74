"""The primitive `reorder`."""

from __future__ import annotations

from collections.abc import Container

from ...expr import IterVarType, Var
from ...stmt import For, Stmt
from ..conditions import affine_within, is_idempotent, mixed_loops, require_affine
from ..instruction import Loop, primitive
from ..ordering import ordered_axes, require_separate_iterations
from ..poly import variables_in
from ..refusal import refuse
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def reorder(state: ScheduleState, *ordered_loops: Loop) -> None:
    """Nests loops in the order given; those between that are not named keep their places.

    for i, j, k in grid(a, b, c)   ->   for k, j, i in grid(c, b, a)   # reorder(k, i): j stays

    The loops must be nested, each the only child of the one outside it, with extents that do not
    depend on loops that come inside; the blocks within must have only data-parallel and reduction
    axes, and bindings that are affine in the loops from the outermost one named inwards (with
    overlaps, if a block is complete).
    """
    if len(ordered_loops) < 2:
        return
    if len(set(ordered_loops)) != len(ordered_loops):
        twice = next(l for l in ordered_loops if ordered_loops.count(l) > 1)
        refuse("the loop is named twice", twice)
    chain = _chain(ordered_loops)
    _check_blocks(state, chain)
    given = iter(ordered_loops)
    order = [next(given) if l in ordered_loops else l for l in chain]
    _check_extents(order)
    for block in state.child_blocks(chain[-1]):
        _check_init(block, order, chain)
        _check_recurrence(block, order, chain)
    body: Stmt = chain[-1].loop.body
    for l in reversed(order):
        body = l.loop.replace(body=body)
    state.replace(chain[0], body, {})


def _chain(loops: tuple[StmtSRef, ...]) -> list[StmtSRef]:
    """All loops from the outermost to the innermost of `loops`."""
    wanted = set(loops)
    bottom = next((l for l in loops if sum(a in wanted for a in l.ancestors()) == len(loops) - 1),
                  None)  # fmt: skip
    if bottom is None:
        refuse("the loops are not nested in one another", *loops)
    chain = [bottom]
    missing = wanted - {bottom}
    for at in bottom.ancestors():
        if not missing:
            break
        if at.is_block:
            refuse("a block lies between the loops", at, *loops)
        if at.loop.body is not chain[-1].stmt:
            refuse("the loop has more than the next loop in its body", at)
        chain.append(at)
        missing.discard(at)
    return chain[::-1]


def _check_blocks(state: ScheduleState, chain: list[StmtSRef]) -> None:
    allowed = (IterVarType.DataPar, IterVarType.CommReduce)
    bottom = chain[-1]
    blocks = state.child_blocks(bottom)
    for block in blocks:
        for axis in block.block.iter_vars:
            if axis.iter_type not in allowed:
                refuse(
                    f"the axis `{axis.var.name}` is neither data-parallel nor a reduction axis",
                    block,
                )
        if not (affine_within(state, block, chain[0]) or is_idempotent(state, block, chain[0])):
            require_affine(state, block)
    require_separate_iterations(state, bottom, blocks)


def _check_init(block: StmtSRef, order: list[StmtSRef], before: list[StmtSRef]) -> None:
    """Refuses if the first step of a reduction might no longer come first: loops that run
    data-parallel and reduction axes at once keep their order."""
    if block.block.init is None or block.realize is None:
        return
    new = _exchanged(mixed_loops(block), order, before)
    if new:
        refuse(
            "the loops run data-parallel and reduction axes at once: the reduction's `init` would "
            "no longer come first",
            block,
            *new,
            hint="decompose the reduction first",
        )


def _check_recurrence(block: StmtSRef, order: list[StmtSRef], before: list[StmtSRef]) -> None:
    """Refuses if the block might read an element before the iteration that writes it."""
    axes = ordered_axes(block)
    if not axes or block.realize is None:
        return
    rows = zip(block.block.iter_vars, block.realize.iter_values, strict=True)
    loops = {v for axis, value in rows if axis.var in axes for v in variables_in(value)}
    new = _exchanged(loops, order, before)
    if new:
        refuse("the block reads what other iterations of the loops write", block, *new)


def _exchanged(
    loops: Container[Var], order: list[StmtSRef], before: list[StmtSRef]
) -> list[StmtSRef]:
    """Those of `order` that run `loops`, if they stood in another order before."""
    old = [l for l in before if l.loop.loop_var in loops]
    new = [l for l in order if l.loop.loop_var in loops]
    return [] if all(a is b for a, b in zip(old, new, strict=True)) else new


def _check_extents(order: list[StmtSRef]) -> None:
    inside: set[Var] = set()
    for l in reversed(order):
        inside.add(l.loop.loop_var)
        loop: For = l.loop
        used = [*variables_in(loop.min), *variables_in(loop.extent)]
        bad = [v for v in used if v in inside]
        if bad:
            refuse(f"its extent depends on `{bad[0].name}`, which would come inside it", l)
