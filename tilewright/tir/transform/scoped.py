"""Rewriting with what loops, conditions and names tell of integers."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..buffer import Buffer
from ..expr import Call, Let, Var
from ..stmt import Allocate, AssertStmt, AttrStmt, Block, For, IfThenElse, LetStmt


class ScopedRewriter(Rewriter):
    """A rewriter whose `analyzer` knows the ranges and conditions at every place."""

    def __init__(self) -> None:
        self.analyzer = Analyzer()

    def declare_parameter(self, var: Var) -> None:
        """Hook: a parameter of the function. Nothing is known of it."""

    @on(For)
    def loop(self, loop: For) -> Any:
        """Within the loop, its variable lies in its range."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        self.analyzer.bind(loop.loop_var, Range(low, extent))
        body = self.rewrite(loop.body)
        return loop.replace(min=low, extent=extent, body=body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Any:
        """Within a branch, its condition holds (or does not)."""
        condition = self.rewrite(branch.condition)
        with self.analyzer.constraint_scope(condition):
            then_case = self.rewrite(branch.then_case)
        else_case = branch.else_case
        if else_case is not None:
            with self.analyzer.constraint_scope(negation(condition)):
                else_case = self.rewrite(else_case)
        return branch.replace(condition=condition, then_case=then_case, else_case=else_case)

    @on(AssertStmt)
    def assertion(self, node: AssertStmt) -> Any:
        """After an assertion its condition holds."""
        condition = self.rewrite(node.condition)
        with self.analyzer.constraint_scope(condition):
            body = self.rewrite(node.body)
        return node.replace(condition=condition, body=body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """A thread's extent bounds its index."""
        value = self.rewrite(node.value)
        var = getattr(node.node, "var", None)
        if node.attr_key in ("thread_extent", "virtual_thread") and isinstance(var, Var):
            self.analyzer.bind(var, Range(IntImm(var.dtype, 0), value))
        return node.replace(value=value, body=self.rewrite(node.body))

    @on(LetStmt)
    def let(self, let: LetStmt) -> Any:
        """A name is known by its bounds."""
        value = self.rewrite(let.value)
        self._learn(let.var, value)
        return let.replace(value=value, body=self.rewrite(let.body))

    @on(Let)
    def let_expr(self, let: Let) -> Any:
        """A name is known by its bounds."""
        value = self.rewrite(let.value)
        self._learn(let.var, value)
        return let.replace(value=value, body=self.rewrite(let.body))

    def _learn(self, var: Var, value: PrimExpr) -> None:
        if var.dtype in INDEX_TYPES:
            self.analyzer.update(var, self.analyzer.const_int_bound(value))

    @on(Block)
    def block(self, block: Block) -> Any:
        """The axes of a block lie in their domains."""
        for axis in block.iter_vars:
            if axis.dom is not None:
                self.analyzer.bind(axis.var, axis.dom)
        return self.rewrite_children(block)


def negation(condition: PrimExpr) -> PrimExpr:
    """What holds where `condition` does not, whether it is a likely one or not."""
    is_likely = isinstance(condition, Call) and getattr(condition.op, "name", "") == "tir.likely"
    return O.logical_not(condition.args[0] if is_likely else condition)  # type: ignore[attr-defined]


def is_cheap(value: PrimExpr) -> bool:
    """True if a value may be computed again instead of named."""
    return isinstance(value, (IntImm, Var))


def is_pure(expr: PrimExpr) -> bool:
    """True if the value depends on nothing that may change."""
    return not reads_memory(expr)


def views_of(node: Allocate) -> list[Buffer]:
    """The buffers that see the memory, declared or not."""
    found: dict[Buffer, None] = {}

    def look(part: Node) -> None:
        if isinstance(part, Buffer) and part.data is node.buffer_var:
            found[part] = None

    post_order_visit(node.body, look)
    return list(found)
