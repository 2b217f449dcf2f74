"""Which loops over tiles end with an incomplete one, whose rows are known by their number alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.conditions import conjuncts
from ..arith.linear import linear_coefficients
from ..arith.terms import Sum
from ..expr import GE, GT, LE, LT, Var
from ..stmt import BufferStore, Evaluate, For, ForKind, IfThenElse

MOST_ROWS = 16
"""Rows of a tile up to which each possible number of them gets code of its own."""


@dataclass(eq=False)
class PartialTile:
    """In the iterations of a loop from `first` to `end` the rows below `rest`, of `size` of a tile,
    are computed: `conditions` ask for that, each about the variable of an unrolled loop over the
    `rows`. Before `first` all of them are, from `end` on none; both may lie outside of the loop."""

    rest: Sum
    size: int
    first: Sum
    end: Sum
    conditions: list[PrimExpr] = field(default_factory=list)
    rows: set[Var] = field(default_factory=set)


def partial_tile(analyzer: Analyzer, loop: For) -> PartialTile | None:
    """The incomplete tile at the end of `loop`; None if the loop does anything else."""
    rows = _Rows(analyzer, loop.loop_var)
    rows.walk(loop.body)
    return rows.found if rows.is_whole() else None


class ForRows(Rewriter):
    """The body of a loop for a tile of `count` rows; see `PartialTile`."""

    def __init__(self, tile: PartialTile, count: int) -> None:
        self.rows, self.count = tile.rows, count

    @on(For)
    def loop(self, loop: For) -> object:
        """for r in unrolled(size): f(r)   ->   for r in unrolled(count): f(r)"""
        new: For = self.rewrite_children(loop)
        if loop.loop_var not in self.rows:
            return new
        return new.replace(extent=IntImm(loop.loop_var.dtype, self.count))


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
        if len(moving) != 1 or step.terms or step.const >= 0:
            return None
        (row,) = moving
        size = _size(inside[row])
        if size is None or coefficients[row].terms or coefficients[row].const != -1:
            return None
        rest = engine.terms.add(slack, engine.sum(row)).shifted(1)
        if self.found is None:
            divide = engine.divider.floordiv
            first = divide(left.shifted(1 - size), -step.const).shifted(1)
            self.found = PartialTile(rest, size, first, divide(left, -step.const).shifted(1))
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
