"""Reductions: their combiner, what of it is needed, and those over nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.expr import PrimExpr
from ...ir.functor import post_order_visit
from ...ir.node import Node, rebuild
from .. import op as O
from ..expr import Call, CallEffectKind, CommReducer, Reduce, Select, Var
from ..stmt_functor import substitute
from .canonical import effect_of

if TYPE_CHECKING:
    from .simplifier import Simplifier


def simplify_reduce(engine: Simplifier, reduce: Reduce) -> PrimExpr:
    """`reduce` with its parts simplified where its axes lie in their domains.

    Results of the combiner that nobody asks for go, unless computing them has effects. A reduction
    over no axis is its source.
    """
    _bind_axes(engine, reduce)
    source, init = _all(engine, reduce.source), _all(engine, reduce.init)
    condition = engine.simplify(reduce.condition)
    reducer = reduce.combiner
    if reducer is None:
        parted: PrimExpr = _with(reduce, source=source, init=init, condition=condition)
        return parted
    if not reduce.axis:
        return engine.simplify(_once(reduce, reducer, condition))
    result, identity = _all(engine, reducer.result), _all(engine, reducer.identity_element)
    reducer = _with(reducer, result=result, identity_element=identity)
    kept = _needed(reducer, source, reduce.value_index)
    if len(kept) < len(source):
        reducer = CommReducer(
            tuple(reducer.lhs[k] for k in kept),
            tuple(reducer.rhs[k] for k in kept),
            tuple(result[k] for k in kept),
            tuple(identity[k] for k in kept),
        )
        source, init = (tuple(part[k] for k in kept if part) for part in (source, init))
    place = kept.index(reduce.value_index)
    made: PrimExpr = _with(
        reduce, combiner=reducer, source=source, init=init, condition=condition, value_index=place
    )
    return made


def _bind_axes(engine: Simplifier, reduce: Reduce) -> None:
    bounds = engine.bounds
    for axis in reduce.axis:
        if axis.dom is None or axis.var in bounds.variables:
            continue
        least = engine.interval(axis.dom.min)[0]
        most = engine.interval(O.subtract(O.add(axis.dom.min, axis.dom.extent), 1))[1]
        engine.reset()
        bounds.variables[axis.var] = (least, max(least, most))


def _all(engine: Simplifier, parts: tuple[PrimExpr, ...]) -> tuple[PrimExpr, ...]:
    new = tuple(map(engine.simplify, parts))
    return parts if all(a is b for a, b in zip(new, parts, strict=True)) else new


def _with(node: Any, **parts: Any) -> Any:
    """`node` with other parts; itself if they are its own."""
    changed = {name: part for name, part in parts.items() if getattr(node, name) is not part}
    return rebuild(node, changed) if changed else node


def _once(reduce: Reduce, reducer: CommReducer, condition: PrimExpr) -> PrimExpr:
    """The one step of a reduction over no axis. Identity elements are taken to be that."""
    place = reduce.value_index
    if not reduce.init:
        return Select(condition, reduce.source[place], reducer.identity_element[place])
    values = (*reduce.init, *reduce.source)
    env = dict(zip((*reducer.lhs, *reducer.rhs), values, strict=True))
    return Select(condition, substitute(reducer.result[place], env), reduce.init[place])


def _needed(reducer: CommReducer, source: tuple[PrimExpr, ...], wanted: int) -> list[int]:
    """The results on which the one that is wanted depends, and those with effects."""
    place = {var: k for vars_ in (reducer.lhs, reducer.rhs) for k, var in enumerate(vars_)}
    pending = [wanted, *(k for k, value in enumerate(source) if _has_effects(value))]
    found: set[int] = set()
    while pending:
        one = pending.pop()
        if one in found:
            continue
        found.add(one)

        def look(node: Node) -> None:
            if isinstance(node, Var) and node in place:
                pending.append(place[node])

        post_order_visit(reducer.result[one], look)
    return sorted(found)


def _has_effects(value: PrimExpr) -> bool:
    found = False

    def look(node: Node) -> None:
        nonlocal found
        found |= isinstance(node, Call) and effect_of(node) > CallEffectKind.ReadState

    post_order_visit(value, look)
    return found
