"""Inverses of iteration maps, and their division into an outer and an inner space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from ...support.errors import ArgumentError, ArgumentTypeError
from .. import op as O
from ..expr import Var
from .analyzer import Analyzer
from .conditions import conjuncts
from .int_set import mentions
from .iter_checks import check
from .iter_detector import Detector
from .iter_expr import IterMapLevel, IterMark, IterSplitExpr, IterSumExpr, is_whole, variables_of
from .iter_map import level_of
from .iter_parts import NotAffine
from .linear import linear_coefficients


def inverse_affine_iter_map(
    iter_map: Sequence[IterSumExpr], outputs: Sequence[PrimExpr]
) -> dict[Var, PrimExpr]:
    """The value of each iterator from `outputs`, the values of a bijective `iter_map`.

    [(x * 16 + y) // 4, (x * 16 + y) % 4], [a, b]   ->   x = a // 4, y = a % 4 * 4 + b
    """
    for index in iter_map:
        if not isinstance(index, IterSumExpr):
            raise ArgumentTypeError(
                f"`iter_map` holds the indices that detect_iter_map gives, found {index}",
                hint="pass detect_iter_map(...).indices",
            )
    if len(iter_map) != len(outputs):
        raise ArgumentError(f"{len(iter_map)} indices but {len(outputs)} outputs to invert")
    values: dict[int, PrimExpr] = {}
    marks: dict[int, IterMark] = {}

    def give(split: IterSplitExpr, value: PrimExpr) -> None:
        part = O.multiply(value, split.lower_factor)
        key = id(split.source)
        marks[key] = split.source
        values[key] = O.add(values[key], part) if key in values else part

    for index, output in zip(iter_map, outputs, strict=True):
        _hand_down(index, O.subtract(output, index.base), give)
    result: dict[Var, PrimExpr] = {}
    for key in _outer_first(marks):
        mark = marks[key]
        if isinstance(mark.source, IterSumExpr):
            _hand_down(mark.source, O.subtract(values[key], mark.source.base), give)
        else:
            var, start = _variable_of(mark)
            result[var] = O.simplified(O.add(values[key], start))
    return result


def _variable_of(mark: IterMark) -> tuple[Var, PrimExpr]:
    """The iterator of a mark that is no sum, and where it starts: `x - 3` is `x`, from 3."""
    variables = variables_of([mark.source])
    analyzer = Analyzer()
    for var in variables:
        made = linear_coefficients(analyzer.engine.terms, analyzer.sum(mark.source), [var])
        if made is not None and made[0][var].constant == 1:
            return var, made[1].scaled(-1).expr()
    raise ArgumentError(f"{mark.source} is no iterator counted from its start")


def _hand_down(index: IterSumExpr, value: PrimExpr, give: object) -> None:
    """Gives each split of `index` its digit of `value`."""
    for position, split in enumerate(index.args):
        digit = O.floordiv(value, split.scale)
        give(split, O.floormod(digit, split.extent) if position else digit)  # type: ignore[operator]


class _outer_first:  # noqa: N801
    """Marks in an order in which a sum comes before what it is made of, growing while read."""

    def __init__(self, marks: dict[int, IterMark]) -> None:
        self.marks = marks
        self.done: set[int] = set()

    def __iter__(self) -> _outer_first:
        return self

    def __next__(self) -> int:
        waiting = [k for k in self.marks if k not in self.done]
        for key in waiting:
            mark = self.marks[key]
            inside = [k for k in waiting if k != key and _holds(self.marks[k], mark)]
            if not inside:
                self.done.add(key)
                return key
        raise StopIteration


def _holds(outer: IterMark, inner: IterMark) -> bool:
    pending = [outer]
    while pending:
        mark = pending.pop()
        if isinstance(mark.source, IterSumExpr):
            for split in mark.source.args:
                if split.source is inner:
                    return True
                pending.append(split.source)
    return False


def subspace_divide(
    bindings: Sequence[PrimExpr],
    input_iters: Mapping[Var, Range],
    sub_iters: Sequence[Var],
    predicate: PrimExpr | bool = True,
    check_level: IterMapLevel | str = IterMapLevel.Surjective,
    simplify_trivial_iterators: bool = True,
) -> list[list[IterMark]]:
    """Each binding as `outer * extent(inner) + inner`, the inner one over `sub_iters` alone.

    One pair of marks a binding, and a last pair whose extents are the predicates of the outer
    and inner space. Empty if a binding does not divide.
    """
    level = level_of(check_level)
    condition = as_scalar(predicate)
    inner_vars = set(sub_iters)
    try:
        detector = Detector(input_iters, condition, simplify_trivial_iterators)
        parsed = [detector.fuse(detector.parse(b)) for b in bindings]
        check(detector, parsed, level)
        plain = Detector(input_iters, IntImm("bool", 1), simplify_trivial_iterators)
        try:
            whole = [plain.fuse(plain.parse(b)) for b in bindings]
        except NotAffine:  # only the predicate keeps parts from overlapping
            plain, whole = detector, parsed
        pairs = [_divide(plain, index, inner_vars) for index in whole]
        outer, inner = _divide_predicate(condition, inner_vars, set(input_iters) - inner_vars)
    except NotAffine:
        return []
    zero = IntImm("int32", 0)
    pairs.append([IterMark(zero, outer), IterMark(zero, inner)])
    return pairs


def _divide_predicate(
    condition: PrimExpr, inner: set[Var], outer: set[Var]
) -> tuple[PrimExpr, PrimExpr]:
    """The conjuncts free of inner iterators, and the others, which are free of outer ones."""
    outside: PrimExpr = IntImm("bool", 1)
    inside: PrimExpr = IntImm("bool", 1)
    for one in conjuncts(condition):
        if not mentions(one, inner):
            outside = O.logical_and(outside, one)
        elif mentions(one, outer):
            raise NotAffine(f"the predicate {one} is of outer and inner iterators")
        else:
            inside = O.logical_and(inside, one)
    return outside, inside


def _divide(detector: Detector, index: IterSumExpr, inner: set[Var]) -> list[IterMark]:
    """The outer and the inner mark of one binding."""
    dtype = index.dtype
    one, zero = IntImm(dtype, 1), IntImm(dtype, 0)
    if not index.args:
        return [IterMark(IterSumExpr((), index.base), one), IterMark(IterSumExpr((), zero), one)]
    (split,) = index.args
    parts = _digits(split)
    is_inner = [_is_inner(part, inner) for part in parts]
    first = next((i for i, flag in enumerate(is_inner) if flag), len(parts))
    if not all(is_inner[first:]):
        raise NotAffine("an outer iterator is nested within an inner one")
    if not O.is_const_int(split.scale, 1) and 0 < first < len(parts):
        raise NotAffine("a scaled binding is divided")
    outer_parts, inner_parts = parts[:first], parts[first:]
    inner_extent = detector.analyzer.simplify(_product(inner_parts, one))
    outer_extent = detector.analyzer.simplify(_product(outer_parts, one))
    unit = IntImm(dtype, 1) if not inner_parts else inner_extent
    outer_sum = IterSumExpr(
        tuple(
            IterSplitExpr(p.source, p.lower_factor, p.extent, detector._divided(p.scale, unit))
            for p in outer_parts
        ),
        index.base if not inner_parts else zero,
    )
    inner_sum = IterSumExpr(tuple(inner_parts), index.base if inner_parts else zero)
    return [IterMark(outer_sum, outer_extent), IterMark(inner_sum, inner_extent)]


def _digits(split: IterSplitExpr) -> list[IterSplitExpr]:
    """The parts of a split that is all of a sum; itself otherwise."""
    source = split.source.source
    is_all = O.is_const_int(split.lower_factor, 1) and is_whole(split)
    if isinstance(source, IterSumExpr) and is_all and O.is_const_int(source.base, 0):
        return [
            IterSplitExpr(
                p.source, p.lower_factor, p.extent,
                O.simplified(O.multiply(p.scale, split.scale)),
            )
            for p in source.args
        ]  # fmt: skip
    return [split]


def _is_inner(part: IterSplitExpr, inner: set[Var]) -> bool:
    variables: set[Var] = set()
    pending = [part.source]
    while pending:
        mark = pending.pop()
        if isinstance(mark.source, IterSumExpr):
            pending += [s.source for s in mark.source.args]
        else:
            variables.add(_variable_of(mark)[0])
    if variables <= inner:
        return True
    if variables & inner:
        raise NotAffine("outer and inner iterators are fused and split again")
    return False


def _product(parts: Sequence[IterSplitExpr], one: PrimExpr) -> PrimExpr:
    total = one
    for part in parts:
        total = O.multiply(total, part.extent)
    return total
