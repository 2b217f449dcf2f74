"""Integer division that cannot trap, and what is known of signs to make it cheap."""

from __future__ import annotations

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import DType
from tilewright.tir import expr as E
from tilewright.tir.expr import BinaryOpExpr

from .builder import Value, constant, int_of, wrapped
from .emitter import FunctionEmitter


def _literal(node: PrimExpr) -> int | None:
    if isinstance(node, E.Broadcast):
        node = node.value
    return node.value if isinstance(node, IntImm) else None


def integer_division(
    e: FunctionEmitter,
    node: BinaryOpExpr,
    info: DType,
    a: Value,
    b: Value,
    *,
    remainder: bool,
    floor: bool,
) -> Value:
    """Quotient or remainder; by zero it is 0, and the one overflow wraps around."""
    if info.is_bool:
        return constant(a.type, False) if remainder else a
    divisor = _literal(node.b)
    unsigned = not info.is_int or (
        divisor is not None and divisor > 0 and is_never_negative(e, node.a)
    )
    if divisor is not None:
        if divisor == 0:
            return constant(a.type, 0)
        if divisor == 1 or (divisor == -1 and remainder):
            return constant(a.type, 0) if remainder else a
        if divisor == -1:
            return e.b.binary("sub", constant(a.type, 0), a)
        return _divided(e, a, b, divisor, unsigned, remainder, floor)
    zero, one = constant(a.type, 0), constant(a.type, 1)
    by_zero = e.b.compare("eq", b, zero)
    trap = by_zero
    if not unsigned:
        lowest = constant(a.type, -(1 << (info.bits - 1)))
        minus = constant(a.type, -1)
        overflow = e.b.binary("and", e.b.compare("eq", a, lowest), e.b.compare("eq", b, minus))
        trap = e.b.binary("or", by_zero, overflow)
    safe = e.b.select(trap, one, b)
    out = _divided(e, a, safe, None, unsigned, remainder, floor)
    return out if remainder else e.b.select(by_zero, zero, out)


def _divided(
    e: FunctionEmitter,
    a: Value,
    b: Value,
    divisor: int | None,
    unsigned: bool,
    remainder: bool,
    floor: bool,
) -> Value:
    kind = "u" if unsigned else "s"
    x = int_of(a)
    if unsigned and divisor is not None and x is not None and x >= 0:
        return wrapped(a.type, x % divisor if remainder else x // divisor)
    if unsigned or not floor:
        return e.b.binary(f"{kind}{'rem' if remainder else 'div'}", a, b)
    bits = int(a.type.split("i")[1].rstrip(">"))
    if divisor is not None and divisor & (divisor - 1) == 0:
        if remainder:
            return e.b.binary("and", a, constant(a.type, divisor - 1))
        return e.b.binary("ashr", a, constant(a.type, divisor.bit_length() - 1))
    rest = e.b.binary("srem", a, b)
    zero, shift = constant(a.type, 0), constant(a.type, bits - 1)
    if divisor is not None and divisor > 0:
        below = e.b.binary("ashr", rest, shift)  # -1 where the remainder is negative
    else:
        signs = e.b.binary("ashr", e.b.binary("xor", rest, b), shift)
        inexact = e.b.compare("ne", rest, zero)
        below = e.b.select(inexact, signs, zero)
    if remainder:
        return e.b.binary("add", rest, e.b.binary("and", below, b))
    return e.b.binary("add", e.b.binary("sdiv", a, b), below)


def is_never_negative(e: FunctionEmitter, node: PrimExpr) -> bool:
    """Whether an integer is known to be at least zero, as indices mostly are."""
    if isinstance(node, IntImm):
        return node.value >= 0
    if isinstance(node, E.SizeVar):
        return True
    if isinstance(node, E.Var):
        return e.is_never_negative(node)
    if isinstance(node, (E.Add, E.Mul, E.Min, E.FloorDiv, E.Div)) and e.in_index:
        return is_never_negative(e, node.a) and is_never_negative(e, node.b)
    if isinstance(node, E.FloorMod):
        return is_never_negative(e, node.b)
    if isinstance(node, E.Ramp):
        return is_never_negative(e, node.base) and is_never_negative(e, node.stride)
    if isinstance(node, E.Broadcast):
        return is_never_negative(e, node.value)
    return False
