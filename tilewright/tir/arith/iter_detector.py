"""Parses indices that walk through an iteration space by fusing and splitting alone.

The canonical sums of the analyzer do most of the work: a fused and split again index comes as a
sum of `(base // lower) % extent` parts. What is left is to see that the parts of each index fit
together without gap or overlap, and that each iterator is used once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, lcm
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from ...ir.functor import Rewriter, on
from .. import op as O
from ..expr import GE, GT, LE, LT, And, Call, FloorDiv, FloorMod, Max, Min, Var
from .analyzer import Analyzer
from .canonical import INDEX_TYPES
from .int_set import mentions
from .iter_expr import (
    IterMark,
    IterSplitExpr,
    IterSumExpr,
    is_whole,
    normalize_iter_map_to_expr,
)  # fmt: skip
from .iter_parts import Bound, NotAffine, Padded, Window
from .simplifier import same
from .terms import Atom, Binary, Opaque, Split, Sum, factors_of


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
        self.bounds: list[Bound] = []
        self.met: set[Bound] = set()
        self.names: dict[Var, Bound] = {}
        self.windows: dict[Any, Window] = {}
        self.padded: dict[int, Padded] = {}
        self.given = set(input_iters)
        self.iters: dict[Var, Range] = {}
        self.sources: dict[Var, PrimExpr] = {}
        for var, range_ in input_iters.items():
            self._declare(var, range_, simplify_trivial)
        self._read_predicate(predicate)
        for bound in list(self.bounds):  # of a sum that divides a bounded one
            named = self._named(bound.of, bound)
            if named is not bound.of:
                self.bounds.remove(bound)
                self._read_predicate(named)

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
            elif mentions(one, self.given):
                raise NotAffine(f"the predicate {one} is no bound of an iterator")
        self.bounds.sort(key=lambda bound: -len(bound.terms))

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
        if not left:
            return
        unit = gcd(*left.values())
        left = {x: c // unit for x, c in left.items()}
        if all(c > 0 for c in left.values()):
            upper = self.analyzer.engine.divider.floordiv(rest.shifted(unit - 1), unit)
            self.bounds.append(Bound(left, one, upper=upper))
        elif all(c < 0 for c in left.values()):
            lower = self.analyzer.engine.divider.floordiv(rest.scaled(-1).shifted(unit), unit)
            self.bounds.append(Bound({x: -c for x, c in left.items()}, one, lower=lower))
        else:
            raise NotAffine(f"the predicate {one} is no bound of an iterator")

    def _iterates(self, atom: Atom) -> bool:
        return mentions(atom.expr(), self.iters) or (
            bool(self.names) and mentions(atom.expr(), self.names)
        )

    def name_of(self, bound: Bound) -> Var:
        """A variable that stands for a bounded sum."""
        for name, known in self.names.items():
            if known.terms == bound.terms:
                return name
        made = Var("bounded", next(iter(bound.terms)).dtype)
        self.names[made] = bound
        return made

    def _named(self, index: Any, own: Bound | None = None) -> PrimExpr:
        """`index` with bounded sums that are divided as variables: they would be torn apart. Not
        by its `own` bound, if it is a predicate."""
        made = as_scalar(index)
        bounds = [b for b in self.bounds if len(b.terms) > 1]
        bounds = [b for b in bounds if own is None or b.terms != own.terms]
        return _Named(self, bounds).run(made) if bounds else made

    # ---- parsing ----------------------------------------------------------------------------

    def parse_all(self, indices: Sequence[PrimExpr]) -> list[IterSumExpr]:
        """The indices as sums of splits; a mark that several of them divide is padded to what
        all the divisors divide."""
        sums = [self.analyzer.sum(self._named(index)) for index in indices]
        for total in sums:
            self.parse_sum(total)
        if self.padded:
            self.marks, self.padded = {}, {}
        return [self.parse_sum(total) for total in sums]

    def parse(self, index: PrimExpr) -> IterSumExpr:
        """`index` as a sum of splits, those under one predicate grouped."""
        return self.parse_sum(self.analyzer.sum(self._named(index)))

    def parse_sum(self, total: Sum, within: Bound | None = None) -> IterSumExpr:
        """A canonical sum as a sum of splits, those under one predicate grouped: under one that
        is part of `within`, if that is given."""
        base = Sum(total.dtype, {}, total.const)
        moving: dict[Atom, int] = {}
        for atom, coefficient in total.terms.items():
            if self._iterates(atom):
                moving[atom] = coefficient
            else:
                base = self.terms.add(base, self.terms.of(atom, coefficient))
        splits = []
        for bound in self.bounds:
            if within is not None and not bound.is_part_of(within):
                continue
            group = self._group(moving, bound)
            if group is not None:
                splits.append(group[0])
                base = self.terms.add(base, group[1])
        for atom, coefficient in moving.items():
            split, offset = self._term(atom, coefficient)
            splits.append(split)
            base = self.terms.add(base, offset)
        return IterSumExpr(tuple(splits), base.expr())

    def _group(self, moving: dict[Atom, int], bound: Bound) -> tuple[IterSplitExpr, Sum] | None:
        """Takes the terms of a bounded sum out of `moving` as one iterator; with it, where it
        starts."""
        if any(atom not in moving for atom in bound.terms):
            return None
        lead, unit = next(iter(bound.terms.items()))
        scale, odd = divmod(moving[lead], unit)
        if odd or any(moving[a] != c * scale for a, c in bound.terms.items()):
            return None
        dtype = lead.dtype
        mark, start = self._bounded_mark(bound, dtype)
        for atom in bound.terms:
            del moving[atom]
        one = IntImm(dtype, 1)
        made = IterSplitExpr(mark, one, mark.extent, IntImm(dtype, scale))
        return made, start.scaled(scale)

    def _bounded_mark(self, bound: Bound, dtype: str) -> tuple[IterMark, Sum]:
        """A mark for all values of a sum within all its bounds, and where they start."""
        inner = self.fuse(self.parse_sum(Sum(dtype, bound.terms, 0), within=bound))
        lower, upper = self._limits(bound, inner)
        key = frozenset(bound.terms.items())
        known = self.marks.get(key)
        if known is None:
            start = self.terms.sub(self.analyzer.sum(inner.base), lower)
            extent = self.terms.sub(upper, lower)
            if not extent.terms and extent.const <= 0:
                raise NotAffine(f"no value is within the predicate {bound.of}")
            known = IterMark(IterSumExpr(self._opened(inner), start.expr()), extent.expr())
            self.marks[key] = known
        return known, lower

    def _opened(self, inner: IterSumExpr) -> tuple[IterSplitExpr, ...]:
        """The splits of a sum that is one mark of others: those."""
        if len(inner.args) == 1:
            split, source = inner.args[0], inner.args[0].source.source
            if (
                isinstance(source, IterSumExpr)
                and O.is_const_int(split.lower_factor, 1)
                and is_whole(split)
                and id(split.source) not in self.padded
                and O.is_const_int(split.scale, 1)
                and O.is_const_int(source.base, 0)
            ):
                return source.args
        return inner.args

    def _limits(self, bound: Bound, inner: IterSumExpr) -> tuple[Sum, Sum]:
        """The start and the end of a bounded sum: what all its bounds leave of `inner`."""
        lower, engine = self.analyzer.sum(inner.base), self.analyzer.engine
        upper = lower.shifted(1)
        for split in inner.args:
            reach = O.multiply(O.subtract(split.extent, 1), split.scale)
            upper = self.terms.add(upper, self.analyzer.sum(reach))
        for other in self.bounds:
            if other.terms != bound.terms:
                continue
            self.met.add(other)
            if other.lower is not None:
                lower = engine.extremum(Max, lower, other.lower)
            if other.upper is not None:
                upper = engine.extremum(Min, upper, other.upper)
        return lower, upper

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
            if atom.of in self.names:
                mark, start = self._bounded_mark(self.names[atom.of], atom.dtype)
                return self.whole(mark), start
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
        if mentions(divisor, self.iters):
            raise NotAffine(f"{base.expr()} is divided by an iterator")
        turned = None if upper is None else self._turned(base, lower, upper)
        if turned is not None:
            return turned, self.terms.const(0, base.dtype)
        of, skipped = self._dividend(base, divisor)
        offset = self.terms.const(0, base.dtype)
        if upper is None:
            offset = self.analyzer.engine.divider.floordiv_by(skipped, self.analyzer.sum(lower))
        end = of.extent if upper is None else upper
        extent = self.analyzer.simplify(O.floordiv(end, lower))
        start = self.analyzer.simplify(O.multiply(of.lower_factor, lower))
        return IterSplitExpr(of.source, start, extent, of.scale), offset

    def _turned(self, base: Sum, lower: PrimExpr, upper: PrimExpr) -> IterSplitExpr | None:
        """`(x + 16) // 3 % 4   ->   ((x + 46) // 3 % 4 + 2) % 4`, if larger divisors of `x` begin
        at 46: a split of what is padded for those, all of whose values change places."""
        window = self.windows.get(base.shifted(-base.const).key)
        if window is None or not (isinstance(lower, IntImm) and isinstance(upper, IntImm)):
            return None
        distance, size = window.offset - base.const, upper.value // lower.value
        if not distance % upper.value or distance % lower.value:
            return None
        if not self._divides(upper, window.divisor):
            return None
        split, _ = self._part(base.shifted(distance), lower, upper)
        turn = IntImm(base.dtype, -distance // lower.value % size)
        key = (id(split.source), lower.value, upper.value, turn.value)
        mark = self.marks.get(key)
        if mark is None:
            whole = IntImm(base.dtype, 2 * size)
            mark = self.marks[key] = IterMark(IterSumExpr((split,), turn), whole)
            self.padded[id(mark)] = Padded(split.extent, turn, split.extent, turns=True)
        one = IntImm(base.dtype, 1)
        return IterSplitExpr(mark, one, split.extent, one)

    def _dividend(self, base: Sum, divisor: PrimExpr) -> tuple[IterSplitExpr, Sum]:
        """The split that `divisor` divides whose value is `base` less a multiple of `divisor`,
        which is the second result."""
        inner = self.fuse(self.parse_sum(base))
        if len(inner.args) != 1 or not O.is_const_int(inner.args[0].scale, 1):
            raise NotAffine(f"{base.expr()} leaves gaps")
        (split,) = inner.args
        aligned = self._divides(divisor, inner.base) and self._divides(divisor, split.extent)
        if not aligned or base.shifted(-base.const).key in self.windows:
            mark, skipped = self._padded_mark(base, inner, divisor)
            return self.whole(mark), skipped
        return split, self.analyzer.sum(inner.base)

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
            self.padded[id(known)] = Padded(window.divisor, left.expr(), inner.args[0].extent)
        return known, skipped

    def _window(self, base: Sum, divisor: PrimExpr) -> Window:
        """The window in which `divisor` divides `base`: that of the largest divisor of the same
        terms, if the distance of the two is a multiple of `divisor`."""
        moving = base.shifted(-base.const).key
        known = self.windows.get(moving)
        if known is None:
            known = self.windows[moving] = Window(divisor, base.const)
        elif known.offset == base.const or self._divides(known.divisor, divisor):
            whole = self._common_multiple(divisor, known.divisor)
            known = self.windows[moving] = Window(whole, base.const)
        distance = IntImm(base.dtype, known.offset - base.const)
        return known if self._divides(divisor, distance) else Window(divisor, base.const)

    def _common_multiple(self, a: PrimExpr, b: PrimExpr) -> PrimExpr:
        if isinstance(a, IntImm) and isinstance(b, IntImm):
            return IntImm(a.dtype, lcm(a.value, b.value))
        for one, other in ((a, b), (b, a)):
            if self.equal(one, other) or self._divides(one, other):
                return other
        raise NotAffine(f"neither of {a} and {b} divides the other")

    def padding_predicate(self) -> PrimExpr:
        """True where a padded mark is beyond what its iterators reach."""
        found: PrimExpr = IntImm("bool", 0)
        for mark in self.marks.values():
            pad = self.padded.get(id(mark))
            if pad is not None and not pad.turns:
                found = O.logical_or(found, self._beyond(mark, pad))
        return found

    def _beyond(self, mark: IterMark, pad: Padded) -> PrimExpr:
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
        is_largest = self.equal(O.add(beyond, 1), pad.divisor)
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
        summed = self.analyzer.sum
        key = tuple(
            (id(s.source), *(summed(n).key for n in (s.lower_factor, s.extent, s.scale)))
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
            following = next((s for s in left if self.equal(s.scale, reach)), None)
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

    def equal(self, a: PrimExpr, b: PrimExpr) -> bool:
        """True if both are always equal."""
        return same(a, b) or self.prove(O.equal(a, b))

    def parts(self, index: PrimExpr) -> list[Sum]:
        """The terms of `index`, each a sum."""
        total = self.analyzer.sum(as_scalar(index))
        terms = [self.terms.of(atom, times) for atom, times in total.terms.items()]
        return [*terms, self.terms.const(total.const, total.dtype)]

    def merged(self, splits: list[IterSplitExpr]) -> list[IterSplitExpr]:
        """`splits` with those that follow one another in the same mark as one."""
        for k, upper in enumerate(splits):
            for lower in splits:
                if lower is upper or lower.source is not upper.source:
                    continue
                if self._goes_on(lower, upper):
                    extent = self.analyzer.simplify(O.multiply(lower.extent, upper.extent))
                    made = IterSplitExpr(lower.source, lower.lower_factor, extent, lower.scale)
                    rest = [s for s in splits[:k] + splits[k + 1 :] if s is not lower]
                    return self.merged([*rest, made])
        return splits

    def _goes_on(self, lower: IterSplitExpr, upper: IterSplitExpr) -> bool:
        """True if `upper` counts the digits above those of `lower`, and weighs them so."""
        ends = ((lower.lower_factor, upper.lower_factor), (lower.scale, upper.scale))
        return all(self.equal(O.multiply(low, lower.extent), high) for low, high in ends)

    def unpadded(self, total: IterSumExpr) -> IterSumExpr:
        """`total` with splits of what was padded in the end as shorter splits of that itself."""
        splits = []
        for split in total.args:
            pad, inside = self.padded.get(id(split.source)), split.source.source
            if pad is not None and isinstance(inside, IterSumExpr):
                if not (O.is_const_int(pad.left, 0) and is_whole(split)):
                    raise NotAffine(f"{split} is padded within")
                (held,) = inside.args
                lower = self.analyzer.simplify(O.multiply(held.lower_factor, split.lower_factor))
                steps = _rounded_up(pad.extent, split.lower_factor)
                extent = self.analyzer.simplify(O.floordiv(steps, split.lower_factor))
                split = IterSplitExpr(held.source, lower, extent, split.scale)
            splits.append(split)
        return IterSumExpr(tuple(splits), total.base)

    def size_of(self, split: IterSplitExpr) -> tuple[int, int]:
        """How large a scale is, for their order: by its symbols, then by its constant."""
        scale = self.analyzer.sum(split.scale)
        symbols = max((len(factors_of(atom)) for atom in scale.terms), default=0)
        return symbols, max((abs(c) for c in scale.terms.values()), default=abs(scale.const))


class _Named(Rewriter):
    """Writes dividends with the variables for bounded sums in them."""

    def __init__(self, detector: Detector, bounds: list[Bound]) -> None:
        self.detector, self.bounds = detector, bounds

    @on(FloorDiv, FloorMod)
    def division(self, node: Any) -> PrimExpr:
        """`(i * 32 + j + 1) // 16`, where `i * 32 + j` is bounded   ->   `(bounded + 1) // 16`"""
        made = self.rewrite_children(node)
        detector = self.detector
        if made.dtype not in INDEX_TYPES:
            return made  # type: ignore[no-any-return]
        total = detector.analyzer.sum(made.a)
        for bound in self.bounds:
            lead, unit = next(iter(bound.terms.items()))
            times = total.terms.get(lead, 0) // unit
            if times and all(total.terms.get(t) == c * times for t, c in bound.terms.items()):
                rest = detector.terms.sub(total, Sum(total.dtype, bound.terms, 0).scaled(times))
                dividend = O.add(O.multiply(detector.name_of(bound), times), rest.expr())
                return self.division(type(made)(dividend, made.b))
        return made  # type: ignore[no-any-return]


def _smallest_first(split: IterSplitExpr) -> tuple[bool, int, bool]:
    scale = O.const_value(split.scale)
    return (scale is None, abs(int(scale or 0)), not O.is_const_int(split.extent, 1))


def _rounded_up(value: PrimExpr, divisor: PrimExpr) -> PrimExpr:
    """The next multiple of `divisor`."""
    steps = O.floordiv(O.add(value, O.subtract(divisor, 1)), divisor)
    return O.multiply(steps, divisor)


def _typed(value: PrimExpr, dtype: str) -> PrimExpr:
    return value if value.dtype == dtype else O.cast(value, dtype)
