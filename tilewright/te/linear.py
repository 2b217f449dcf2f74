"""Indices as sums of terms: just enough algebra to see that two differ by a constant."""

from __future__ import annotations

from ..ir.expr import IntImm, PrimExpr
from ..tir.expr import Add, Cast, Mul, Sub, Var

Terms = dict[int, int]


def _collect(value: PrimExpr, factor: int, terms: Terms) -> int | None:
    """Adds `factor * value` to `terms` and returns the constant part; None if it is not linear."""
    if isinstance(value, IntImm):
        return factor * value.value
    if isinstance(value, Var):
        terms[id(value)] = terms.get(id(value), 0) + factor
        return 0
    if isinstance(value, Cast):
        return _collect(value.value, factor, terms)
    if isinstance(value, (Add, Sub)):
        left = _collect(value.a, factor, terms)
        right = _collect(value.b, -factor if isinstance(value, Sub) else factor, terms)
        return None if left is None or right is None else left + right
    if isinstance(value, Mul):
        for constant, other in ((value.b, value.a), (value.a, value.b)):
            if isinstance(constant, IntImm):
                return _collect(other, factor * constant.value, terms)
    terms[id(value)] = terms.get(id(value), 0) + factor
    return 0


def difference(a: PrimExpr, b: PrimExpr) -> int | None:
    """The constant `a - b`; None if they do not differ by one."""
    terms: Terms = {}
    left = _collect(a, 1, terms)
    right = _collect(b, -1, terms)
    if left is None or right is None or any(terms.values()):
        return None
    return left + right
