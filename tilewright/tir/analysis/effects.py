"""What an expression may do besides giving a value."""

from __future__ import annotations

from ...ir.node import Node, children
from ..arith.canonical import effect_of
from ..expr import Call, CallEffectKind


def has_effects(expr: Node) -> bool:
    """True if `expr` calls what may do more than give a value from what it is given and memory."""
    if isinstance(expr, Call) and effect_of(expr) > CallEffectKind.ReadState:
        return True
    return any(has_effects(child) for child in children(expr))
