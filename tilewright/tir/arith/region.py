"""Boxes around (or within) the points that indices reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...ir.expr import PrimExpr, Range
from .. import op as O
from ..expr import Var
from .analyzer import Analyzer
from .int_set import Evaluator, IntervalSet, IntSet, as_domain, as_set, ends_of
from .iter_expr import IterMapLevel, IterSumExpr, normalize_iter_map_to_expr
from .iter_map import detect_iter_map


def estimate_region_strict_bound(
    region: Sequence[Range], var_dom: Mapping[Any, Range], predicate: PrimExpr | bool = True
) -> list[IntSet] | None:
    """The exact sets that the region covers as the variables run; None if not a full box."""
    extents = [r.extent for r in region]
    result = detect_iter_map([r.min for r in region], var_dom, predicate, IterMapLevel.Surjective)
    if not result.indices:
        return None
    return [_exact(i, e) for i, e in zip(result.indices, extents, strict=True)] if all(
        _covers(i, e) for i, e in zip(result.indices, extents, strict=True)
    ) else None  # fmt: skip


def _covers(index: IterSumExpr, extent: PrimExpr) -> bool:
    if not index.args:
        return True
    scale = O.abs(index.args[0].scale)
    return O.is_const_int(O.simplified(O.less_equal(scale, extent)), 1)


def _exact(index: IterSumExpr, extent: PrimExpr) -> IntSet:
    base = normalize_iter_map_to_expr(index.base)
    first, last = base, base + extent - 1
    for split in index.args:
        reach = (split.extent - 1) * split.scale
        if int(O.const_value(split.scale) or 1) < 0:
            first = first + reach
        else:
            last = last + reach
    return IntervalSet(O.simplified(first), O.simplified(last))


def estimate_region_lower_bound(
    region: Sequence[Range], var_dom: Mapping[Any, Range], predicate: PrimExpr | bool = True
) -> list[IntSet] | None:
    """Sets that the region surely covers; None if they cannot be told."""
    return estimate_region_strict_bound(region, var_dom, predicate)


def estimate_region_upper_bound(
    region: Sequence[Range], var_dom: Mapping[Var, Range], predicate: PrimExpr | bool = True
) -> list[IntSet]:
    """Sets around all that the region may reach."""
    exact = estimate_region_strict_bound(region, var_dom, predicate)
    if exact is not None:
        return exact
    analyzer = Analyzer()
    evaluator = Evaluator(analyzer, as_domain(analyzer, var_dom))
    result: list[IntSet] = []
    for range_ in region:
        alone = estimate_region_strict_bound([range_], var_dom, predicate)
        if alone is not None:
            result += alone
            continue
        lo, hi = ends_of(analyzer, range_)
        least = None if lo is None else evaluator.of(lo)[0]
        most = None if hi is None else evaluator.of(hi)[1]
        result.append(as_set((least, most)))
    return result
