"""The forms in which `Analyzer.rewrite_simplify` and `canonical_simplify` leave expressions."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.node import Node
from ..expr import Add, And, CmpExpr, FloorDiv, FloorMod, Mod, Mul, Sub
from .canonical import INDEX_TYPES
from .rules import RuleSet
from .terms import depends_on_data


class Rewritten(Rewriter):
    """Indices by the rules of `tables`, the innermost first, as long as one fits."""

    def __init__(self, *tables: RuleSet) -> None:
        super().__init__()
        self.tables = tables

    def rewrite_variable(self, variable: Node) -> Node:
        """Variables stay, and buffers with their shapes."""
        return variable

    @on(Add, Sub, Mul, FloorDiv, FloorMod, Mod, And)
    def ruled(self, value: PrimExpr) -> PrimExpr:
        made = self.rewrite_children(value)
        found = self._found(made)
        return made if found is None else self.ruled(found)

    def _found(self, value: PrimExpr) -> PrimExpr | None:
        """`value` by the first rule that holds of it."""
        is_index = _operand_type(value) in INDEX_TYPES
        for table in self.tables if is_index else ():
            found = table.apply(value)
            if found is not None and (table.wraps or not depends_on_data(value)):
                return found
        return None


def _operand_type(value: PrimExpr) -> str:
    """The type of what is computed or, in conditions, compared."""
    inner = value.a if isinstance(value, And) else value
    return inner.a.dtype if isinstance(inner, CmpExpr) else inner.dtype
