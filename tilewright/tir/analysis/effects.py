"""Whether an expression may be computed somewhere else than it stands."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.node import Node, children
from ..arith.canonical import reads_memory
from ..expr import Div, FloorDiv, FloorMod, Mod


def may_trap(expr: Node) -> bool:
    """True if computing `expr` where it was not computed before may fail: a division."""
    if isinstance(expr, (Div, Mod, FloorDiv, FloorMod)):
        divisor = expr.b
        if not isinstance(divisor, IntImm) or divisor.value == 0:
            return True
    return any(may_trap(child) for child in children(expr))


def is_movable(expr: Node) -> bool:
    """True if `expr` has the same value wherever its variables are defined, and never fails."""
    return not reads_memory(expr) and not may_trap(expr)
