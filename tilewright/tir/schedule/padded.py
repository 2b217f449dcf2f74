"""The part of a padding block that copies: a range of each of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..arith.conditions import conjuncts
from ..expr import GE, GT, LE, LT, BufferLoad, IterVar, Var
from ..stmt import Block, BlockRealize, BufferStore, For, Stmt
from .inlining import with_regions
from .poly import Space, plus, variables_in
from .regions import bind, sizes_of, space_at
from .rewrite import MapLoads, replace_statements, simplify_condition, substitute
from .sref import StmtSRef
from .state import ScheduleState


@dataclass(frozen=True)
class Part:
    """The values `low <= v < end` of an axis."""

    low: PrimExpr
    end: PrimExpr

    @property
    def extent(self) -> PrimExpr:
        """How many there are."""
        return T.simplified(T.subtract(self.end, self.low))


Ranges = Mapping[Var, Part]


def ranges_within(
    state: ScheduleState, block: StmtSRef, condition: PrimExpr
) -> dict[Var, Part] | None:
    """The range of each axis that the condition narrows; None if it is more than ranges of axes,
    or they are not known to be within the axes' domains."""
    space = Space(sizes_of(state.function_of(block)[1]))
    bind(space, block)
    axes = {a.var: a for a in block.block.iter_vars}
    found: dict[Var, Part] = {}
    for part in conjuncts(condition):
        row = _bound(part, axes)
        if row is None:
            return None
        var, low, end = row
        dom = axes[var].dom
        if dom is None or not T.is_const_int(dom.min, 0):
            return None
        known = found.get(var, Part(dom.min, dom.extent))
        if low is not None and not space.nonneg(plus(space.poly(low), space.poly(known.low), -1)):
            return None
        if end is not None and not space.nonneg(plus(space.poly(known.end), space.poly(end), -1)):
            return None
        found[var] = Part(known.low if low is None else low, known.end if end is None else end)
    for made in found.values():
        if not space.nonneg(plus(space.poly(made.end), space.poly(made.low), -1)):
            return None
    return found


def _bound(
    part: PrimExpr, axes: Mapping[Var, IterVar]
) -> tuple[Var, PrimExpr | None, PrimExpr | None] | None:
    """The axis that a comparison bounds, and the first value or the end that it gives."""
    if isinstance(part, (GE, GT)):
        small, large, is_strict = part.b, part.a, isinstance(part, GT)
    elif isinstance(part, (LE, LT)):
        small, large, is_strict = part.a, part.b, isinstance(part, LT)
    else:
        return None
    one = T.const(1, small.dtype)
    used = [v for v in variables_in((small, large)) if v in axes]
    if len(used) != 1:
        return None
    if isinstance(small, Var) and small in axes:
        return small, None, large if is_strict else T.add(large, one)
    if isinstance(large, Var) and large in axes:
        return large, T.add(small, one) if is_strict else small, None
    return None


def joined(first: PrimExpr, second: PrimExpr) -> PrimExpr:
    """Both conditions, part by part."""
    return T.every([*conjuncts(first), *conjuncts(second)])


def unit_loops(loop: StmtSRef) -> dict[Var, PrimExpr]:
    """The only values of the loops of one iteration around the loop in its scope."""
    found: dict[Var, PrimExpr] = {}
    for at in loop.ancestors():
        if at.is_block:
            break
        if T.is_const_int(at.loop.extent, 1):
            found[at.loop.loop_var] = at.loop.min
    return found


def cut_nest(
    state: ScheduleState, block: StmtSRef, loop: StmtSRef, store: BufferStore, ranges: Ranges
) -> tuple[Stmt, Block]:
    """The loops from `loop` inwards around a block that makes the store in the ranges only."""
    realize, stmt = block.realize, block.block
    if realize is None:
        raise TypeError("a block without realization")
    free = _loops_of_one_axis(block, loop)
    space = space_at(state, block)
    axes: list[IterVar] = []
    values: list[PrimExpr] = []
    conditions: list[PrimExpr] = []
    env: dict[Var, PrimExpr] = {}
    cut: dict[Var, PrimExpr] = {}
    for axis, value in zip(stmt.iter_vars, realize.iter_values, strict=True):
        part = ranges.get(axis.var)
        if part is None:
            axes.append(axis)
            values.append(value)
            continue
        extent = T.cast(part.extent, axis.var.dtype)
        zero = IntImm(axis.var.dtype, 0)
        made = IterVar(Range(zero, extent), axis.var.copy_with_name(axis.var.name), axis.iter_type)
        axes.append(made)
        env[axis.var] = T.add(made.var, T.cast(part.low, axis.var.dtype))
        if isinstance(value, Var) and _runs_domain(free.get(value), axis):
            cut[value] = extent
            values.append(value)
        else:
            values.append(space.simplify(T.subtract(value, part.low)))
            conditions += [T.less_equal(part.low, value), T.less(value, part.end)]
    inner = Space(sizes_of(state.function_of(block)[1]))
    for a in axes:
        if a.dom is not None:
            inner.bind(a.var, a.dom.min, a.dom.extent)
    body = with_regions(
        stmt.replace(iter_vars=tuple(axes), body=_simple(inner, substitute(store, env)))
    )
    extra = simplify_condition(space, T.every(conditions))
    units = unit_loops(loop)
    made_values = tuple(substitute(v, units) for v in values)
    changed = BlockRealize(made_values, substitute(joined(extra, realize.predicate), units), body)
    nest: Stmt = changed
    if not cut:
        return replace_statements(loop.loop, {id(realize): changed}) or loop.loop, body
    for at in block.ancestors():
        old = at.loop
        size = cut.get(old.loop_var)
        extent = old.extent if size is None else T.cast(size, old.loop_var.dtype)
        nest = old.replace(extent=extent, body=nest)
        if at is loop:
            break
    return nest, body


def _loops_of_one_axis(block: StmtSRef, loop: StmtSRef) -> dict[Var, For]:
    """The loops from `loop` inwards, by their variables, that are nothing but one axis of the
    block; none if there is something else in them."""
    if block.realize is None:
        return {}
    chain: list[For] = []
    child: Stmt | None = block.realize
    for at in block.ancestors():
        if at.is_block or at.loop.body is not child:
            return {}
        chain.append(at.loop)
        child = at.loop
        if at is loop:
            break
    elsewhere = [*variables_in(block.realize.predicate)]
    for inside in chain:
        elsewhere += variables_in((inside.min, inside.extent))
    for value in block.realize.iter_values:
        elsewhere += [] if isinstance(value, Var) else variables_in(value)
    names = [v for v in block.realize.iter_values if isinstance(v, Var)]
    return {l.loop_var: l for l in chain
            if l.loop_var not in elsewhere and names.count(l.loop_var) == 1}  # fmt: skip


def _runs_domain(loop: For | None, axis: IterVar) -> bool:
    if loop is None or axis.dom is None or not T.is_const_int(loop.min, 0):
        return False
    left = T.simplified(T.subtract(T.cast(axis.dom.extent, loop.extent.dtype), loop.extent))
    return T.is_const_int(left, 0)


def _simple(space: Space, store: BufferStore) -> BufferStore:
    """The store with simplified indices."""

    def load(found: BufferLoad) -> PrimExpr:
        return found.replace(indices=tuple(space.simplify(i) for i in found.indices))

    value = MapLoads(load).run(store.value)
    return store.replace(value=value, indices=tuple(space.simplify(i) for i in store.indices))
