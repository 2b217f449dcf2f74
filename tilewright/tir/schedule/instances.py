"""Which of its instances a block runs: those of the loops around it that its condition admits."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..buffer import Buffer
from ..expr import GE, LT, IterVar, Var
from ..stmt import BlockRealize, BufferRegion
from .bindings import Source, digits_of
from .exact import fills_box
from .poly import Poly, Space, constant, plus, times, value_of, variables_in
from .refusal import refuse
from .regions import covers, joined_boxes, loops_between, space_at, touched
from .rewrite import conjuncts, substitute
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
        if _is_domain(space, condition, old) or _is_whole(space, condition, old):
            continue
        if any(v not in env and space.is_bound(v) for v in variables_in(condition)):
            refuse(f"the condition `{condition}` cannot be told from the block's axes", old.block)
        out.append(substitute(condition, env))
    return out


def _is_domain(space: Space, condition: PrimExpr, old: BlockRealize) -> bool:
    """True for `value < end` or `value >= start` of an axis and its binding."""
    if not isinstance(condition, (LT, GE)):
        return False
    left, right = space.poly(condition.a), space.poly(condition.b)
    for axis, value in zip(old.block.iter_vars, old.iter_values, strict=True):
        if axis.dom is None:
            continue
        limit = space.poly(axis.dom.min)
        if isinstance(condition, LT):
            limit = plus(limit, space.poly(axis.dom.extent))
        if left == space.poly(value) and right == limit:
            return True
    return False


def _is_whole(space: Space, condition: PrimExpr, old: BlockRealize) -> bool:
    """True for `fused < n` where axes are the digits of `fused` and have `n` values together."""
    if not isinstance(condition, LT):
        return False
    fused = space.joined(space.poly(condition.a))
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
    return total == space.poly(condition.b)


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


def _keeps_to_domains(space: Space, realize: BlockRealize) -> bool:
    """True if the condition says no more than that the axes are in their domains."""
    return all(
        _is_domain(space, c, realize) or _is_whole(space, c, realize)
        for c in conjuncts(realize.predicate)
    )


def fills_what_it_writes(
    state: ScheduleState, block: StmtSRef, buffer: Buffer, top: StmtSRef
) -> bool:
    """True if the block writes all of the box around what it writes of `buffer` in one run of the
    body of `top`, as far as the box is within the buffer."""
    realize = block.realize
    if realize is None:
        return False
    space = space_at(state, block)
    if not _keeps_to_domains(space, realize):
        return False
    loops = loops_between(block, top)
    free = {space._variable(at.loop.loop_var) for at in loops}
    parts = [w for w in block.block.writes if w.buffer is buffer]
    guarded = [a for a, v in zip(block.block.iter_vars, realize.iter_values, strict=True)
               if not _is_within(space, a, v)]  # fmt: skip
    if not all(_ends_with_axes(space, part, guarded) for part in parts):
        return False
    needed = touched(space, block, parts, loops)
    boxes = [touched(space, block, [part], loops) for part in parts
             if fills_box(space, part.region, free)
             and _runs_through(space, part.region, buffer.shape, free)]  # fmt: skip
    joined = joined_boxes(space, [b for b in boxes if b is not None])
    return needed is not None and any(covers(space, buffer, b, needed) for b in joined)


def _runs_through(
    space: Space, region: Sequence[Range], limits: Sequence[PrimExpr | None], loops: set[int]
) -> bool:
    """True if indices that are digits of one number take all combinations of their values, as far
    as these are below `limits`: `i // 4` and `i % 4` do for `i < 12`, not for `i < 10`."""
    last: dict[Source, list[Poly]] = {}
    cut: set[Source] = set()
    for r, limit in zip(region, limits, strict=True):
        digits = digits_of(space, space.joined(space.poly(r.min)), loops) or []
        for digit in digits:
            extent = digit.extent
            if len(digits) == 1 and limit is not None and value_of(digit.scale) == 1:
                size = space.poly(limit)
                extent = size if space.nonneg(plus(extent, size, -1)) else extent
            most = times(digit.lower, plus(extent, constant(-1)))
            last.setdefault(digit.source, []).append(most)
            if digit.is_cut:
                cut.add(digit.source)
    for source, parts in last.items():
        high = space.relax(dict(source))[1]
        if len(parts) == 1 and source not in cut:
            continue
        total = functools.reduce(plus, parts)
        if high is None or not space.nonneg(plus(high, total, -1)):
            return False
    return True


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
    region = [Range(v, IntImm(v.dtype, 1)) for v in realize.iter_values]
    limits = [a.dom.extent if a.dom is not None else None for a in realize.block.iter_vars]
    if not (fills_box(space, region, numbers) and _runs_through(space, region, limits, numbers)):
        return False
    for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
        if axis.dom is None:
            return False
        low, high = space.relax(space.joined(space.poly(value)), numbers.__contains__)
        start = space.poly(axis.dom.min)
        end = plus(plus(start, space.poly(axis.dom.extent)), constant(-1))
        if low is None or high is None:
            return False
        if not (space.nonneg(plus(start, low, -1)) and space.nonneg(plus(high, end, -1))):
            return False
    return True
