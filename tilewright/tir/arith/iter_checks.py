"""Checks that indices use iterators as a level of detection demands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ...ir.expr import IntImm, PrimExpr
from .. import op as O
from .int_set import mentions
from .iter_detector import Detector
from .iter_expr import IterMapLevel, IterMark, IterSplitExpr, IterSumExpr
from .iter_parts import NotAffine, Padded
from .terms import Sum

Uses: TypeAlias = "dict[int, tuple[IterMark, list[IterSplitExpr]]]"
"""Marks by their identity, each with the splits of it."""


def check_injective(detector: Detector, indices: Sequence[IterSumExpr]) -> None:
    """Raises NotAffine unless iterators, padded ones too, are used once and whole."""
    used = _used(indices)
    for mark, splits in used.values():
        _check_mark(detector, mark, splits, IterMapLevel.Bijective)
    _check_all_used(detector, used)


def check(detector: Detector, indices: Sequence[IterSumExpr], level: IterMapLevel) -> None:
    """Raises NotAffine unless iterators are used as `level` demands."""
    used = _used(indices)
    _check_bounds(detector, used)
    if level is IterMapLevel.NoCheck:
        return
    for mark, splits in used.values():
        _check_mark(detector, mark, splits, level)
        pad = detector.padded.get(id(mark))
        if pad is not None:
            _check_padded(detector, mark, splits, pad, level)
    if level is IterMapLevel.Bijective:
        _check_all_used(detector, used)


def _check_bounds(detector: Detector, used: Uses) -> None:
    """Raises NotAffine if a predicate is of no sum in the indices, but of iterators there."""
    missed = [bound for bound in detector.bounds if bound not in detector.met]
    if not missed:
        return
    iters = {v for v in detector.iters if v in detector.marks and id(detector.marks[v]) in used}
    for bound in missed:
        total = Sum(next(iter(bound.terms)).dtype, bound.terms, 0).expr()
        if mentions(total, iters) or mentions(total, detector.names):
            raise NotAffine(f"no index holds {total}, of which there is a predicate")


def _used(indices: Sequence[IterSumExpr]) -> Uses:
    """The marks within `indices`, each with the splits of it."""
    used: Uses = {}
    pending = [split for index in indices for split in index.args]
    while pending:
        split = pending.pop()
        mark, splits = used.setdefault(id(split.source), (split.source, []))
        if not splits and isinstance(mark.source, IterSumExpr):
            pending += mark.source.args
        splits.append(split)
    return used


def _check_padded(
    detector: Detector,
    mark: IterMark,
    splits: list[IterSplitExpr],
    pad: Padded,
    level: IterMapLevel,
) -> None:
    """A padded mark need not be used whole; all values of its splits must be reached."""
    if level is IterMapLevel.Bijective:
        raise NotAffine(f"{mark.source} does not divide into {splits} without padding")
    lowest = min(splits, key=lambda s: O.const_value(s.lower_factor) or 0).lower_factor
    first = O.floordiv(pad.left, lowest)
    end = O.floordiv(O.subtract(O.add(pad.left, pad.extent), 1), lowest)
    reached = O.add(O.subtract(end, first), 1)
    for split in splits:
        values = O.floordiv(O.multiply(split.lower_factor, split.extent), lowest)
        if not detector.prove(O.greater_equal(reached, values)):
            raise NotAffine(f"{mark.source} does not divide into all values of {split}")


def _check_mark(
    detector: Detector, mark: IterMark, splits: list[IterSplitExpr], level: IterMapLevel
) -> None:
    expected: PrimExpr = IntImm(mark.source.dtype, 1)
    left = list(splits)
    while left:
        following = next((s for s in left if detector.equal(s.lower_factor, expected)), None)
        if following is None:
            following = _after_gap(detector, left, expected, level)
        left.remove(following)
        expected = detector.analyzer.simplify(O.multiply(following.lower_factor, following.extent))
    if level is IterMapLevel.Bijective and not detector.equal(expected, mark.extent):
        raise NotAffine(f"{mark.source} is not used whole")


def _after_gap(
    detector: Detector, left: list[IterSplitExpr], expected: PrimExpr, level: IterMapLevel
) -> IterSplitExpr:
    if level is IterMapLevel.Surjective:
        for split in left:
            if detector.prove(O.equal(O.floormod(split.lower_factor, expected), 0)):
                return split
    raise NotAffine(f"{left[0]} overlaps another use of {left[0].source.source}")


def _check_all_used(detector: Detector, used: Uses) -> None:
    for var, range_ in detector.iters.items():
        mark = detector.marks.get(var)
        if not O.is_const_int(range_.extent, 1) and (mark is None or id(mark) not in used):
            raise NotAffine(f"iterator {var} is not used")
