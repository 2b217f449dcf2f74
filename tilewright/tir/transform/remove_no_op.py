"""Statements without effect taken away."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on, post_order_visit
from ...ir.transform import PassContext
from .. import op as O
from ..analysis.effects import has_effects
from ..analysis.reach import Reach
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    AttrStmt,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    ForKind,
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


class _Remove(Simplifying):
    """Simplifies, and takes away what does nothing then."""

    keeps_empty = False

    def __init__(self, overwritten: bool) -> None:
        super().__init__()
        self.overwritten = overwritten

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

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """Statements that do nothing go; with data flow, also those whose stores nobody reads."""
        made = super().sequence(node)
        if not self.overwritten or not isinstance(made, SeqStmt):
            return made
        kept = list(made.seq)
        for place in reversed(range(len(kept))):
            if self._is_overwritten(kept[place], kept[place + 1 :]):
                del kept[place]
        return stmt_seq(kept)

    def _is_overwritten(self, stmt: Stmt, later: list[Stmt]) -> bool:
        """True if all that `stmt` does is stored over by `later` before anybody reads it."""
        if not _only_stores(stmt):
            return False
        region = self._reach(stmt)
        return all(self._is_stored_over(buffer, region, later) for buffer in region.writes)

    def _is_stored_over(self, buffer: Buffer, region: Reach, later: list[Stmt]) -> bool:
        for stmt in later:
            found = self._reach(stmt)
            others = {b for b in (*found.reads, *found.writes) if b.data is buffer.data} - {buffer}
            if others or buffer in found.reads or not _is_known(stmt):
                return False
            if buffer in found.writes and _stores_all(stmt, buffer):
                box = region.box(buffer, region.writes[buffer])
                around = found.box(buffer, found.writes[buffer])
                if all(
                    self.analyzer.can_prove(O.all(
                        b.min <= a.min, a.min + a.extent <= b.min + b.extent
                    ))
                    for a, b in zip(box.region, around.region, strict=True)
                ):  # fmt: skip
                    return True
        return False

    def _reach(self, stmt: Stmt) -> Reach:
        reach = Reach({})
        reach.walk(stmt)
        return reach


def _is_known(stmt: Stmt) -> bool:
    """True if all that happens to memory is in plain sight."""
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, Call) and has_effects(node):
            found.append(node)

    post_order_visit(stmt, look)
    return not found


def _only_stores(stmt: Stmt) -> bool:
    kinds = (For, IfThenElse, SeqStmt, BufferStore, LetStmt)
    found: list[Any] = []
    post_order_visit(stmt, lambda n: found.append(n) if isinstance(n, Stmt) else None)
    return all(isinstance(node, kinds) for node in found) and _is_known(stmt)


def _stores_all(stmt: Stmt, buffer: Buffer) -> bool:
    """True for loops around one store that touch each element of a box: each index is a loop's
    variable, or fixed."""
    loops: dict[Var, For] = {}
    while isinstance(stmt, For):
        if stmt.kind not in (ForKind.SERIAL, ForKind.PARALLEL, ForKind.UNROLLED):
            return False
        loops[stmt.loop_var] = stmt
        stmt = stmt.body
    if not isinstance(stmt, BufferStore) or stmt.buffer is not buffer or stmt.predicate is not None:
        return False
    used: set[Var] = set()
    for index in stmt.indices:
        if isinstance(index, Var) and index in loops:
            if index in used:
                return False
            used.add(index)
        elif _mentions_any(index, loops):
            return False
    return used == set(loops)


def _mentions_any(index: PrimExpr, loops: dict[Var, For]) -> bool:
    found: list[Any] = []
    post_order_visit(
        index, lambda n: found.append(n) if isinstance(n, BufferLoad) or n in loops else None
    )
    return bool(found)


@context_factory
def RemoveNoOp(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """for i in range(0): f   ->   nothing; A[i] = A[i]   ->   nothing

    Config `tir.RemoveNoOp`: with `use_dataflow_analysis`, stores go that are stored over before
    anybody reads them.
    """
    options = group_of(ctx, RemoveNoOpConfig)
    return func.replace(body=_Remove(options.use_dataflow_analysis).run(func.body))
