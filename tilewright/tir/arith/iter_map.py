"""Detects that indices walk through an iteration space by fusing and splitting alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from .. import op as O
from ..expr import Var
from .analyzer import Analyzer
from .bound import ConstIntBound
from .iter_checks import check, check_injective
from .iter_detector import Detector
from .iter_expr import (
    IterMapLevel,
    IterSplitExpr,
    IterSumExpr,
    normalize_iter_map_to_expr,
    variables_of,
)
from .iter_parts import NotAffine


@dataclass
class IterMapResult:
    """The indices as sums of splits (none if the map is not affine), and what was wrong."""

    indices: tuple[IterSumExpr, ...] = ()
    errors: tuple[str, ...] = ()
    padding_predicate: PrimExpr = field(default_factory=lambda: IntImm("bool", 0))


def level_of(level: IterMapLevel | str | int) -> IterMapLevel:
    return IterMapLevel.from_str(level) if isinstance(level, str) else IterMapLevel(level)


def detect_iter_map(
    indices: Sequence[PrimExpr],
    input_iters: Mapping[Var, Range],
    predicate: PrimExpr | bool = True,
    check_level: IterMapLevel | str = IterMapLevel.Surjective,
    simplify_trivial_iterators: bool = True,
) -> IterMapResult:
    """The indices as fusions and splits of the iterators; `errors` says why if they are not.

    An iterator of extent 1 is its constant, unless `simplify_trivial_iterators` is false; one
    that starts at `lo` counts as `x - lo`. Where a division does not come out even, the result
    is that of the padded iterators, and `padding_predicate` says where padding is. Raises
    `ArgumentError` for an index that is no integer.
    """
    _require_integers(indices)
    level = level_of(check_level)
    try:
        detector = Detector(
            input_iters, as_scalar(predicate), simplify_trivial_iterators,
            overlaps=level is not IterMapLevel.Bijective,
        )  # fmt: skip
        parsed = detector.parse_all(indices)
        if level is not IterMapLevel.NoCheck:
            parsed = [detector.fuse(index) for index in parsed]
        else:
            parsed = [_fused_if_possible(detector, index) for index in parsed]
        check(detector, parsed, level)
    except NotAffine as error:
        return IterMapResult(errors=(str(error),))
    return IterMapResult(tuple(parsed), padding_predicate=detector.padding_predicate())


def _require_integers(indices: Sequence[PrimExpr]) -> None:
    for index in indices:
        made = as_scalar(index)
        if not dtype_of(made.dtype).is_integral:
            raise ArgumentError(f"an index of a map is an integer, found {made} of {made.dtype}")


def detect_injective_map(
    indices: Sequence[PrimExpr], input_iters: Mapping[Var, Range]
) -> IterMapResult:
    """The indices as fusions and splits of the padded iterators, no two points alike.

    Iterators of extent 1 stay iterators, and divisions that the ranges would decide stay where
    the map has them: `[x // 4, x % 4]` of `x` in `[0, 3)` runs through `[0, 1)` and `[0, 4)`.
    """
    found = _injective(indices, input_iters)
    if isinstance(found, NotAffine):
        return IterMapResult(errors=(str(found),))
    detector, parsed = found
    fused = tuple(detector.fuse(index) for index in parsed)
    return IterMapResult(fused, padding_predicate=detector.padding_predicate())


def is_injective(indices: Sequence[PrimExpr], input_iters: Mapping[Var, Range]) -> bool:
    """True if no two points of the iterators have the same indices, between which gaps may lie:
    those of `x // 4 * 6 + x % 4`."""
    parts: list[PrimExpr] = []
    for index in detect_iter_map(indices, input_iters, check_level=IterMapLevel.NoCheck).indices:
        if not _is_growing(index):
            return False
        one = IntImm(index.dtype, 1)
        splits = [normalize_iter_map_to_expr(split.replace(scale=one)) for split in index.args]
        parts += splits or [index.base]
    return bool(detect_iter_map(parts, input_iters, check_level=IterMapLevel.Bijective).indices)


def _is_growing(index: IterSumExpr) -> bool:
    """True if each split steps further than all those of smaller scale together."""
    reach, steps = 0, []
    for split in index.args:
        if not (isinstance(split.scale, IntImm) and isinstance(split.extent, IntImm)):
            return len(index.args) == 1
        steps.append((abs(split.scale.value), split.extent.value))
    for scale, extent in sorted(steps):
        if scale <= reach:
            return False
        reach += scale * (extent - 1)
    return True


def padded_ranges(
    indices: Sequence[PrimExpr], input_iters: Mapping[Var, Range]
) -> list[Range] | None:
    """The range of each index over the padded iterators, as in `detect_injective_map`; None if
    one is no sum of splits that grow."""
    try:
        found = _injective(indices, input_iters)
        if isinstance(found, NotAffine):
            detector = _padding_detector(input_iters, literal=True)
            found = detector, detector.parse_all(indices)
        return [_range_of(found[0], index) for index in found[1]]
    except NotAffine:
        return None


def _injective(
    indices: Sequence[PrimExpr], input_iters: Mapping[Var, Range]
) -> tuple[Detector, list[IterSumExpr]] | NotAffine:
    """The indices as they are written, or else as the ranges make them, whichever is injective;
    or why neither is."""
    reason = NotAffine()
    for literal in (True, False):
        try:
            detector = _padding_detector(input_iters, literal)
            parsed = detector.parse_all(indices)
            check_injective(detector, [detector.fuse(index) for index in parsed])
        except NotAffine as error:
            reason = error
        else:
            return detector, parsed
    return reason


def _range_of(detector: Detector, index: IterSumExpr) -> Range:
    extent: PrimExpr = IntImm(index.dtype, 1)
    for split in index.args:
        if not detector.prove(O.greater_equal(split.scale, 0)):
            raise NotAffine(f"{split} may run backwards")
        extent = O.add(extent, O.multiply(split.scale, O.subtract(split.extent, 1)))
    return Range(detector.analyzer.simplify(index.base), detector.analyzer.simplify(extent))


def _padding_detector(input_iters: Mapping[Var, Range], literal: bool) -> Detector:
    """A detector without predicate, for iterators over sizes: those are not negative."""
    detector = Detector(input_iters, IntImm("bool", 1), False, literal=literal)
    for size in variables_of([r.extent for r in input_iters.values()]):
        detector.analyzer.update(size, ConstIntBound(0, ConstIntBound.POS_INF), override=True)
    return detector


def _fused_if_possible(detector: Detector, index: IterSumExpr) -> IterSumExpr:
    try:
        return detector.fuse(index)
    except NotAffine:
        return index


def normalize_to_iter_sum(index: PrimExpr, input_iters: Mapping[Var, Range]) -> IterSumExpr:
    """`index` as a sum of splits, the largest scale first; what is not affine goes to `base`.

    Splits that follow one another are one: `x // 4 * 4 + x % 4` is `x`.
    """
    detector = Detector(input_iters, IntImm("bool", 1))
    terms = detector.terms
    base = terms.const(0, index.dtype)
    splits: list[IterSplitExpr] = []
    for part in detector.parts(index):
        try:
            parsed = detector.unpadded(detector.parse_sum(part))
            splits += parsed.args
            base = terms.add(base, detector.analyzer.sum(parsed.base))
        except NotAffine:
            base = terms.add(base, part)
    merged = detector.merged(splits)
    return IterSumExpr(tuple(sorted(merged, key=detector.size_of, reverse=True)), base.expr())


def iter_map_simplify(
    indices: Sequence[PrimExpr],
    input_iters: Mapping[Var, Range],
    predicate: PrimExpr | bool = True,
    check_level: IterMapLevel | str = IterMapLevel.Surjective,
    simplify_trivial_iterators: bool = True,
) -> tuple[PrimExpr, ...]:
    """The indices simplified, knowing the ranges of the iterators and the predicate.

    `x // n * n + x % n` is `x` also where `n` is not known, if it divides the extent of `x`.
    An iterator of extent 1 is its constant, unless `simplify_trivial_iterators` is false.
    """
    level_of(check_level)
    condition = as_scalar(predicate)
    analyzer = Analyzer()
    for var, range_ in input_iters.items():
        if simplify_trivial_iterators or not O.is_const_int(range_.extent, 1):
            analyzer.bind(var, range_)
    with analyzer.constraint_scope(condition):
        simplified = [analyzer.simplify(as_scalar(index)) for index in indices]
        try:
            detector = Detector(input_iters, condition, simplify_trivial_iterators)
        except NotAffine:
            return tuple(simplified)
        return tuple(analyzer.simplify(_shorter(detector, index)) for index in simplified)


def _shorter(detector: Detector, index: PrimExpr) -> PrimExpr:
    """`index` with splits that follow one another as one; itself if there are none."""
    try:
        parsed = detector.parse(index)
    except NotAffine:
        return index
    merged = detector.merged(list(parsed.args))
    if detector.padded or len(merged) == len(parsed.args):
        return index
    return normalize_iter_map_to_expr(IterSumExpr(tuple(merged), parsed.base))
