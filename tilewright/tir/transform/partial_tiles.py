"""Which loops over tiles end with an incomplete one, whose rows are known by their number alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.conditions import conjuncts
from ..arith.int_set import mentions
from ..arith.linear import linear_coefficients
from ..arith.simplifier import TRUE
from ..arith.terms import Split, Sum, Terms
from ..expr import EQ, GE, GT, LE, LT, And, Call, Max, Min, Select, Var
from ..stmt import BufferStore, Evaluate, For, ForKind, IfThenElse, stmt_seq
from ..stmt_functor import renew_defs, substitute
from .simplify import NOTHING

MOST_ROWS = 16
"""Rows of a tile up to which each possible number of them gets code of its own."""


@dataclass(eq=False)
class PartialTile:
    """In the iterations of a loop from `first` to `end` the rows below `rest`, of `size` of a tile,
    are computed: `conditions` ask for that, each about the variable of an unrolled loop over the
    `rows`. Before `first` all of them are, from `end` on none; both may lie outside of the loop.

    Rows of several `lanes` are vectors, and `rest` is a number of lanes: the last vector may have
    some beyond it."""

    rest: Sum
    size: int
    lanes: int
    first: Sum
    end: Sum
    conditions: list[PrimExpr] = field(default_factory=list)
    rows: set[Var] = field(default_factory=set)

    @property
    def last(self) -> int:
        """The most rows that an incomplete tile has: of vectors, all may be there."""
        return self.size - 1 if self.lanes == 1 else self.size


def partial_tile(analyzer: Analyzer, loop: For) -> PartialTile | None:
    """The incomplete tile at the end of `loop`; None if the loop does anything else."""
    rows = _Rows(analyzer, loop.loop_var)
    rows.walk(loop.body)
    return rows.found if rows.is_whole() else None


def most_rows(
    analyzer: Analyzer, loop: For, tile: PartialTile, ends: Mapping[object, Sum]
) -> int | None:
    """The most rows that are left where the conditions of `loop` begin to fail, which is at one of
    `ends`; None if that is unknown, or more than there may be cases for."""
    if tile.rest.constant is not None or tile.first.key not in ends:
        return None
    if len(ends) == 1:
        return tile.last
    if tile.lanes > 1:
        return None
    left = [substitute(tile.rest.expr(), {loop.loop_var: one.expr()}) for one in ends.values()]
    most = max(_upper_bound(analyzer, one) for one in left)
    return most if most <= MOST_ROWS else None


def _upper_bound(analyzer: Analyzer, value: PrimExpr) -> int:
    """An upper bound of `value`, in which quotients may almost cancel: of n//2 - 8*(n//16) the
    parts that division drops are bounded."""
    total, terms = analyzer.sum(value), analyzer.engine.terms
    parts = {a: a for a in total.terms if isinstance(a, Split) and a.upper is None}
    scale = math.lcm(*(a.lower for a in parts))
    exact, dropped = Sum(total.dtype, {}, scale * total.const), 0
    for atom, times in total.terms.items():
        if atom not in parts:
            exact = terms.add(exact, terms.of(atom, times * scale))
            continue
        lower = parts[atom].lower
        exact = terms.add(exact, parts[atom].base.scaled(times * scale // lower))
        dropped += max(0, -times) * scale // lower * (lower - 1)
    bound = analyzer.const_int_bound(exact.expr()).max_value
    return (bound + dropped) // scale


class Assume(Rewriter):
    """Replaces conjuncts of which it is known whether they hold, by their identity."""

    def __init__(self, known: Mapping[int, PrimExpr]) -> None:
        self.known = known

    @on(LT, LE, GT, GE, EQ)
    def comparison(self, node: Any) -> PrimExpr:
        """A known conjunct is true."""
        known: PrimExpr = self.known.get(id(node), node)
        return known

    @on(Max, Min)
    def extreme(self, node: Any) -> PrimExpr:
        """One that is known to be one of its arguments."""
        known = self.known.get(id(node))
        made: PrimExpr = self.rewrite_children(node) if known is None else self.rewrite(known)
        return made

    @on(And)
    def both(self, node: And) -> PrimExpr:
        """Folds what became true."""
        return O.logical_and(self.rewrite(node.a), self.rewrite(node.b))

    @on(IfThenElse)
    def branch(self, node: IfThenElse) -> Any:
        """A condition that became true leaves its case."""
        condition = self.rewrite(node.condition)
        if O.is_const_int(condition, 1):
            return self.rewrite(node.then_case)
        if O.is_const_int(condition, 0):
            return NOTHING if node.else_case is None else self.rewrite(node.else_case)
        then_case = self.rewrite(node.then_case)
        return node.replace(
            condition=condition, then_case=then_case, else_case=self.rewrite(node.else_case)
        )

    @on(Select)
    def select(self, node: Select) -> PrimExpr:
        """Select(True, a, b) -> a"""
        new: Select = self.rewrite_children(node)
        return new.true_value if O.is_const_int(new.condition, 1) else new

    @on(Call)
    def call(self, node: Call) -> PrimExpr:
        """likely(True) -> True; if_then_else(True, a, b) -> a"""
        new: Any = self.rewrite_children(node)
        name = getattr(new.op, "name", "")
        if name == "tir.likely" and isinstance(new.args[0], IntImm):
            return new.args[0]
        if name == "tir.if_then_else" and O.is_const_int(new.args[0], 1):
            return new.args[1]  # type: ignore[no-any-return]
        return new  # type: ignore[no-any-return]


class ForRows(Rewriter):
    """The body of a loop where `count` rows are left; see `PartialTile`. That may be more than a
    tile has: then it is whole, and what it reads beyond its end is known, too."""

    def __init__(self, analyzer: Analyzer, loop: For, tile: PartialTile, count: int) -> None:
        self.analyzer, self.var = analyzer, loop.loop_var
        self.tile, self.count = tile, count
        self.known = Assume({id(c): TRUE for c in tile.conditions})
        self.is_long = False  # within a loop of a sum that is not unrolled

    @on(LT, LE, GT, GE)
    def comparison(self, node: Any) -> PrimExpr:
        """One of a place with the end is one of its distance from the last row."""
        if id(node) in self.known.known or self.tile.lanes > 1:
            return node  # type: ignore[no-any-return]
        if node.a.dtype not in INDEX_TYPES or reads_memory(node):
            return node  # type: ignore[no-any-return]
        engine = self.analyzer.engine
        slack = engine._slack(type(node), engine.sum(node.a), engine.sum(node.b))
        steps = [_step(engine.terms, one, self.var) for one in (slack, self.tile.rest)]
        if steps[0] is None or steps[1] is None or steps[0] * steps[1] <= 0 or steps[0] % steps[1]:
            return node  # type: ignore[no-any-return]
        times = steps[0] // steps[1]
        near = engine.terms.sub(slack, self.tile.rest.scaled(times)).shifted(times * self.count)
        return O.greater_equal(near.expr(), IntImm(node.a.dtype, 0))

    @on(For)
    def loop(self, loop: For) -> object:
        """for r in unrolled(size): if c(r): f(r)   ->   for r in unrolled(count): f(r)

        Of vectors the condition on the last one stays. Parts of long sums are not unrolled.
        """
        around = self.is_long
        self.is_long = around or (loop.kind == ForKind.SERIAL and _only_repeats(loop))
        new: For = self.rewrite_children(loop)
        self.is_long = around
        var = loop.loop_var
        if var not in self.tile.rows:
            is_part = around and loop.kind == ForKind.UNROLLED and _only_repeats(new)
            return new.replace(kind=ForKind.SERIAL) if is_part else new
        whole = self.known.run(new.body)
        if self.tile.lanes == 1:
            count = min(self.count, self.tile.size)
            return new.replace(extent=IntImm(var.dtype, count), body=whole)
        last = substitute(new.body, {var: IntImm(var.dtype, self.count - 1)})
        if self.count == 1:
            return last
        first = new.replace(extent=IntImm(var.dtype, self.count - 1), body=whole)
        return stmt_seq(renew_defs(first), last)


def _only_repeats(loop: For) -> bool:
    """True for a loop that stores to the same places in all its steps: steps of a sum. To unroll
    them saves a few instructions each, of which an incomplete tile has few."""
    asked: list[PrimExpr] = []

    def look(node: Node) -> None:
        if isinstance(node, BufferStore):
            asked.extend(i for i in node.indices if isinstance(i, PrimExpr))
        elif isinstance(node, (LT, LE, GT, GE, EQ)):
            asked.append(node)

    post_order_visit(loop.body, look)
    return not any(mentions(one, {loop.loop_var}) for one in asked)


def _step(terms: Terms, value: Sum, var: Var) -> int | None:
    """The number by which `value` grows with `var`; None if it is not that simple."""
    made = linear_coefficients(terms, value, [var])
    step = None if made is None else made[0][var]
    return None if step is None or step.terms else step.const


class _Rows(Visitor):
    """Finds the conditions on rows; all that is stored must be under one of them."""

    def __init__(self, analyzer: Analyzer, var: Var) -> None:
        self.analyzer, self.var = analyzer, var
        self.found: PartialTile | None = None
        self.inner: list[For] = []
        self.asked: list[Var] = []
        self.stores: list[tuple[set[Var], set[Var]]] = []

    def is_whole(self) -> bool:
        """True if every store is under the conditions on all the rows around it."""
        if self.found is None:
            return False
        rows = self.found.rows
        return all(asked and around & rows <= asked for around, asked in self.stores)

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop inside, maybe over rows."""
        self.inner.append(loop)
        self.visit(loop.body)
        self.inner.pop()

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """What is under a condition."""
        parts = reversed(conjuncts(branch.condition, opens_likely=True))
        asked = [row for one in parts if (row := self._row(one)) is not None]
        self.asked += asked
        self.visit(branch.then_case)
        del self.asked[len(self.asked) - len(asked) :]
        if branch.else_case is not None:
            self.visit(branch.else_case)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """An effect."""
        self.stores.append(({loop.loop_var for loop in self.inner}, set(self.asked)))

    @on(Evaluate)
    def evaluate(self, node: Evaluate) -> None:
        """A call has effects, a number none."""
        if not isinstance(node.value, IntImm):
            self.stores.append(({loop.loop_var for loop in self.inner}, set(self.asked)))

    def _row(self, one: PrimExpr) -> Var | None:
        """The variable of the rows of which `one` says how many there are."""
        if not isinstance(one, (LT, LE, GT, GE)) or one.a.dtype not in INDEX_TYPES:
            return None
        if reads_memory(one):
            return None
        engine = self.analyzer.engine
        inside = {loop.loop_var: loop for loop in self.inner}
        slack = engine._slack(type(one), engine.sum(one.a), engine.sum(one.b))
        made = linear_coefficients(engine.terms, slack, [self.var, *inside])
        if made is None:
            return None
        coefficients, left = made
        step = coefficients.pop(self.var)
        moving = [v for v, c in coefficients.items() if c.terms or c.const]
        row = next((v for v in moving if inside[v].kind == ForKind.UNROLLED), None)
        if row is None or step.terms or step.const >= 0:
            return None
        lanes = _lanes([inside[v] for v in moving if v is not row])
        size = _size(inside[row])
        if size is None or lanes is None or not _steps(coefficients, moving, row, lanes):
            return None
        add, divide = engine.terms.add, engine.divider.floordiv
        rest = slack.shifted(1)
        for v in moving:
            rest = add(rest, engine.sum(v).scaled(lanes if v is row else 1))
        if self.found is None:
            first = divide(left.shifted(1 - size * lanes), -step.const).shifted(1)
            end = divide(left, -step.const).shifted(1)
            self.found = PartialTile(rest, size, lanes, first, end)
        elif self.found.rest.key != rest.key or self.found.size != size:
            return None
        self.found.conditions.append(one)
        self.found.rows.add(row)
        return row


def _size(loop: For) -> int | None:
    """How many rows an unrolled loop has, if it is not too long."""
    extent, low = O.const_value(loop.extent), O.const_value(loop.min)
    if loop.kind != ForKind.UNROLLED or low != 0 or not isinstance(extent, int):
        return None
    return extent if 1 < extent <= MOST_ROWS else None


def _lanes(loops: list[For]) -> int | None:
    """How many elements a row has, by the loops within it: one, or the lanes of a vector."""
    if not loops:
        return 1
    extent, low = O.const_value(loops[0].extent), O.const_value(loops[0].min)
    if len(loops) > 1 or loops[0].kind != ForKind.VECTORIZED or low != 0:
        return None
    return extent if isinstance(extent, int) and extent > 1 else None


def _steps(coefficients: dict[Var, Sum], moving: list[Var], row: Var, lanes: int) -> bool:
    """True if a step of a row is one of `lanes` elements."""
    wanted = {v: -lanes if v is row else -1 for v in moving}
    return all(not coefficients[v].terms and coefficients[v].const == wanted[v] for v in moving)
