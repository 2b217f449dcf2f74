"""Struct info as script writes it: dimensions may be strings, seen where a function is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np

from ..ir.expr import PrimExpr
from ..ir.global_info import as_vdevice
from ..script.parser.arguments import Kind
from ..support.errors import ArgumentError
from .base import Expr, ShapeExpr, StructInfo
from .distributed.struct_info import DTensorStructInfo
from .op.distributed import as_mesh
from .struct_info import (
    FuncStructInfo,
    ObjectStructInfo,
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
)

See = Callable[[str], PrimExpr]


@dataclass
class Deferred:
    """Struct info whose symbolic dimensions or device are still strings, before `resolve`."""

    resolve: Callable[[See], StructInfo]

    def as_struct_info(self, see: See | None = None) -> StructInfo:
        """The struct info; `see` gives the dimension that a string stands for."""
        return self.resolve(see or _unseen)


def as_info(value: Any, see: See | None = None) -> StructInfo:
    """Struct info from an annotation such as `R.Tensor`, `R.Tensor((n, 4))` or `R.Object`."""
    if isinstance(value, StructInfo):
        return value
    if isinstance(value, Deferred):
        return value.as_struct_info(see)
    if value is None:
        return TupleStructInfo(())
    if getattr(value, "is_struct_info", False):
        return as_info(value(), see)
    kind = type(value).__name__
    raise ArgumentError(
        f"expected struct info such as R.Tensor, found {repr(value) or f'a {kind}'}",
        hint='write R.Tensor((2, "n"), "float32"), R.Shape, R.Prim("int64"), R.Tuple or R.Object',
    )


def _unseen(text: str) -> PrimExpr:
    raise ArgumentError("strings as dimensions are for signatures and match_cast")


def _is_shape(value: Any) -> bool:
    return isinstance(value, (Expr, str)) or _is_sizes(value)


def _is_sizes(value: Any) -> bool:
    kinds = (int, str, PrimExpr, np.integer)
    return isinstance(value, ShapeExpr) or (
        isinstance(value, (list, tuple)) and all(isinstance(v, kinds) for v in value)
    )


def _is_dtype(value: Any) -> bool:
    return isinstance(value, str) or isinstance(getattr(value, "dtype", None), str)


ShapeLike: TypeAlias = Annotated[Any, Kind("a list or a tuple of sizes, or a shape", _is_shape)]
Sizes: TypeAlias = Annotated[Any, Kind("a list or a tuple of sizes", _is_sizes)]
DataType: TypeAlias = Annotated[Any, Kind('a data type such as "float32"', _is_dtype)]


def _info(function: Any) -> Any:
    function.is_struct_info = True
    return function


def _has_strings(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and any(isinstance(v, str) for v in values)


def _seen(values: Any, see: See) -> list[Any]:
    return [see(v) if isinstance(v, str) else v for v in values]


@_info
def Object() -> ObjectStructInfo:
    """Any value."""
    return ObjectStructInfo()


@_info
def Tensor(
    shape: ShapeLike | None = None,
    dtype: DataType | None = None,
    vdevice: Any = None,
    ndim: int = -1,
) -> TensorStructInfo | Deferred:
    """A tensor; what is not given is not known."""
    if isinstance(shape, str):
        shape, dtype = None, shape
    if isinstance(vdevice, str):  # a device of the module that is being read
        return Deferred(lambda see: as_info(Tensor(shape, dtype, as_vdevice(vdevice), ndim), see))
    if _has_strings(shape):
        return Deferred(lambda see: Tensor(_seen(shape, see), dtype, vdevice, ndim))
    if shape is not None and not isinstance(shape, Expr):
        shape = ShapeExpr(tuple(shape))
    device = as_vdevice(vdevice)
    return TensorStructInfo(shape, str(getattr(dtype, "dtype", dtype or "")), device, ndim)


@_info
def DTensor(
    shape: ShapeLike | None = None,
    dtype: DataType | None = None,
    device_mesh: Any = None,
    placement: Any = "",
    *,
    ndim: int = -1,
) -> DTensorStructInfo | Deferred:
    """A tensor spread over a mesh, which may be named (`"mesh[0]"`), as a placement says."""
    if _has_strings(shape):
        return Deferred(
            lambda see: DTensor(_seen(shape, see), dtype, device_mesh, placement, ndim=ndim)
        )
    whole = Tensor(shape, dtype, ndim=ndim)
    return DTensorStructInfo(whole, as_mesh(device_mesh), placement)


@_info
def Shape(values: Sizes | None = None, ndim: int = -1) -> ShapeStructInfo | Deferred:
    """A shape."""
    if _has_strings(values):
        return Deferred(lambda see: Shape(_seen(values, see), ndim))
    return ShapeStructInfo(None if values is None else tuple(values), ndim)


@_info
def Prim(dtype: DataType | None = None, value: Any = None) -> PrimStructInfo | Deferred:
    """A scalar."""
    if isinstance(value, str):
        return Deferred(lambda see: Prim(dtype, see(value)))
    return PrimStructInfo(str(getattr(dtype, "dtype", dtype)) if dtype else "", value)


@_info
def Tuple(*fields: Any) -> TupleStructInfo | Deferred:
    """A tuple of what is described by the fields."""
    if len(fields) == 1 and isinstance(fields[0], (list, tuple)):
        fields = tuple(fields[0])
    if any(isinstance(f, Deferred) for f in fields):
        return Deferred(lambda see: TupleStructInfo(tuple(as_info(f, see) for f in fields)))
    return TupleStructInfo(tuple(as_info(f) for f in fields))


@_info
def Callable_(params: Any = None, ret: Any = None, purity: bool | None = None) -> Any:
    """A function from `params` to `ret`; bare, any function. It is pure where it is not told and
    the parameters are known."""
    purity = params is not None if purity is None else purity
    if params is None:
        return FuncStructInfo.opaque_func(ret=None if ret is None else as_info(ret), purity=purity)
    given = tuple(params) if isinstance(params, (list, tuple)) else (params,)
    if any(isinstance(p, Deferred) for p in (*given, ret)):
        return Deferred(
            lambda see: FuncStructInfo(
                tuple(as_info(p, see) for p in given), as_info(ret, see), purity
            )
        )
    return FuncStructInfo(tuple(as_info(p) for p in given), as_info(ret), purity)


def conflict(told: StructInfo, found: StructInfo) -> str:
    """Why `found` cannot be what an annotation tells; empty if it can."""
    if isinstance(told, ObjectStructInfo) or isinstance(found, ObjectStructInfo):
        return ""
    if type(told) is not type(found):
        return f"the annotation says `{told}`, the value is `{found}`"
    if isinstance(told, TensorStructInfo) and isinstance(found, TensorStructInfo):
        if told.dtype and found.dtype and told.dtype != found.dtype:
            return f"the annotation says {told.dtype}, the value is {found.dtype}"
        if -1 not in (told.ndim, found.ndim) and told.ndim != found.ndim:
            return f"the annotation has {told.ndim} dimensions, the value {found.ndim}"
        pairs = zip(told.dims or (), found.dims or (), strict=False)
        for axis, (a, b) in enumerate(pairs):
            x, y = getattr(a, "value", None), getattr(b, "value", None)
            if isinstance(x, int) and isinstance(y, int) and x != y:
                return f"dimension {axis} is {x} in the annotation, {y} in the value"
    if isinstance(told, TupleStructInfo) and isinstance(found, TupleStructInfo):
        if len(told.items) != len(found.items):
            return f"the annotation has {len(told.items)} items, the value {len(found.items)}"
        reasons = (conflict(a, b) for a, b in zip(told.items, found.items, strict=True))
        return next((r for r in reasons if r), "")
    return ""
