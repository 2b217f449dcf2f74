"""Statements without effect taken away."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on, post_order_visit
from ...ir.transform import PassContext
from .. import op as O
from ..analysis.buffer_contents import BufferContents
from ..analysis.clauses import NEVER, Clauses
from ..analysis.coverage import Coverage
from ..analysis.effects import has_effects
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, Call
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    IfThenElse,
    LetStmt,
    SeqStmt,
    Stmt,
    stmt_seq,
)  # fmt: skip
from .base import context_factory
from .config import RemoveNoOpConfig, group_of
from .simplify import NOTHING, Simplifying


def _is_nothing(stmt: Stmt) -> bool:
    return isinstance(stmt, Evaluate) and isinstance(stmt.value, IntImm)


def _only_for(*values: PrimExpr) -> Stmt:
    """What is left of a statement that only computes `values`."""
    return stmt_seq([Evaluate(value) for value in values if has_effects(value)])


class RemovingNothing(Simplifying):
    """Simplifies, and takes away what does nothing then."""

    keeps_empty = False
    overwritten = False  # whether stores that nobody reads go, too

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> Stmt:
        """A value without effect is not computed."""
        return _only_for(self.rewrite(stmt.value))

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """if c: nothing else: f   ->   if not c: f"""
        made = super().branch(branch)
        if not isinstance(made, IfThenElse):
            return made
        if made.else_case is not None and not _is_nothing(made.else_case):
            if not _is_nothing(made.then_case):
                return made
            return IfThenElse(O.logical_not(made.condition), made.else_case)
        if _is_nothing(made.then_case):
            return _only_for(made.condition)
        return made.replace(else_case=None)

    @on(LetStmt)
    def let(self, let: LetStmt) -> Stmt:
        """A name for nothing goes."""
        made = super().let(let)
        if isinstance(made, LetStmt) and _is_nothing(made.body):
            return _only_for(made.value)
        return made

    @on(Allocate, AllocateConst, DeclBuffer)
    def memory(self, node: Any) -> Stmt:
        """Memory for nothing goes."""
        made = self.rewrite_children(node)
        return NOTHING if _is_nothing(made.body) else made

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """Attributes of nothing go, and what is not to run."""
        if node.attr_key == "pragma_debug_skip_region":
            return NOTHING
        made = super().attribute(node)
        return NOTHING if _is_nothing(made.body) else made

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """A loop that is never entered goes, whatever its extent."""
        made = super().loop(loop)
        if not isinstance(made, For) or isinstance(made.extent, IntImm):
            return made
        return NOTHING if self.analyzer.can_prove(O.less_equal(made.extent, 0)) else made

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A[i] = v does nothing where v is known to be there."""
        made = super().store(store)
        if self.contents is None or not isinstance(made, BufferStore):
            return made
        if made.predicate is not None or has_effects(made.value):
            return made
        known = self.contents.at(store)
        held = self.contents.resolved(BufferLoad(made.buffer, made.indices), known, self.analyzer)
        value = self.contents.resolved(made.value, known, self.analyzer)
        return NOTHING if self._equal(held, value) else made

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """Statements that do nothing go; with data flow, also those whose stores nobody reads."""
        made = super().sequence(node)
        if not self.overwritten or not isinstance(made, SeqStmt):
            return made
        kept = list(made.seq)
        for place in reversed(range(len(kept))):
            stmt = kept[place]
            if is_overwritten(self.analyzer, stmt, kept[place + 1 :]):
                kept[place] = NOTHING
                if isinstance(stmt, BufferStore):
                    kept[place] = _only_for(stmt.value, *stmt.indices)
        return stmt_seq([stmt for stmt in kept if not _is_nothing(stmt)])


def is_overwritten(analyzer: Analyzer, stmt: Stmt, later: list[Stmt]) -> bool:
    """True if all that `stmt` does is stored over by `later` before anybody reads it."""
    if not later or not (isinstance(stmt, BufferStore) or only_stores(stmt)):
        return False
    coverage = Coverage(analyzer)
    most = coverage.most(stmt)
    return all(is_stored_over(coverage, buffer, found, later) for buffer, found in most.items())


def is_stored_over(
    coverage: Coverage, buffer: Buffer, elements: Clauses, later: list[Stmt]
) -> bool:
    """True if `later` stores to all `elements` before it reads any."""
    stored: Clauses = NEVER
    for stmt in later:
        read, views = uses_of(stmt, buffer)
        if read or views or not is_in_sight(stmt):
            return False
        stored = (*stored, *coverage.least(stmt).get(buffer, NEVER))
        if stored and coverage.cases.proves(stored, [elements]):
            return True
    return False


def uses_of(stmt: Stmt, buffer: Buffer) -> tuple[bool, bool]:
    """Whether `stmt` reads `buffer`, and whether it uses its memory under another name."""
    read, views = False, False

    def look(node: Any) -> None:
        nonlocal read, views
        if isinstance(node, (BufferLoad, BufferStore)) and node.buffer.data is buffer.data:
            views = views or node.buffer is not buffer
            read = read or isinstance(node, BufferLoad)

    post_order_visit(stmt, look)
    return read, views


def is_in_sight(stmt: Stmt) -> bool:
    """True if all that happens to memory is in plain sight."""
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, Call) and has_effects(node):
            found.append(node)

    post_order_visit(stmt, look)
    return not found


def only_stores(stmt: Stmt) -> bool:
    """True if `stmt` does nothing but store values."""
    kinds = (For, IfThenElse, SeqStmt, BufferStore, LetStmt)
    found: list[Any] = []
    post_order_visit(stmt, lambda n: found.append(n) if isinstance(n, Stmt) else None)
    return all(isinstance(node, kinds) for node in found) and is_in_sight(stmt)


@context_factory
def RemoveNoOp(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """for i in range(0): f   ->   nothing; A[i] = A[i]   ->   nothing

    Config `tir.RemoveNoOp`: with `use_dataflow_analysis`, stores go that are stored over before
    anybody reads them, and those of what is there already.
    """
    if not group_of(ctx, RemoveNoOpConfig).use_dataflow_analysis:
        return func.replace(body=RemovingNothing().run(func.body))
    known = RemovingNothing()
    known.contents = BufferContents(func.body)
    unread = RemovingNothing()
    unread.overwritten = True
    return func.replace(body=unread.run(known.run(func.body)))
