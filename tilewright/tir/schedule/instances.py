"""Which of its instances a block runs: those of the loops around it that its condition admits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..arith.conditions import conjuncts
from ..buffer import Buffer
from ..expr import IterVar, IterVarType, Var
from ..stmt import BlockRealize, BufferRegion
from .bindings import Digit, Source, digits_of, is_affine
from .exact import fills_box
from .poly import Poly, Space, constant, plus, times, value_of, variables_in
from .refusal import refuse
from .regions import (
    Box,
    bind,
    covers,
    define_axes,
    full_box,
    joined_boxes,
    limit_of,
    loops_between,
    sizes_of,
    space_at,
    surely_written,
    touched,
)
from .rewrite import simplify_condition, substitute
from .sref import StmtSRef
from .state import ScheduleState


def kept_conditions(space: Space, old: BlockRealize, values: Sequence[PrimExpr]) -> list[PrimExpr]:
    """The conditions of `old` in terms of the new values of the axes. Those which say no more
    than an axis's domain go. Refuses if one depends on what is no axis."""
    env: dict[Var, PrimExpr] = {
        binding: value
        for binding, value in zip(old.iter_values, values, strict=True)
        if isinstance(binding, Var)
    }
    out: list[PrimExpr] = []
    for condition in conjuncts(old.predicate):
        if is_domain(space, condition, old) or _is_whole(space, condition, old):
            continue
        if any(v not in env and space.is_bound(v) for v in variables_in(condition)):
            refuse(f"the condition `{condition}` cannot be told from the block's axes", old.block)
        out.append(substitute(condition, env))
    return out


def is_domain(space: Space, condition: PrimExpr, old: BlockRealize) -> bool:
    """True for `value < end` or `value >= start` of an axis and its binding."""
    limit = limit_of(space, condition)
    if limit is None:
        return False
    room = plus(limit[1], limit[0], -1)
    for axis, binding in zip(old.block.iter_vars, old.iter_values, strict=True):
        if axis.dom is None:
            continue
        value, start = space.poly(binding), space.poly(axis.dom.min)
        end = plus(start, space.poly(axis.dom.extent))
        if room in (plus(end, value, -1), plus(plus(value, start, -1), constant(1))):
            return True
    return False


def _is_whole(space: Space, condition: PrimExpr, old: BlockRealize) -> bool:
    """True for `fused < n` where axes are the digits of `fused` and have `n` values together."""
    limit = limit_of(space, condition)
    if limit is None:
        return False
    fused = space.joined(limit[0])
    loops = set(space.variables(fused))
    total = constant(1)
    for axis, value in zip(old.block.iter_vars, old.iter_values, strict=True):
        p = space.joined(space.poly(value))
        if not loops & space.variables(p):
            continue
        digits = digits_of(space, p, loops)
        if axis.dom is None or not digits:
            return False
        if any(d.source != frozenset(fused.items()) for d in digits):
            return False
        total = times(total, space.poly(axis.dom.extent))
    return total == limit[1]


def require_every_instance(
    state: ScheduleState, block: StmtSRef, *, conditions: bool = False
) -> None:
    """Refuses a block that may leave out a part of its axes' domains: new loops over these would
    run instances that have not run before. With `conditions`, the block's condition may."""
    realize = block.realize
    if realize is None:
        return
    space = space_at(state, block)
    if not conditions and not _keeps_to_domains(space, realize):
        refuse("the block's condition leaves out some of its instances", block)
    if not _fills_domains(space, realize, state.loops_of(block)):
        refuse("the loops may leave out some of the block's instances", block)


def runs_box(state: ScheduleState, block: StmtSRef, top: StmtSRef) -> bool:
    """True if the instances that the block runs in one run of the body of `top` fill the box around
    them, as far as it is within the domains of the axes."""
    realize = block.realize
    if realize is None:
        return False
    space = space_at(state, block)
    free = {space._variable(at.loop.loop_var) for at in loops_between(block, top)}
    region = [Range(v, IntImm(v.dtype, 1)) for v in realize.iter_values]
    whole = fills_box(space, region, free, [None] * len(region))
    return whole and _keeps_to_domains(space, realize)


def _keeps_to_domains(space: Space, realize: BlockRealize) -> bool:
    """True if the condition says no more than that the axes are in their domains."""
    return all(
        is_domain(space, c, realize) or _is_whole(space, c, realize)
        for c in conjuncts(realize.predicate)
    )


