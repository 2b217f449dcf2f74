"""Equality of expressions as written."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ..arith.simplifier import same


def expr_deep_equal(lhs: PrimExpr, rhs: PrimExpr) -> bool:
    """True if both are written alike, with the same variables."""
    return same(lhs, rhs)
