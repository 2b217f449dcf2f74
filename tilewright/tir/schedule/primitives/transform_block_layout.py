"""The primitive `transform_block_layout`."""

from __future__ import annotations

from ....ir.expr import IntImm, PrimExpr, Range
from ....support.errors import ArgumentError
from ... import op as T
from ...expr import IterVar, IterVarType, Var
from ...index_map import IndexMap
from ...stmt import BlockRealize, For, ForKind, Stmt
from ..conditions import require_affine
from ..instances import kept_conditions, require_every_instance
from ..instruction import Block, primitive
from ..layout_args import BlockMap, index_type
from ..layouts import sole_nest
from ..ordering import ordered_axes
from ..poly import Space, variables_in
from ..refusal import refuse
from ..regions import sizes_of, space_at
from ..rewrite import SimplifyIndices, simplify_condition, substitute
from ..sref import StmtSRef
from ..state import ScheduleState


@primitive
def transform_block_layout(state: ScheduleState, block: Block, index_map: BlockMap) -> None:
    """Gives a block other axes, and a new loop for each of them.

    for i, j: v_i, v_j = i, j; ...   ->   for ax0 in range(n * m): v0 = ax0; ... (v0 // m, v0 % m)
                                                             # lambda i, j: [i * m + j]

    The map must have an inverse; axes of the reduction and others do not mix. The loops around
    the block hold nothing else and run all of its instances (but for its condition).
    """
    stmt = block.block
    require_affine(state, block)
    require_every_instance(state, block, conditions=True)
    if ordered_axes(block):
        refuse(
            "the block reads what its other iterations write: new loops might exchange them", block
        )
    top = sole_nest(block)
    extents = []
    for axis in stmt.iter_vars:
        if axis.dom is None or not T.is_const_int(axis.dom.min, 0):
            refuse(f"the axis `{axis.var.name}` does not start at 0", block)
        extents.append(axis.dom.extent)
    back, condition = _inverse(index_map, extents, block)
    axes = _axes(block, index_map, extents)
    inner = back.map_indices([a.var for a in axes])
    env = {a.var: T.cast(v, a.var.dtype) for a, v in
           zip(stmt.iter_vars, inner, strict=True)}  # fmt: skip
    within = Space(sizes_of(state.function_of(block)[1]))
    for axis in axes:
        if axis.dom is not None:
            within.bind(axis.var, axis.dom.min, axis.dom.extent)
    simple = SimplifyIndices(within)
    made = stmt.replace(
        iter_vars=tuple(axes),
        reads=tuple(simple.run(substitute(r, env)) for r in stmt.reads),
        writes=tuple(simple.run(substitute(w, env)) for w in stmt.writes),
        body=simple.run(substitute(stmt.body, env)),
        init=simple.run(substitute(stmt.init, env)) if stmt.init is not None else None,
        match_buffers=tuple(simple.run(substitute(m, env)) for m in stmt.match_buffers),
    )
    loops = [Var(f"ax{k}", a.var.dtype) for k, a in enumerate(axes)]
    given: dict[Var, PrimExpr] = dict(zip(back.initial_indices, loops, strict=True))
    where = T.logical_not(substitute(condition, given))
    space = space_at(state, block)
    for var, axis in zip(loops, axes, strict=True):
        space.bind(var, IntImm(var.dtype, 0), axis.dom.extent if axis.dom is not None else var)
    values = [substitute(v, {a.var: l for a, l in zip(axes, loops, strict=True)})
              for v in env.values()]  # fmt: skip
    where = simplify_condition(space, where)
    kept = kept_conditions(space, _realize(block), values)
    body: Stmt = BlockRealize(tuple(loops), T.all(where, *kept), made)
    for var, axis in zip(reversed(loops), reversed(axes), strict=True):
        size = axis.dom.extent if axis.dom is not None else IntImm(var.dtype, 1)
        body = For(var, IntImm(var.dtype, 0), size, ForKind.SERIAL, body)
    state.replace(top, body, {stmt: made})


def _realize(block: StmtSRef) -> BlockRealize:
    if block.realize is None:
        raise TypeError("a block without realization")
    return block.realize


def _inverse(
    index_map: IndexMap, extents: list[PrimExpr], block: StmtSRef
) -> tuple[IndexMap, PrimExpr]:
    try:
        return index_map.non_surjective_inverse(extents)
    except ArgumentError as error:
        refuse(error.message, block)


def _axes(block: StmtSRef, index_map: IndexMap, extents: list[PrimExpr]) -> list[IterVar]:
    """An axis for each result of the map, of the kind of the axes that it is computed from."""
    old = block.block.iter_vars
    kinds = {v: a.iter_type for v, a in zip(index_map.initial_indices, old, strict=True)}
    made = []
    shape = index_map.map_shape(extents)
    for k, (index, size) in enumerate(zip(index_map.final_indices, shape, strict=True)):
        used = {kinds[v] for v in variables_in(index) if v in kinds}
        if len(used) > 1:
            refuse("the map mixes axes of the reduction and others", block)
        kind = used.pop() if used else IterVarType.DataPar
        dtype = index_type(block.block)
        var = Var(f"v{k}", dtype)
        dom = Range(IntImm(dtype, 0), T.cast(size, dtype))
        made.append(IterVar(dom, var, kind))
    return made
