"""Copies of a buffer whose dimensions are functions of a block's axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr
from ...ir.structural import structural_equal
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, IterVarType, Var, pointer
from ..index_map import IndexMap
from ..stmt import Block, BufferRegion, BufferStore, Stmt, stmt_seq
from .bindings import is_affine, uses_loops_up
from .conditions import require_complete_or_reduction, require_leaf
from .copies import fresh_name, lowest_top, step_towards
from .instances import require_every_instance, runs_box
from .layouts import full_nest
from .moving import nest_of
from .poly import Space, variables_in
from .refusal import refuse
from .regions import bind, loops_between, sizes_of, space_at
from .rewrite import MapLoads, accesses, point, replace_statements, substitute
from .scope import DepKind
from .sref import StmtSRef
from .state import ScheduleState


@dataclass(frozen=True)
class Reindexed:
    """A block's accesses of `buffer`, all at `indices`, to be made at `where` of a copy."""

    block: StmtSRef
    buffer: Buffer
    indices: tuple[PrimExpr, ...]
    where: tuple[PrimExpr, ...]
    shape: tuple[PrimExpr, ...]
    is_plain: bool
    """Whether the copy has one dimension for each axis, as `reindex` makes it without a map."""

    def axes(self) -> list[IterVar]:
        """The block's axes that the indices depend on."""
        used = {v for i in (*self.indices, *self.where) for v in variables_in(i)}
        return [a for a in self.block.block.iter_vars if a.var in used]


def plan(
    state: ScheduleState,
    block: StmtSRef,
    side: str,
    place: int,
    index_map: IndexMap | None,
    *,
    simplified: bool = False,
) -> Reindexed:
    """What a copy of the buffer looks like: one dimension for each axis in its indices (in normal
    form, if `simplified`), or for each result of `index_map` (of all the block's axes)."""
    stmt = block.block
    buffer: Buffer = getattr(stmt, f"{side}s")[place].buffer
    require_leaf(state, block)
    if stmt.init is None and all(
        any(r.buffer is buffer for r in side) for side in (stmt.reads, stmt.writes)
    ):
        refuse(f"the block both reads and writes `{buffer.name}`", block)
    indices = _common_indices(block, buffer)
    axes = {a.var: a for a in stmt.iter_vars}
    extents = []
    for axis in stmt.iter_vars:
        if axis.dom is None or not T.is_const_int(axis.dom.min, 0):
            refuse(f"the axis `{axis.var.name}` does not start at 0", block)
        extents.append(axis.dom.extent)
    _require_inside(state, block, buffer, indices)
    if simplified:
        space = space_at(state, block)
        bind(space, block)
        indices = tuple(space.simplify(i) for i in indices)
    if side == "write":
        require_complete_or_reduction(state, block, state.scope_root(block))
        bad = [v for i in indices for v in variables_in(i)
               if v in axes and axes[v].iter_type is not IterVarType.DataPar]  # fmt: skip
        if bad:
            refuse(f"the reduction axis `{bad[0].name}` indexes what is written", block)
        require_every_instance(state, block)
    if index_map is None:
        used = {v for i in indices for v in variables_in(i)}
        kept = [a for a in stmt.iter_vars if a.var in used]
        shape = [a.dom.extent for a in kept if a.dom is not None]
        widest = "int64" if any(d.dtype == "int64" for d in shape) else "int32"
        sizes = tuple(T.cast(d, widest) for d in shape)
        return Reindexed(block, buffer, indices, tuple(a.var for a in kept), sizes, True)
    shape = list(index_map.map_shape(extents))
    unknown = [d for d in shape if not isinstance(d, IntImm)]  # a number is as good in 32 bits
    wide = any(d.dtype == "int64" for d in (*buffer.shape, *unknown))
    dtype = "int64" if wide else "int32"
    where = [T.cast(i, dtype) for i in index_map.map_indices([a.var for a in stmt.iter_vars])]
    _require_injective(state, block, indices, where, side)
    sizes = tuple(T.cast(d, dtype) for d in shape)
    return Reindexed(block, buffer, indices, tuple(where), sizes, False)


