"""Struct info: what is known of a value before the program runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..ir.global_info import VDevice
from ..ir.node import ItemsAsFields, Node, definition, ignored, node
from ..support.dtypes import dtype_name
from ..support.errors import ArgumentError
from .base import Expr, ShapeExpr, StructInfo
from .dims import Dims, as_dims, static_dims

__all__ = [
    "FuncStructInfo", "ObjectStructInfo", "PrimStructInfo", "ShapeStructInfo", "StructInfo",
    "TensorStructInfo", "TupleStructInfo",
]  # fmt: skip


def _dtype(dtype: Any) -> str:
    return "" if dtype is None or dtype == "" else dtype_name(dtype)


@node("relax.ObjectStructInfo")
class ObjectStructInfo(StructInfo):
    """Any value."""


@node("relax.PrimStructInfo")
class PrimStructInfo(StructInfo):
    """A scalar of `dtype`; `value`, if given, is the expression that it equals.

    The first argument may be the value itself (an expression or a number), as in TVM.
    """

    dtype: str = ""
    value: PrimExpr | None = None

    def __post_init__(self) -> None:
        dtype: Any = self.dtype
        value: Any = self.value
        if isinstance(dtype, (PrimExpr, int, float)):
            dtype, value = None, dtype
        if value is not None:
            value = as_scalar(value, dtype or ("int64" if type(value) is int else None))
            if dtype and dtype_name(dtype) != value.dtype:
                raise ArgumentError(f"PrimStructInfo of {dtype} with a value of {value.dtype}")
            dtype = value.dtype
        if not dtype:
            raise ArgumentError("PrimStructInfo needs a dtype or a value")
        self.dtype, self.value = _dtype(dtype), value  # type: ignore[misc]


@node("relax.ShapeStructInfo")
class ShapeStructInfo(StructInfo):
    """A shape of `ndim` dimensions (-1: any number), with `values` if these are known."""

    values: Dims | None = None
    ndim: int = -1

    def __post_init__(self) -> None:
        values: Any = self.values
        if values is not None:
            values = as_dims(values.values if isinstance(values, ShapeExpr) else values)
            if self.ndim not in (-1, len(values)):
                raise ArgumentError(f"a shape of {len(values)} values with ndim={self.ndim}")
            self.ndim = len(values)  # type: ignore[misc]
        self.values = values  # type: ignore[misc]


@node("relax.TensorStructInfo")
class TensorStructInfo(StructInfo):
    """A tensor of `dtype` ("": any), `ndim` dimensions (-1: any number) and `shape`, if known.

    `shape` is a `ShapeExpr` (integers and symbolic dimensions) or a variable that holds a shape.
    """

    shape: Expr | None = None
    dtype: str = "float32"
    vdevice: VDevice | None = None
    ndim: int = -1

    def __post_init__(self) -> None:
        shape: Any = self.shape
        if isinstance(shape, (list, tuple)):
            shape = ShapeExpr(tuple(shape))
        if shape is not None:
            if not isinstance(shape, Expr):
                raise ArgumentError(
                    f"the shape of a tensor is a list of dimensions or a shape expression, "
                    f"found {type(shape).__name__}"
                )
            rank = len(shape) if isinstance(shape, ShapeExpr) else _rank_of(shape)
            if self.ndim not in (-1, rank) and rank != -1:
                raise ArgumentError(
                    f"a shape of {rank} dimensions with ndim={self.ndim}", hint="leave ndim out"
                )
            if rank != -1:
                self.ndim = rank  # type: ignore[misc]
        self.shape, self.dtype = shape, _dtype(self.dtype)  # type: ignore[misc]
        self.ndim = int(self.ndim)  # type: ignore[misc]
        if self.ndim < -1:
            raise ArgumentError(
                f"a tensor has 0 dimensions or more, found ndim={self.ndim}",
                hint="-1 stands for any number of them",
            )

    @property
    def dims(self) -> Dims | None:
        """The dimensions if they are known one by one, else None."""
        shape = self.shape
        if isinstance(shape, ShapeExpr):
            return shape.values
        if shape is None:
            return None
        known: Dims | None = getattr(shape.struct_info, "values", None)
        return known

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The dimensions as integers if all are known, else None."""
        return static_dims(self.dims)

    def is_unknown_ndim(self) -> bool:
        """True if not even the rank is known."""
        return self.ndim == -1

    def is_unknown_dtype(self) -> bool:
        """True if the dtype is not known."""
        return self.dtype == ""


def _rank_of(shape: Expr) -> int:
    info = shape.struct_info
    if not isinstance(info, ShapeStructInfo):
        raise ArgumentError(f"the shape of a tensor must be a shape, found `{info}`")
    return info.ndim


@node("relax.TupleStructInfo")
class TupleStructInfo(StructInfo):
    """A tuple whose items are described by `fields`."""

    items: tuple[StructInfo, ...] = ()

    def __post_init__(self) -> None:
        self.items = tuple(self.items)  # type: ignore[misc]
        for item in self.items:
            if not isinstance(item, StructInfo):
                raise ArgumentError(f"a field of a TupleStructInfo is a {type(item).__name__}")


TupleStructInfo.fields = ItemsAsFields(TupleStructInfo.fields)  # type: ignore[assignment]


@node("relax.FuncStructInfo")
class FuncStructInfo(StructInfo):
    """A function from `params` (None: unknown) to `ret`; pure if it only computes its result.

    Symbolic variables in `params` are bound anew in each call. `derive_func(call, context)` of an
    opaque function computes the result's struct info.
    """

    params: tuple[StructInfo, ...] | None = definition(default=None)
    ret: StructInfo = None  # type: ignore[assignment]
    purity: bool = True
    derive_func: Callable[..., StructInfo] | None = ignored(default=None)

    def __post_init__(self) -> None:
        if self.params is not None:
            self.params = tuple(self.params)  # type: ignore[misc]
        if self.ret is None:
            self.ret = ObjectStructInfo()
        self.purity = bool(self.purity)  # type: ignore[misc]

    @staticmethod
    def opaque_func(
        *,
        ret: StructInfo | None = None,
        derive_func: Any = None,
        purity: bool = False,
        span: Any = None,
    ) -> FuncStructInfo:
        """A function of any arguments that returns `ret` (default: any object)."""
        return FuncStructInfo(None, ret, purity, derive_func, span=span)  # type: ignore[arg-type]

    def is_opaque(self) -> bool:
        """True if nothing is known of the parameters."""
        return self.params is None


def infos_of(values: Sequence[Node]) -> tuple[StructInfo, ...]:
    """The struct info of each expression."""
    return tuple(v.struct_info for v in values)  # type: ignore[attr-defined]


def is_static(info: TensorStructInfo) -> bool:
    """True if the tensor's shape is a tuple of integers."""
    return info.dims is not None and all(isinstance(d, IntImm) for d in info.dims)
