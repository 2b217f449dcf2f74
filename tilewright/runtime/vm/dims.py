"""Symbolic dimensions compiled once to Python functions of the slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilewright.support.errors import ArgumentError, CompileError

from ..executable import DIM_OPS, Dim, DimOp, Slot, VMFunction

Slots = list[int]
_TEXT: dict[str, str] = {
    "add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})",
    "floordiv": "({} // nonzero({}))", "floormod": "({} % nonzero({}))",
    "min": "min({}, {})", "max": "max({}, {})", "eq": "int({} == {})", "ne": "int({} != {})",
    "lt": "int({} < {})", "le": "int({} <= {})", "gt": "int({} > {})", "ge": "int({} >= {})",
    "and": "int(bool({}) & bool({}))", "or": "int(bool({}) | bool({}))",
}  # fmt: skip


def _nonzero(divisor: int) -> int:
    if divisor == 0:
        raise ArgumentError("a dimension is divided by zero")
    return divisor


_SCOPE = {"nonzero": _nonzero}


def _source(dim: Dim) -> str:
    if isinstance(dim, Slot):
        return f"s[{dim.index:d}]"
    if isinstance(dim, DimOp):
        return _TEXT[dim.op].format(_source(dim.a), _source(dim.b))
    if type(dim) is not int:
        raise CompileError(f"{dim!r} is no dimension")
    return f"{dim:d}"


def compile_dim(dim: Dim) -> Callable[[Slots], int]:
    """A function of the slots that yields the dimension."""
    return _compiled(_source(dim))


def compile_dims(dims: Sequence[Dim]) -> Callable[[Slots], tuple[int, ...]]:
    """A function of the slots that yields all the dimensions as a tuple."""
    text = "".join(f"{_source(dim)}," for dim in dims)
    if all(type(dim) is int for dim in dims):
        values = tuple(int(dim) for dim in dims if type(dim) is int)
        return lambda s: values
    return _compiled(f"({text})")


def _compiled(source: str) -> Callable[[Slots], Any]:
    """The text holds nothing but integers, slots and the operators of `_TEXT`."""
    function: Callable[[Slots], Any] = eval(f"lambda s: {source}", _SCOPE)
    return function


def describe(dim: Dim, function: VMFunction, nested: bool = False) -> str:
    """The dimension in the model's names, as in `n + 1`."""
    if isinstance(dim, Slot):
        return function.slot_name(dim.index)
    if not isinstance(dim, DimOp):
        return str(dim)
    a, b = describe(dim.a, function, True), describe(dim.b, function, True)
    symbol = DIM_OPS[dim.op]
    if symbol in ("min", "max"):
        return f"{symbol}({a}, {b})"
    return f"({a} {symbol} {b})" if nested else f"{a} {symbol} {b}"
