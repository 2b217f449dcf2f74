"""Walks over loop programs by plain functions: visit, transform, substitute, renew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ..ir.expr import PrimExpr, as_scalar
from ..ir.functor import Rewriter, Visitor, on
from ..ir.node import NODE_TYPES, Node, rebuild
from ..script.parser.advice import near
from ..script.parser.arguments import explained
from ..support.errors import ArgumentError
from .buffer import Buffer
from .expr import CommReducer, IterVar, Var
from .function import PrimFunc
from .functor import parts_of
from .stmt import DeclBuffer, Stmt

__all__ = [
    "ir_transform", "post_order_visit", "pre_order_visit", "renew_defs", "substitute",
]  # fmt: skip

N = TypeVar("N", bound=Node)

COMPUTED = (Stmt, PrimExpr)
"""What walks show to functions."""


class _PostOrder(Visitor):
    """Calls a function on statements and expressions, shared ones once."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function
        self.seen: dict[int, Node] = {}

    @on(Buffer, CommReducer)
    def leaf(self, node: Node) -> None:
        """What a node only refers to is not computed."""

    @on(PrimFunc)
    def program(self, func: PrimFunc) -> None:
        """What a function computes is its body."""
        self.visit(func.body)

    @on(Node)
    def node(self, node: Node) -> None:
        """The parts, then the node itself."""
        if id(node) in self.seen:
            return
        self.seen[id(node)] = node
        for name in parts_of(type(node)):
            self.visit(getattr(node, name))
        if isinstance(node, COMPUTED):
            self.function(node)


class _PreOrder(_PostOrder):
    @on(Node)
    def node(self, node: Node) -> None:
        """The node itself, then its parts unless the function keeps out."""
        if id(node) in self.seen:
            return
        self.seen[id(node)] = node
        if isinstance(node, COMPUTED) and self.function(node) is False:
            return
        for name in parts_of(type(node)):
            self.visit(getattr(node, name))


@explained("tir.stmt_functor.post_order_visit")
def post_order_visit(stmt: object, fvisit: Callable[[Any], object]) -> None:
    """Calls `fvisit` on what `stmt` computes, a statement or an expression: on every statement and
    expression below it, children first, shared ones once. What a node defines or refers to
    (buffers, loop variables, axes) is left out; `ir.post_order_visit` goes everywhere."""
    _PostOrder(fvisit).walk(stmt)


@explained("tir.stmt_functor.pre_order_visit")
def pre_order_visit(stmt: object, fvisit: Callable[[Any], object]) -> None:
    """Calls `fvisit` as `post_order_visit` does, parents first; False keeps out of a node."""
    _PreOrder(fvisit).walk(stmt)


class _Transform(Rewriter):
    def __init__(self, before: Any, after: Any, only: frozenset[str] | None) -> None:
        self.before, self.after, self.only = before, after, only

    @on(Buffer, CommReducer)
    def leaf(self, node: Node) -> Node:
        """What a node only refers to stays."""
        return node

    @on(Node)
    def node(self, node: Node) -> Any:
        """The replacement before going below, else the one after, else the rewritten node."""
        chosen = (
            isinstance(node, COMPUTED) if self.only is None else type(node).type_key in self.only
        )
        if chosen and self.before is not None:
            made = self.before(node)
            if made is not None:
                return made
        changes = {}
        for name in parts_of(type(node)):
            part = self.rewrite(getattr(node, name))
            if part is not getattr(node, name):
                changes[name] = part
        new = node.replace(**changes) if changes else node
        if chosen and self.after is not None:
            made = self.after(new)
            if made is not None:
                return made
        return new


@explained("tir.stmt_functor.ir_transform")
def ir_transform(
    stmt: N,
    preorder: Callable[[Any], Any] | None,
    postorder: Callable[[Any], Any] | None,
    only_enable: Sequence[str] | None = None,
) -> N:
    """`stmt` with nodes replaced: `preorder(node)`, if not None, instead of going below it,
    `postorder(node)` after. `only_enable` limits both to node types such as `tir.For`; raises
    `ArgumentError` for one that there is not."""
    only = None if only_enable is None else frozenset(only_enable)
    for name in only or ():
        if name not in NODE_TYPES:
            raise ArgumentError(
                f"`only_enable` of ir_transform names node types, found {name!r}",
                hint=near(str(name), NODE_TYPES) or "they are written as in `tir.For`",
            )
    made: N = _Transform(preorder, postorder, only).run(stmt)
    return made


class Substitute(Rewriter):
    """Replaces variables, and buffers whose parts mention them."""

    def __init__(self, env: Mapping[Any, Any]) -> None:
        self.env = {id(old): (old, new) for old, new in env.items()}

    @on(Var, Buffer)
    def variable(self, old: Any) -> Any:
        """What stands for `old`."""
        found = self.env.get(id(old))
        return self.rewrite_variable(old) if found is None else found[1]


@explained("tir.stmt_functor.substitute")
def substitute(node: N, vmap: Mapping[Any, Any]) -> Any:
    """`node` with each variable (or buffer) in `vmap` replaced by what it maps to."""
    env = {}
    for old, new in vmap.items():
        key = old.var if isinstance(old, IterVar) else old
        env[key] = as_scalar(new, key.dtype) if isinstance(key, Var) else new
    return Substitute(env).run(node) if env else node


class _Renew(Rewriter):
    @on(Node)
    def node(self, node: Node) -> Any:
        """The node with what it defines replaced by copies, uses included."""
        if type(node).is_variable:
            return self.rewrite_variable(node)
        self._define_in(node)
        return self.rewrite_children(node)

    def _define_in(self, node: Node) -> None:
        for info in type(node).fields:
            value = getattr(node, info.name)
            if info.is_definition:
                self._define(value, not isinstance(node, DeclBuffer))
            elif info.is_binders:
                for binder in value:
                    self._define_in(binder)

    def _define(self, value: Any, owns_memory: bool) -> None:
        if isinstance(value, Var):
            self._copy_var(value)
        elif isinstance(value, Buffer):
            self._copy_buffer(value, owns_memory)
        elif isinstance(value, tuple):
            for item in value:
                self._define(item, owns_memory)
        elif isinstance(value, dict):
            for item in value.values():
                self._copy_sizes(item)
            for item in value.values():
                self._define(item, owns_memory)

    def _copy_var(self, var: Var) -> None:
        if id(var) not in self._variables:
            self._variables[id(var)] = (var, var.copy_with_name(var.name))

    def _copy_buffer(self, buffer: Buffer, owns_memory: bool) -> None:
        if id(buffer) in self._variables:
            return
        if owns_memory:
            self._copy_var(buffer.data)
            self._copy_sizes(buffer)
        self._variables[id(buffer)] = (buffer, self._copied(buffer))

    def _copy_sizes(self, buffer: Buffer) -> None:
        for part in (*buffer.shape, *buffer.strides, buffer.elem_offset):
            if isinstance(part, Var):
                self._copy_var(part)

    def _copied(self, buffer: Buffer) -> Buffer:
        names = ("data", "shape", "strides", "elem_offset")
        return rebuild(buffer, {name: self.rewrite(getattr(buffer, name)) for name in names})


@explained("tir.stmt_functor.renew_defs")
def renew_defs(func: N) -> N:
    """`func` with every variable, axis and buffer that it defines replaced by a copy."""
    made: N = _Renew().run(func)
    return made
