"""What expressions and statements may do besides giving a value."""

from __future__ import annotations

from ...ir.node import Node, children
from ...ir.op import Op
from ..arith.canonical import effect_of
from ..expr import Call, CallEffectKind
from ..stmt import BufferStore, Evaluate, For, Stmt, While


def has_effects(expr: Node) -> bool:
    """True if `expr` calls what may do more than give a value from what it is given and memory."""
    if isinstance(expr, Call) and effect_of(expr) > CallEffectKind.ReadState:
        return True
    return any(has_effects(child) for child in children(expr))


BREAK, CONTINUE = Op.get("tir.break_loop"), Op.get("tir.continue_loop")


def is_left_early(body: Stmt | None) -> bool:
    """True if `break` or `continue` in `body` ends an iteration of the loop around it: the body
    has to stay within a loop, and each iteration for itself."""
    pending: list[Node] = [] if body is None else [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Evaluate):
            if isinstance(node.value, Call) and node.value.op in (BREAK, CONTINUE):
                return True
        elif not isinstance(node, (For, While, BufferStore)):
            pending.extend(child for child in children(node) if isinstance(child, Stmt))
    return False
