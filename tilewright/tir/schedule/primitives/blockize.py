"""The primitive `blockize`."""

from __future__ import annotations

from ....ir.expr import IntImm, PrimExpr
from ... import op as T
from ...expr import IterVar, IterVarType, Var
from ...stmt import Block as BlockNode
from ...stmt import BlockRealize, Stmt
from ..blockizing import (
    Axes,
    axes_of,
    regions_over,
    require_own_ranges,
    require_whole_start,
    values_of,
)
from ..dividing import Division, divide, divide_predicate
from ..grouping import group_blocks
from ..instruction import Block, LoopOrBlocks, primitive
from ..poly import Space, variables_in
from ..refusal import refuse
from ..regions import bind, space_at
from ..rewrite import loop_like, replace_statements, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def blockize(state: ScheduleState, target: LoopOrBlocks, preserve_unit_iters: bool = True) -> Block:
    """Makes a block of a loop and all that is in it, or of several blocks and what lies between.

    for i0: for i1: with block("B"): v = i0 * 16 + i1; ...
      ->   for i0: with block("B_o"): v_o = i0
                       for i1: with block("B"): v_i = i1; ... (v is v_o * 16 + v_i)

    One block is under the loop, and each of its bindings divides into outer and inner loops. The
    outer block has an axis for each of them, and the `init` of a reduction.

    for m: for i: block("B"); for i: block("C")
      ->   for m: with block("outer_B_C_"): v_o = m             # blockize([B, C])
                      for i: block("B"); for i: block("C")

    `preserve_unit_iters=False` drops inner axes of one value, and takes loops of extent 1 out of
    the bindings of the outer ones.
    """
    if isinstance(target, list):
        return group_blocks(state, target, preserve_unit_iters)
    blocks = state.child_blocks(target)
    if len(blocks) != 1:
        refuse(f"{len(blocks)} blocks are under the loop, not one", target)
    block = blocks[0]
    inner_loops = [target, *(l for l in state.loops_of(block) if l.is_under(target))]
    require_own_ranges(target, inner_loops)
    space = space_at(state, block)
    divisions = divide(space, block, [l.loop.loop_var for l in inner_loops])
    require_whole_start(space, block, divisions, inner_loops)
    outer_axes = axes_of(space, block.block, divisions, "_o", preserve_unit_iters)
    inner_axes = axes_of(space, block.block, divisions, "_i", preserve_unit_iters)
    env = values_of(space, block.block, divisions, outer_axes, inner_axes)
    outer, changed = _outer_realize(
        space, block, target, inner_loops, divisions, outer_axes, inner_axes, env
    )
    if not preserve_unit_iters:
        units: dict[Var, PrimExpr] = {
            l.loop.loop_var: l.loop.min
            for l in state.loops_of(block)
            if T.is_const_int(l.loop.extent, 1)
        }
        outer = outer.replace(iter_values=tuple(substitute(v, units) for v in outer.iter_values))
    state.replace(target, outer, {block.block: changed})
    return state.srefs[id(outer.block)]


def _outer_realize(
    space: Space,
    block: StmtSRef,
    target: StmtSRef,
    loops: list[StmtSRef],
    divisions: list[Division],
    outer: Axes,
    inner: Axes,
    env: dict[Var, PrimExpr],
) -> tuple[BlockRealize, BlockNode]:
    stmt, realize = block.block, block.realize
    if realize is None:
        raise TypeError("a block without realization")
    loop_vars = [l.loop.loop_var for l in loops]
    kept_inner = [(a, d) for a, d in zip(inner, divisions, strict=True) if a is not None]
    kept_outer = [(a, d) for a, d in zip(outer, divisions, strict=True) if a is not None]
    values_inner = tuple(space.expr(d.inner, a.var.dtype) for a, d in kept_inner)
    values_outer = tuple(space.expr(d.outer, a.var.dtype) for a, d in kept_outer)
    to_loops: dict[Var, PrimExpr] = {
        a.var: v for (a, _), v in zip(kept_inner, values_inner, strict=True)
    }
    stand_in = [substitute(env[axis.var], to_loops) for axis in stmt.iter_vars]
    outside, inside = divide_predicate(space, block, divisions, loop_vars, stand_in)
    reads = tuple(substitute(r, env) for r in stmt.reads)
    writes = tuple(substitute(w, env) for w in stmt.writes)
    updated = writes if stmt.init is not None else ()
    inner_block = stmt.replace(
        iter_vars=tuple(a for a, _ in kept_inner),
        reads=(*updated, *reads),
        writes=writes,
        body=substitute(stmt.body, env),
        init=None,
        match_buffers=tuple(substitute(m, env) for m in stmt.match_buffers),
    )
    body = replace_statements(
        target.loop, {id(realize): BlockRealize(values_inner, inside, inner_block)}
    )
    init = None
    if stmt.init is not None:
        init = _init(stmt, loops, kept_inner, values_inner, inside, env)
    for l in loops:
        bind(space, l)
    for a, _ in kept_outer:
        if a.dom is not None:
            space.bind(a.var, a.dom.min, a.dom.extent)
    made = BlockNode(
        tuple(a for a, _ in kept_outer),
        regions_over(space, reads, to_loops, loop_vars),
        regions_over(space, writes, to_loops, loop_vars),
        f"{stmt.name_hint}_o",
        body,  # type: ignore[arg-type]
        init,
    )
    return BlockRealize(values_outer, outside, made), inner_block


def _init(
    stmt: BlockNode,
    loops: list[StmtSRef],
    axes: list[tuple[IterVar, Division]],
    values: tuple[PrimExpr, ...],
    inside: PrimExpr,
    env: dict[Var, PrimExpr],
) -> Stmt:
    """The inner loops of data-parallel axes around the old `init`."""
    rename: dict[Var, PrimExpr] = {}
    made_axes, made_values = [], []
    for (axis, _), value in zip(axes, values, strict=True):
        if axis.iter_type is IterVarType.CommReduce:
            rename[axis.var] = IntImm(axis.var.dtype, 0)
            continue
        copied = IterVar(axis.dom, axis.var.copy_with_suffix("_init"), axis.iter_type)
        rename[axis.var] = copied.var
        made_axes.append(copied)
        made_values.append(value)
    needed = {v for value in made_values for v in variables_in(value)}
    kept = [l.loop for l in loops if l.loop.loop_var in needed]
    fresh: dict[Var, Var] = {l.loop_var: l.loop_var.copy_with_name(l.loop_var.name) for l in kept}
    first: dict[Var, PrimExpr] = {
        l.loop.loop_var: l.loop.min for l in loops if l.loop.loop_var not in needed
    }
    block = BlockNode(
        tuple(made_axes),
        (),
        tuple(substitute(substitute(w, env), rename) for w in stmt.writes),
        f"{stmt.name_hint}_init",
        substitute(substitute(stmt.init or stmt.body, env), rename),
    )
    predicate = substitute(substitute(inside, first), fresh)
    body: Stmt = BlockRealize(tuple(substitute(v, fresh) for v in made_values), predicate, block)
    for l in reversed(kept):
        body = loop_like(l, fresh[l.loop_var], body)
    return body
