"""What integers may be where their variables lie in ranges: exact where each has one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ...ir.expr import IntImm, PrimExpr
from ..expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    Call,
    Cast,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    Sub,
    Var,
)

Ends: TypeAlias = "tuple[int, int]"
"""The least and the largest value; of a condition 0 is false and 1 is true."""

Box: TypeAlias = Mapping[Var, Ends]

NEVER, MAYBE, ALWAYS = (0, 0), (0, 1), (1, 1)

HELD: dict[str, Ends] = {"int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1)}
"""What indices hold."""


def ends(expr: PrimExpr, box: Box) -> Ends | None:
    """Numbers between which `expr` lies for all values in `box`; its value, twice, where each
    variable has one. None if it is not known, or may be more than its type holds."""
    handler = _ENDS.get(type(expr))
    return None if handler is None else handler(expr, box)


def _two(combine: Callable[[Ends, Ends], Ends | None]) -> Callable[[Any, Box], Ends | None]:
    """A handler for nodes of two sides: what `combine` makes of what these may be."""

    def handler(expr: Any, box: Box) -> Ends | None:
        a, b = ends(expr.a, box), ends(expr.b, box)
        return None if a is None or b is None else _held(combine(a, b), expr.dtype)

    return handler


def _held(found: Ends | None, dtype: str) -> Ends | None:
    """`found`, if an index or a condition of type `dtype` can be all of that."""
    if dtype == "bool" or found is None:
        return found
    least, most = HELD.get(dtype, (1, 0))
    return found if least <= found[0] and found[1] <= most else None


def _product(a: Ends, b: Ends) -> Ends:
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def _quotient(a: Ends, b: Ends) -> Ends | None:
    by = b[0]
    return (a[0] // by, a[1] // by) if b[1] == by > 0 else None


def _rest(a: Ends, b: Ends) -> Ends | None:
    by = b[0]
    if not b[1] == by > 0:
        return None
    return (a[0] % by, a[1] % by) if a[0] // by == a[1] // by else (0, by - 1)


def _less(a: Ends, b: Ends) -> Ends:
    return ALWAYS if a[1] < b[0] else NEVER if a[0] >= b[1] else MAYBE


def _equal(a: Ends, b: Ends) -> Ends:
    if a[1] < b[0] or b[1] < a[0]:
        return NEVER
    return ALWAYS if a[0] == a[1] == b[0] == b[1] else MAYBE


def _not(a: Ends) -> Ends:
    return 1 - a[1], 1 - a[0]


def _converted(expr: Cast, box: Box) -> Ends | None:
    return None if expr.dtype == "bool" else _held(ends(expr.value, box), expr.dtype)


def _negation(expr: Not, box: Box) -> Ends | None:
    found = ends(expr.a, box)
    return None if found is None else _not(found)


def _call(call: Call, box: Box) -> Ends | None:
    name, args = getattr(call.op, "name", ""), cast("tuple[PrimExpr, ...]", call.args)
    if name == "tir.likely":
        return ends(args[0], box)
    return _choice(args, box) if name == "tir.if_then_else" else None


def _choice(parts: tuple[PrimExpr, ...], box: Box) -> Ends | None:
    condition = ends(parts[0], box)
    if condition is None or condition != MAYBE:
        return None if condition is None else ends(parts[1 if condition == ALWAYS else 2], box)
    a, b = ends(parts[1], box), ends(parts[2], box)
    return None if a is None or b is None else (min(a[0], b[0]), max(a[1], b[1]))


def _as_not_negative(combine: Callable[[Ends, Ends], Ends | None]) -> Any:
    """Of a division that rounds to zero, which does what the one that rounds down does there."""
    return _two(lambda a, b: combine(a, b) if a[0] >= 0 else None)


_ENDS: dict[type[PrimExpr], Callable[[Any, Box], Ends | None]] = {
    IntImm: lambda constant, _: (constant.value, constant.value),
    Var: lambda var, box: box.get(var),
    Add: _two(lambda a, b: (a[0] + b[0], a[1] + b[1])),
    Sub: _two(lambda a, b: (a[0] - b[1], a[1] - b[0])),
    Mul: _two(_product),
    FloorDiv: _two(_quotient),
    FloorMod: _two(_rest),
    Div: _as_not_negative(_quotient),
    Mod: _as_not_negative(_rest),
    Min: _two(lambda a, b: (min(a[0], b[0]), min(a[1], b[1]))),
    Max: _two(lambda a, b: (max(a[0], b[0]), max(a[1], b[1]))),
    LT: _two(_less),
    GE: _two(lambda a, b: _not(_less(a, b))),
    GT: _two(lambda a, b: _less(b, a)),
    LE: _two(lambda a, b: _not(_less(b, a))),
    EQ: _two(_equal),
    NE: _two(lambda a, b: _not(_equal(a, b))),
    And: _two(lambda a, b: (min(a[0], b[0]), min(a[1], b[1]))),
    Or: _two(lambda a, b: (max(a[0], b[0]), max(a[1], b[1]))),
    Not: _negation,
    Cast: _converted,
    Call: _call,
    Select: lambda choice, box: _choice(
        (choice.condition, choice.true_value, choice.false_value), box
    ),
}
