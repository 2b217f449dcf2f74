"""Which values a program writes over, once they have been read."""

from __future__ import annotations

from typing import Any

from ...ir.op import Op
from ..base import Expr
from ..expr import Call, Tuple, Var
from .variables import bindings_of, uses_of

VIEW_OPS = frozenset(("reshape", "expand_dims", "squeeze", "flatten"))
"""Operators, by their short names, whose results may share the memory of their arguments."""


def overwritten(program: Any) -> set[Var]:
    """The variables whose memory calls in a function or a block write over: what these take in
    place, and what that may be a view of.

    Their values are not to be shared with others: they must be computed, into memory of their own.
    """
    found: set[Var] = set()
    viewed: dict[Var, list[Var]] = {}
    for binding in bindings_of(program):
        value = binding.value
        if not isinstance(value, Call) or _short_name(value) in VIEW_OPS:
            viewed[binding.var] = uses_of(value)
        else:
            found.update(_taken_in_place(value))
    pending = list(found)
    while pending:
        for var in viewed.get(pending.pop(), ()):
            if var not in found:
                found.add(var)
                pending.append(var)
    return found


def _short_name(call: Call) -> str:
    return call.op.name.removeprefix("relax.") if isinstance(call.op, Op) else ""


def _taken_in_place(call: Call) -> list[Var]:
    given: tuple[Expr, ...]
    if _short_name(call) == "call_inplace_packed":
        given = call.args[1:]
    elif _short_name(call) == "call_tir_inplace":
        given = call.args[1].items if isinstance(call.args[1], Tuple) else (call.args[1],)
    else:
        return []
    places = [place for place in call.attrs["inplace_indices"] if place >= 0]
    return [var for place in places for var in uses_of(given[place])]