def _require_injective(
    state: ScheduleState,
    block: StmtSRef,
    indices: tuple[PrimExpr, ...],
    where: list[PrimExpr],
    side: str,
) -> None:
    """Refuses a map that brings two places of the buffer to one of the copy."""
    used = {v for i in where for v in variables_in(i)}
    axes = {a.var: a for a in block.block.iter_vars}
    missing = [v for i in indices for v in variables_in(i) if v in axes and v not in used]
    if missing:
        refuse(f"the map leaves out the axis `{missing[0].name}`, which indexes the buffer", block)
    if side == "write":
        bad = [v for v in used if v in axes and axes[v].iter_type is not IterVarType.DataPar]
        if bad:
            refuse(f"the map takes the reduction axis `{bad[0].name}` for what is written", block)
    space = Space(sizes_of(state.function_of(block)[1]))
    bind(space, block)
    numbers = {space._variable(v) for v in used}
    if not (is_affine(space, where, numbers) and uses_loops_up(space, where, numbers)):
        refuse("the map may bring two places to one", block)


def _require_inside(
    state: ScheduleState, block: StmtSRef, buffer: Buffer, indices: tuple[PrimExpr, ...]
) -> None:
    """Refuses indices that depend on more than the axes of the block and of those around it, or
    that may be beyond the buffer (where the block guards them by a condition)."""
    sizes = sizes_of(state.function_of(block)[1])
    space = space_at(state, state.scope_root(block), inside=True)
    bind(space, block)
    around = [at for at in (block, *block.ancestors()) if at.is_block]
    known = {*(a.var for at in around for a in at.block.iter_vars), *sizes}
    for index, size in zip(indices, buffer.shape, strict=True):
        strange = [v for v in variables_in(index) if v not in known]
        if strange:
            refuse(f"the index `{index}` depends on `{strange[0].name}`, which is no axis", block)
        zero = T.const(0, index.dtype)
        if not (space.can_prove_less(index, zero + size) and space.can_prove_less(zero, index + 1)):
            refuse(f"the block accesses `{buffer.name}` beyond its bounds", block)


def _common_indices(block: StmtSRef, buffer: Buffer) -> tuple[PrimExpr, ...]:
    found = accesses((block.block.body, block.block.init) if block.block.init else block.block.body)
    places = [l.indices for l in found.loads if l.buffer is buffer]
    places += [s.indices for s in found.stores if s.buffer is buffer]
    if not places:
        refuse(f"the block does not access `{buffer.name}` itself", block)
    if any(not structural_equal(places[0], other) for other in places[1:]):
        refuse(f"the block accesses `{buffer.name}` at different places", block)
    return places[0]


def apply(
    state: ScheduleState,
    what: Reindexed,
    side: str,
    scope: str,
    name: str,
    block_name: str | None = None,
) -> StmtSRef:
    """Makes the copy, and lets the block use it. Returns the block that copies, `block_name` or
    called as the copy is."""
    block, buffer = what.block, what.buffer
    root = state.scope_root(block)
    top = _top(state, root, what, side)
    data = Var(name, pointer(buffer.dtype, scope))  # type: ignore[arg-type]
    copy = Buffer(data, buffer.dtype, what.shape, name=name)
    made_name = fresh_name(state, block, block_name or name)
    nest, copied = _copy_nest(state, made_name, what, copy, side, None if top is root else top)
    changed, reuse = _use_copy(what, copy, side)
    if block.realize is None:
        raise TypeError("a block without realization")
    table: dict[int, Stmt | None] = {id(block.realize): block.realize.replace(block=changed)}
    step = step_towards(top, block).node
    changed_step = replace_statements(step, table) or step
    parts = (nest, changed_step) if side == "read" else (changed_step, nest)
    body = replace_statements(root.block.body, {id(step): stmt_seq(parts)})
    made = root.block.replace(body=body, alloc_buffers=(*root.block.alloc_buffers, copy))
    state.replace(root, made, {**reuse, block.block: changed, root.block: made})
    return state.srefs[id(copied)]


