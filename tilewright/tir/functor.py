"""Visitors and mutators for users, with one method a kind of node, as in TVM's Python API.

A method's default goes on into the parts that are computed: operands, indices, bounds, bodies and
the regions of blocks. Variables and buffers that a node defines are not visited.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ..ir.expr import FloatImm, IntImm, PrimExpr
from ..ir.functor import Rewriter, Visitor, deep_recursion, on
from ..ir.node import Node
from ..support.errors import ArgumentError
from . import expr as E
from . import stmt as S
from .buffer import Buffer

T = TypeVar("T", bound=type)

STATEMENTS: tuple[type[S.Stmt], ...] = (
    S.AttrStmt, S.IfThenElse, S.LetStmt, S.For, S.While, S.Allocate, S.AllocateConst, S.DeclBuffer,
    S.BufferRealize, S.BufferStore, S.AssertStmt, S.SeqStmt, S.Evaluate, S.Block, S.BlockRealize,
)  # fmt: skip
EXPRESSIONS: tuple[type[PrimExpr], ...] = (
    E.Var, E.SizeVar, E.BufferLoad, E.ProducerLoad, E.Let, E.Call, E.Add, E.Sub, E.Mul, E.Div,
    E.Mod, E.FloorDiv, E.FloorMod, E.Min, E.Max, E.EQ, E.NE, E.LT, E.LE, E.GT, E.GE, E.And, E.Or,
    E.Reduce, E.Cast, E.Not, E.Select, E.Ramp, E.Broadcast, E.Shuffle, IntImm, FloatImm,
    E.StringImm,
)  # fmt: skip


def _method(kind: type[Node]) -> str:
    """BufferLoad -> visit_buffer_load_; EQ -> visit_eq_"""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__)
    return f"visit_{words.lower()}_"


METHODS: dict[type[Any], str] = {kind: _method(kind) for kind in (*STATEMENTS, *EXPRESSIONS)}
"""The method that handles each kind of node."""


_UNVISITED = frozenset(("node", "attr_key", "annotations"))


_ORDER: dict[type[Any], tuple[str, ...]] = {
    S.Allocate: ("extents", "body", "condition"), S.AllocateConst: ("extents", "body"),
    S.DeclBuffer: ("body",), E.ProducerLoad: ("indices",),
    E.Reduce: ("axis", "source", "init", "condition"),
    E.Shuffle: ("indices", "vectors"), E.IterVar: ("dom",),
}  # fmt: skip
"""The parts of nodes that are not visited in the order of their fields."""

_PARTS: dict[type[Any], tuple[str, ...]] = {}


def parts_of(kind: type[Node]) -> tuple[str, ...]:
    """The fields of a node that are computed: no names, no definitions; a block's init before its
    body."""
    known = _PARTS.get(kind)
    if known is None:
        known = _PARTS[kind] = _ORDER.get(kind) or _in_order_of_fields(kind)
    return known


def _in_order_of_fields(kind: type[Node]) -> tuple[str, ...]:
    hidden = [f.name for f in kind.fields if f.is_ignored or f.is_definition]
    names = [f.name for f in kind.fields if f.name not in (*hidden, *_UNVISITED)]
    if "init" in names and "body" in names:
        names.remove("body")
        names.append("body")
    return tuple(names)


def _with_methods(cls: T) -> T:
    """Gives `cls` every method of `METHODS`: each goes on into the parts of its node."""
    for kind, name in METHODS.items():
        setattr(cls, name, _default_method(kind, name))
    return cls


def _default_method(kind: type[Node], name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, op: Any) -> Any:
        return self.visit_parts(op)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Handles a `{kind.__name__}`; by default its parts are visited."
    return method


@_with_methods
class PyStmtExprVisitor(Visitor):
    """Visits statements and expressions; override `visit_for_`, `visit_buffer_load_` and so on.

    An override goes on by calling `self.visit_stmt` and `self.visit_expr` on the parts that it
    chooses, or the method of `super()` for all.
    """

    def visit_stmt(self, stmt: S.Stmt) -> None:
        """Handles one statement, by its kind."""
        with deep_recursion():
            self.visit(stmt)

    def visit_expr(self, expr: PrimExpr) -> None:
        """Handles one expression, by its kind."""
        with deep_recursion():
            self.visit(expr)

    @on(*METHODS)
    def _dispatch(self, node: Any) -> None:
        getattr(self, METHODS[type(node)])(node)

    @on(Buffer, E.CommReducer)
    def _leaf(self, node: Node) -> None:
        pass

    @on(Node)
    def visit_parts(self, node: Node) -> None:
        """Visits what `node` computes."""
        for name in parts_of(type(node)):
            self.visit(getattr(node, name))


@_with_methods
class PyStmtExprMutator(Rewriter):
    """Rewrites statements and expressions: each method returns what takes the node's place.

    A node whose parts do not change stays the same object.
    """

    def visit_stmt(self, stmt: S.Stmt) -> Any:
        """The statement rewritten, by its kind."""
        with deep_recursion():
            return self.rewrite(stmt)

    def visit_expr(self, expr: PrimExpr) -> Any:
        """The expression rewritten, by its kind."""
        with deep_recursion():
            return self.rewrite(expr)

    @on(*METHODS)
    def _dispatch(self, node: Any) -> Any:
        return getattr(self, METHODS[type(node)])(node)

    @on(Buffer, E.CommReducer)
    def _leaf(self, node: Node) -> Node:
        return node

    @on(Node)
    def visit_parts(self, node: Any) -> Any:
        """`node` with what it computes rewritten."""
        changes: dict[str, Any] = {}
        for name in parts_of(type(node)):
            value = getattr(node, name)
            new = self.rewrite(value)
            if new is not value:
                changes[name] = new
        return node.replace(**changes) if changes else node


def visitor(cls: T) -> T:
    """Decorates a class derived from `PyStmtExprVisitor`, in TVM's way; it needs no more."""
    return _derived(cls, PyStmtExprVisitor)


def mutator(cls: T) -> T:
    """Decorates a class derived from `PyStmtExprMutator`, in TVM's way; it needs no more."""
    return _derived(cls, PyStmtExprMutator)


def _derived(cls: T, base: type) -> T:
    if not issubclass(cls, base):
        raise ArgumentError(f"`{cls.__name__}` is not derived from {base.__name__}")
    return cls
