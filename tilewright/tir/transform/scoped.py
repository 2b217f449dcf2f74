"""Rewriting with what loops, conditions and names tell of integers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.node import Node
from ...support.errors import CompileError
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, effect_of, reads_memory
from ..arith.conditions import conjuncts
from ..buffer import Buffer
from ..expr import BufferLoad, Call, CallEffectKind, IterVar, Let, Var
from ..stmt import (
    Allocate,
    AssertStmt,
    AttrStmt,
    Block,
    BufferStore,
    For,
    IfThenElse,
    LetStmt,
    Stmt,
)


def lasting(condition: PrimExpr, *bodies: Stmt | None) -> PrimExpr:
    """What of `condition` holds throughout `bodies`: parts that read what these write are left
    out."""
    if not reads_memory(condition):
        return condition
    written = _Written()
    for body in bodies:
        written.walk(body)
    parts = conjuncts(condition, opens_likely=True)
    return O.every(part for part in parts if not written.alters(part))


def alters(body: Stmt, expr: PrimExpr) -> bool:
    """True if `body` may write what `expr` reads."""
    written = _Written()
    written.walk(body)
    return written.alters(expr)


class _Written(Visitor):
    """The memory that statements write."""

    def __init__(self) -> None:
        self.data: set[Var] = set()
        self.anything = False

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """The memory of a store."""
        self.data.add(store.buffer.data)
        self.visit_children(store)

    @on(Call)
    def call(self, call: Call) -> None:
        """A call with effects may write whatever there is."""
        self.anything = self.anything or effect_of(call) > CallEffectKind.ReadState
        self.visit_children(call)

    def alters(self, expr: PrimExpr) -> bool:
        """True if the value of `expr` may change."""
        if not reads_memory(expr):
            return False
        loads: list[BufferLoad] = []
        post_order_visit(expr, lambda n: loads.append(n) if isinstance(n, BufferLoad) else None)
        return self.anything or not loads or any(n.buffer.data in self.data for n in loads)


class ScopedRewriter(Rewriter):
    """A rewriter whose `analyzer` knows the ranges and conditions at every place."""

    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.launched: dict[Var, PrimExpr] = {}

    def declare_parameter(self, var: Var) -> None:
        """Hook: a parameter of the function. Nothing is known of it."""

    @on(For)
    def loop(self, loop: For) -> Any:
        """Within the loop, its variable lies in its range."""
        low, extent = self.rewrite(loop.min), self.rewrite(loop.extent)
        self._bind(loop, low, extent)
        body = self.rewrite(loop.body)
        return loop.replace(min=low, extent=extent, body=body)

    def _bind(self, loop: For, low: PrimExpr, extent: PrimExpr) -> None:
        """The range of a loop, unless the loop writes what its bounds are read from."""
        if reads_memory(low) or reads_memory(extent):
            written = _Written()
            written.walk(loop.body)
            if written.alters(low) or written.alters(extent):
                return
        self.analyzer.bind(loop.loop_var, Range(low, extent), override=True)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Any:
        """Within a branch, its condition holds (or does not)."""
        condition = self.rewrite(branch.condition)
        with self._under(lasting(condition, branch.then_case)):
            then_case = self.rewrite(branch.then_case)
        else_case = branch.else_case
        if else_case is not None:
            with self._under(lasting(negation(condition), else_case)):
                else_case = self.rewrite(else_case)
        return branch.replace(condition=condition, then_case=then_case, else_case=else_case)

    def _under(self, condition: PrimExpr) -> AbstractContextManager[Any]:
        """A `with` block in which a condition holds."""
        return self.analyzer.constraint_scope(condition)

    @on(AssertStmt)
    def assertion(self, node: AssertStmt) -> Any:
        """After an assertion its condition holds."""
        condition = self.rewrite(node.condition)
        with self._under(lasting(condition, node.body)):
            body = self.rewrite(node.body)
        return node.replace(condition=condition, body=body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Any:
        """A thread's extent bounds its index. Raises `CompileError` for two extents of one."""
        value = self.rewrite(node.value)
        var = getattr(node.node, "var", None)
        if node.attr_key not in ("thread_extent", "virtual_thread") or not isinstance(var, Var):
            return node.replace(value=value, body=self.rewrite(node.body))
        around = self.launched.get(var, value)
        if isinstance(around, IntImm) and isinstance(value, IntImm) and around.value != value.value:
            raise CompileError(
                f"`{var.name}` is launched with {value} threads within {around} of its own",
                node.span, hint="use another variable for the launch inside",
            )  # fmt: skip
        self.analyzer.bind(var, Range(IntImm(var.dtype, 0), value), override=True)
        outer, self.launched = self.launched, {**self.launched, var: value}
        made = node.replace(value=value, body=self.rewrite(node.body))
        self.launched = outer
        return made

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
            self.analyzer.update(var, self.analyzer.const_int_bound(value), override=True)

    @on(Block)
    def block(self, block: Block) -> Any:
        """The axes of a block lie in their domains."""
        for axis in block.iter_vars:
            if axis.dom is not None:
                self.analyzer.bind(axis.var, axis.dom, override=True)
        return self.rewrite_children(block)

    @on(IterVar)
    def axis(self, axis: IterVar) -> IterVar:
        """An axis is declared by its variable, also where that can only have one value."""
        return axis.replace(dom=self.rewrite(axis.dom))


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
