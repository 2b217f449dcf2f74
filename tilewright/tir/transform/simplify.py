"""Expressions in their simplest form; what cannot run taken away."""

from __future__ import annotations

from functools import cached_property
from operator import is_
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on, post_order_visit
from ...ir.node import Node
from ...ir.structural import structural_equal
from ...ir.transform import PassContext
from .. import op as O
from ..analysis.buffer_contents import BufferContents
from ..analysis.effects import is_left_early
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.int_set import mentions
from ..buffer import Buffer
from ..expr import BufferLoad, Var
from ..function import PrimFunc
from ..stmt import BufferStore, Evaluate, For, IfThenElse, LetStmt, SeqStmt, Stmt
from ..stmt_functor import substitute
from .base import context_factory
from .booleans import and_of_ors, constrained, is_composed
from .config import SimplifyConfig, group_of
from .scoped import ScopedRewriter, is_cheap, is_pure, lasting, negation

NOTHING = Evaluate(IntImm("int32", 0))


class Simplifying(ScopedRewriter):
    """Simplifies every expression under what is known at its place."""

    options = SimplifyConfig()
    keeps_empty = True  # what did nothing before; what does nothing any more goes

    contents: BufferContents | None = None  # what buffers hold, where that is to be used

    def __init__(self) -> None:
        super().__init__()
        self.root: Any = None
        self.names: dict[Var, PrimExpr] = {}  # what names stand for that stay

    def run(self, root: Any) -> Any:
        """`root` simplified."""
        self.root = root
        return super().run(root)

    def _goes(self, before: Stmt, after: Stmt) -> bool:
        return _is_nothing(after) and not (self.keeps_empty and _is_nothing(before))

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """Expressions of every kind go to the analyzer whole."""
        made = self.analyzer.simplify(expr)
        if self.options.convert_boolean_to_and_of_ors and is_composed(made):
            made = and_of_ors(self.analyzer, made)
        if self.options.apply_constraints_to_boolean_branches and is_composed(made):
            made = constrained(self.analyzer, made)
        return made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer is the same everywhere, whatever is known at one place."""
        return buffer

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """No iteration: nothing. One iteration: the body."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        if isinstance(extent, IntImm) and extent.value <= 0:
            return NOTHING
        bare = not loop.annotations and loop.thread_binding is None and is_pure(low)
        if bare and O.is_const_int(extent, 1) and not is_left_early(loop.body):
            self.analyzer.bind(loop.loop_var, low)
            made: Stmt = self.rewrite(loop.body)
            return made
        self._bind(loop, low, extent)
        body = self.rewrite(loop.body)
        if self._goes(loop.body, body):
            return NOTHING
        return loop.replace(min=low, extent=extent, body=body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """A condition that is decided leaves one case."""
        condition = self._decided(self.rewrite(branch.condition), branch)
        if isinstance(condition, IntImm):
            chosen = branch.then_case if condition.value else branch.else_case
            made: Stmt = NOTHING if chosen is None else self.rewrite(chosen)
            return made
        with self.analyzer.constraint_scope(lasting(condition, branch.then_case)):
            then_case = self.rewrite(branch.then_case)
        else_case = branch.else_case
        if else_case is not None:
            otherwise = lasting(negation(condition), else_case)
            with self.analyzer.constraint_scope(otherwise):
                else_case = self.rewrite(else_case)
            if _is_nothing(else_case):
                else_case = None
        if _is_nothing(then_case) and else_case is None and is_pure(condition):
            return NOTHING
        return branch.replace(condition=condition, then_case=then_case, else_case=else_case)

    def _decided(self, condition: PrimExpr, place: Stmt) -> PrimExpr:
        """The truth of a condition, if that is known of the names and loads in it; else the
        condition."""
        plain = condition
        if self.names and mentions(condition, self.names):
            plain = substitute(condition, self.names)
        if self.options.propagate_knowns_to_prove_conditional:
            plain = self._resolved(plain, place)
            truth = self._truth(plain, place)
            if truth is not None:
                return O.const(truth, "bool")
        made = condition if plain is condition else self.analyzer.simplify(plain)
        return made if isinstance(made, IntImm) else condition

    def _truth(self, condition: PrimExpr, place: Stmt) -> bool | None:
        if self.contents is None or reads_memory(condition):
            return None
        return self.contents.truth_of(condition, self.contents.at(place), self.analyzer)

    def _resolved(self, expr: PrimExpr, place: Stmt) -> PrimExpr:
        """`expr` at a place with loads replaced by what buffers hold there."""
        if self.contents is None or not reads_memory(expr):
            return expr
        return self.contents.resolved(expr, self.contents.at(place), self.analyzer)

    @on(LetStmt)
    def let(self, let: LetStmt) -> Stmt:
        """A name for a constant or variable goes, unless a buffer is declared with it."""
        value = self.rewrite(let.value)
        if is_cheap(value):
            is_needed = let.var in self.described
            self.analyzer.bind(let.var, value)
            made: Stmt = self.rewrite(let.body)
            return let.replace(value=value, body=made) if is_needed else made
        if is_pure(value):
            self.names[let.var] = value
        self._learn(let.var, value)
        body = self.rewrite(let.body)
        return let.replace(value=value, body=body)

    @cached_property
    def described(self) -> set[Var]:
        """The variables in buffers of the whole, which stay as they are."""
        found: set[Var] = set()

        def look(node: Node) -> None:
            if isinstance(node, Buffer):
                parts = (node.data, node.shape, node.strides, node.elem_offset)
                post_order_visit(parts, lambda n: found.add(n) if isinstance(n, Var) else None)

        post_order_visit(self.root, look)
        return found

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """Statements that do nothing any more go."""
        parts: list[Stmt] = []
        for before in node.seq:
            after = self.rewrite(before)
            if isinstance(after, SeqStmt):
                parts += after.seq
            elif not self._goes(before, after):
                parts.append(after)
        if len(parts) < 2:
            return parts[0] if parts else NOTHING
        is_same = len(parts) == len(node.seq) and all(map(is_, parts, node.seq))
        return node if is_same else node.replace(seq=tuple(parts))

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A[i] = A[i] does nothing."""
        new: BufferStore = self.rewrite_children(store)
        if self.options.propagate_knowns_to_simplify_expressions:
            value = self.analyzer.simplify(self._resolved(new.value, store))
            new = new if value is new.value else new.replace(value=value)
        value = new.value
        if (
            isinstance(value, BufferLoad)
            and value.buffer is new.buffer
            and new.predicate is None
            and len(value.indices) == len(new.indices)
            and all(self._equal(a, b) for a, b in zip(value.indices, new.indices, strict=True))
        ):
            return NOTHING
        return new

    def _equal(self, a: PrimExpr, b: PrimExpr) -> bool:
        if a is b or structural_equal(a, b):
            return True
        if a.dtype not in INDEX_TYPES or a.dtype != b.dtype:
            return False
        if self.names and mentions((a, b), self.names):
            a, b = substitute(a, self.names), substitute(b, self.names)
        return self.analyzer.can_prove_equal(a, b)


def _is_nothing(stmt: Any) -> bool:
    return isinstance(stmt, Evaluate) and isinstance(stmt.value, IntImm)


@context_factory
def Simplify(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """A[(i * 4 + 0) // 2] with i in [0, 1)   ->   A[0]

    The extents of parameters are taken not to be negative.
    Config `tir.Simplify` says in which form conditions are given.
    """
    rewriter = Simplifying()
    rewriter.options = group_of(ctx, SimplifyConfig)
    if rewriter.options.uses_contents:
        rewriter.contents = BufferContents(func.body)
    for extent in dict.fromkeys(e for b in func.buffer_map.values() for e in b.shape):
        if extent.dtype in INDEX_TYPES and not isinstance(extent, IntImm):
            rewriter.analyzer.assume(extent >= 0)
    return func.replace(body=rewriter.run(func.body))
