"""The static type that struct info implies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.type import FuncType, PrimType, TupleType, Type
from ...support.errors import ArgumentError
from ..base import StructInfo
from ..distributed.struct_info import DTensorStructInfo
from ..struct_info import (
    FuncStructInfo,
    ObjectStructInfo,
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
)
from ..type import ObjectType, PackedFuncType, ShapeType, TensorType


def _function(info: FuncStructInfo) -> Type:
    if info.params is None:
        return PackedFuncType()
    return FuncType(tuple(map(get_static_type, info.params)), get_static_type(info.ret))


_TYPES: dict[type[StructInfo], Callable[[Any], Type]] = {
    ObjectStructInfo: lambda info: ObjectType(),
    PrimStructInfo: lambda info: PrimType(info.dtype),
    ShapeStructInfo: lambda info: ShapeType(info.ndim),
    TensorStructInfo: lambda info: TensorType(info.ndim, info.dtype),
    DTensorStructInfo: lambda info: TensorType(info.ndim, info.dtype),
    TupleStructInfo: lambda info: TupleType(tuple(map(get_static_type, info.items))),
    FuncStructInfo: _function,
}


def get_static_type(sinfo: StructInfo) -> Type:
    """`sinfo` without dimensions: rank and dtype of tensors, rank of shapes."""
    make = _TYPES.get(type(sinfo))
    if make is None:
        raise ArgumentError(f"expected struct info, found {type(sinfo).__name__}")
    return make(sinfo)
