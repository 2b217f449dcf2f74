"""Branches that what is computed or known of memory makes unnecessary."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...ir.functor import on, post_order_visit
from ...ir.node import Node
from ...ir.structural import structural_equal
from ...ir.transform import PassContext
from .. import op as O
from ..analysis.buffer_contents import BufferContents
from ..analysis.buffer_facts import Known
from ..analysis.clauses import Clauses, clauses_of
from ..analysis.coverage import Coverage
from ..arith.canonical import may_trap, reads_memory
from ..expr import BufferLoad, Call
from ..function import PrimFunc
from ..stmt import BufferStore, For, IfThenElse, SeqStmt, Stmt
from .base import context_factory, factory
from .config import ReduceBranchingThroughOvercomputeConfig, SimplifyConfig, group_of
from .remove_no_op import RemovingNothing, is_in_sight, is_stored_over, only_stores, uses_of
from .scoped import ScopedRewriter
from .simplify import NOTHING


class _Choices(ScopedRewriter):
    """Takes the side of a choice that has the value of the other where that is chosen."""

    def __init__(self, contents: BufferContents) -> None:
        super().__init__()
        self.contents = contents
        self.known = Known()

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """What is known here is known of the choices in the value."""
        self.known = self.contents.at(store)
        new: Stmt = self.rewrite_children(store)
        self.known = Known()
        return new

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """if_then_else(c, f(A[i]), v)   ->   f(A[i]), if f(A[i]) is v wherever c fails"""
        new: Any = self.rewrite_children(call)
        if getattr(new.op, "name", "") != "tir.if_then_else" or new.args[0].dtype != "bool":
            return new  # type: ignore[no-any-return]
        condition, yes, no = new.args
        otherwise = O.logical_not(condition)
        if reads_memory(yes) and is_inside(self, yes) and structural_equal(
            self._value(yes, otherwise), self._value(no, otherwise)
        ):  # fmt: skip
            made: PrimExpr = yes
            return made
        return new  # type: ignore[no-any-return]

    def _value(self, value: PrimExpr, condition: PrimExpr) -> PrimExpr:
        """`value` where `condition` holds."""
        with self.analyzer.constraint_scope(condition):
            simple = self.analyzer.simplify(value)
            made = self.contents.resolved(simple, self.known, self.analyzer)
            return self.analyzer.simplify(made)


class _Branches(ScopedRewriter):
    """Takes a case for both where it does the work of the other, or no harm."""

    def __init__(self, contents: BufferContents | None, later: bool) -> None:
        super().__init__()
        self.contents, self.heeds_later = contents, later
        self.later: list[_Later] = []

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """The statements, each with those after it in mind."""
        made = []
        for place, stmt in enumerate(node.seq):
            self.later.append(_Later(stmt, list(node.seq[place + 1 :])))
            made.append(self.rewrite(stmt))
            self.later.pop()
        return node.replace(seq=tuple(made))

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """A loop between a branch and the statements after."""
        if self.later:
            self.later[-1].loops.append(loop)
        new: Stmt = super().loop(loop)
        if self.later:
            self.later[-1].loops.pop()
        return new

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """if c: A[i] = f   ->   A[i] = f, if f is what A[i] holds wherever c fails"""
        new: IfThenElse = super().branch(branch)
        then, other = new.then_case, new.else_case
        if not is_in_sight(then) or not is_inside(self, then) or may_trap(then):
            return new
        if reads_memory(new.condition):
            return new
        otherwise = self.analyzer.simplify(O.logical_not(new.condition))
        where = clauses_of(otherwise)
        left = NOTHING if other is None else other
        with self.analyzer.constraint_scope(otherwise):
            excess = self._result(then, branch, where)
            if structural_equal(excess, self._result(left, branch, where)):
                return then
        is_open = self.heeds_later and other is None and where is not None
        return then if is_open and self._is_harmless(excess, where or ()) else new

    def _result(self, stmt: Stmt, branch: IfThenElse, where: Clauses | None) -> Stmt:
        """What `stmt` does in place of `branch` where its condition fails."""
        simplify = RemovingNothing()
        simplify.analyzer = self.analyzer
        if self.contents is not None:
            known = self.contents.at(branch)
            given = known.given if where is None else (*known.given, where)
            simplify.contents = BufferContents(stmt, Known(known.facts, given), self.contents)
            simplify.options = SimplifyConfig(propagate_knowns_to_simplify_expressions=True)
        made: Stmt = simplify.run(stmt)
        return made

    def _is_harmless(self, excess: Stmt, where: Clauses) -> bool:
        """True if all that `excess` stores where a condition fails is stored over, unread."""
        if not self.later or not only_stores(excess):
            return False
        after, coverage = self.later[-1], Coverage(self.analyzer)
        for buffer, elements in coverage.most(excess).items():
            if any(uses_of(after.stmt, buffer)) or not is_in_sight(after.stmt):
                return False
            stored = coverage.cases.at_most(elements, where)
            for loop in reversed(after.loops):
                end = O.add(loop.min, loop.extent)
                stored = coverage.cases.somewhere(stored, loop.loop_var, loop.min, end)
            if not is_stored_over(coverage, buffer, stored, after.rest):
                return False
        return True


class _Later:
    """A statement of a sequence, the rest of it, and the loops between it and a place within."""

    def __init__(self, stmt: Stmt, rest: list[Stmt]) -> None:
        self.stmt, self.rest = stmt, rest
        self.loops: list[For] = []


class _Accesses(ScopedRewriter):
    """Looks for accesses that may lie outside of their buffers."""

    inside = True

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """Each index lies within the extent."""
        for index, extent in zip(access.indices, access.buffer.shape, strict=True):
            if not self.analyzer.can_prove(O.all(index >= 0, index < extent)):
                self.inside = False
        return self.rewrite_children(access)


def is_inside(around: ScopedRewriter, part: Node) -> bool:
    """True if all accesses of `part` lie inside wherever it stands."""
    accesses = _Accesses()
    accesses.analyzer = around.analyzer
    accesses.run(part)
    return accesses.inside


def _contents(func: PrimFunc) -> BufferContents | None:
    """What buffers hold, if anything is assumed of them."""
    found: list[Node] = []

    def look(node: Node) -> None:
        if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.assume":
            found.append(node)

    post_order_visit(func.body, look)
    return BufferContents(func.body) if found else None


@factory
def UseAssumeToReduceBranches(func: PrimFunc) -> PrimFunc:
    """assume(i < 14 or A[i] == 0); B[i] = if_then_else(i < 14, A[i], 0)   ->   B[i] = A[i]

    A choice goes where what would be computed in excess is the other value, by what is known of the
    memory it reads. A function without assumptions stays as it is.
    """
    contents = _contents(func)
    return func if contents is None else func.replace(body=_Choices(contents).run(func.body))


@context_factory
def ReduceBranchingThroughOvercompute(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """assume(i < 14 or A[i] == 0); if i < 14: B[i] = A[i] else: B[i] = 0   ->   B[i] = A[i]

    A branch goes where its case does no harm when the condition fails: it does what the other case
    does. Config `tir.ReduceBranchingThroughOvercompute`: with `use_dataflow_analysis`, what buffers
    are known to hold counts, as it does in functions with assumptions, and stores that later ones
    overwrite do no harm.
    """
    asked = group_of(ctx, ReduceBranchingThroughOvercomputeConfig).use_dataflow_analysis
    contents = BufferContents(func.body) if asked else _contents(func)
    return func.replace(body=_Branches(contents, asked).run(func.body))
