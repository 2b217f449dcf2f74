"""Ways to an access: loops, values and conditions, and an iteration that surely goes one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...ir.expr import IntImm, PrimExpr
from .. import op as O
from ..arith.vectors import Parts, affine
from ..expr import Ramp, Var
from ..stmt import For
from .box import ALWAYS, MAYBE, NEVER, Box, Ends, ends

CORNERS = 6
"""Of so many loops the first and last iterations are looked at together."""


# ---- steps ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoopStep:
    """What follows runs for the values of `var` from `first` on, those before `end`."""

    var: Var
    first: PrimExpr
    end: PrimExpr

    @classmethod
    def of(cls, loop: For) -> LoopStep:
        """The step into a loop's body."""
        end = O.add(loop.min, loop.extent)
        is_number = isinstance(loop.min, IntImm)
        return cls(loop.loop_var, loop.min, end if is_number else O.simplified(end))

    def enter(self, box: dict[Var, Ends]) -> Ends | None:
        """Whether what follows surely runs for all of `box[var]`, of which stays what it may run
        for; without such a part, for all values. None if the bounds are not known."""
        first, end = ends(self.first, box), ends(self.end, box)
        if first is None or end is None:
            return None
        low, high = box.get(self.var, (first[0], end[1] - 1))
        low, high = max(low, first[0]), min(high, end[1] - 1)
        if low > high:
            return NEVER
        box[self.var] = low, high
        return ALWAYS if first[1] <= low and high < end[0] else MAYBE

    def asks(self) -> tuple[PrimExpr, ...]:
        """What it depends on."""
        return self.first, self.end


@dataclass(frozen=True, slots=True)
class LetStep:
    """`var` is `value` in what follows."""

    var: Var
    value: PrimExpr

    def enter(self, box: dict[Var, Ends]) -> Ends:
        """Always; what `value` may be stands in the box, if that is known."""
        found = ends(self.value, box)
        if found is not None:
            box[self.var] = found
        return ALWAYS

    def asks(self) -> tuple[PrimExpr, ...]:
        """What it depends on."""
        return (self.value,)


@dataclass(frozen=True, slots=True)
class IfStep:
    """What follows runs where `condition` is `wanted`."""

    condition: PrimExpr
    wanted: bool = True
    var: None = None

    def enter(self, box: dict[Var, Ends]) -> Ends | None:
        """Whether it holds; None if that is not known."""
        found = ends(self.condition, box)
        return found if found is None or self.wanted else (1 - found[1], 1 - found[0])

    def asks(self) -> tuple[PrimExpr, ...]:
        """What it depends on."""
        return (self.condition,)


Step: TypeAlias = "LoopStep | LetStep | IfStep"


def loops_of(steps: Iterable[Step]) -> list[Var]:
    """The variables of the loops among the steps."""
    return [step.var for step in steps if isinstance(step, LoopStep)]


# ---- places ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """An index: from `base + least` to `base + most`."""

    base: PrimExpr
    least: int = 0
    most: int = 0

    def ends(self, box: Box) -> Ends | None:
        """The least and the greatest value in a box."""
        found = ends(self.base, box)
        return None if found is None else (found[0] + self.least, found[1] + self.most)

    def may_leave(self, box: Box, extent: int) -> bool:
        """True if it is known what the index may be, and that is not all inside."""
        found = self.ends(box)
        return found is not None and (found[0] < 0 or found[1] >= extent)

    def leaves(self, box: Box, extent: int) -> bool:
        """True if some lane is outside wherever in the box."""
        found = ends(self.base, box)
        if found is None:
            return False
        return found[1] + self.least < 0 or found[0] + self.most >= extent


def place_of(index: PrimExpr) -> Place | None:
    """The place of an index, or the places of one that is a vector; None if it may be anything."""
    parts = affine(index)
    if parts is None:
        return Place(index)
    base, step, count = parts
    if not isinstance(step, IntImm):
        return None
    reach = step.value * (int(count) - 1)
    return Place(base, min(reach, 0), max(reach, 0))


def in_memory(
    indices: Sequence[PrimExpr], lanes: Parts, shape: Sequence[PrimExpr]
) -> tuple[PrimExpr, PrimExpr]:
    """The place of an element, the last index `lanes`, and the number of elements."""
    first, step, count = lanes
    place, size = indices[0], shape[0]
    for index, extent in zip((*indices[1:-1], first), shape[1:], strict=False):
        place, size = O.add(O.multiply(place, extent), index), O.multiply(size, extent)
    return Ramp(place, step, count), size


# ---- an iteration that surely takes place ---------------------------------------------------


def iteration_outside(
    steps: Sequence[Step], place: Place, extent: int, tries: Iterable[int]
) -> Box | None:
    """One iteration that surely takes place and in which the index is outside.

    Parts of the iterations of which neither is known are halved, the later half first; None if no
    part is found in so many `tries`.
    """
    parts: list[dict[Var, Ends]] = [{}]
    for _ in tries:
        if not parts:
            return None
        box = parts.pop()
        truth = _enter(steps, box)
        if truth is None or not place.may_leave(box, extent):
            continue
        loops = {var: box[var] for var in loops_of(steps)}
        if truth == ALWAYS and place.leaves(box, extent):
            last = {var: (high, high) for var, (_, high) in loops.items()}
            _enter(steps, last)
            return last
        var = max(loops, key=lambda v: loops[v][1] - loops[v][0], default=None)
        if var is None or loops[var][0] == loops[var][1]:
            continue
        low, high = loops[var]
        middle = (low + high) // 2
        parts += ({**loops, var: (low, middle)}, {**loops, var: (middle + 1, high)})
    return None


def _enter(steps: Sequence[Step], box: dict[Var, Ends]) -> Ends | None:
    """Whether all of `box` surely takes place; None if nothing does, or nothing is known."""
    all_of_them = ALWAYS
    for step in steps:
        truth = step.enter(box)
        if truth is None or truth == NEVER:
            return None
        if truth == MAYBE:
            all_of_them = MAYBE
    return all_of_them


def corners(steps: Sequence[Step]) -> Iterator[Box]:
    """The first and last iterations of all loops, of those that surely take place."""
    loops = loops_of(steps)
    for sides in itertools.product((0, 1), repeat=min(len(loops), CORNERS)):
        side_of = dict(zip(loops, sides, strict=False))
        box: dict[Var, Ends] = {}
        for step in steps:
            if step.enter(box) != ALWAYS:
                break
            if isinstance(step, LoopStep) and step.var in side_of:
                end = box[step.var][side_of[step.var]]
                box[step.var] = end, end
        else:
            yield box
