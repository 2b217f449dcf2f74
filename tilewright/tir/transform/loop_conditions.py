"""What loops are cut at: conditions that are linear in a loop's variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Visitor, on
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.conditions import conjuncts
from ..arith.int_set import Ends, Evaluator, mentions
from ..arith.linear import linear_coefficients
from ..arith.simplifier import FALSE, TRUE
from ..arith.terms import Split, Sum
from ..expr import EQ, GE, GT, LE, LT, Add, Call, Let, Max, Min, Select, Sub, Var
from ..stmt import BufferStore, Evaluate, For, ForKind, IfThenElse, LetStmt, Stmt

_SMALL = 400
"""Nodes of a body up to which it may be written several times, each with fewer choices."""


@dataclass(eq=False)
class Condition:
    """A conjunct and the part of the loop's range where it is `truth` whatever runs inside.

    `limit`: from where on it holds for nothing that runs inside; `is_bare`: whether it depends on
    nothing that runs inside.
    """

    node: PrimExpr
    low: Sum | None
    end: Sum | None
    truth: PrimExpr = TRUE
    limit: Sum | None = None
    is_bare: bool = False


class Conditions(Visitor):
    """Finds the conjuncts under a loop that are linear in its variable."""

    def __init__(
        self,
        analyzer: Analyzer,
        loop: For,
        *,
        cuts_points: bool,
        only_likely: bool,
        cuts_clamps: bool,
    ) -> None:
        self.analyzer, self.var = analyzer, loop.loop_var
        self.cuts_points, self.only_likely = cuts_points, only_likely
        self.cuts_clamps = cuts_clamps
        self.first = analyzer.sum(loop.min)
        self.peels = loop.kind in (ForKind.SERIAL, ForKind.VECTORIZED)
        self.with_choices = not only_likely and _is_small(loop.body)
        self.stores = 0
        self.inner: dict[Var, Ends] = {}
        self.found: list[Condition] = []
        self.is_open = False
        self.around: list[Condition] = []
        self.limits: set[object] | None = None  # those that all effects have

    def limiting(self) -> list[Condition]:
        """The conditions behind whose limit nothing happens."""
        limits = self.limits or set()
        return [c for c in self.found if c.limit is not None and c.limit.key in limits]

    @on(For)
    def loop(self, loop: For) -> None:
        """The variables of inner loops may be anything in their ranges."""
        evaluator = Evaluator(self.analyzer, self.inner)
        low = self.analyzer.sum(loop.min)
        extent = self.analyzer.sum(loop.extent)
        last = self.analyzer.engine.terms.add(low, extent).shifted(-1)
        self.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        self.inner[loop.loop_var] = (evaluator.of(low)[0], evaluator.of(last)[1])
        self.visit(loop.body)

    @on(LetStmt, Let)
    def let(self, let: Any) -> None:
        """A name is whatever its value may be: it is not known before the loop."""
        self.visit(let.value)
        known = let.var.dtype in INDEX_TYPES and not reads_memory(let.value)
        within = Evaluator(self.analyzer, self.inner)
        self.inner[let.var] = within.of(self.analyzer.sum(let.value)) if known else (None, None)
        self.visit(let.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """The condition of a statement."""
        known, around = len(self.found), len(self.around)
        if self.only_likely:
            self.visit(branch.condition)
        else:
            self._condition(branch.condition)
            self.around += self.found[known:]
        self.visit(branch.then_case)
        del self.around[around:]
        if branch.else_case is not None:
            self.visit(branch.else_case)

    @on(Call)
    def call(self, call: Call) -> None:
        """What is likely, and on what a choice between values depends, such as a border."""
        name = getattr(call.op, "name", "")
        if name == "tir.likely" or (name == "tir.if_then_else" and self.with_choices):
            self._condition(call.args[0])
        self.visit(call.args)

    @on(Select)
    def select(self, select: Select) -> None:
        """A choice whose sides are both computed, if a script asks for the cut."""
        if self.cuts_points and self.with_choices:
            self._condition(select.condition)
        self.visit_children(select)

    @on(Max, Min)
    def clamp(self, node: Any) -> None:
        """max(min(i, n), 0) is `i` between the borders, if a script asks for the cut."""
        limits: list[tuple[type[GE] | type[LE], PrimExpr, int]] = []
        value, moved = node, 0
        while self.cuts_clamps and value.dtype in INDEX_TYPES:
            if isinstance(value, (Max, Min)):
                limits.append((GE if isinstance(value, Max) else LE, value.b, moved))
            elif isinstance(value, (Add, Sub)) and isinstance(value.b, IntImm):
                moved += value.b.value if isinstance(value, Add) else -value.b.value
            else:
                break
            value = value.a
        if not limits:
            self.visit_children(node)
            return
        known = len(self.found)
        for compare, limit, before in limits:
            self._bound(compare(O.add(value, moved - before), limit))
        made, self.found = self.found[known:], self.found[:known]
        lows = [c.low for c in made if c.low is not None]
        ends = [c.end for c in made if c.end is not None]
        if len(made) == len(limits) and len(lows) <= 1 and len(ends) <= 1:
            low, end = (one[0] if one else None for one in (lows, ends))
            self.found.append(Condition(node, low, end, O.add(value, moved)))

    def _condition(self, condition: Any) -> None:
        one: Any
        for one in reversed(conjuncts(condition, opens_likely=True)):
            if isinstance(one, (LT, LE, GT, GE)) and one.a.dtype in INDEX_TYPES:
                self._bound(one)
            elif isinstance(one, EQ) and one.a.dtype in INDEX_TYPES and self.peels:
                self._first_iteration(one)

    def _first_iteration(self, one: EQ) -> None:
        """`var == first` fails after the first iteration."""
        engine = self.analyzer.engine
        difference = engine.terms.sub(engine.sum(one.a), engine.sum(one.b))
        lead = engine.terms.sub(engine.sum(self.var), self.first)
        if lead.key in (difference.key, difference.scaled(-1).key):
            self.found.append(Condition(one, self.first.shifted(1), None, FALSE))
        elif self.cuts_points:
            self._point(one, difference)

    def _point(self, one: EQ, difference: Sum) -> None:
        """`var == c` holds in one iteration, wherever that is; `var // n == c` in `n` of them."""
        for atom, times in difference.terms.items():
            if isinstance(atom, Split) and atom.upper is None and abs(times) == 1:
                if len(difference.terms) == 1:
                    self._interval(one, atom, -times * difference.const)
                return
        terms = self.analyzer.engine.terms
        made = linear_coefficients(terms, difference, [self.var, *self.inner])
        if made is None or reads_memory(one):
            return
        scale = made[0].pop(self.var)
        if (
            scale.terms
            or abs(scale.const) != 1
            or any(c.terms or c.const for c in made[0].values())
        ):
            return
        point = made[1].scaled(-scale.const)
        self.found.append(Condition(one, point, point.shifted(1)))

    def _interval(self, one: EQ, quotient: Split, value: int) -> None:
        """`one` holds where a quotient has a value."""
        known, divided = len(self.found), quotient.base.expr()
        first = O.const(value * quotient.lower, divided.dtype)
        self._bound(O.greater_equal(divided, first))
        self._bound(O.less(divided, O.add(first, quotient.lower)))
        made, self.found = self.found[known:], self.found[:known]
        lows = [c.low for c in made if c.low is not None]
        ends = [c.end for c in made if c.end is not None]
        if len(lows) == len(ends) == 1:
            self.found.append(Condition(one, lows[0], ends[0]))

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """Counts, so that large bodies are not copied."""
        self.stores += 1
        self._effect()
        self.visit_children(store)

    @on(Evaluate)
    def evaluate(self, node: Evaluate) -> None:
        """What is called may have effects."""
        self._effect()
        self.visit_children(node)

    def _effect(self) -> None:
        limits = {c.limit.key for c in self.around if c.limit is not None}
        self.limits = limits if self.limits is None else self.limits & limits

    def _bound(self, one: Any) -> None:
        if reads_memory(one):
            return
        if not (self.only_likely or self.is_open) and mentions(one, {self.var}):
            self.is_open = not isinstance(self.analyzer.simplify(one), IntImm)
        engine = self.analyzer.engine
        slack = engine._slack(type(one), engine.sum(one.a), engine.sum(one.b))
        least, most = Evaluator(self.analyzer, self.inner).of(slack)
        line = self._line(least)
        if line is None:
            return
        scale, rest = line
        divide = engine.divider.floordiv
        if scale > 0:
            low = divide(rest.scaled(-1).shifted(scale - 1), scale)
            self.found.append(Condition(one, low, None))
            return
        last = self._line(most)
        limit = None if last is None or last[0] >= 0 else divide(last[1], -last[0]).shifted(1)
        end = divide(rest, -scale).shifted(1)
        is_bare = not mentions(one, {*self.inner})
        self.found.append(Condition(one, None, end, TRUE, limit, is_bare))

    def _line(self, value: Sum | None) -> tuple[int, Sum] | None:
        """(a, b) of `a * var + b`; None unless `a` is a number, not zero, and `b` the same for
        whatever runs inside."""
        if value is None:
            return None
        made = linear_coefficients(self.analyzer.engine.terms, value, [self.var, *self.inner])
        if made is None:
            return None
        coefficients, rest = made
        scale = coefficients.pop(self.var)
        others = any(c.terms or c.const for c in coefficients.values())
        return None if scale.terms or scale.const == 0 or others else (scale.const, rest)


def _is_small(body: Stmt) -> bool:
    """True for a body that may be written several times so that each has fewer choices."""
    count = 0

    class Count(Visitor):
        @on(PrimExpr)
        def expression(self, node: PrimExpr) -> None:
            """Counts up to the limit."""
            nonlocal count
            count += 1
            if count <= _SMALL:
                self.visit_children(node)

    Count().walk(body)
    return count <= _SMALL
