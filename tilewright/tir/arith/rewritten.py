"""The form in which `Analyzer.rewrite_simplify` leaves sums."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.node import Node
from ..expr import Add, Sub
from .canonical import INDEX_TYPES
from .rules import REWRITTEN


class Rewritten(Rewriter):
    """`x - 2 -> x + -2` and `x * 2 + y * 2 -> (x + y) * 2`, of indices."""

    def rewrite_variable(self, variable: Node) -> Node:
        """Variables stay, and buffers with their shapes."""
        return variable

    @on(Add, Sub)
    def total(self, value: Add | Sub) -> PrimExpr:
        made = self.rewrite_children(value)
        found = REWRITTEN.apply(made) if made.dtype in INDEX_TYPES else None
        return made if found is None else found
