"""Operations on the bits of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import OPERATORS, IntImm, PrimExpr, PrimExprLike, as_scalar
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..expr import Call
from .common import common
from .constant import const_value, folded
from .declare import intrinsic

__all__ = [
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "clz", "popcount", "shift_left",
    "shift_right",
]  # fmt: skip


def _bits(name: str, doc: str, fold: Callable[[int, int], int]) -> Callable[..., PrimExpr]:
    op = intrinsic(name, numpy=fold)
    shifts = name.startswith("shift")

    def make(x: object, y: object, span: Any = None) -> PrimExpr:
        a, b = common(x, y, name)
        if not dtype_of(a.dtype).is_integral:
            raise ArgumentError(f"{name} needs integers, found {a.dtype}")
        p, q = const_value(a), const_value(b)
        if shifts and q is not None and not 0 <= q < dtype_of(a.dtype).bits:
            raise ArgumentError(f"{name} of a {a.dtype} by {q} bits")
        if isinstance(p, int) and isinstance(q, int):
            return folded(fold(p, q), a.dtype)
        return Call(a.dtype, op, (a, b), span=span)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


shift_left = _bits("shift_left", "`x` shifted left by `y` bits.", lambda p, q: p << q)
shift_right = _bits(
    "shift_right", "`x` shifted right by `y` bits, the sign filling in.", lambda p, q: p >> q
)
bitwise_and = _bits("bitwise_and", "The bits set in both.", lambda p, q: p & q)
bitwise_or = _bits("bitwise_or", "The bits set in either.", lambda p, q: p | q)
bitwise_xor = _bits("bitwise_xor", "The bits set in one only.", lambda p, q: p ^ q)
_BITWISE_NOT = intrinsic("bitwise_not", numpy=np.invert)
_POPCOUNT = intrinsic("popcount")
_CLZ = intrinsic("clz")


def bitwise_not(x: PrimExprLike, span: Any = None) -> PrimExpr:
    """Every bit turned."""
    value = as_scalar(x)
    if not dtype_of(value.dtype).is_integral:
        raise ArgumentError(
            f"bitwise_not needs an integer, found {value.dtype}",
            hint="the bits of a float are `T.reinterpret`ed as an integer of its width",
        )
    if isinstance(value, IntImm):
        turned = 1 - value.value if value.dtype == "bool" else ~value.value
        return folded(turned, value.dtype)
    return Call(value.dtype, _BITWISE_NOT, (value,), span=span)


def popcount(x: PrimExprLike) -> PrimExpr:
    """The number of bits set, in the type of `x`."""
    value = as_scalar(x)
    return Call(value.dtype, _POPCOUNT, (value,))


def clz(x: PrimExprLike) -> PrimExpr:
    """The number of leading zero bits; the width for 0."""
    return Call("int32", _CLZ, (as_scalar(x),))


OPERATORS.update(
    shift_left=shift_left, shift_right=shift_right, bitwise_and=bitwise_and,
    bitwise_or=bitwise_or, bitwise_xor=bitwise_xor, bitwise_not=bitwise_not,
)  # fmt: skip
