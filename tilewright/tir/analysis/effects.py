"""What expressions and statements may do besides giving a value."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.node import Node, children
from ...ir.op import Op
from ..arith.canonical import effect_of
from ..expr import Call, CallEffectKind
from ..stmt import Evaluate, For, Stmt, While


def has_effects(expr: Node) -> bool:
    """True if `expr` calls what may do more than give a value from what it is given and memory."""
    if isinstance(expr, Call) and effect_of(expr) > CallEffectKind.ReadState:
        return True
    return any(has_effects(child) for child in children(expr))


BREAK, CONTINUE, RETURN = map(Op.get, ("tir.break_loop", "tir.continue_loop", "tir.ret"))


def is_left_early(body: Stmt | None) -> bool:
    """True if `break` or `continue` in `body` ends an iteration of the loop around it: the body
    has to stay within a loop, and each iteration for itself."""
    return any(call.op in (BREAK, CONTINUE) for call, _ in _calls(body, into_loops=False))


def has_way_out(body: Stmt) -> bool:
    """True if a loop of this body can end otherwise than by its condition: by `break`, or with the
    function."""
    return any(
        call.op is RETURN or (call.op is BREAK and not is_inner)
        for call, is_inner in _calls(body, into_loops=True)
    )


def has_jump(body: Stmt) -> bool:
    """True if `break`, `continue` or a return stands in this body."""
    jumps = (BREAK, CONTINUE, RETURN)
    return any(call.op in jumps for call, _ in _calls(body, into_loops=True))


def _calls(body: Stmt | None, into_loops: bool) -> Iterator[tuple[Call, bool]]:
    """The calls that are statements of `body`, and whether they are those of a loop in it."""
    pending: list[tuple[Node, bool]] = [] if body is None else [(body, False)]
    while pending:
        node, is_inner = pending.pop()
        if isinstance(node, Evaluate):
            if isinstance(node.value, Call):
                yield node.value, is_inner
        elif into_loops or not isinstance(node, (For, While)):
            inner = is_inner or isinstance(node, (For, While))
            pending.extend((child, inner) for child in children(node) if isinstance(child, Stmt))
