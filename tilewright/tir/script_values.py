"""The names of the dialect `T` that give expressions, axes, maps and other values."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import BaseExpr, PrimExpr, as_scalar
from ..ir.op import Op
from ..script.parser import SPECIAL, Parser
from ..script.parser.arguments import shown_value
from ..script.parser.evaluate import name as name_value
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..target import Target
from .expr import Broadcast, Call, CommReducer, IterVar, IterVarType, Var
from .expr import Let as LetNode
from .forms import as_range
from .index_map import IndexMap
from .kinds import DataType, Domain, Lanes, Scalar, ScalarOrText, Variable, data_type
from .op import call_intrin as _call_intrin
from .op import cast as _convert

__all__ = [
    "CallNode", "Let", "array", "broadcast", "call_intrin", "cast", "comm_reducer", "index_map",
    "iter_var", "target",
]  # fmt: skip


def Let(expr: Scalar, where: dict[Var, Scalar]) -> PrimExpr:
    """`expr` with the variables of `where` standing for their values."""
    made: PrimExpr = as_scalar(expr)
    for var, value in reversed(list(where.items())):
        made = LetNode(var, as_scalar(value), made)
    return made


Let.script_special = "tir.let"  # type: ignore[attr-defined]


def _let(parser: Parser, node: ast.Call, function: Any) -> PrimExpr:
    """Defines the variables that are not defined yet, then reads the body."""
    where = next((k.value for k in node.keywords if k.arg == "where"), None)
    if where is None and len(node.args) > 1:
        where = node.args[1]
    if not isinstance(where, ast.Dict) or not node.args:
        parser.fail(node, "T.Let is written T.Let(body, where={variable: value})")
    bindings: list[tuple[Var, PrimExpr]] = []
    with parser.scope() as names:
        for key, item in zip(where.keys, where.values, strict=True):
            value = as_scalar(parser.value(item))
            if not isinstance(key, ast.Name):
                parser.fail(where, "T.Let binds names")
            known = name_value(parser, key) if parser.is_bound(key.id) else None
            var = known if isinstance(known, Var) else Var(key.id, value.dtype)
            names[key.id] = var
            bindings.append((var, value))
        return Let(parser.value(node.args[0]), dict(bindings))


SPECIAL["tir.let"] = _let


def cast(value: Scalar, dtype: DataType) -> PrimExpr:
    """`value` converted to `dtype`."""
    return _convert(value, data_type(dtype))


def call_intrin(
    dtype: DataType,
    func_name: str | Op,
    *args: ScalarOrText,
    annotations: dict[str, Any] | None = None,
) -> PrimExpr:
    """A call of any intrinsic by its full name, just as written."""
    made = _call_intrin(dtype, func_name, *args)
    return made if not annotations else made.replace(annotations=dict(annotations))


def CallNode(dtype: DataType, op: str | BaseExpr, args: Sequence[Any]) -> Call:
    """A call with a result of `dtype`, just as written."""
    return Call(data_type(dtype), op, tuple(args))


def iter_var(var: Variable, dom: Domain | None, iter_type: str, thread_tag: str = "") -> IterVar:
    """An axis."""
    if iter_type not in IterVarType.__members__:
        raise ArgumentError(
            f"no kind of axis is called {iter_type!r}",
            hint=f"known: {', '.join(IterVarType.__members__)}",
        )
    given = None if dom is None else as_range(dom)
    return IterVar(given, var, IterVarType[iter_type], thread_tag)


def comm_reducer(combiner: Callable[..., Any], identity: Sequence[Scalar]) -> CommReducer:
    """A commutative reduction from a function of pairs and its neutral values."""
    values = tuple(as_scalar(i) for i in identity)
    names = list(inspect.signature(combiner).parameters)
    if len(names) != 2 * len(values):
        raise ArgumentError(
            f"a reduction of {len(values)} values combines {2 * len(values)}, "
            f"the function takes {len(names)}",
            hint="write T.comm_reducer(lambda x, y: x + y, [T.float32(0)])",
        )
    sides = [Var(n, v.dtype) for n, v in zip(names, values * 2, strict=True)]
    lhs, rhs = sides[: len(values)], sides[len(values) :]
    result = combiner(*sides)
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    return CommReducer(tuple(lhs), tuple(rhs), parts, values)


def index_map(
    mapping: Callable[..., Any],
    *,
    inverse_index_map: Callable[..., Any] | IndexMap | None = None,
    index_dtype: str = "int64",
) -> Any:
    """A map of indices from a function."""
    return IndexMap.from_func(mapping, inverse_index_map=inverse_index_map, index_dtype=index_dtype)


def target(
    config: str | dict[str, Any] | Target, host: str | dict[str, Any] | Target | None = None
) -> Target:
    """A target from its text or its pieces."""
    return Target(config) if host is None else Target(config, host)


def broadcast(value: Scalar, lanes: Lanes) -> Broadcast:
    """`value` in each of `lanes` lanes."""
    return Broadcast(as_scalar(value), lanes)


def array(values: Any, dtype: DataType) -> Any:
    """A NumPy array, such as the data of `allocate_const`."""
    import numpy as np

    try:
        return np.array(values, dtype_of(data_type(dtype)).numpy)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"no array of {data_type(dtype)} can be made of {shown_value(values)}",
            hint="give a list of numbers",
        ) from None