def _top(state: ScheduleState, root: StmtSRef, what: Reindexed, side: str) -> StmtSRef:
    """The loop or block in which the copy goes: the scope, or the loops that the block shares with
    those that write what it reads or read what it writes. Refuses a copy in loops that would write
    more than the block has written there."""
    scope = state.get_block_scope(root)
    others = scope.producers(what.block) if side == "read" else scope.consumers(what.block)
    users = [o for o in others if o is not what.block
             and any(r.buffer is what.buffer
                     for r in (o.block.writes if side == "read" else o.block.reads))]  # fmt: skip
    early = [d.src for d in scope.get_deps_by_dst(what.block) if d.kind is DepKind.WAR]
    users += [o for o in early if state.common_ancestor((o, what.block)) is not root]
    if not users:
        return root
    top = lowest_top(state, what.block, users)
    if top is not root and side == "write" and not runs_box(state, what.block, top):
        refuse(f"`{what.buffer.name}` is written and read in the same loop", users[0], what.block)
    return top


def _copy_nest(
    state: ScheduleState,
    name: str,
    what: Reindexed,
    copy: Buffer,
    side: str,
    around: StmtSRef | None,
) -> tuple[Stmt, Block]:
    """The loops around a block that copies what the block accesses: in one run of the body of
    `around`, if that is given."""
    axes = what.axes()
    names = [f"v{k}" if what.is_plain else a.var.name for k, a in enumerate(axes)]
    fresh = [IterVar(a.dom, a.var.copy_with_name(name), IterVarType.DataPar)
             for a, name in zip(axes, names, strict=True)]  # fmt: skip
    env: dict[Var, PrimExpr] = {a.var: b.var for a, b in zip(axes, fresh, strict=True)}
    old = tuple(substitute(i, env) for i in what.indices)
    new = tuple(substitute(i, env) for i in what.where)
    if side == "read":
        source, s_at, target, t_at = what.buffer, old, copy, new
    else:
        source, s_at, target, t_at = copy, new, what.buffer, old
    regions = ((BufferRegion(source, point(s_at)),), (BufferRegion(target, point(t_at)),))
    body = BufferStore(target, BufferLoad(source, s_at), t_at)
    if around is not None and what.block.realize is not None:
        space = space_at(state, what.block)
        free = {space._variable(at.loop.loop_var) for at in loops_between(what.block, around)}
        bound = dict(zip(what.block.block.iter_vars, what.block.realize.iter_values, strict=True))
        ranges = {b.var: space.relax(space.poly(bound[a]), free.__contains__)
                  for a, b in zip(axes, fresh, strict=True)}  # fmt: skip
        made = Block(tuple(fresh), *regions, name, body)
        return nest_of(space, made, ranges, False), made
    shape = [a.dom.extent for a in fresh if a.dom is not None]
    return full_nest(name, shape, body, *regions, fresh)


def _use_copy(what: Reindexed, copy: Buffer, side: str) -> tuple[Block, dict[Block, Block]]:
    """The block accessing the copy."""
    stmt = what.block.block
    region = BufferRegion(copy, point(what.where))

    def load(found: BufferLoad) -> PrimExpr | None:
        return BufferLoad(copy, what.where) if found.buffer is what.buffer else None

    loads = MapLoads(load)

    def regions(old: Sequence[BufferRegion]) -> tuple[BufferRegion, ...]:
        return tuple(region if r.buffer is what.buffer else loads.rewrite_children(r) for r in old)

    body = loads.run(stmt.body)
    init = loads.run(stmt.init) if stmt.init is not None else None
    if side == "write":
        body, init = _stores(body, what, copy), _stores(init, what, copy)
    made = stmt.replace(
        reads=regions(stmt.reads), writes=regions(stmt.writes) if side == "write" else stmt.writes,
        body=body, init=init,
    )  # fmt: skip
    return made, {}


def _stores(stmt: Stmt | None, what: Reindexed, copy: Buffer) -> Stmt | None:
    if stmt is None:
        return None
    table: dict[int, Stmt | None] = {
        id(s): BufferStore(copy, s.value, what.where)
        for s in accesses(stmt).stores
        if s.buffer is what.buffer
    }
    return replace_statements(stmt, table)
