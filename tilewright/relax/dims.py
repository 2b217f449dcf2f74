"""Dimensions: integers and symbolic expressions of type int64, and what can be proved of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..ir.expr import FloatImm, IntImm, PrimExpr, as_scalar
from ..ir.functor import Rewriter, Visitor, on
from ..ir.structural import structural_equal
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, CompileError
from ..tir import expr as tir
from ..tir import op as tir_op
from ..tir.arith import Analyzer
from ..tir.expr import Var as TirVar
from ..tir.index_map import IndexMap

Dims = tuple[PrimExpr, ...]


def sizes_shown(message: str) -> str:
    """A message about dimensions in which constants stand without their type."""
    return re.sub(r"T\.int64\((-?\d+)\)", r"\1", message)


def as_dim(value: Any) -> PrimExpr:
    """`value`, an integer or an expression, as a dimension. Raises `ArgumentError` otherwise."""
    if isinstance(value, IntImm):
        return value if value.dtype == "int64" else IntImm("int64", value.value)
    if isinstance(value, PrimExpr):
        if value.dtype != "int64":
            raise ArgumentError(f"a dimension has dtype int64, found `{value}` of {value.dtype}")
        return value
    if isinstance(value, float):
        raise ArgumentError(f"a dimension is an integer, found {value}")
    return as_scalar(value, "int64")


def as_dims(values: Iterable[Any]) -> Dims:
    """Each of `values` as a dimension."""
    return tuple(as_dim(v) for v in values)


def static_dims(dims: Sequence[PrimExpr] | None) -> tuple[int, ...] | None:
    """The integers, if all of `dims` are known."""
    if dims is None or not all(isinstance(d, IntImm) for d in dims):
        return None
    return tuple(d.value for d in dims if isinstance(d, IntImm))


def simplify(dim: PrimExpr) -> PrimExpr:
    """An equal, usually shorter dimension."""
    if isinstance(dim, (IntImm, TirVar)):
        return dim
    return Analyzer().simplify(dim)


def is_equal(a: PrimExpr, b: PrimExpr) -> bool:
    """True if the two are proved equal for all values of their variables."""
    if a is b:
        return True
    if isinstance(a, IntImm) and isinstance(b, IntImm):
        return a.value == b.value
    if structural_equal(a, b):
        return True
    if isinstance(a, (IntImm, TirVar)) and isinstance(b, (IntImm, TirVar)):
        return False
    return bool(Analyzer().can_prove_equal(a, b))


def is_different(a: PrimExpr, b: PrimExpr) -> bool:
    """True if the two are proved different for all values of their variables."""
    if a is b:
        return False
    if isinstance(a, IntImm) and isinstance(b, IntImm):
        return a.value != b.value
    difference = simplify(a - b)
    return isinstance(difference, IntImm) and difference.value != 0


def all_equal(a: Sequence[PrimExpr], b: Sequence[PrimExpr]) -> bool:
    """True if the two shapes have one rank and each pair of dimensions is proved equal."""
    return len(a) == len(b) and all(is_equal(x, y) for x, y in zip(a, b, strict=True))


def any_different(a: Sequence[PrimExpr], b: Sequence[PrimExpr]) -> bool:
    """True if the two shapes are proved to differ."""
    return len(a) != len(b) or any(is_different(x, y) for x, y in zip(a, b, strict=True))


def product(dims: Iterable[PrimExpr]) -> PrimExpr:
    """The number of elements of a shape."""
    total: PrimExpr = IntImm("int64", 1)
    for dim in dims:
        total = total * dim
    return simplify(total)


class _Vars(Visitor):
    def __init__(self) -> None:
        self.found: dict[TirVar, None] = {}

    @on(TirVar)
    def var(self, var: TirVar) -> None:
        self.found.setdefault(var)

    @on(IndexMap)
    def index_map(self, index_map: IndexMap) -> None:
        """Its own indices are bound in it."""
        inner = _Vars()
        inner.walk(tuple(index_map.final_indices))
        for var in inner.found:
            if var not in index_map.initial_indices:
                self.found.setdefault(var)


def symbolic_vars(value: Any) -> list[TirVar]:
    """The TIR variables anywhere in a node or tuple of nodes, in order, each once."""
    if isinstance(value, IntImm):
        return []
    visitor = _Vars()
    visitor.walk(value)
    return list(visitor.found)


class Substitute(Rewriter):
    """Replaces TIR variables by expressions, in dimensions, struct info or any other node."""

    def __init__(self, env: dict[TirVar, PrimExpr]) -> None:
        self.env = env

    @on(TirVar)
    def var(self, var: TirVar) -> PrimExpr:
        """The value of a variable that has one, else itself."""
        return self.env.get(var, var)

    @on(tir.BinaryOpExpr)
    def binary(self, value: tir.BinaryOpExpr) -> PrimExpr:
        """An operation on substituted operands, folded."""
        a, b = self.rewrite(value.a), self.rewrite(value.b)
        if a is value.a and b is value.b:
            return value
        fold = FOLDS.get(type(value))
        made: PrimExpr = type(value)(a, b) if fold is None else fold(a, b)
        return made


FOLDS: dict[type[PrimExpr], Callable[[Any, Any], PrimExpr]] = {
    tir.Add: tir_op.add, tir.Sub: tir_op.subtract, tir.Mul: tir_op.multiply,
    tir.FloorDiv: tir_op.floordiv, tir.FloorMod: tir_op.floormod,
    tir.Min: tir_op.min, tir.Max: tir_op.max,
}  # fmt: skip


OPERATIONS: dict[type[PrimExpr], Callable[[Any, Any], Any]] = {
    tir.Add: operator.add, tir.Sub: operator.sub, tir.Mul: operator.mul,
    tir.FloorDiv: operator.floordiv, tir.FloorMod: operator.mod, tir.Min: min, tir.Max: max,
    tir.EQ: operator.eq, tir.NE: operator.ne, tir.LT: operator.lt, tir.LE: operator.le,
    tir.GT: operator.gt, tir.GE: operator.ge,
    tir.And: lambda a, b: a and b, tir.Or: lambda a, b: a or b,
    tir.Div: lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
}  # fmt: skip


def evaluate(dim: PrimExpr, env: Mapping[TirVar, Any]) -> Any:
    """The number that a scalar expression gives for the values of its variables."""
    if isinstance(dim, (IntImm, FloatImm)):
        return bool(dim.value) if dim.dtype == "bool" else dim.value
    if isinstance(dim, TirVar):
        if dim not in env:
            raise CompileError(f"the symbolic dimension `{dim.name}` has no value")
        return env[dim]
    compute = OPERATIONS.get(type(dim))
    if compute is not None:
        return compute(evaluate(dim.a, env), evaluate(dim.b, env))  # type: ignore[attr-defined]
    if isinstance(dim, tir.Cast):
        value = evaluate(dim.value, env)
        return float(value) if dtype_of(dim.dtype).is_float else int(value)
    if isinstance(dim, tir.Select):
        return evaluate(dim.true_value if evaluate(dim.condition, env) else dim.false_value, env)
    if isinstance(dim, tir.Not):
        return not evaluate(dim.a, env)
    if isinstance(dim, tir.Call) and getattr(dim.op, "name", "") == "tir.if_then_else":
        condition, yes, no = dim.args
        return evaluate(yes if evaluate(condition, env) else no, env)  # type: ignore[arg-type]
    raise CompileError(f"cannot compute the dimension `{dim}`")


def substitute(value: Any, env: dict[TirVar, PrimExpr]) -> Any:
    """`value` with TIR variables replaced by what `env` says."""
    return Substitute(env).run(value) if env else value
