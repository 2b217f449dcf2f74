"""Which of its instances a block runs: those of the loops around it that its condition admits."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.expr import IntImm, PrimExpr, Range
from .. import op as T
from ..expr import LE, LT, Var
from ..stmt import BlockRealize
from .bindings import digits_of
from .exact import fills_box
from .poly import Poly, Space, constant, plus, times, variables_in
from .refusal import refuse
from .regions import space_at
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
    """True for `value < extent` of an axis and its binding."""
    limit = _limit(space, condition)
    if limit is None:
        return False
    for axis, value in zip(old.block.iter_vars, old.iter_values, strict=True):
        if axis.dom is None or not T.is_const_int(axis.dom.min, 0):
            continue
        if limit == (space.poly(value), space.poly(axis.dom.extent)):
            return True
    return False


def _is_whole(space: Space, condition: PrimExpr, old: BlockRealize) -> bool:
    """True for `fused < n` where axes are the digits of `fused` and have `n` values together."""
    limit = _limit(space, condition)
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


def _limit(space: Space, condition: PrimExpr) -> tuple[Poly, Poly] | None:
    """What `condition` says is below what: `a < b`, or `a <= b` as `a < b + 1`."""
    if not isinstance(condition, (LT, LE)):
        return None
    beyond = constant(int(isinstance(condition, LE)))
    return space.poly(condition.a), plus(space.poly(condition.b), beyond)


def require_every_instance(
    state: ScheduleState, block: StmtSRef, *, conditions: bool = False
) -> None:
    """Refuses a block that may leave out a part of its axes' domains: new loops over these would
    run instances that have not run before. With `conditions`, the block's condition may."""
    realize = block.realize
    if realize is None:
        return
    space = space_at(state, block)
    if not conditions and not all(
        _is_domain(space, c, realize) or _is_whole(space, c, realize)
        for c in conjuncts(realize.predicate)
    ):
        refuse("the block's condition leaves out some of its instances", block)
    if not _fills_domains(space, realize, state.loops_of(block)):
        refuse("the loops may leave out some of the block's instances", block)


def _fills_domains(space: Space, realize: BlockRealize, loops: Sequence[StmtSRef]) -> bool:
    """True if the bindings take all values that the axes may have."""
    numbers = {space._variable(at.loop.loop_var) for at in loops}
    region = [Range(v, IntImm(v.dtype, 1)) for v in realize.iter_values]
    if not fills_box(space, region, numbers):
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
