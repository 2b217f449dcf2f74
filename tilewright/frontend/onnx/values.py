"""Integer tensors known while importing: the arithmetic of shapes.

Exporters spell shapes as subgraphs (`Shape`, `Gather`, `Mul`, `Concat`, then `Reshape`). Such
tensors are followed element by element, as arrays of symbolic expressions, so that a dimension
`n` stays `n` through all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx

from ... import relax
from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_name
from ...support.errors import ArgumentError, ImportModelError
from ...tir.op import simplified

Known: TypeAlias = "np.ndarray[Any, Any]"
"""A small tensor whose elements are known: a plain array, or one of dtype `object` holding
integers and `PrimExpr`s (of dtype `int64`)."""


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence: its length is known while importing, its items are expressions, known tensors,
    or sequences."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """An optional value that is not there."""


LIMIT = 1024
"""Tensors with more elements than this are not followed."""


def dimension(value: object) -> Any:
    """An element of a known tensor as a shape's dimension: an `int` where it is constant."""
    if isinstance(value, IntImm):
        return value.value
    if isinstance(value, PrimExpr):
        made = simplified(value)
        return made.value if isinstance(made, IntImm) else made
    return int(value)  # type: ignore[call-overload]


def is_symbolic(known: Known) -> bool:
    """Whether some element is an expression rather than a number."""
    return known.dtype == object and any(isinstance(dimension(v), PrimExpr) for v in known.flat)


def tensor_info(dims: Sequence[Any] | None, dtype: str) -> relax.TensorStructInfo:
    """The struct info of a tensor of these dimensions."""
    given: Any = None if dims is None else tuple(dims)
    return relax.TensorStructInfo(given, dtype)


def shape_expr(dims: Sequence[Any]) -> relax.ShapeExpr:
    """Dimensions as an expression."""
    return relax.ShapeExpr(tuple(dims))


def is_text(array: Known) -> bool:
    """Whether an array holds strings."""
    if array.dtype.kind in "SU":
        return True
    return array.dtype == object and array.size > 0 and isinstance(array.flat[0], (str, bytes))


def text_constant(array: Known) -> relax.Expr:
    """A constant tensor of strings: its shape, then its elements."""
    flat = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array.flat]
    return relax.Tuple((relax.ShapeExpr(tuple(array.shape)), *[relax.StringImm(s) for s in flat]))


def settle(known: Known) -> Known:
    """A plain `int64` array if every element is a number, else elements simplified."""
    if known.dtype != object:
        return known
    flat = [dimension(v) for v in known.flat]
    if not any(isinstance(v, PrimExpr) for v in flat):
        return np.array(flat, "int64").reshape(known.shape)
    out = np.empty(len(flat), object)
    out[:] = flat
    return out.reshape(known.shape)


def symbolic_array(items: list[Any]) -> Known:
    """A one-dimensional known tensor of integers and expressions."""
    out = np.empty(len(items), object)
    out[:] = items
    return settle(out)


def element_dtype(code: int) -> str:
    """The data type of an ONNX element type code."""
    if code == onnx.TensorProto.STRING:
        return "object"
    try:
        return dtype_name(onnx.helper.tensor_dtype_to_np_dtype(code))
    except (KeyError, TypeError, ArgumentError) as error:
        raise ImportModelError(f"element type {code} is not known") from error
