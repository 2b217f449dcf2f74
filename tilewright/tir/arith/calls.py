"""Calls that simplification knows: conditional values, and what constants make of others."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf, log2
from typing import Any

from ...ir.expr import FloatImm, IntImm, PrimExpr
from ...ir.functor import post_order_visit
from ...support.dtypes import dtype_of
from .. import op as O
from ..expr import BufferLoad, Call, Div, FloorDiv, FloorMod, Mod, ProducerLoad, Select


def conditional_args(value: PrimExpr) -> tuple[Any, ...] | None:
    """The arguments of a call of `if_then_else`."""
    if isinstance(value, Call) and getattr(value.op, "name", "") == "tir.if_then_else":
        return value.args
    return None


_MAY_FAIL = (BufferLoad, ProducerLoad, Div, Mod, FloorDiv, FloorMod)
"""What an `if_then_else` may guard: places outside of a buffer, divisors that are zero."""


def has_guard(value: PrimExpr) -> bool:
    """True if an `if_then_else` in `value` chooses what might fail where it is not chosen."""
    found: list[PrimExpr] = []

    def look(part: Any) -> None:
        if isinstance(part, _MAY_FAIL):
            found.append(part)

    def look_for_choice(part: Any) -> None:
        for side in (conditional_args(part) or ())[1:]:
            post_order_visit(side, look)

    post_order_visit(value, look_for_choice)
    return bool(found)


def choices_in(values: list[PrimExpr]) -> list[PrimExpr]:
    """Each `Select` and `if_then_else` in `values`."""
    found: list[PrimExpr] = []

    def look(part: Any) -> None:
        if isinstance(part, Select) or conditional_args(part) is not None:
            found.append(part)

    post_order_visit(values, look)
    return found


def fold_call(name: str, call: Any) -> PrimExpr:
    """A shift, an operation on bits or their count, or a rounding, of constants, folded."""
    maker = _FOLDERS.get(name)
    if maker is None or not all(isinstance(a, (IntImm, FloatImm)) for a in call.args):
        return _rounded_logarithm(call) if name == "tir.ceil" else call
    return maker(*call.args)


def _rounded_logarithm(call: Call) -> PrimExpr:
    """`ceil(log2(14.0)) -> 4.0`."""
    inner: Any = call.args[0]
    if isinstance(inner, Call) and getattr(inner.op, "name", "") == "tir.log2":
        of = inner.args[0]
        if isinstance(of, FloatImm) and 0 < of.value < inf:
            return FloatImm(call.dtype, float(ceil(log2(of.value))))
    return call


def _leading_zeros(value: IntImm) -> IntImm:
    bits = dtype_of(value.dtype).bits
    return IntImm("int32", bits - O.wrap(value.value, f"uint{bits}").bit_length())


_FOLDERS: dict[str, Callable[..., PrimExpr]] = {
    "tir.shift_left": O.shift_left, "tir.shift_right": O.shift_right,
    "tir.bitwise_and": O.bitwise_and, "tir.bitwise_or": O.bitwise_or,
    "tir.bitwise_xor": O.bitwise_xor, "tir.bitwise_not": O.bitwise_not, "tir.clz": _leading_zeros,
    "tir.ceil": O.ceil, "tir.floor": O.floor, "tir.trunc": O.trunc, "tir.round": O.round,
    "tir.nearbyint": O.nearbyint,
}  # fmt: skip
