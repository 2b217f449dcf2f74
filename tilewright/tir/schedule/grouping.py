"""Several blocks, and what lies between them, made one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...ir.expr import PrimExpr, Range
from ...ir.structural import structural_equal
from .. import op as T
from ..expr import IterVar, IterVarType, Var
from ..stmt import Block, BlockRealize, BufferRegion, Stmt, stmt_seq
from .blockizing import Axes, axes_of, regions_over, require_own_ranges, values_of
from .copies import step_towards
from .dividing import Division, divide, divide_predicate
from .moving import statements
from .poly import Poly, Space, constant, plus, value_of
from .refusal import refuse
from .regions import Box, bind, loops_between, space_at, unite
from .rewrite import replace_statements, substitute
from .sref import StmtSRef, holds
from .state import ScheduleState


@dataclass
class _Group:
    """The new block as it is put together; `keys` says what each axis is bound to."""

    space: Space
    top: StmtSRef
    keep_units: bool
    axes: list[IterVar] = field(default_factory=list)
    values: list[PrimExpr] = field(default_factory=list)
    keys: list[tuple[Poly, Poly, IterVarType]] = field(default_factory=list)
    condition: PrimExpr | None = None
    reads: list[BufferRegion] = field(default_factory=list)
    writes: list[BufferRegion] = field(default_factory=list)
    reuse: dict[Block, Block] = field(default_factory=dict)
    table: dict[int, Stmt | None] = field(default_factory=dict)

    def axis(self, own: IterVar, division: Division, taken: set[int]) -> IterVar:
        """The axis for an outer part: one that another block has asked for, or a new one."""
        key = (division.outer, division.outer_extent, own.iter_type)
        for k, known in enumerate(self.keys):
            if known == key and k not in taken:
                taken.add(k)
                return self.axes[k]
        dtype = own.var.dtype
        extent = self.space.expr(division.outer_extent, dtype)
        zero = self.space.expr({}, dtype)
        made = IterVar(Range(zero, extent), own.var.copy_with_suffix("_o"), own.iter_type)
        taken.add(len(self.keys))
        self.keys.append(key)
        self.axes.append(made)
        self.values.append(self.space.expr(division.outer, dtype))
        self.space.bind(made.var, zero, extent)
        return made

    def add(self, state: ScheduleState, block: StmtSRef) -> None:
        """Takes a block in: its axes divided, its regions joined to the others'."""
        stmt, realize = block.block, block.realize
        if realize is None:
            raise TypeError("a block without realization")
        inner_loops = loops_between(block, self.top)
        if inner_loops:
            require_own_ranges(inner_loops[0], inner_loops)
        for at in inner_loops:
            bind(self.space, at)
        loop_vars = [at.loop.loop_var for at in inner_loops]
        divisions = divide(self.space, block, loop_vars)
        _require_whole_reduction(block, divisions)
        taken: set[int] = set()
        outer: Axes = [
            self.axis(axis, d, taken) for axis, d in zip(stmt.iter_vars, divisions, strict=True)
        ]
        inner = axes_of(self.space, stmt, divisions, "_i", self.keep_units)
        if not self.keep_units:
            outer = [a if value_of(d.outer_extent) != 1 else None
                     for a, d in zip(outer, divisions, strict=True)]  # fmt: skip
        env = values_of(self.space, stmt, divisions, outer, inner)
        kept = [(a, d) for a, d in zip(inner, divisions, strict=True) if a is not None]
        values = tuple(self.space.expr(d.inner, a.var.dtype) for a, d in kept)
        to_loops: dict[Var, PrimExpr] = {a.var: v for (a, _), v in zip(kept, values, strict=True)}
        stand_in = [substitute(env[axis.var], to_loops) for axis in stmt.iter_vars]
        outside, inside = divide_predicate(self.space, block, divisions, loop_vars, stand_in)
        self._require_condition(outside, block)
        reads = tuple(substitute(r, env) for r in stmt.reads)
        writes = tuple(substitute(w, env) for w in stmt.writes)
        made = stmt.replace(
            iter_vars=tuple(a for a, _ in kept),
            reads=reads,
            writes=writes,
            body=substitute(stmt.body, env),
            init=substitute(stmt.init, env) if stmt.init is not None else None,
            match_buffers=tuple(substitute(m, env) for m in stmt.match_buffers),
        )
        self.reuse[stmt] = made
        self.table[id(realize)] = BlockRealize(values, inside, made)
        for regions, known in ((reads, self.reads), (writes, self.writes)):
            for region in regions_over(self.space, regions, to_loops, loop_vars):
                _join(self.space, known, region)

    def _require_condition(self, condition: PrimExpr, block: StmtSRef) -> None:
        if self.condition is not None and not structural_equal(self.condition, condition):
            refuse("the blocks run under different conditions on the loops outside", block)
        self.condition = condition


