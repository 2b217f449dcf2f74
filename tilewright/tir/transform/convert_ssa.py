"""Every variable defined once."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.node import Node
from ..analysis.verify import verify_ssa
from ..expr import Let, Var
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, For, LetStmt
from ..stmt_functor import substitute
from .base import factory


class _Ssa(Rewriter):
    def __init__(self) -> None:
        self.seen: set[Var] = set()

    @on(For, LetStmt, Let, Allocate, AllocateConst)
    def definition(self, node: Any) -> Node:
        """A variable defined before gets another object here."""
        name = (
            "loop_var" if isinstance(node, For) else "var" if hasattr(node, "var") else "buffer_var"
        )
        var = getattr(node, name)
        if var in self.seen:
            fresh = var.copy_with_name(var.name)
            body = substitute(node.body, {var: fresh})
            node = node.replace(**{name: fresh, "body": body})
            var = fresh
        self.seen.add(var)
        return self.rewrite_children(node)  # type: ignore[no-any-return]


@factory
def ConvertSSA(func: PrimFunc) -> PrimFunc:
    """for i: A; for i: B   ->   for i: A; for i_1: B"""
    if verify_ssa(func):
        return func
    return func.replace(body=_Ssa().run(func.body))
