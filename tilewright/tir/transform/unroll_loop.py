"""Loops written out."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.node import Node
from ...support.errors import CompileError
from .. import op as O
from ..buffer import Buffer
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferStore, Evaluate, For, ForKind, Stmt, stmt_seq
from ..stmt_functor import post_order_visit, renew_defs, substitute
from .base import factory

LIMIT = 4096


class _Unroll(Rewriter):
    """Unrolls inner loops first, so that a body is simplified once before it is copied."""

    def __init__(self) -> None:
        self.max_step = 0
        self.explicit = True

    @on(Buffer, PrimExpr)
    def leaf(self, node: Node) -> Node:
        """No loops within expressions."""
        return node

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Pragmas say how much to unroll inside; they go."""
        if node.attr_key not in ("pragma_auto_unroll_max_step", "pragma_unroll_explicit"):
            return self.rewrite_children(node)
        before = self.max_step, self.explicit
        if node.attr_key == "pragma_auto_unroll_max_step":
            self.max_step = int(O.const_value(node.value) or 0)
        else:
            self.explicit = bool(O.const_value(node.value))
        body: Stmt = self.rewrite(node.body)
        self.max_step, self.explicit = before
        return body

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i in unroll(2): f(i)   ->   f(0); f(1)"""
        body: Stmt = self.rewrite(loop.body)
        asked = loop.kind == ForKind.UNROLLED
        if not asked and not self._is_small(loop, body):
            return loop.replace(body=body)
        if not isinstance(loop.extent, IntImm):
            if asked:
                return loop.replace(kind=ForKind.SERIAL, body=body)
            return loop.replace(body=body)
        if loop.extent.value > LIMIT:
            raise CompileError(
                f"loop `{loop.loop_var.name}` of {loop.extent.value} iterations is to be unrolled",
                loop.span, hint=f"at most {LIMIT} iterations are",
            )  # fmt: skip
        return _copies(loop, body, loop.extent.value)

    def _is_small(self, loop: For, body: Stmt) -> bool:
        if not self.max_step or not self.explicit or loop.kind != ForKind.SERIAL:
            return False
        if not isinstance(loop.extent, IntImm) or loop.annotations:
            return False
        return loop.extent.value * _steps(body) <= self.max_step


def _steps(body: Stmt) -> int:
    count = 0

    def look(node: Node) -> None:
        nonlocal count
        count += isinstance(node, (BufferStore, Evaluate))
        if isinstance(node, For):
            count += LIMIT

    post_order_visit(body, look)
    return count


def _copies(loop: For, body: Stmt, count: int) -> Stmt:
    defines = _defines(body)
    copies: list[Stmt] = []
    for step in range(count):
        value: Any = O.add(loop.min, IntImm(loop.loop_var.dtype, step))
        copy: Stmt = substitute(body, {loop.loop_var: value})
        copies.append(renew_defs(copy) if defines and step else copy)
    return stmt_seq(*copies)


def _defines(body: Stmt) -> bool:
    found: list[Node] = []

    def look(node: Node) -> None:
        kind = type(node)
        if not kind.is_variable and any(f.is_definition for f in kind.fields):
            found.append(node)

    post_order_visit(body, look)
    return bool(found)


@factory
def UnrollLoop(func: PrimFunc) -> PrimFunc:
    """for i in unroll(2): A[i] = 0   ->   A[0] = 0; A[1] = 0"""
    return func.replace(body=_Unroll().run(func.body))
