"""NameExtents: what kernels know of images deep in a network is their own height and width.

    x: (1, 64, (h + 7) // 8, w), y: (1, 64, (h + 15) // 16, w), h: int64
->  x: (1, 64, h_8, w), y: (1, 64, (h_8 + 1) // 2, w), h: int64

A height that every index is compared with is then one number, not a division, in the proofs of the
compiler and in the code it makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.transform import Pass, PassContext
from ...tir import op as O
from ...tir.analysis import undefined_vars
from ...tir.expr import Add, FloorDiv, Sub, Var
from ...tir.function import PrimFunc
from ...tir.transform import prim_func_pass


@dataclass(frozen=True, slots=True)
class Quotient:
    """`(var + shift) // divisor`."""

    var: Var
    shift: int
    divisor: int


def quotient(expr: PrimExpr) -> Quotient | None:
    """`expr` as one division of a variable, where it is additions of and divisions by constants."""
    if isinstance(expr, Var):
        return Quotient(expr, 0, 1)
    if not isinstance(expr, (Add, Sub, FloorDiv)) or not isinstance(expr.b, IntImm):
        return None
    inner, number = quotient(expr.a), expr.b.value
    if inner is None:
        return None
    if isinstance(expr, FloorDiv):
        made = Quotient(inner.var, inner.shift, inner.divisor * number)
        return made if number > 0 else None
    moved = number if isinstance(expr, Add) else -number
    return Quotient(inner.var, inner.shift + moved * inner.divisor, inner.divisor)


class _InTermsOf(Rewriter):
    """Writes quotients of a variable that follow from `known` as such of `name`, its value."""

    def __init__(self, known: Quotient, name: Var) -> None:
        self.known, self.name = known, name

    @on(Add, Sub, FloorDiv)
    def quotient(self, expr: Any) -> object:
        """(h + 15) // 16   ->   (h_8 + 1) // 2,   where h_8 = (h + 7) // 8"""
        found, known = quotient(expr), self.known
        if found is None or found.var is not known.var:
            return self.rewrite_children(expr)
        shift = found.shift - known.shift
        if found.divisor % known.divisor or shift % known.divisor:
            return self.rewrite_children(expr)
        dtype = self.name.dtype
        numerator = O.add(self.name, IntImm(dtype, shift // known.divisor))
        return O.floordiv(numerator, IntImm(dtype, found.divisor // known.divisor))


def _named(func: PrimFunc, var: Var) -> PrimFunc:
    """`func` with a name for what all its extents need of `var`; as it is if they need it whole."""
    dims = [d for buffer in func.buffer_map.values() for d in buffer.shape]
    found = [q for q in map(quotient, dims) if q is not None and q.var is var]
    if not found or min(q.divisor for q in found) == 1:
        return func
    known = min(found, key=lambda q: q.divisor)
    name = Var(f"{var.name}_{known.divisor}", var.dtype)
    made: PrimFunc = _InTermsOf(known, name).run(func.replace(params=_handles(func)))
    return func if var in undefined_vars(made) else made.replace(params=func.params)


def _handles(func: PrimFunc) -> tuple[Var, ...]:
    return tuple(p for p in func.params if p in func.buffer_map)


def _name_extents(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
    for var in func.params:
        if var not in func.buffer_map and var.dtype == "int64":
            func = _named(func, var)
    return func


def NameExtents() -> Pass:
    """A pass that gives kernels variables for heights and widths that follow from others."""
    made: Pass = prim_func_pass(_name_extents, opt_level=0, name="NameExtents")
    return made
