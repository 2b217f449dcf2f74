"""Bindings divided into an outer part and an inner one, over some of the loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.expr import PrimExpr, Range
from ...ir.structural import structural_equal
from .. import op as T
from ..arith import Analyzer
from ..arith.conditions import conjuncts
from ..expr import IterVar, Var
from .poly import ONE, Poly, Space, constant, plus, times, value_of
from .refusal import refuse
from .sref import StmtSRef


@dataclass(frozen=True)
class Division:
    """`outer * extent + inner`: one binding; `extent` counts the values of `inner`."""

    outer: Poly
    inner: Poly
    extent: Poly
    outer_extent: Poly


def divide(space: Space, block: StmtSRef, inner_loops: Sequence[Var]) -> list[Division]:
    """Each binding of the block divided. Refuses bindings that mix the two kinds of loops."""
    numbers = {space._variable(v) for v in inner_loops}
    if block.realize is None:
        return []
    return [
        _divide(space, axis, space.joined(space.poly(value)), numbers, block)
        for axis, value in zip(block.block.iter_vars, block.realize.iter_values, strict=True)
    ]


def _divide(space: Space, axis: IterVar, p: Poly, numbers: set[int], block: StmtSRef) -> Division:
    inner: Poly = {}
    outer: Poly = {}
    for m, c in p.items():
        used = {v for a in m for v in space.atoms[a].variables}
        (inner if used & numbers else outer)[m] = c
        if used & numbers and not used - numbers <= _fixed(space, used):
            refuse(f"the binding of `{axis.var.name}` mixes outer and inner loops", block)
    if axis.dom is None or not T.is_const_int(axis.dom.min, 0):
        refuse(f"the axis `{axis.var.name}` has no domain that starts at 0", block)
    size = space.poly(axis.dom.extent)
    if not inner:
        return Division(outer, {}, constant(1), size)
    low, high = space.relax(inner, numbers.__contains__)
    if low is None or low or high is None:
        refuse(f"the inner part of the binding of `{axis.var.name}` has no bounds", block)
    extent = plus(high, constant(1))
    if not outer or value_of(outer) == 0:
        return Division({}, inner, extent, constant(1))
    whole, rest = space._divide(outer, extent)
    if rest:
        refuse(
            f"the outer part of the binding of `{axis.var.name}` is not a multiple of the inner "
            "part's extent",
            block,
        )
    count = space.quotient(plus(plus(size, extent), constant(-1)), extent)
    return Division(whole, inner, extent, count)


def _fixed(space: Space, used: set[int]) -> set[int]:
    """Variables that are no loops."""
    return {v for v in used if v not in space.ranges}


def divide_predicate(
    space: Space,
    block: StmtSRef,
    divisions: Sequence[Division],
    inner_loops: Sequence[Var],
    stand_in: Sequence[PrimExpr],
) -> tuple[PrimExpr, PrimExpr]:
    """The conditions on outer loops alone, and the others, as simple as they are within the loops;
    in the latter, a binding in full is written as its `stand_in`, which names no outer loop and
    holds where the outer part is in the domain of its axis: where the loops go beyond it, the
    former say so."""
    numbers = {space._variable(v) for v in inner_loops}
    outer: list[PrimExpr] = []
    inner: list[PrimExpr] = []
    whole = [plus(times(d.outer, d.extent), d.inner) for d in divisions]
    if block.realize is None:
        return T.all(), T.all()
    for part in conjuncts(_simplified(block, block.realize.predicate)):
        used = _used(space, part)
        if not used & numbers:
            outer.append(part)
        elif used <= numbers | _fixed(space, used):
            inner.append(part)
        else:
            inner.append(_restated(space, part, whole, stand_in, block))
    outer += _outer_domains(space, block, divisions, outer)
    return T.every(outer), T.every(inner)


def _simplified(block: StmtSRef, condition: PrimExpr) -> PrimExpr:
    analyzer = Analyzer()
    at = block.parent
    while at is not None and not at.is_block:
        analyzer.bind(at.loop.loop_var, Range(at.loop.min, at.loop.extent), override=True)
        at = at.parent
    return analyzer.simplify(condition)


def _outer_domains(
    space: Space, block: StmtSRef, divisions: Sequence[Division], known: Sequence[PrimExpr]
) -> list[PrimExpr]:
    """The conditions under which the outer parts are in their domains, without the provable ones
    and those that are `known`."""
    out: list[PrimExpr] = []
    for axis, d in zip(block.block.iter_vars, divisions, strict=True):
        value, extent = (space.expr(p, axis.var.dtype) for p in (d.outer, d.outer_extent))
        if not space.nonneg(d.outer):
            out.append(T.greater_equal(value, T.const(0, value.dtype)))
        if not space.nonneg(plus(plus(d.outer_extent, d.outer, -1), constant(-1))):
            out.append(T.less(value, extent))
    return [c for c in out if not any(structural_equal(c, k) for k in known)]


def _used(space: Space, part: PrimExpr) -> set[int]:
    from .poly import variables_in

    return {space._variable(v) for v in variables_in(part)}


def _restated(
    space: Space,
    part: PrimExpr,
    whole: Sequence[Poly],
    stand_in: Sequence[PrimExpr],
    block: StmtSRef,
) -> PrimExpr:
    a, b = getattr(part, "a", None), getattr(part, "b", None)
    if isinstance(a, PrimExpr) and isinstance(b, PrimExpr):
        p = space.joined(space.poly(a))
        for binding, value in zip(whole, stand_in, strict=True):
            if p == binding and not _used(space, b):
                return type(part)(T.cast(value, a.dtype), b)  # type: ignore[call-arg,arg-type]
    refuse(f"the condition {part} mixes outer and inner loops", block)


__all__ = ["ONE", "Division", "divide", "divide_predicate"]