def _require_whole_reduction(block: StmtSRef, divisions: Sequence[Division]) -> None:
    """Refuses a reduction with `init` that loops outside run a part of."""
    if block.block.init is None:
        return
    for axis, d in zip(block.block.iter_vars, divisions, strict=True):
        if axis.iter_type is IterVarType.CommReduce and value_of(d.outer_extent) != 1:
            refuse(
                f"a loop outside runs the reduction axis `{axis.var.name}`",
                block,
                hint="decompose the reduction first",
            )


def _join(space: Space, known: list[BufferRegion], region: BufferRegion) -> None:
    """Adds a region to those of a block: one a buffer, the box around all of its parts."""
    for k, other in enumerate(known):
        if other.buffer is region.buffer:
            box = unite(space, _box(space, other), _box(space, region))
            known[k] = BufferRegion(region.buffer, _ranges(space, box, region))
            return
    known.append(region)


def _box(space: Space, region: BufferRegion) -> Box:
    out: Box = []
    for r in region.region:
        low = space.poly(r.min)
        out.append((low, plus(plus(low, space.poly(r.extent)), constant(-1))))
    return out


def _ranges(space: Space, box: Box, like: BufferRegion) -> tuple[Range, ...]:
    out = []
    for (low, high), size in zip(box, like.buffer.shape, strict=True):
        if low is None or high is None:
            out.append(Range(space.expr({}, size.dtype), size))
            continue
        extent = plus(plus(high, low, -1), constant(1))
        out.append(Range(space.expr(low, size.dtype), space.expr(extent, size.dtype)))
    return tuple(out)


def _place(top: StmtSRef, parts: Sequence[Stmt], block: StmtSRef) -> int:
    """Which of the statements of `top` the block is in."""
    step = step_towards(top, block)
    return next(k for k, part in enumerate(parts) if holds(part, step.node))


def group_blocks(
    state: ScheduleState, blocks: Sequence[StmtSRef], preserve_unit_iters: bool
) -> StmtSRef:
    """Puts one block around `blocks` and all between them; its axes are the parts of theirs that
    the loops around all of them run. Returns the new block."""
    if not blocks:
        refuse("no blocks are given")
    top = state.common_ancestor(blocks)
    if any(state.scope_root(b) is not state.scope_root(blocks[0]) for b in blocks):
        refuse("the blocks are in different scopes", *blocks)
    parts = statements(top)
    places = [_place(top, parts, b) for b in blocks]
    first, last = min(places), max(places)
    members = [c for c in state.child_blocks(top) if first <= _place(top, parts, c) <= last]
    group = _Group(space_at(state, top, inside=True), top, preserve_unit_iters)
    for member in members:
        group.add(state, member)
    inside = [replace_statements(part, group.table) or part for part in parts[first : last + 1]]
    names = "_".join(m.block.name_hint for m in members)
    block = Block(
        tuple(group.axes),
        tuple(group.reads),
        tuple(group.writes),
        f"outer_{names}_",
        stmt_seq(inside),
    )
    condition = group.condition if group.condition is not None else T.const(1, "bool")
    made = BlockRealize(tuple(group.values), condition, block)
    holder = top.block if top.is_block else top.loop
    changed = holder.replace(body=stmt_seq([*parts[:first], made, *parts[last + 1 :]]))
    reuse = dict(group.reuse)
    if isinstance(changed, Block):
        reuse[top.block] = changed
    state.replace(top, changed, reuse)
    return state.srefs[id(block)]
