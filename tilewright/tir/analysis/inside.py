"""Accesses that leave their buffers whenever a function runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Visitor, on, post_order_visit
from ...ir.node import Node
from ...support.errors import CompileError
from .. import op as O
from ..arith.simplifier import Simplifier
from ..arith.vectors import affine
from ..buffer import Buffer
from ..expr import BufferLoad, Call, IterVarType, Let, Select, Var
from ..function import PrimFunc
from ..operators import And, Or
from ..stmt import AssertStmt, Block, BlockRealize, BufferStore, For, IfThenElse, LetStmt, While
from .box import ALWAYS, NEVER, Box, Ends
from .effects import has_jump
from .ways import (
    IfStep,
    LetStep,
    LoopStep,
    Place,
    Step,
    corners,
    in_memory,
    iteration_outside,
    loops_of,
    place_of,
)

TRIES = 48
"""So many parts of the iterations around an access are looked at, then it counts as doubtful."""

ALL_TRIES = 5 * TRIES
"""The same of all accesses of a function together."""


def require_inside(func: PrimFunc) -> None:
    """Raises `CompileError` for an access that leaves its buffer whenever `func` runs.

    That is so if one iteration of the loops around it surely takes place, as their bounds and the
    conditions on the way say, and the index, worked out for that iteration, is outside of an extent
    that is constant. What depends on an argument, on memory or on single bits, or stands in a
    function that `break` or `continue` may cut short, is left to `InstrumentBoundCheckers`.
    """
    finder = _Certain()
    finder.walk(func.body)
    if finder.found is not None and not has_jump(func.body):
        raise finder.found


class _Certain(Visitor):
    """Walks what may run, by ways whose conditions are known, and keeps the first access that
    leaves its buffer."""

    def __init__(self) -> None:
        self.path: list[tuple[Step, bool]] = []
        """The steps to where the walk is, and of each whether it is taken in any case."""
        self.box: dict[Var, Ends] = {}
        """What the variables on the path may be."""
        self.views: set[Buffer] = set()
        """Buffers of blocks that stand for others' regions."""
        self.known: Simplifier | None = None
        """What the path says, once it was asked."""
        self.tries = iter(range(ALL_TRIES))
        self.found: CompileError | None = None

    def _after(self, steps: Sequence[Step], parts: Any) -> None:
        """Visits what follows these steps."""
        if self.found is not None:
            return
        if not steps:
            self.visit(parts)
            return
        step = steps[0]
        if step.var in self.box:  # two things of one variable would be taken for one
            return
        truth = step.enter(self.box)
        if truth is not None and truth != NEVER:
            self.path.append((step, truth == ALWAYS))
            self.known = None
            self._after(steps[1:], parts)
            self.path.pop()
            self.known = None
        if step.var is not None:
            self.box.pop(step.var, None)

    @on(For)
    def loop(self, loop: For) -> None:
        """The body, if the loop may run."""
        self.visit((loop.min, loop.extent))
        self._after([LoopStep.of(loop)], loop.body)

    @on(LetStmt, Let)
    def let(self, let: Any) -> None:
        """The body, with the value known."""
        self.visit(let.value)
        self._after([LetStep(let.var, let.value)], let.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """Each side where its condition holds."""
        self._choice(branch.condition, branch.then_case, branch.else_case)

    @on(Select)
    def select(self, choice: Select) -> None:
        """As of a branch: the other value may be worked out, too, but need not."""
        self._choice(choice.condition, choice.true_value, choice.false_value)

    def _choice(self, condition: PrimExpr, first: Any, second: Any) -> None:
        self.visit(condition)
        self._after([IfStep(condition)], first)
        self._after([IfStep(condition, wanted=False)], second)

    @on(AssertStmt)
    def claim(self, claim: AssertStmt) -> None:
        """What follows runs where the condition holds."""
        self._choice(claim.condition, claim.body, None)

    @on(While)
    def conditional(self, node: While) -> None:
        """Of what may not run at all only the condition is certain."""
        self.visit(node.condition)

    @on(And)
    def both(self, node: And) -> None:
        """The second side is asked where the first holds."""
        self._choice(node.a, node.b, None)

    @on(Or)
    def either(self, node: Or) -> None:
        """The second side is asked where the first does not hold."""
        self._choice(node.a, None, node.b)

    @on(Call)
    def call(self, call: Call) -> None:
        """The arguments; of a choice one of two, of an address its indices only."""
        name = getattr(call.op, "name", "")
        args: Any = call.args
        if name == "tir.if_then_else":
            self._choice(*args)
        elif name == "tir.address_of" and isinstance(args[0], BufferLoad):
            self.visit(args[0].indices)
        else:
            self.visit(args)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """A block at the values of its axes, where its predicate holds; `init` where those of
        reductions begin."""
        self.visit((realize.iter_values, realize.predicate))
        block = realize.block
        axes = list(zip(block.iter_vars, realize.iter_values, strict=True))
        steps: list[Step] = [IfStep(realize.predicate)]
        steps += (LetStep(axis.var, value) for axis, value in axes)
        self.views.update(view.buffer for view in block.match_buffers)
        starts = [
            IfStep(O.equal(axis.var, axis.dom.min))
            for axis, _ in axes
            if axis.iter_type == IterVarType.CommReduce and axis.dom is not None
        ]
        self._after([*steps, *starts], block.init)
        self._after(steps, block.body)

    @on(Block, Buffer)
    def declaration(self, node: Any) -> None:
        """Is no access."""

    # ---- accesses ---------------------------------------------------------------------------

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """Each index, but of a vector, which may reach into the next row, its place in memory."""
        self.visit(access.indices)
        if isinstance(access, BufferStore):
            self.visit(access.value)
        if self.found is not None or access.predicate is not None or access.buffer in self.views:
            return
        buffer, indices = access.buffer, access.indices
        lanes = affine(indices[-1]) if len(indices) > 1 else None
        if lanes is not None:
            if not buffer.strides:
                self._check(access, "its memory", *in_memory(indices, lanes, buffer.shape))
            return
        for axis, (index, extent) in enumerate(zip(indices, buffer.shape, strict=False)):
            self._check(access, f"axis {axis}", index, extent)

    def _check(self, access: Any, where: str, index: PrimExpr, extent: PrimExpr) -> None:
        if self.found is not None or not isinstance(extent, IntImm) or not extent.value:
            return
        if type(index) is IntImm and 0 <= index.value < extent.value:
            return
        place = place_of(index)
        if place is None or not place.may_leave(self.box, extent.value):
            return
        low, high = self._engine().interval(place.base)
        if low + place.least >= 0 and high + place.most < extent.value:
            return
        steps = self._relevant(place.base)
        tries = itertools.islice(self.tries, TRIES)
        iteration = iteration_outside(steps, place, extent.value, tries)
        if iteration is not None:
            said = _said(where, index, extent.value, place, steps, iteration)
            self.found = CompileError(
                f"buffer `{access.buffer.name}` is accessed at {said}",
                access.span,
                hint=f"indices are 0 to {extent.value - 1}; shorten a loop or write a condition",
            )

    def _engine(self) -> Simplifier:
        """Knows the path: what equal terms of an index and the conditions do to each other."""
        if self.known is None:
            self.known = engine = Simplifier()
            for step, is_certain in self.path:
                if isinstance(step, LoopStep):
                    engine.bounds.variables[step.var] = self.box[step.var]
                elif isinstance(step, LetStep):
                    engine.bindings[step.var] = step.value
                elif not is_certain:
                    condition = step.condition if step.wanted else O.logical_not(step.condition)
                    engine.assume(condition)
                    engine.reset()
        return self.known

    def _relevant(self, index: PrimExpr) -> list[Step]:
        """The steps that an index depends on, and those that are not taken in any case."""
        needed: set[Var] = set()
        _add_variables((index,), needed)
        kept: list[Step] = []
        for step, is_certain in reversed(self.path):
            if step.var in needed or not is_certain:
                kept.append(step)
                _add_variables(step.asks(), needed)
        return kept[::-1]


def _add_variables(exprs: Iterable[PrimExpr], found: set[Var]) -> None:
    def look(node: Node) -> None:
        if isinstance(node, Var):
            found.add(node)

    for expr in exprs:
        post_order_visit(expr, look)


def _said(
    where: str, index: PrimExpr, extent: int, place: Place, steps: Sequence[Step], iteration: Box
) -> str:
    """`0 to 8 of axis 0, which has 8 elements: `i` reaches 8 where i = 8`"""
    seen = [found for box in (iteration, *corners(steps)) if (found := place.ends(box))]
    low, high = min(ends[0] for ends in seen), max(ends[1] for ends in seen)
    values = f"{low} to {high}" if low != high else f"{low}"
    reached = next(end for end in seen[0] if not 0 <= end < extent)
    at = ", ".join(f"{var.name} = {iteration[var][0]}" for var in loops_of(steps))
    why = f": `{O.simplified(index)}` reaches {reached} where {at}" if at else ""
    return f"{values} of {where}, which has {extent} elements{why}"
