"""Whether an expression may be computed somewhere else than it stands."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.node import Node, children
from ..arith.canonical import effect_of, reads_memory
from ..expr import Call, CallEffectKind, Div, FloorDiv, FloorMod, Mod


def may_trap(expr: Node) -> bool:
    """True if computing `expr` where it was not computed before may fail: a division."""
    if isinstance(expr, (Div, Mod, FloorDiv, FloorMod)):
        divisor = expr.b
        if not isinstance(divisor, IntImm) or divisor.value == 0:
            return True
    return any(may_trap(child) for child in children(expr))


def has_effects(expr: Node) -> bool:
    """True if `expr` calls what may do more than give a value from what it is given and memory."""
    if isinstance(expr, Call) and effect_of(expr) > CallEffectKind.ReadState:
        return True
    return any(has_effects(child) for child in children(expr))


def is_movable(expr: Node) -> bool:
    """True if `expr` has the same value wherever its variables are defined, and never fails."""
    return not reads_memory(expr) and not may_trap(expr)