def fills_what_it_writes(
    state: ScheduleState,
    block: StmtSRef,
    buffer: Buffer,
    top: StmtSRef,
    threads: Sequence[StmtSRef] = (),
) -> bool:
    """True if the block writes all of the box around what it is declared to write of `buffer` in
    one run of the body of `top` (in that of all `threads` around it), as far as the box is within
    the buffer."""
    realize = block.realize
    if realize is None:
        return False
    space = space_at(state, block)
    loops = [*threads, *loops_between(block, top)]
    if is_skipped(space, realize, loops):
        return False
    parts = surely_written(block.block, buffer)
    if not _writes_all(space, realize, loops, parts):
        return False
    if _fills_domains(space, realize, loops) and _fill_buffer(state, block, parts):
        return True
    free = {space._variable(at.loop.loop_var) for at in loops}
    guarded = [a for a, v in zip(block.block.iter_vars, realize.iter_values, strict=True)
               if not _is_within(space, a, v)]  # fmt: skip
    if not all(_ends_with_axes(space, part, guarded) for part in parts):
        return False
    declared = [w for w in block.block.writes if w.buffer is buffer]
    needed = touched(space, block, declared, loops)
    boxes = [touched(space, block, [part], loops) for part in parts
             if fills_box(space, part.region, free, buffer.shape)]  # fmt: skip
    joined = joined_boxes(space, [b for b in boxes if b is not None])
    return needed is not None and any(covers(space, buffer, b, needed) for b in joined)


def _writes_all(
    space: Space,
    realize: BlockRealize,
    loops: Sequence[StmtSRef],
    parts: Sequence[BufferRegion],
) -> bool:
    """True if the condition leaves out no more than what lies beyond the axes' domains or the
    buffer, and steps of a reduction other than the first. A reduction over a size has a first step,
    as a loop over that size has."""
    rows = list(zip(realize.block.iter_vars, realize.iter_values, strict=True))
    reduced, others = (
        {v for axis, value in rows if (axis.iter_type is IterVarType.CommReduce) == is_reduced
         for v in variables_in(value)}
        for is_reduced in (True, False)
    )  # fmt: skip
    reducing = reduced - others
    first = {l.loop.loop_var: l.loop.min for l in loops if l.loop.loop_var in reducing}
    at_first = [(c, substitute(c, first)) for c in conjuncts(realize.predicate)]
    rest = [made for c, made in at_first
            if made is c or any(space.is_bound(v) for v in variables_in(made))]  # fmt: skip
    left = [c for c in conjuncts(simplify_condition(space, T.every(rest)))
            if not (is_domain(space, c, realize) or _is_whole(space, c, realize))]  # fmt: skip
    if left:
        define_axes(space, realize)
    return all(len(parts) == 1 and _is_end(space, c, parts[0]) for c in left)


def _is_end(space: Space, condition: PrimExpr, part: BufferRegion) -> bool:
    """True for `index < size` of a dimension of the buffer, or `index >= 0`."""
    limit = limit_of(space, condition)
    if limit is None:
        return False
    room = plus(limit[1], limit[0], -1)
    for r, size in zip(part.region, part.buffer.shape, strict=True):
        index = space.poly(r.min)
        beyond = plus(plus(space.poly(size), index, -1), constant(1))
        if room in (plus(beyond, space.poly(r.extent), -1), plus(index, constant(1))):
            return True
    return False


def is_skipped(space: Space, realize: BlockRealize, inside: Sequence[StmtSRef]) -> bool:
    """True if a condition on loops of which no axis knows may leave out the block for all of the
    loops `inside`."""
    own = {space._variable(at.loop.loop_var) for at in inside}
    bound = [space.poly(value) for value in realize.iter_values]
    known = own.union(*(space.variables(p) for p in bound))
    return any(
        space._variable(v) not in known and may_move(space, v)
        for c in conjuncts(realize.predicate)
        for v in variables_in(c)
    )


def may_move(space: Space, var: Var) -> bool:
    """True for the variable of a loop or an axis that may have more than one value."""
    low, high = space.relax(space.poly(var))
    return space.is_bound(var) and (low is None or low != high)


def _fill_buffer(state: ScheduleState, block: StmtSRef, parts: Sequence[BufferRegion]) -> bool:
    """True if one of the regions, over the domains of the block's axes, is the whole buffer."""
    space = Space(sizes_of(state.function_of(block)[1]))
    bind(space, block)
    numbers = {space._variable(a.var) for a in block.block.iter_vars}
    for part in parts:
        if not fills_box(space, part.region, numbers, part.buffer.shape):
            continue
        box: Box = []
        for r in part.region:
            low = space.poly(r.min)
            high = plus(plus(low, space.poly(r.extent)), constant(-1))
            box.append((space.relax(low)[0], space.relax(high)[1]))
        if covers(space, part.buffer, box, full_box(space, part.buffer.shape)):
            return True
    return False


