"""Loops cut where a condition begins or ceases to hold, so that the main part has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...ir.transform import Pass, PassContext
from .. import op as O
from ..analysis.effects import is_left_early
from ..arith.simplifier import TRUE
from ..arith.terms import Sum
from ..expr import Call, Max, Min, Var
from ..function import PrimFunc
from ..stmt import (
    AttrStmt,
    Block,
    For,
    ForKind,
    IfThenElse,
    Stmt,
    stmt_seq,
)
from ..stmt_functor import renew_defs, substitute
from .base import prim_func_pass
from .config import LoopPartitionConfig, group_of, is_given
from .loop_conditions import Condition, Conditions
from .partial_rows import partial_rows, partial_sum
from .partial_tiles import Assume, ForRows, most_rows, partial_tile
from .scoped import ScopedRewriter
from .simplify import NOTHING
from .vectorize_loop import VECTOR_REDUCE

_KINDS = (ForKind.SERIAL, ForKind.PARALLEL)
_LIMIT = 6
_PEEL_LIMIT = 16


class _Partition(ScopedRewriter):
    """Cuts outer loops first; their parts are cut again where inner conditions are left."""

    def __init__(self, options: LoopPartitionConfig, cuts_constant: bool, from_zero: bool) -> None:
        super().__init__()
        self.options, self.cuts_constant = options, cuts_constant
        self.from_zero = from_zero
        self.hinted: set[Var] = set()
        self.rest: set[Var] = set()  # hinted parts of hinted loops
        self.is_open = False  # whether conditions change within the hinted loop just looked at
        self.in_uncut = False
        self.clamped: set[Var] = set()  # loops that are cut where indices reach a border
        self.chosen: set[Var] = set()  # loops that ask at each step which of their parts it is in
        self.limited: set[Var] = set()  # loops that end where nothing happens any more
        self.spent: dict[Var, frozenset[str]] = {}  # sides where parts of unknown length were cut
        self.depth = 0

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """A hint asks for the loop below to be cut, whatever its length."""
        if node.attr_key != PARTITION_HINT:
            return super().attribute(node)
        if isinstance(node.body, For) and O.const_value(node.value):
            self.hinted.add(node.body.loop_var)
        return self.rewrite(node.body)

    @on(For)
    def loop(self, loop: For) -> Any:
        """for i in n: if c(i): f   ->   for i in [0, m): f; for i in [m, n): if c(i): f"""
        annotations = dict(loop.annotations)
        if annotations.pop(UNCUT, None) is not None:
            return self._uncut(loop.replace(annotations=annotations))
        if annotations.pop(CLAMPS, None) is not None:
            self.clamped.add(loop.loop_var)
            loop = loop.replace(annotations=annotations)
        if annotations.pop(CHOICE, None) is not None:
            self.chosen.add(loop.loop_var)
            loop = loop.replace(annotations=annotations)
        hint = annotations.pop(PARTITION_HINT, 0)
        if getattr(hint, "value", hint):
            self.hinted.add(loop.loop_var)
        hinted, is_rest = loop.loop_var in self.hinted, loop.loop_var in self.rest
        loop = loop.replace(annotations=annotations) if PARTITION_HINT in loop.annotations else loop
        asked = hinted or self.cuts_constant or not isinstance(loop.extent, IntImm)
        asked = asked and not is_left_early(loop.body)
        asked = asked and (hinted or VECTOR_REDUCE not in loop.annotations)
        made, self.is_open = None, False
        sums = None if self.from_zero else partial_sum(self.analyzer, loop)
        if sums is not None:
            return self.rewrite(sums)
        kinds = (*_KINDS, ForKind.VECTORIZED) if hinted and self.from_zero else _KINDS
        if asked and loop.kind in kinds and self.depth < _LIMIT:
            made = self._cut(loop)
        if made is not None:
            return made
        has_no_interval = (hinted and not is_rest) or self.is_open
        if has_no_interval and self.options.unroll_loop_with_partition_hint_no_interval:
            loop = loop.replace(kind=ForKind.UNROLLED)
        return super().loop(loop)

    def _uncut(self, loop: For) -> Any:
        outside, self.in_uncut = self.in_uncut, True
        made = super().loop(loop)
        self.in_uncut = outside
        return made

    def _cut(self, loop: For) -> Stmt | None:
        analyzer = self.analyzer
        low, extent = analyzer.sum(loop.min), analyzer.sum(loop.extent)
        end = analyzer.engine.terms.add(low, extent)
        analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        hinted = loop.loop_var in self.hinted
        only_likely = self.from_zero and not hinted
        finder = Conditions(
            analyzer, loop, cuts_points=self.from_zero, only_likely=only_likely,
            cuts_clamps=loop.loop_var in self.clamped,
        )  # fmt: skip
        finder.walk(loop.body)
        limiting = finder.limiting() if self.in_uncut and loop.kind == ForKind.SERIAL else []
        if limiting and loop.loop_var not in self.limited:
            return self._limited(loop, low, end, limiting)
        if finder.stores > _PEEL_LIMIT:
            finder.found = [c for c in finder.found if c.truth is TRUE]
        for side in self.spent.get(loop.loop_var, ()):
            finder.found = [c for c in finder.found if getattr(c, side) is None]
        main_low, main_end, chosen = self._main(finder.found, low, end)
        self.is_open = hinted and finder.is_open
        if not chosen:
            return None
        first_end = main_low
        if main_low.key != low.key:
            first_end = self._clamp(main_low, low, end)
            main_low = self.analyzer.engine.extremum(Max, main_low, low)
        if main_end.key != end.key or first_end.key != main_low.key:
            main_end = self._clamp(main_end, main_low, end)
        if main_low.key == main_end.key:
            return None
        main_body = Assume({id(c.node): c.truth for c in chosen}).run(loop.body)
        if loop.kind == ForKind.PARALLEL or loop.loop_var in self.chosen:
            return self._choose(loop, main_low, main_end, low, end, main_body)
        self.depth += 1
        parts = [
            self._part(loop, low, first_end, self._first(loop, chosen), "low"),
            self._part(loop, main_low, main_end, main_body),
            self._rest(loop, main_end, end, finder.found),
        ]
        self.depth -= 1
        return stmt_seq(*[part for part in parts if part is not None])

    def _limited(self, loop: For, low: Sum, end: Sum, limiting: list[Condition]) -> Stmt:
        """for i in range(m): if i < n: f(i)   ->   for i in range(min(m, n)): f(i)"""
        extremum = self.analyzer.engine.extremum
        for limit in [c.limit for c in limiting if c.limit is not None]:
            end = extremum(Min, end, limit)
        size = self.analyzer.engine.terms.sub(extremum(Max, end, low), low)
        if size.constant is not None and size.constant <= 0:
            return NOTHING
        self.limited.add(loop.loop_var)
        body = Assume({id(c.node): c.truth for c in limiting if c.is_bare}).run(loop.body)
        made: Stmt = self.loop(loop.replace(extent=size.expr(), body=body))
        return made

    def _first(self, loop: For, chosen: list[Condition]) -> Stmt:
        """The body before the main part. Where it ends with tiles that may be incomplete, a whole
        one is made without conditions on its rows: the first may be all that there is."""
        if self.from_zero or partial_tile(self.analyzer, loop) is None:
            return loop.body
        known: dict[int, PrimExpr] = {}
        is_whole: PrimExpr = TRUE
        for one in chosen:
            if one.low is None and one.end is not None:
                known[id(one.node)] = one.truth
                is_whole = O.logical_and(is_whole, O.less(loop.loop_var, one.end.expr()))
        if len(known) in (0, len(chosen)):
            return loop.body
        whole = Assume(known).run(loop.body)
        return IfThenElse(self.analyzer.simplify(is_whole), whole, renew_defs(loop.body))

    def _rest(self, loop: For, low: Sum, end: Sum, found: list[Condition]) -> Stmt | None:
        """What is left of a loop after its main part. The end of a row is made by `partial_rows`;
        an incomplete tile has a case for each number of rows that it may have, and so has a whole
        one that reads beyond the end.

        for r in unrolled(3): if 3 * i + r < n: f(r)
        ->  if n - 3 * i == 1: for r in unrolled(1): f(r)
            else: for r in unrolled(2): f(r)
        """
        if self.from_zero:
            return self._part(loop, low, end, loop.body, "end")
        row = self._row_end(loop, low, end)
        if row is not None:
            return row
        tile = partial_tile(self.analyzer, loop)
        ends = {c.end.key: c.end for c in found if c.end is not None}
        most = None if tile is None else most_rows(self.analyzer, loop, tile, ends)
        if tile is None or most is None:
            return self._once(loop, low, end) or self._part(loop, low, end, loop.body, "end")
        last = self._clamp(tile.end, low, end)
        rows = [ForRows(self.analyzer, loop, tile, n) for n in range(1, most + 1)]
        cases = [renew_defs(one.run(loop.body)) for one in rows]
        body: Stmt = cases.pop()
        rest = tile.rest.expr()
        compare = O.equal if tile.lanes == 1 else O.less_equal
        for n, case in reversed(list(enumerate(cases, 1))):
            body = IfThenElse(compare(rest, IntImm(rest.dtype, n * tile.lanes)), case, body)
        return self._part(loop, low, last, body, "low", "end")

    def _row_end(self, loop: For, low: Sum, end: Sum) -> Stmt | None:
        """The last block of a row; None if there is no such thing, or its size is known."""
        body = partial_rows(self.analyzer, loop) if self._is_at_most_one(loop, low, end) else None
        return None if body is None else self._if_there(loop, low, end, body)

    def _once(self, loop: For, low: Sum, end: Sum) -> Stmt | None:
        """The last vectors of a row, whose place is the same in all rows then; None if the loop has
        no vectors, or may have several iterations.

        for i in range(n, n + (m + 7) // 8): for l in vectorized(16): f(i, l)
        ->  if n < n + (m + 7) // 8: for l in vectorized(16): f(n, l)
        """
        is_last = loop.kind == ForKind.SERIAL and self._is_at_most_one(loop, low, end)
        has_vectors = is_last and _has(loop.body, _is_vectorized)
        return self._if_there(loop, low, end, loop.body) if has_vectors else None

    def _is_at_most_one(self, loop: For, low: Sum, end: Sum) -> bool:
        """Whether a part of a loop is one iteration, or none, as is known at run time only."""
        engine = self.analyzer.engine
        size = engine.terms.sub(end, low)
        is_open = size.constant is None and not loop.annotations
        return is_open and engine.bounds.is_not_negative(size.scaled(-1).shifted(1))

    def _if_there(self, loop: For, low: Sum, end: Sum, body: Stmt) -> Stmt:
        """for i in range(low, end): f(i)   ->   if low < end: f(low)"""
        there_is = O.less(low.expr(), end.expr())
        last = substitute(renew_defs(body), {loop.loop_var: low.expr()})
        made: Stmt = self.rewrite(IfThenElse(there_is, last))
        return made

    def _main(self, found: list[Condition], low: Sum, end: Sum) -> tuple[Sum, Sum, list[Condition]]:
        """Where all conditions hold that can hold together."""
        engine = self.analyzer.engine
        chosen: list[Condition] = []
        main_low, main_end = low, end
        for condition in found:
            first, last = condition.low, condition.end
            new_low = main_low if first is None else engine.extremum(Max, main_low, first)
            new_end = main_end if last is None else engine.extremum(Min, main_end, last)
            if engine.bounds.is_not_negative(engine.terms.sub(new_low, new_end)):
                continue
            main_low, main_end = new_low, new_end
            chosen.append(condition)
        return main_low, main_end, chosen

    def _clamp(self, value: Sum, low: Sum, end: Sum) -> Sum:
        engine = self.analyzer.engine
        return engine.extremum(Max, engine.extremum(Min, value, end), low)

    def _part(self, loop: For, low: Sum, end: Sum, body: Stmt, *sides: str) -> Stmt | None:
        """A part of the loop; `sides` say of which conditions it is the rest. Where its length is
        unknown, these would cut it over and over: whether they hold in it cannot be told."""
        size = self.analyzer.engine.terms.sub(end, low)
        extent = size.expr()
        if isinstance(extent, IntImm) and extent.value <= 0:
            return None
        copy: For = renew_defs(loop.replace(min=low.expr(), extent=extent, body=body))
        is_whole = size.key == self.analyzer.sum(loop.extent).key
        if (sides or is_whole) and loop.loop_var in self.hinted:
            self.hinted.add(copy.loop_var)
            self.rest.add(copy.loop_var)
        if loop.loop_var in self.limited:
            self.limited.add(copy.loop_var)
        if self.from_zero and low.key != self.analyzer.sum(loop.min).key:
            copy = _counted_from_zero(copy)
        single = isinstance(extent, IntImm) and extent.value == 1
        if single and not loop.annotations and not self.options.no_unroll_loop_with_extent_one:
            self.analyzer.bind(copy.loop_var, copy.min, override=True)
            inner = substitute(copy.body, {copy.loop_var: copy.min})
            made: Stmt = self.rewrite(inner)
            return made
        spent = self.spent.get(loop.loop_var, frozenset())
        if not isinstance(extent, IntImm):
            self.spent[copy.loop_var] = spent.union(sides)
        done: Stmt = self.loop(copy)
        return done

    def _choose(
        self, loop: For, main_low: Sum, main_end: Sum, low: Sum, end: Sum, main_body: Stmt
    ) -> Stmt:
        """The parts of a parallel loop, or of one that asks for it, stay in one: they are chosen by
        a condition."""
        var = loop.loop_var
        condition: PrimExpr = TRUE
        if main_low.key != low.key:
            condition = O.logical_and(condition, O.greater_equal(var, main_low.expr()))
        if main_end.key != end.key:
            condition = O.logical_and(condition, O.less(var, main_end.expr()))
        self.analyzer.bind(var, Range(loop.min, loop.extent), override=True)
        self.depth += 1
        with self.analyzer.constraint_scope(condition):
            first = self.rewrite(main_body)
        if O.is_const_int(condition, 1):
            body = first
        else:
            with self.analyzer.constraint_scope(O.logical_not(condition)):
                second = self.rewrite(renew_defs(loop.body))
            body = IfThenElse(condition, first, second)
        self.depth -= 1
        return loop.replace(body=body)


def _counted_from_zero(loop: For) -> For:
    """for i in range(4, 8): f(i)   ->   for i in range(4): f(i + 4)"""
    var = loop.loop_var
    body = substitute(loop.body, {var: O.add(var, loop.min)})
    return loop.replace(min=IntImm(var.dtype, 0), body=body)


class _WithoutHints(Rewriter):
    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """likely(c)   ->   c; what was said for the cutting of loops has served."""
        new: Any = self.rewrite_children(call)
        name = getattr(call.op, "name", "")
        hints = ("tir.likely", "tir.ignore_loop_partition")
        return new.args[0] if name in hints else new  # type: ignore[no-any-return]


def _is_vectorized(node: Node) -> bool:
    return isinstance(node, For) and node.kind == ForKind.VECTORIZED


def _has(stmt: Stmt, is_wanted: Callable[[Node], bool]) -> bool:
    found: list[Node] = []
    post_order_visit(stmt, lambda n: found.append(n) if is_wanted(n) else None)
    return bool(found)


PARTITION_HINT = "pragma_loop_partition_hint"
UNCUT = "tir.loop_partition.uncut"
"""The annotation of a loop whose last iteration has no code of its own: serial loops inside end
where nothing happens any more."""
CLAMPS = "tir.loop_partition.clamps"
"""The annotation of a loop that is cut where an index that is held between two borders reaches
one: between them it is not compared."""

CHOICE = "tir.loop_partition.choice"
"""The annotation of a loop that is not cut: each step asks whether a condition can fail in it, so
that there are two versions of the body, not three, and none of the loops around is cut for it."""


def LoopPartition(cuts_constant: bool = False) -> Pass:
    """A pass that cuts loops where conditions change.

    for i in range(n): if i < m: f(i)   ->   for i in range(m): f(i)

    Config `tir.LoopPartition`; where it says nothing, loops of constant length are cut only if
    `cuts_constant`. The annotation `pragma_loop_partition_hint` asks for a loop to be cut, a
    vectorized one too; others are cut at conditions that are `likely` only. Parts count from 0, the
    one iteration for which `i == c` holds becomes a part of its own, and `likely` and
    `ignore_loop_partition` go, as in TVM. With `cuts_constant`, as in the pipeline, they stay, and
    every condition counts.
    """

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        if _has(func.body, lambda node: isinstance(node, Block)):
            return func
        options = group_of(ctx, LoopPartitionConfig)
        by_default = cuts_constant and not is_given(ctx, LoopPartitionConfig)
        cuts = options.partition_const_loop or by_default
        body = _Partition(options, cuts, not cuts_constant).run(func.body)
        return func.replace(body=body if cuts_constant else _WithoutHints().run(body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.LoopPartition")
    return made
