"""Parses indices that walk through an iteration space by fusing and splitting alone.

The canonical sums of the analyzer do most of the work: a fused and split again index comes as a
sum of `(base // lower) % extent` parts. What is left is to see that the parts of each index fit
together without gap or overlap, and that each iterator is used once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from .. import op as O
from ..expr import GE, GT, LE, LT, And, Call, FloorDiv, FloorMod, Var
from .analyzer import Analyzer
from .int_set import mentions
from .iter_expr import (
    IterMapLevel,
    IterMark,
    IterSplitExpr,
    IterSumExpr,
    normalize_iter_map_to_expr,
)  # fmt: skip
from .simplifier import same
from .terms import Atom, Binary, Opaque, Split, Sum, factors_of


class NotAffine(Exception):
    """An index is no map of iterations; the message says why. Never leaves this package."""


@dataclass(eq=False)
class _Bound:
    """A predicate `terms < limit` or `terms >= limit`."""

    terms: dict[Atom, int]
    lower: int | None = None
    upper: Sum | None = None


@dataclass(eq=False)
class _Padded:
    """The values of a padded mark that its iterators reach: `extent` of them from `left`."""

    divisor: PrimExpr
    left: PrimExpr
    extent: PrimExpr


@dataclass(frozen=True)
class _Window:
    """What the terms of a sum are padded to: all of `divisor`, once `offset` is added."""

    divisor: PrimExpr
    offset: int


class Detector:
    """Parses indices over `input_iters`.

    Iterators are counted from zero inside: `x` in `[lo, hi)` is `lo` plus a variable in
    `[0, hi - lo)`. With `overlaps`, sums may reach a value in several ways. With `literal`, the
    ranges of the iterators simplify nothing: `x // 4` of `x` in `[0, 3)` stays a division.
    """

    def __init__(
        self,
        input_iters: Mapping[Var, Range],
        predicate: PrimExpr,
        simplify_trivial: bool = True,
        overlaps: bool = False,
        literal: bool = False,
    ) -> None:
        self.analyzer = Analyzer()
        self.terms = self.analyzer.engine.terms
        self.overlaps = overlaps
        self.literal = literal
        self.marks: dict[Any, IterMark] = {}
        self.bounds: list[_Bound] = []
        self.windows: dict[Any, _Window] = {}
        self.padded: dict[int, _Padded] = {}
        self.iters: dict[Var, Range] = {}
        self.sources: dict[Var, PrimExpr] = {}
        for var, range_ in input_iters.items():
            self._declare(var, range_, simplify_trivial)
        self._read_predicate(predicate)

    def _declare(self, var: Var, range_: Range, simplify_trivial: bool) -> None:
        if not O.is_const_int(range_.min, 0):
            start = Var(var.name, var.dtype)
            self.sources[start] = O.simplified(O.subtract(var, _typed(range_.min, var.dtype)))
            self.analyzer.bind(var, O.add(start, _typed(range_.min, var.dtype)))
            var, range_ = start, Range(O.const(0, var.dtype), range_.extent)
        self.iters[var] = range_
        if self.literal:
            return
        if O.is_const_int(range_.extent, 1) and not simplify_trivial:
            self.analyzer.bind(var, Range(range_.min, O.const(2, var.dtype)))
        else:
            self.analyzer.bind(var, range_)

    # ---- predicates -------------------------------------------------------------------------

    def _read_predicate(self, predicate: PrimExpr) -> None:
        pending: list[Any] = [predicate]
        while pending:
            one = pending.pop(0)
            if isinstance(one, Call) and getattr(one.op, "name", "") == "tir.likely":
                pending.append(one.args[0])
            elif isinstance(one, And):
                pending += [one.a, one.b]
            elif isinstance(one, (LT, LE, GT, GE)):
                self._read_bound(one)
            elif not O.is_const_int(one, 1):
                raise NotAffine(f"the predicate {one} is no bound of an iterator")

    def _read_bound(self, one: Any) -> None:
        kind = type(one)
        if kind in (GT, GE):
            one = LT(one.b, one.a) if kind is GT else LE(one.b, one.a)
        a, b = self.analyzer.sum(one.a), self.analyzer.sum(one.b)
        if isinstance(one, LE):
            b = b.shifted(1)
        slack = self.terms.sub(b, a)
        if self.analyzer.engine.bounds.is_not_negative(slack.shifted(-1)):
            return
        left = {x: -c for x, c in slack.terms.items() if self._iterates(x)}
        rest = Sum(
            slack.dtype, {x: c for x, c in slack.terms.items() if x not in left}, slack.const
        )
        if left and all(c > 0 for c in left.values()):
            self.bounds.append(_Bound(left, upper=rest))
        elif left and all(c < 0 for c in left.values()) and not rest.terms:
            self.bounds.append(_Bound({x: -c for x, c in left.items()}, lower=1 - rest.const))
        else:
            raise NotAffine(f"the predicate {one} is no bound of an iterator")

    def _iterates(self, atom: Atom) -> bool:
        return mentions(atom.expr(), self.iters)

    # ---- parsing ----------------------------------------------------------------------------

    def parse_all(self, indices: Sequence[PrimExpr]) -> list[IterSumExpr]:
        """The indices as sums of splits; a mark that several of them divide is padded to what
        all the divisors divide."""
        sums = [self.analyzer.sum(as_scalar(index)) for index in indices]
        for total in sums:
            self.parse_sum(total)
        if self.padded:
            self.marks, self.padded = {}, {}
        return [self.parse_sum(total) for total in sums]

    def parse(self, index: PrimExpr) -> IterSumExpr:
        """`index` as a sum of splits, those under one predicate grouped."""
        return self.parse_sum(self.analyzer.sum(as_scalar(index)))

    def parse_sum(self, total: Sum, grouped: bool = True) -> IterSumExpr:
        """A canonical sum as a sum of splits; those under one predicate `grouped`."""
        base = Sum(total.dtype, {}, total.const)
        moving: dict[Atom, int] = {}
        for atom, coefficient in total.terms.items():
            if self._iterates(atom):
                moving[atom] = coefficient
            else:
                base = self.terms.add(base, self.terms.of(atom, coefficient))
        splits = []
        for bound in self.bounds if grouped else ():
            group = self._group(moving, bound)
            if group is not None:
                splits.append(group[0])
                base = base.shifted(group[1])
        for atom, coefficient in moving.items():
            split, offset = self._term(atom, coefficient)
            splits.append(split)
            base = self.terms.add(base, offset)
        return IterSumExpr(tuple(splits), base.expr())

    def _group(self, moving: dict[Atom, int], bound: _Bound) -> tuple[IterSplitExpr, int] | None:
        """Takes the terms of a bounded sum out of `moving` as one iterator."""
        if len(bound.terms) == 0 or any(atom not in moving for atom in bound.terms):
            return None
        lead, unit = next(iter(bound.terms.items()))
        scale, odd = divmod(moving[lead], unit)
        if odd or any(moving[a] != c * scale for a, c in bound.terms.items()):
            return None
        lower, upper = self._limits(bound)
        dtype = lead.dtype
        mark = self._bounded_mark(bound, dtype, lower, upper)
        for atom in bound.terms:
            del moving[atom]
        one = IntImm(dtype, 1)
        return IterSplitExpr(mark, one, mark.extent, IntImm(dtype, scale)), lower * scale

    def _limits(self, bound: _Bound) -> tuple[int, Sum]:
        """The lower end and the end of a bounded sum, its two bounds put together."""
        lower, upper = bound.lower or 0, bound.upper
        for other in self.bounds:
            if other is not bound and other.terms == bound.terms:
                lower = max(lower, other.lower or 0)
                upper = upper or other.upper
        if upper is None:
            hi = self.analyzer.engine.bounds.of(Sum("int64", bound.terms, 0))[1]
            upper = Sum(next(iter(bound.terms)).dtype, {}, int(hi) + 1)
        return lower, upper

    def _bounded_mark(self, bound: _Bound, dtype: str, lower: int, upper: Sum) -> IterMark:
        key = frozenset(bound.terms.items())
        known = self.marks.get(key)
        if known is None:
            inner = self.fuse(self.parse_sum(Sum(dtype, bound.terms, -lower), grouped=False))
            known = IterMark(inner, upper.shifted(-lower).expr())
            self.marks[key] = known
        return known

    def _term(self, atom: Atom, coefficient: int) -> tuple[IterSplitExpr, Sum]:
        """The split of a term, and what it adds to the base."""
        factors = factors_of(atom)
        moving = [f for f in factors if self._iterates(f)]
        if len(moving) != 1:
            raise NotAffine(f"{atom.expr()} multiplies iterators")
        split, offset = self._split_of(moving[0])
        others = [f for f in factors if f is not moving[0]]
        scale = Sum(atom.dtype, {}, coefficient)
        if others:
            scale = self.terms.of(self.terms.product(others), coefficient)
        made = IterSplitExpr(split.source, split.lower_factor, split.extent, scale.expr())
        moved = self.terms.multiply(offset, scale)
        if moved is None:
            raise NotAffine(f"{atom.expr()} is moved too far")
        return made, moved

    def _split_of(self, atom: Atom) -> tuple[IterSplitExpr, Sum]:
        if isinstance(atom, Opaque) and isinstance(atom.of, Var):
            return self.whole(self._variable_mark(atom.of)), self.terms.const(0, atom.dtype)
        if isinstance(atom, Split):
            upper = None if atom.upper is None else IntImm(atom.dtype, atom.upper)
            return self._part(atom.base, IntImm(atom.dtype, atom.lower), upper)
        if isinstance(atom, Binary) and atom.kind is FloorDiv:
            return self._part(atom.a, atom.b.expr(), None)
        if isinstance(atom, Binary) and atom.kind is FloorMod:
            return self._part(atom.a, IntImm(atom.dtype, 1), atom.b.expr())
        raise NotAffine(f"{atom.expr()} is not affine")

    def whole(self, mark: IterMark) -> IterSplitExpr:
        """All of a mark."""
        one = IntImm(mark.source.dtype, 1)
        return IterSplitExpr(mark, one, mark.extent, one)

    def _variable_mark(self, var: Var) -> IterMark:
        known = self.marks.get(var)
        if known is None:
            source = self.sources.get(var, var)
            extent = _typed(self.iters[var].extent, var.dtype)
            known = self.marks[var] = IterMark(source, extent)
        return known

    def _part(
        self, base: Sum, lower: PrimExpr, upper: PrimExpr | None
    ) -> tuple[IterSplitExpr, Sum]:
        """`(base // lower) % (upper // lower)`: a split, and what it adds to the base."""
        divisor = lower if upper is None else upper
        mark, skipped = self._mark_of(base, divisor)
        offset = self.terms.const(0, base.dtype)
        if upper is None:
            offset = self.analyzer.engine.divider.floordiv_by(skipped, self.analyzer.sum(lower))
        end = mark.extent if upper is None else upper
        extent = self.analyzer.simplify(O.floordiv(end, lower))
        return IterSplitExpr(mark, lower, extent, IntImm(base.dtype, 1)), offset

    def _mark_of(self, base: Sum, divisor: PrimExpr) -> tuple[IterMark, Sum]:
        """The mark that `divisor` divides whose value is `base` less a multiple of `divisor`,
        which is the second result."""
        zero = self.terms.const(0, base.dtype)
        atom = base.single()
        if isinstance(atom, Opaque) and isinstance(atom.of, Var) and atom.of in self.iters:
            whole = self._variable_mark(atom.of)
            inner = IterSumExpr((self.whole(whole),), zero.expr())
        else:
            inner = self.fuse(self.parse_sum(base))
            if len(inner.args) != 1 or not O.is_const_int(inner.args[0].scale, 1):
                raise NotAffine(f"{base.expr()} leaves gaps")
            whole = inner.args[0].source
        extent, start = inner.args[0].extent, self.analyzer.sum(inner.base)
        aligned = self._divides(divisor, inner.base) and self._divides(divisor, extent)
        if not aligned or base.shifted(-base.const).key in self.windows:
            return self._padded_mark(base, inner, divisor)
        if self._equal(extent, whole.extent) and O.is_const_int(inner.args[0].lower_factor, 1):
            return whole, start
        known = self.marks.get(base.key)
        if known is None:
            moving = IterSumExpr(inner.args, zero.expr())
            known = self.marks[base.key] = IterMark(moving, extent)
        return known, start

    def _divides(self, divisor: PrimExpr, value: PrimExpr) -> bool:
        return self.prove(O.equal(O.floormod(value, divisor), 0))

    def _padded_mark(
        self, base: Sum, inner: IterSumExpr, divisor: PrimExpr
    ) -> tuple[IterMark, Sum]:
        """A mark around `inner` that starts and ends at multiples of all its divisors."""
        window = self._window(base, divisor)
        shift = window.offset - base.const
        start = self.analyzer.sum(inner.base).shifted(shift)
        left = self.analyzer.engine.divider.floormod_by(start, self.analyzer.sum(window.divisor))
        skipped = self.terms.sub(start, left).shifted(-shift)
        key = base.shifted(shift).key
        known = self.marks.get(key)
        if known is None or not self._divides(window.divisor, known.extent):
            end = O.add(left.expr(), inner.args[0].extent)
            whole = self.analyzer.simplify(_rounded_up(end, window.divisor))
            known = IterMark(IterSumExpr(inner.args, left.expr()), whole)
            self.marks[key] = known
            self.padded[id(known)] = _Padded(window.divisor, left.expr(), inner.args[0].extent)
        return known, skipped

    def _window(self, base: Sum, divisor: PrimExpr) -> _Window:
        """The window in which `divisor` divides `base`: that of the largest divisor of the same
        terms, if the distance of the two is a multiple of `divisor`."""
        moving = base.shifted(-base.const).key
        known = self.windows.get(moving)
        if known is None:
            known = self.windows[moving] = _Window(divisor, base.const)
        elif known.offset == base.const or self._divides(known.divisor, divisor):
            whole = self._common_multiple(divisor, known.divisor)
            known = self.windows[moving] = _Window(whole, base.const)
        distance = IntImm(base.dtype, known.offset - base.const)
        return known if self._divides(divisor, distance) else _Window(divisor, base.const)

    def _common_multiple(self, a: PrimExpr, b: PrimExpr) -> PrimExpr:
        if isinstance(a, IntImm) and isinstance(b, IntImm):
            return IntImm(a.dtype, lcm(a.value, b.value))
        for one, other in ((a, b), (b, a)):
            if self._equal(one, other) or self._divides(one, other):
                return other
        raise NotAffine(f"neither of {a} and {b} divides the other")

    def padding_predicate(self) -> PrimExpr:
        """True where a padded mark is beyond what its iterators reach."""
        found: PrimExpr = IntImm("bool", 0)
        for mark in self.marks.values():
            pad = self.padded.get(id(mark))
            if pad is not None:
                found = O.logical_or(found, self._beyond(mark, pad))
        return found

    def _beyond(self, mark: IterMark, pad: _Padded) -> PrimExpr:
        """True in the first digit below what is reached, in the last digit above it."""
        found: PrimExpr = IntImm("bool", 0)
        value = normalize_iter_map_to_expr(mark.source)
        digit, rest = O.floordiv(value, pad.divisor), O.floormod(value, pad.divisor)
        end = self.analyzer.simplify(O.add(pad.left, pad.extent))
        if not self.prove(O.equal(pad.left, 0)):
            found = O.logical_and(O.equal(digit, 0), O.less(rest, pad.left))
        beyond = self.analyzer.simplify(O.floormod(end, pad.divisor))
        if O.is_const_int(beyond, 0):
            return found
        last = self.analyzer.simplify(O.floordiv(end, pad.divisor))
        is_largest = self._equal(O.add(beyond, 1), pad.divisor)
        unreached = O.equal(rest, beyond) if is_largest else O.greater_equal(rest, beyond)
        after = O.logical_and(O.equal(digit, last), unreached)
        if not isinstance(beyond, IntImm):
            after = O.logical_and(O.not_equal(beyond, 0), after)
        return O.logical_or(found, after)

    def prove(self, condition: PrimExpr) -> bool:
        """True if `condition` always holds."""
        return self.analyzer.can_prove(condition)

    # ---- fusing -----------------------------------------------------------------------------

    def fuse(self, total: IterSumExpr) -> IterSumExpr:
        """The sum with all its splits fused into one, as compact as digits in a number."""
        if len(total.args) <= 1:
            return total
        ordered, reach = self._ordered(list(total.args))
        unit = ordered[-1].scale
        parts = tuple(
            IterSplitExpr(s.source, s.lower_factor, s.extent, self._divided(s.scale, unit))
            for s in ordered
        )
        extent = self._divided(reach, unit)
        inner = IterSumExpr(parts, IntImm(total.dtype, 0))
        key = tuple(
            (id(s.source), self.analyzer.sum(s.lower_factor).key, self.analyzer.sum(s.scale).key)
            for s in parts
        )
        mark = self.marks.get(key)
        if mark is None:
            mark = self.marks[key] = IterMark(inner, extent)
        one = IntImm(total.dtype, 1)
        return IterSumExpr((IterSplitExpr(mark, one, extent, unit),), total.base)

    def _divided(self, scale: PrimExpr, unit: PrimExpr) -> PrimExpr:
        return self.analyzer.simplify(O.floordiv(scale, unit))

    def _ordered(self, splits: list[IterSplitExpr]) -> tuple[list[IterSplitExpr], PrimExpr]:
        """Largest scale first, and how far all of them reach. Raises NotAffine if a scale is not
        the one below it times its extent."""
        constants = [s for s in splits if isinstance(s.scale, IntImm)]
        if not constants:
            raise NotAffine("no iterator has a constant scale")
        if any(int(O.const_value(s.scale) or 0) <= 0 for s in constants):
            raise NotAffine(f"{splits} run in opposite directions")
        lowest = min(constants, key=_smallest_first)
        ordered, left = [lowest], [s for s in splits if s is not lowest]
        reach = self.analyzer.simplify(O.multiply(lowest.scale, lowest.extent))
        while left:
            left.sort(key=_smallest_first)
            following = next((s for s in left if self._equal(s.scale, reach)), None)
            if following is not None:
                reach = self.analyzer.simplify(O.multiply(following.scale, following.extent))
            else:
                following, reach = self._overlapping(left, lowest.scale, reach)
            ordered.append(following)
            left.remove(following)
        return ordered[::-1], reach

    def _overlapping(
        self, left: list[IterSplitExpr], unit: PrimExpr, reach: PrimExpr
    ) -> tuple[IterSplitExpr, PrimExpr]:
        """The next split where sums may reach a value in several ways, and how far it reaches."""
        following = left[0]
        scale = following.scale
        fits = self.overlaps and isinstance(scale, IntImm) and self._divides(unit, scale)
        if not fits or not self.prove(O.less_equal(scale, reach)):
            raise NotAffine(f"no iterator has scale {reach} among {left}")
        step = O.multiply(scale, O.subtract(following.extent, 1))
        return following, self.analyzer.simplify(O.add(reach, step))

    def _equal(self, a: PrimExpr, b: PrimExpr) -> bool:
        return same(a, b) or self.prove(O.equal(a, b))

    # ---- checks -----------------------------------------------------------------------------

    def check_injective(self, indices: Sequence[IterSumExpr]) -> None:
        """Raises NotAffine unless iterators, padded ones too, are used once and whole."""
        used = self._used(indices)
        for mark, splits in used.values():
            self._check_mark(mark, splits, IterMapLevel.Bijective)
        self._check_all_used(used)

    def check(self, indices: Sequence[IterSumExpr], level: IterMapLevel) -> None:
        """Raises NotAffine unless iterators are used as `level` demands."""
        used = self._used(indices)
        for mark, splits in used.values():
            self._check_mark(mark, splits, level)
            pad = self.padded.get(id(mark))
            if pad is not None:
                self._check_padded(mark, splits, pad, level)
        if level is IterMapLevel.Bijective:
            self._check_all_used(used)

    def _used(
        self, indices: Sequence[IterSumExpr]
    ) -> dict[int, tuple[IterMark, list[IterSplitExpr]]]:
        """The marks within `indices`, each with the splits of it."""
        used: dict[int, tuple[IterMark, list[IterSplitExpr]]] = {}
        pending = [split for index in indices for split in index.args]
        while pending:
            split = pending.pop()
            mark, splits = used.setdefault(id(split.source), (split.source, []))
            if not splits and isinstance(mark.source, IterSumExpr):
                pending += mark.source.args
            splits.append(split)
        return used

    def _check_padded(
        self, mark: IterMark, splits: list[IterSplitExpr], pad: _Padded, level: IterMapLevel
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
            if not self.prove(O.greater_equal(reached, values)):
                raise NotAffine(f"{mark.source} does not divide into all values of {split}")

    def _check_mark(self, mark: IterMark, splits: list[IterSplitExpr], level: IterMapLevel) -> None:
        expected: PrimExpr = IntImm(mark.source.dtype, 1)
        left = list(splits)
        while left:
            following = next((s for s in left if self._equal(s.lower_factor, expected)), None)
            if following is None:
                following = self._after_gap(left, expected, level)
            left.remove(following)
            expected = self.analyzer.simplify(O.multiply(following.lower_factor, following.extent))
        if level is IterMapLevel.Bijective and not self._equal(expected, mark.extent):
            raise NotAffine(f"{mark.source} is not used whole")

    def _after_gap(
        self, left: list[IterSplitExpr], expected: PrimExpr, level: IterMapLevel
    ) -> IterSplitExpr:
        if level is IterMapLevel.Surjective:
            for split in left:
                if self.prove(O.equal(O.floormod(split.lower_factor, expected), 0)):
                    return split
        raise NotAffine(f"{left[0]} overlaps another use of {left[0].source.source}")

    def _check_all_used(self, used: dict[int, tuple[IterMark, list[IterSplitExpr]]]) -> None:
        for var, range_ in self.iters.items():
            mark = self.marks.get(var)
            if not O.is_const_int(range_.extent, 1) and (mark is None or id(mark) not in used):
                raise NotAffine(f"iterator {var} is not used")


def _smallest_first(split: IterSplitExpr) -> tuple[bool, int, bool]:
    scale = O.const_value(split.scale)
    return (scale is None, abs(int(scale or 0)), not O.is_const_int(split.extent, 1))


def _rounded_up(value: PrimExpr, divisor: PrimExpr) -> PrimExpr:
    """The next multiple of `divisor`."""
    steps = O.floordiv(O.add(value, O.subtract(divisor, 1)), divisor)
    return O.multiply(steps, divisor)


def _typed(value: PrimExpr, dtype: str) -> PrimExpr:
    return value if value.dtype == dtype else O.cast(value, dtype)
