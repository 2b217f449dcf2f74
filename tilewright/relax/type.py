"""The static types of values: struct info without shapes."""

from __future__ import annotations

from ..ir.node import node
from ..ir.type import FuncType as FuncType
from ..ir.type import TupleType as TupleType
from ..ir.type import Type
from ..support.dtypes import dtype_name

__all__ = ["FuncType", "ObjectType", "PackedFuncType", "ShapeType", "TensorType", "TupleType"]


@node("relax.ObjectType")
class ObjectType(Type):
    """Any value."""


@node("relax.ShapeType")
class ShapeType(Type):
    """A shape of `ndim` dimensions (-1: any number)."""

    ndim: int = -1


@node("relax.TensorType")
class TensorType(Type):
    """A tensor of `ndim` dimensions (-1: any number) and `dtype` ("": any)."""

    ndim: int = -1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        self.dtype = dtype_name(self.dtype) if self.dtype else ""  # type: ignore[misc]


@node("relax.PackedFuncType")
class PackedFuncType(Type):
    """A function of the runtime, of which nothing more is known."""
