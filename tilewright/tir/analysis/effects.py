"""Whether what is computed may be computed somewhere else than it stands."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.node import Node, children
from ...ir.op import Op
from ..arith.canonical import effect_of, reads_memory
from ..expr import Call, CallEffectKind, Div, FloorDiv, FloorMod, Mod
from ..stmt import BufferStore, Evaluate, For, Stmt, While


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