def _is_within(space: Space, axis: IterVar, value: PrimExpr) -> bool:
    """True if the value is in the domain of the axis in all iterations of the loops."""
    if axis.dom is None:
        return False
    p, start = space.poly(value), space.poly(axis.dom.min)
    last = plus(plus(start, space.poly(axis.dom.extent)), constant(-1))
    return space.nonneg(plus(p, start, -1)) and space.nonneg(plus(last, p, -1))


def _ends_with_axes(space: Space, region: BufferRegion, axes: Sequence[IterVar]) -> bool:
    """True if the buffer ends where the domains of `axes` end: each is an index by itself."""
    domains = {a.var: a.dom for a in axes}
    for r, size in zip(region.region, region.buffer.shape, strict=True):
        if not any(v in domains for v in variables_in((r.min, r.extent))):
            continue
        dom = domains.get(r.min) if isinstance(r.min, Var) else None
        if dom is None or not T.is_const_int(r.extent, 1) or not T.is_const_int(dom.min, 0):
            return False
        if space.poly(dom.extent) != space.poly(size):
            return False
    return True


def _fills_domains(space: Space, realize: BlockRealize, loops: Sequence[StmtSRef]) -> bool:
    """True if the bindings take all values that the axes may have."""
    numbers = {space._variable(at.loop.loop_var) for at in loops}
    rows = list(zip(realize.block.iter_vars, realize.iter_values, strict=True))
    digits = {a.var: _digit(space, a, v, numbers) for a, v in rows}
    alone = [(a, v) for a, v in rows if digits[a.var] is not None]
    others = [(a, v) for a, v in rows if digits[a.var] is None]
    inside = [_loops_in(space, [v for _, v in part], numbers) for part in (alone, others)]
    if inside[0] & inside[1]:
        alone, others = [], rows
    return _fill_as_digits(space, alone, digits, numbers) and _fill_as_box(space, others, numbers)


Rows = Sequence[tuple[IterVar, PrimExpr]]


def _digit(space: Space, axis: IterVar, value: PrimExpr, loops: set[int]) -> Digit | None:
    """The digit of the loops that a binding is, if it is one and nothing else."""
    if axis.dom is None or not T.is_const_int(axis.dom.min, 0):
        return None
    p = space.joined(space.poly(value))
    found = digits_of(space, p, loops)
    is_sole = len(p) == 1 and found is not None and len(found) == 1
    return found[0] if is_sole and found and value_of(found[0].scale) == 1 else None


def _loops_in(space: Space, values: Sequence[PrimExpr], loops: set[int]) -> set[int]:
    return {n for v in values for n in space.variables(space.joined(space.poly(v)))} & loops


def _fill_as_digits(
    space: Space, rows: Rows, digits: Mapping[Var, Digit | None], loops: set[int]
) -> bool:
    """True if the axes, each a digit of a number, are together all numbers that they can write:
    zero is reached, and the number that has the last value of each of them."""
    if not is_affine(space, [v for _, v in rows], loops):
        return False
    last: dict[Source, Poly] = {}
    for axis, _ in rows:
        digit = digits[axis.var]
        if digit is None or axis.dom is None:
            return False
        size = space.poly(axis.dom.extent)
        if digit.is_cut and not space.nonneg(plus(digit.extent, size, -1)):
            return False
        most = times(digit.lower, plus(size, constant(-1)))
        last[digit.source] = plus(last.get(digit.source, {}), most)
    ends = {source: space.relax(dict(source), loops.__contains__) for source in last}
    return all(
        low is not None
        and high is not None
        and space.nonneg(plus({}, low, -1))
        and space.nonneg(plus(high, last[source], -1))
        for source, (low, high) in ends.items()
    )


def _fill_as_box(space: Space, rows: Rows, loops: set[int]) -> bool:
    """True if the bindings leave no hole in a box around the domains."""
    region = [Range(v, IntImm(v.dtype, 1)) for _, v in rows]
    limits = [a.dom.extent if a.dom is not None else None for a, _ in rows]
    if not fills_box(space, region, loops, limits):
        return False
    for axis, value in rows:
        if axis.dom is None:
            return False
        low, high = space.relax(space.joined(space.poly(value)), loops.__contains__)
        start = space.poly(axis.dom.min)
        end = plus(plus(start, space.poly(axis.dom.extent)), constant(-1))
        if low is None or high is None:
            return False
        if not (space.nonneg(plus(start, low, -1)) and space.nonneg(plus(high, end, -1))):
            return False
    return True
