"""What arguments of the names of `T` may be: annotations that say so in words and check it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np

from ..ir.expr import PrimExpr, PrimExprLike
from ..script.parser.arguments import KINDS, Kind
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from .buffer import Buffer
from .expr import IterVar, IterVarType, Var


def is_scalar(value: Any) -> bool:
    """Whether a value is an expression, or stands for one."""
    return isinstance(value, (PrimExpr, int, float, np.number, np.bool_)) or hasattr(
        value, "as_expr"
    )


def _is_dtype(value: Any) -> bool:
    return isinstance(value, str) or isinstance(getattr(value, "dtype", None), str)


def data_type(dtype: Any) -> str:
    """The name of a data type. Raises `ArgumentError` if it is none."""
    return dtype_of(str(getattr(dtype, "dtype", dtype))).name


def _is_domain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) == 2 and all(map(is_scalar, value))
    return is_scalar(value) or hasattr(value, "extent") or isinstance(value, slice)


def _is_range(value: Any) -> bool:
    return _is_domain(value) and not is_scalar(value) and not isinstance(value, slice)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(map(is_scalar, value))


def _are_strides(value: Any) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    return all(isinstance(stride, str) or is_scalar(stride) for stride in value)


def _are_indices(value: Any) -> bool:
    items = value if isinstance(value, (tuple, list)) else [value]
    return all(isinstance(item, slice) or is_scalar(item) for item in items)


def _index_it(value: Any) -> str:
    return "index it, as in `A[i]`" if hasattr(value, "shape") else ""


_SCALAR = Kind("a number or an expression", is_scalar, _index_it)
KINDS.update({PrimExpr: _SCALAR, PrimExprLike: _SCALAR})
KINDS[IterVarType] = Kind(
    f"one of {', '.join(IterVarType.__members__)}",
    lambda value: isinstance(value, int) and value in list(IterVarType),
)

Scalar: TypeAlias = Annotated[Any, _SCALAR]
ScalarOrText: TypeAlias = Annotated[
    Any, Kind("a number, an expression or a string", lambda v: isinstance(v, str) or is_scalar(v))
]
Text: TypeAlias = Annotated[
    Any, Kind("a string", lambda v: isinstance(v, str) or getattr(v, "dtype", "") == "handle")
]
"""A string, or an expression that stands for one."""
DataType: TypeAlias = Annotated[Any, Kind('a data type such as "float32"', _is_dtype)]
Domain: TypeAlias = Annotated[Any, Kind("an extent, a pair of ends or a range", _is_domain)]
Ends: TypeAlias = Annotated[Any, Kind("a range or a pair of ends", _is_range)]
Producer: TypeAlias = Annotated[Any, Kind("a tensor of te", lambda v: hasattr(v, "op"))]
Extents: TypeAlias = Annotated[Any, Kind("a list or a tuple of extents", _is_shape)]
Lanes: TypeAlias = Annotated[
    Any, Kind("a number of lanes", lambda v: is_scalar(v) and not isinstance(v, (bool, float)))
]
Strides: TypeAlias = Annotated[Sequence[Any], Kind("a list or a tuple of strides", _are_strides)]
Memory: TypeAlias = Annotated[Any, Kind("an address", lambda v: isinstance(v, Var))]
Variable: TypeAlias = Annotated[
    Any, Kind("a variable", lambda v: isinstance(v, (Var, IterVar, str)))
]
"""A variable, or its name."""
BufferOf: TypeAlias = Annotated[Any, Kind("a buffer", lambda v: isinstance(v, Buffer))]
Indices: TypeAlias = Annotated[Any, Kind("an index, or a list or a tuple of them", _are_indices)]

_THREAD = re.compile(r"(threadIdx|blockIdx|vthread|clusterCtaIdx)\.[xyz]|[vc]thread")


def is_thread_tag(tag: Any) -> bool:
    """Whether `tag` is the name of a thread axis."""
    return isinstance(tag, str) and _THREAD.fullmatch(tag) is not None


def thread_axis(what: str, tag: Any) -> str:
    """The name of a thread axis. Raises `ArgumentError` that `what` needs one."""
    if not is_thread_tag(tag):
        raise ArgumentError(
            f"{what} needs the name of a thread axis, found {tag!r}",
            hint='write `"threadIdx.x"`, `"blockIdx.y"`, `"vthread"`...',
        )
    return str(tag)
