"""Conditions: how inequalities are written, and what their form tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.structural import structural_equal
from ..expr import EQ, LE, LT, And, Call, FloorDiv, FloorMod
from .numbers import fits
from .terms import Atom, Split, Sum


def conjuncts(condition: PrimExpr, *, opens_likely: bool = False) -> list[PrimExpr]:
    """The conditions that `condition` joins by `and`, in order; none for True.

    `likely(a and b)` is one of them, or, with `opens_likely`, two.
    """
    one: Any = condition
    if isinstance(one, And):
        return [
            *conjuncts(one.a, opens_likely=opens_likely),
            *conjuncts(one.b, opens_likely=opens_likely),
        ]
    if opens_likely and isinstance(one, Call) and getattr(one.op, "name", "") == "tir.likely":
        return conjuncts(one.args[0], opens_likely=True)  # type: ignore[arg-type]
    return [] if isinstance(one, IntImm) and one.value == 1 else [condition]


def tightened(bound: Any, rest: Any) -> PrimExpr:
    """`x < 20` next to `x % 5 < 2`, a condition on the rest of `x`, is `x < 17`."""
    made: PrimExpr = bound
    if type(rest) not in (LT, LE) or type(rest.a) is not FloorMod or type(bound) not in (LT, LE):
        return made
    limit, allowed, by = (getattr(n, "value", None) for n in (bound.b, rest.b, rest.a.b))
    if limit is None or allowed is None or by is None or by <= 0:
        return made
    most = limit - (type(bound) is LT)
    allowed -= type(rest) is LT
    if not 0 <= allowed < most % by or not structural_equal(bound.a, rest.a.a):
        return made
    return LT(bound.a, IntImm(bound.b.dtype, most - most % by + allowed + 1))


def fixes_quotient(condition: Any) -> bool:
    """True of `x // 8 == 3`."""
    return type(condition) is EQ and type(condition.a) is FloorDiv and type(condition.b) is IntImm


def inequality_of(slack: Sum, strict: bool) -> PrimExpr:
    """`slack >= 0` written with `<` or `<=`, as short as it gets."""
    left = {a: -c for a, c in slack.terms.items() if c < 0}
    right = {a: c for a, c in slack.terms.items() if c > 0}
    dtype, const = slack.dtype, slack.const
    if left and right and const in (0, -1):
        strict = const == -1
    make: Callable[..., PrimExpr] = LT if strict else LE
    limit = const + 1 if strict else const
    if not (left and right) and not fits(limit if left else -limit, dtype):
        return IntImm("bool", int(limit > 0))
    if not left:
        return make(IntImm(dtype, -limit), Sum(dtype, right, 0).expr())
    if not right:
        return make(Sum(dtype, left, 0).expr(), IntImm(dtype, limit))
    return make(*sides(dtype, left, right, limit))


def sides(
    dtype: str, left: dict[Atom, int], right: dict[Atom, int], const: int
) -> tuple[PrimExpr, PrimExpr]:
    """`left` and `right + const`: the constant within a quotient, or else not negative."""
    to_left = const < 0
    for atom, coefficient in (*left.items(), *right.items()) if const else ():
        if const % coefficient == 0 and isinstance(atom, Split) and atom.takes_constants():
            to_left = atom in left
            break
    if to_left:
        return Sum(dtype, left, -const).expr(), Sum(dtype, right, 0).expr()
    return Sum(dtype, left, 0).expr(), Sum(dtype, right, const).expr()


def is_least_rest(slack: Sum) -> bool:
    """True of the slack of `x % 4 <= 0`."""
    if slack.const or len(slack.terms) != 1:
        return False
    ((atom, sign),) = slack.terms.items()
    return sign < 0 and isinstance(atom, Split) and atom.upper is not None
