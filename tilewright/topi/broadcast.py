"""Operators of two operands, broadcast against each other: one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..te.tensor import TENSOR_OPERATORS, Tensor, as_shape
from ..tir import op
from ..tir.op.elementary import integral_power
from . import tag
from .kinds import Operand
from .utils import as_tuple, compute, const_or_none, equal_const_int, same_dim, truth

__all__ = [
    "add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor", "broadcast_to", "divide",
    "elemwise_sum", "equal", "floor_divide", "floor_mod", "greater", "greater_equal", "left_shift",
    "less", "less_equal", "log_add_exp", "logical_and", "logical_or", "logical_xor", "maximum",
    "minimum", "mod", "multiply", "not_equal", "power", "right_shift", "subtract", "trunc_divide",
    "trunc_mod", "where",
]  # fmt: skip


def broadcast_dim(a: PrimExpr, b: PrimExpr) -> PrimExpr:
    """The dimension that `a` and `b` broadcast to. Raises `ArgumentError` if they cannot."""
    if same_dim(a, b):
        return a
    x, y = const_or_none(a), const_or_none(b)
    if x == 1:
        return b
    if y == 1:
        return a
    if x is not None and y is not None:
        raise ArgumentError(f"dimensions {x} and {y} cannot be broadcast")
    if x is not None:
        return a
    return b if y is not None else op.select(op.equal(a, 1), b, a)


def broadcast_shapes(*shapes: Sequence[PrimExpr]) -> tuple[PrimExpr, ...]:
    """The shape that all of `shapes` broadcast to, aligned at the last dimension."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[PrimExpr] = []
    for axis in range(rank):
        dims = [s[axis - (rank - len(s))] for s in shapes if axis >= rank - len(s)]
        dim = dims[0]
        for other in dims[1:]:
            dim = broadcast_dim(dim, other)
        result.append(dim)
    return tuple(result)


def broadcast_index(
    indices: Sequence[PrimExpr], out: Sequence[PrimExpr], shape: Sequence[PrimExpr]
) -> list[PrimExpr]:
    """Where the element at `indices` of shape `out` lies in `shape`: 0 where that is 1."""
    skip = len(out) - len(shape)
    found: list[PrimExpr] = []
    for index, whole, dim in zip(indices[skip:], out[skip:], shape, strict=True):
        if equal_const_int(dim, 1):
            found.append(IntImm(dim.dtype, 0))
        elif same_dim(dim, whole) or const_or_none(dim) is not None:
            found.append(index)
        else:
            found.append(op.if_then_else(op.equal(dim, 1), op.const(0, index.dtype), index))
    return found


def broadcast_to(data: Tensor, shape: Sequence[Any]) -> Tensor:
    """`data` repeated along dimensions of 1, and along new leading ones, up to `shape`."""
    target = as_shape(list(shape))
    if len(target) < data.ndim:
        raise ArgumentError(f"broadcast_to: {data.ndim} dimensions do not fit {len(target)}")
    out = []
    for axis, dim in enumerate(target):
        own = axis - (len(target) - data.ndim)
        out.append(dim if own < 0 or same_dim(dim, data.shape[own]) else _target(data, own, dim))
    return compute(
        out,
        lambda *i: data(*broadcast_index(i, out, data.shape)),
        "T_broadcast_to",
        tag.BROADCAST,
    )


def _target(data: Tensor, axis: int, dim: PrimExpr) -> PrimExpr:
    given, wanted = const_or_none(data.shape[axis]), const_or_none(dim)
    if given not in (None, 1) and wanted is not None and given != wanted:
        raise ArgumentError(
            f"broadcast_to: dimension {axis} of `{data.name}` is {given}, not 1 or {wanted}"
        )
    return dim


def broadcast(function: Callable[..., PrimExpr], *operands: Any, name: str) -> Any:
    """`function` of the operands, tensors or numbers, broadcast; of numbers alone, a number."""
    tensors = [x for x in operands if isinstance(x, Tensor)]
    if not tensors:
        return function(*operands)
    shape = broadcast_shapes(*[t.shape for t in tensors])

    def element(*i: PrimExpr) -> PrimExpr:
        return function(*[
            x(*broadcast_index(i, shape, x.shape)) if isinstance(x, Tensor) else x
            for x in operands
        ])  # fmt: skip

    return compute(shape, element, name, tag.BROADCAST)


def _operator(name: str, function: Callable[..., PrimExpr], doc: str) -> Callable[..., Any]:
    def operate(lhs: Operand, rhs: Operand) -> Any:
        return broadcast(function, lhs, rhs, name=f"T_{name}")

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = f"{doc} Operands broadcast; numbers take the type of the tensor."
    return operate


def _power(a: Any, b: Any) -> PrimExpr:
    """`a` to the `b`; small constant exponents become products (at most 1.5 ulp off)."""
    exponent = op.const_value(b) if isinstance(b, PrimExpr) else b
    if not isinstance(a, PrimExpr) or exponent not in (1, 2, 3, 4):
        return integral_power(a, b)
    if exponent == 1:
        return a
    square = op.multiply(a, a)
    if exponent == 2:
        return square
    return op.multiply(square, a if exponent == 3 else square)


