"""Which elements a statement writes: at most, and at least."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Visitor, on
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import reads_memory
from ..buffer import Buffer
from ..expr import Var
from ..stmt import AttrStmt, Block, BufferStore, For, IfThenElse, LetStmt, Stmt, While
from ..stmt_functor import substitute
from .buffer_facts import are_plain, by_lane
from .clauses import ALWAYS, NEVER, Cases, Clauses, clauses_of
from .effects import is_left_early

Sets = dict[Buffer, Clauses]


class Coverage:
    """Asks for the elements that statements write, under what `analyzer` knows of variables."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.cases = Cases(analyzer)
        self.axes: dict[Buffer, tuple[Var, ...]] = {}

    def most(self, stmt: Stmt) -> Sets:
        """The elements that a statement may write; there may be fewer."""
        return self._written(stmt)[0]

    def least(self, stmt: Stmt) -> Sets:
        """The elements that a statement writes; there may be more."""
        return self._written(stmt)[1]

    def covers(self, around: Clauses, inside: Clauses) -> bool:
        """True if all elements of `inside` are in `around`."""
        return self.cases.proves(around, [inside])

    def _written(self, stmt: Stmt) -> tuple[Sets, Sets]:
        visitor = _Written(self)
        visitor.walk(stmt)
        return visitor.most, visitor.least

    def axes_of(self, buffer: Buffer) -> tuple[Var, ...]:
        """The variables that stand for the indices of a buffer's elements."""
        if buffer not in self.axes:
            axes = tuple(Var(f"x{n}", e.dtype) for n, e in enumerate(buffer.shape))
            self.axes[buffer] = axes
            for axis, extent in zip(axes, buffer.shape, strict=True):
                self.cases.analyzer.bind(axis, Range(IntImm(extent.dtype, 0), extent))
        return self.axes[buffer]


class _Written(Visitor):
    def __init__(self, coverage: Coverage) -> None:
        self.coverage, self.cases = coverage, coverage.cases
        self.most: Sets = {}
        self.least: Sets = {}
        self.names: dict[Var, PrimExpr] = {}

    def _plain(self, value: Any) -> Any:
        return substitute(value, self.names)

    def _inside(self, body: Stmt | None) -> tuple[Sets, Sets]:
        """What a body writes, by itself."""
        outer = self.most, self.least
        self.most, self.least = {}, {}
        self.visit(body)
        inner = self.most, self.least
        self.most, self.least = outer
        return inner

    def _add(self, most: Sets, least: Sets) -> None:
        for kept, found in ((self.most, most), (self.least, least)):
            for buffer, clauses in found.items():
                kept[buffer] = (*kept.get(buffer, NEVER), *clauses)

    @on(PrimExpr, Buffer)
    def leaf(self, node: Any) -> None:
        """Expressions write nothing."""

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """The element at the indices."""
        plain = tuple(self._plain(index) for index in store.indices)
        indices, _, binders = by_lane(store.buffer, plain, store.value)
        if not are_plain(indices):
            self._add({store.buffer: ALWAYS}, {})
            return
        equations = map(O.equal, self.coverage.axes_of(store.buffer), indices)
        most: Clauses = (tuple(equations),)
        least = NEVER if store.predicate is not None else most
        for var, low, end in binders:
            most = self.cases.somewhere(most, var, low, end)
            least = self._least_of(least, var, low, end)
        self._add({store.buffer: most}, {store.buffer: least})

    def _least_of(self, clauses: Clauses, var: Var, low: Any, end: Any) -> Clauses:
        found = self.cases.witnessed(clauses, var, low, end)
        return tuple(clause for made, _ in found for clause in made)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """What each case writes where it is taken."""
        condition = self._plain(branch.condition)
        for case, given in (
            (branch.then_case, condition),
            (branch.else_case, O.logical_not(condition)),
        ):
            clauses = None if reads_memory(condition) else clauses_of(given)
            most, least = self._inside(case)
            at_most = {b: self.cases.at_most(found, clauses) for b, found in most.items()}
            at_least = {} if clauses is None else least
            self._add(at_most, {b: self.cases.both(f, clauses or ()) for b, f in at_least.items()})

    @on(For)
    def loop(self, loop: For) -> None:
        """What iterations write."""
        low, extent = self._plain(loop.min), self._plain(loop.extent)
        end = self.cases.analyzer.simplify(O.add(low, extent))
        known = not reads_memory(low) and not reads_memory(extent)
        self.cases.analyzer.bind(loop.loop_var, Range(low, extent))
        ends = (low, end) if known else (None, None)
        is_whole = known and not is_left_early(loop.body)
        self._without(loop.loop_var, loop.body, ends, is_whole)

    def _without(self, var: Var, body: Stmt, ends: tuple[Any, Any], is_whole: bool) -> None:
        most, least = self._inside(body)
        self._add(
            {b: self.cases.somewhere(found, var, *ends) for b, found in most.items()},
            {b: self._least_of(f, var, *ends) for b, f in least.items()} if is_whole else {},
        )

    @on(LetStmt)
    def let(self, let: LetStmt) -> None:
        """A name is its value, if that does not change."""
        value = self._plain(let.value)
        if not reads_memory(value):
            self.names[let.var] = value
            self.visit(let.body)
        else:
            self._without(let.var, let.body, (None, None), True)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """What all threads write."""
        if node.attr_key in ("thread_extent", "virtual_thread"):
            self.unknown(node)
        else:
            self.visit(node.body)

    @on(While, Block)
    def unknown(self, node: Any) -> None:
        """Anything of the memory that is written at all."""
        most, _ = self._inside(node.body)
        if isinstance(node, Block):
            most.update(self._inside(node.init)[0])
        self._add(dict.fromkeys(most, ALWAYS), {})
