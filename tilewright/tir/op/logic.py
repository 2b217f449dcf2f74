"""Conditions, and choices between two values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...ir.expr import PrimExpr, PrimExprLike, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from .. import expr as E
from ..expr import Broadcast, Call, Select
from .arithmetic import not_equal
from .common import common
from .constant import const, const_value
from .declare import intrinsic

__all__ = [
    "all", "any", "if_then_else", "likely", "logical_and", "logical_not", "logical_or", "select",
]  # fmt: skip

intrinsic("likely")
intrinsic("if_then_else")


def truth(value: object, which: str) -> PrimExpr:
    """`value` as a condition of `which`; numbers of Python count as true unless 0."""
    made = as_scalar(value)
    if dtype_of(made.dtype).is_bool:
        return made
    if not isinstance(value, PrimExpr):
        return not_equal(made, const(0, made.dtype))
    raise ArgumentError(
        f"{which} needs conditions, found `{made}` of {made.dtype}", hint="compare it, as in x != 0"
    )


def logical_and(a: object, b: object, span: Any = None) -> PrimExpr:
    """Both conditions; a constant side folds."""
    x, y = common(truth(a, "logical_and"), truth(b, "logical_and"), "logical_and")
    for one, other in ((x, y), (y, x)):
        value = const_value(one)
        if value is not None:
            return other if value else one
    return E.And(x, y, span=span)


def logical_or(a: object, b: object, span: Any = None) -> PrimExpr:
    """Either condition; a constant side folds."""
    x, y = common(truth(a, "logical_or"), truth(b, "logical_or"), "logical_or")
    for one, other in ((x, y), (y, x)):
        value = const_value(one)
        if value is not None:
            return one if value else other
    return E.Or(x, y, span=span)


def logical_not(a: object, span: Any = None) -> PrimExpr:
    """The opposite condition; a constant folds."""
    x = truth(a, "logical_not")
    value = const_value(x)
    return const(int(not value), x.dtype) if value is not None else E.Not(x, span=span)


def all(*conditions: object, span: Any = None) -> PrimExpr:
    """Every one of the conditions. Raises `ArgumentError` if there are none."""
    return _joined("all", logical_and, conditions, span)


def any(*conditions: object, span: Any = None) -> PrimExpr:
    """At least one of the conditions. Raises `ArgumentError` if there are none."""
    return _joined("any", logical_or, conditions, span)


def every(conditions: Iterable[object]) -> PrimExpr:
    """Every one of the conditions: true if there are none."""
    parts = tuple(conditions)
    return all(*parts) if parts else const(1, "bool")


def some(conditions: Iterable[object]) -> PrimExpr:
    """At least one of the conditions: false if there are none."""
    parts = tuple(conditions)
    return any(*parts) if parts else const(0, "bool")


def _joined(
    which: str, join: Callable[..., PrimExpr], conditions: Sequence[object], span: Any
) -> PrimExpr:
    if not conditions:
        raise ArgumentError(f"`{which}` needs at least one condition, found none", span)
    result = as_scalar(conditions[0])
    for condition in conditions[1:]:
        result = join(result, condition, span)
    return result


def select(condition: object, yes: object, no: object, span: Any = None) -> PrimExpr:
    """`yes` where `condition` holds, else `no`; both are computed."""
    a, b = common(yes, no, "select")
    test = truth(condition, "select")
    value = const_value(test)
    if value is not None:
        return a if value else b
    if dtype_of(test.dtype).lanes == 1 and (lanes := dtype_of(a.dtype).lanes) > 1:
        test = Broadcast(test, lanes)
    return Select(test, a, b, span=span)


def if_then_else(cond: object, t: object, f: object, span: Any = None) -> PrimExpr:
    """`t` if `cond` else `f`; only the one taken is computed."""
    a, b = common(t, f, "if_then_else")
    test = truth(cond, "if_then_else")
    value = const_value(test)
    if value is not None:
        return a if value else b
    return Call(a.dtype, "tir.if_then_else", (test, a, b), span=span)


def likely(cond: PrimExprLike, span: Any = None) -> PrimExpr:
    """`cond`, which is nearly always true."""
    test = as_scalar(cond)
    return test if const_value(test) is not None else Call(test.dtype, "tir.likely", (test,))
