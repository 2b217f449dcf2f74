"""Reductions: commutative combinations over axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import PrimExpr, as_scalar
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..tir import op
from ..tir.expr import CommReducer, IterVar, Reduce, Var

_SIDES = ("x", "y")


def as_tuple(value: Any) -> tuple[Any, ...]:
    """`value` as a tuple: its elements if it is a list, a tuple or an `ffi.Array`, else alone."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(value) if several else (value,)


class Reducer:
    """A commutative combination, called as `reducer(expr, axis)`; made by `comm_reducer`.

    Called with plain expressions, as in `max(a, b, c)`, it combines them.
    """

    def __init__(
        self, combine: Callable[..., Any], identity: Callable[..., Any], name: str
    ) -> None:
        for what, function in (("fcombine", combine), ("fidentity", identity)):
            if not callable(function):
                raise ArgumentTypeError(
                    f"`{what}` of comm_reducer is a function, found {function!r}"
                )
        self.combine = combine
        self.identity = identity
        self.__name__ = name
        self._made: dict[tuple[str, ...], CommReducer] = {}

    def __call__(
        self, expr: Any = None, axis: Any = None, where: Any = None, init: Any = None, *args: Any
    ) -> Any:
        """`expr` (or a tuple of them) reduced over `axis`, an axis or a sequence of axes.

        Over no axis, an empty sequence, it is taken once.
        """
        if expr is None or axis is None:
            raise ArgumentError(
                f"{self.__name__} needs an expression and what to reduce it over",
                hint=f"write {self.__name__}(expr, axis=te.reduce_axis((0, n))), "
                f"or {self.__name__}(a, b) of two values",
            )
        if isinstance(axis, (IterVar, tuple, list)) and (
            isinstance(axis, IterVar) or all(isinstance(a, IterVar) for a in axis)
        ):
            return self._reduce(expr, as_tuple(axis), where, init)
        result = expr
        for other in (axis, where, init, *args):
            if other is not None:
                result = self.combine(result, other)
        return result

    def _reduce(self, expr: Any, axes: tuple[IterVar, ...], where: Any, init: Any) -> Any:
        source = tuple(as_scalar(e.var if isinstance(e, IterVar) else e) for e in as_tuple(expr))
        for axis in axes:
            if axis.iter_type != IterVar.CommReduce:
                raise ArgumentError(
                    f"{self.__name__} over `{axis.var.name}`, which is not a reduction axis",
                    hint="make it with te.reduce_axis",
                )
        reducer = self.reducer_for(tuple(s.dtype for s in source))
        starts = () if init is None else tuple(
            as_scalar(i, s.dtype) for i, s in zip(as_tuple(init), source, strict=True)
        )  # fmt: skip
        condition = op.const(1, "bool") if where is None else as_scalar(where)
        made = [
            Reduce(reducer, source, axes, condition, index, starts) for index in range(len(source))
        ]
        return tuple(made) if isinstance(expr, (tuple, list)) else made[0]

    def _require_arguments(self, values: int) -> None:
        """The functions take what they are called with: both sides, one type a value."""
        for what, function, count in (
            ("combines", self.combine, len(_SIDES)), ("starts", self.identity, values),
        ):  # fmt: skip
            try:
                inspect.signature(function).bind(*[None] * count)
            except TypeError:
                raise ArgumentError(
                    f"the function that {what} `{self.__name__}` does not take {count} arguments"
                    f" for {values} values at once",
                    hint="write te.comm_reducer(lambda x, y: x + y, lambda dtype: const(0, dtype))",
                ) from None

    def reducer_for(self, dtypes: tuple[str, ...]) -> CommReducer:
        """The reducer over values of `dtypes`, made once."""
        if dtypes not in self._made:
            sides = [
                tuple(Var(f"{side}{i if len(dtypes) > 1 else ''}", d) for i, d in enumerate(dtypes))
                for side in _SIDES
            ]
            self._require_arguments(len(dtypes))
            if len(dtypes) == 1:
                result = (self.combine(sides[0][0], sides[1][0]),)
                identity = (self.identity(dtypes[0]),)
            else:
                result = as_tuple(self.combine(*sides))
                identity = as_tuple(self.identity(*dtypes))
            self._made[dtypes] = CommReducer(
                sides[0],
                sides[1],
                tuple(as_scalar(r, d) for r, d in zip(result, dtypes, strict=True)),
                tuple(as_scalar(i, d) for i, d in zip(identity, dtypes, strict=True)),
            )
        return self._made[dtypes]


def comm_reducer(
    fcombine: Callable[..., Any], fidentity: Callable[..., Any], name: str = "reduce"
) -> Reducer:
    """A reducer from a commutative `fcombine(x, y)` with identity `fidentity(dtype)`.

    For several values at once both take and give tuples, as in
    `comm_reducer(lambda x, y: (..., ...), lambda t0, t1: (..., ...))`.
    """
    return Reducer(fcombine, fidentity, name)


def _lowest(dtype: str) -> PrimExpr:
    return -op.infinity(dtype) if _has_infinity(dtype) else op.min_value(dtype)


def _highest(dtype: str) -> PrimExpr:
    return op.infinity(dtype) if _has_infinity(dtype) else op.max_value(dtype)


def _has_infinity(dtype: str) -> bool:
    info = dtype_of(dtype)
    return info.is_float and info.bits >= 16


sum = comm_reducer(lambda x, y: op.add(x, y), lambda t: op.const(0, t), name="sum")
prod = comm_reducer(lambda x, y: op.multiply(x, y), lambda t: op.const(1, t), name="prod")
min = comm_reducer(lambda x, y: op.min(x, y), _highest, name="min")
max = comm_reducer(lambda x, y: op.max(x, y), _lowest, name="max")
logical_all = comm_reducer(lambda x, y: op.logical_and(x, y), lambda t: op.const(1, t), name="all")
logical_any = comm_reducer(lambda x, y: op.logical_or(x, y), lambda t: op.const(0, t), name="any")