def _float_of(value: Any) -> bool:
    return dtype_of(value.dtype).is_float if isinstance(value, PrimExpr) else False


def _mod(a: Any, b: Any) -> PrimExpr:
    """The rest whose sign is the dividend's: exact for floats, as in C."""
    return op.fmod(a, b) if _float_of(a) or _float_of(b) else op.truncmod(a, b)


def _floor_mod(a: Any, b: Any) -> PrimExpr:
    """The rest whose sign is the divisor's: for floats, from the exact rest."""
    if not (_float_of(a) or _float_of(b)):
        return op.floormod(a, b)
    rest = op.fmod(a, b)
    divisor = b if isinstance(b, PrimExpr) else op.const(b, rest.dtype)
    zero = op.const(0, rest.dtype)
    turn = op.logical_and(
        op.not_equal(rest, zero), op.not_equal(op.less(rest, zero), op.less(divisor, zero))
    )
    return op.select(turn, op.add(rest, divisor), rest)


def _floor_divide(a: Any, b: Any) -> PrimExpr:
    return op.floordiv(a, b)


def _log_add_exp(a: PrimExpr, b: PrimExpr) -> PrimExpr:
    """`log(exp(a) + exp(b))`, computed from the larger one."""
    high, low = op.max(a, b), op.min(a, b)
    rest = op.add(high, op.log1p(op.exp(op.subtract(low, high))))
    return op.select(
        op.equal(high, low), op.add(high, op.const(0.6931471805599453, high.dtype)), rest
    )


def _on_truths(function: Callable[..., PrimExpr]) -> Callable[..., PrimExpr]:
    return lambda a, b: function(truth(a), truth(b))


add = _operator("add", op.add, "The sum.")
subtract = _operator("subtract", op.subtract, "The difference.")
multiply = _operator("multiply", op.multiply, "The product.")
divide = _operator("divide", op.div, "The quotient; of integers, rounded towards zero.")
floor_divide = _operator(
    "floor_divide", _floor_divide, "The quotient rounded towards minus infinity."
)
trunc_divide = _operator(
    "trunc_divide", lambda a, b: op.trunc(op.div(a, b)), "The quotient rounded towards zero."
)
mod = _operator("mod", _mod, "What a quotient towards zero leaves over (the sign of `lhs`).")
trunc_mod = _operator("trunc_mod", _mod, "What a quotient towards zero leaves over.")
floor_mod = _operator("floor_mod", _floor_mod, "What a quotient rounded down leaves over.")
power = _operator("power", _power, "`lhs` to the `rhs`.")
maximum = _operator("maximum", op.max, "The larger one; NaN if either is.")
minimum = _operator("minimum", op.min, "The smaller one; NaN if either is.")
atan2 = _operator("atan2", op.atan2, "The angle of the point (rhs, lhs).")
log_add_exp = _operator("log_add_exp", _log_add_exp, "`log(exp(lhs) + exp(rhs))`.")
equal = _operator("equal", op.equal, "Whether the two are equal.")
not_equal = _operator("not_equal", op.not_equal, "Whether the two differ.")
less = _operator("less", op.less, "Whether `lhs` is smaller.")
less_equal = _operator("less_equal", op.less_equal, "Whether `lhs` is not larger.")
greater = _operator("greater", op.greater, "Whether `lhs` is larger.")
greater_equal = _operator("greater_equal", op.greater_equal, "Whether `lhs` is not smaller.")
logical_and = _operator("logical_and", _on_truths(op.logical_and), "Whether both hold.")
logical_or = _operator("logical_or", _on_truths(op.logical_or), "Whether one of them holds.")
logical_xor = _operator("logical_xor", _on_truths(op.not_equal), "Whether exactly one holds.")
bitwise_and = _operator("bitwise_and", op.bitwise_and, "The bits set in both.")
bitwise_or = _operator("bitwise_or", op.bitwise_or, "The bits set in either.")
bitwise_xor = _operator("bitwise_xor", op.bitwise_xor, "The bits set in one only.")
left_shift = _operator("left_shift", op.shift_left, "`lhs` shifted left by `rhs` bits.")
right_shift = _operator("right_shift", op.shift_right, "`lhs` shifted right by `rhs` bits.")


def where(condition: Operand, x: Operand, y: Operand) -> Any:
    """`x` where `condition` holds (is not zero), else `y`; all three broadcast."""
    return broadcast(lambda c, a, b: op.select(c, a, b), condition, x, y, name="T_where")


def elemwise_sum(xs: Sequence[Tensor]) -> Tensor:
    """The sum of tensors of one shape."""
    tensors = as_tuple(xs)
    if not tensors:
        raise ArgumentError("elemwise_sum needs at least one tensor")

    def total(*values: PrimExpr) -> PrimExpr:
        result = values[0]
        for value in values[1:]:
            result = op.add(result, value)
        return result

    made: Tensor = broadcast(total, *tensors, name="T_elemwise_sum")
    return made


TENSOR_OPERATORS.update(
    add=add, subtract=subtract, multiply=multiply, divide=divide, floor_divide=floor_divide,
    floor_mod=floor_mod, less=less, less_equal=less_equal, greater=greater,
    greater_equal=greater_equal,
)  # fmt: skip
