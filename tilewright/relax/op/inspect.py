"""Facts of a tensor's descriptor: element type, rank, extents, strides, where its data begins.

What is known when compiling becomes a number; the rest the runtime reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr
from ..expr import PrimValue
from ..struct_info import PrimStructInfo, TensorStructInfo
from . import _infer
from ._declare import Prim, op
from .base import call_pure_packed

_CODES = {
    "int": 0, "uint": 1, "float": 2, "handle": 3, "bfloat": 4, "bool": 6,
    "float8_e3m4": 7, "float8_e4m3": 8, "float8_e4m3b11fnuz": 9, "float8_e4m3fn": 10,
    "float8_e4m3fnuz": 11, "float8_e5m2": 12, "float8_e5m2fnuz": 13, "float8_e8m0fnu": 14,
    "float6_e2m3fn": 15, "float6_e3m2fn": 16, "float4_e2m1fn": 17,
}  # fmt: skip
"""DLPack's numbers of kinds of data types."""


def type_code(dtype: str) -> int:
    """DLPack's number of the kind of a data type."""
    return _CODES[dtype_of(dtype).code]


def _unary(name: str, dtype: str, known: Callable[[TensorStructInfo], int | None],
           reference: Callable[[Any], int], doc: str) -> Any:  # fmt: skip
    def declare(x: Expr) -> Expr:
        raise NotImplementedError

    def infer(x: Any) -> PrimStructInfo:
        value = known(_infer.tensor(x))
        return PrimStructInfo(dtype, None if value is None else IntImm(dtype, value))

    declare.__name__, declare.__doc__ = name, doc
    return op(
        f"inspect.{name}",
        infer=infer,
        decompose=lambda x, call: number(call, (x,)),
        reference=reference,
    )(declare)


def number(call: Any, args: tuple[Any, ...]) -> Expr:
    """The value if it is known when compiling, else a call of the runtime's function."""
    info = call.struct_info
    if info.value is not None:
        return PrimValue(info.value)
    name = call.op.name.removeprefix("relax.inspect.")
    return call_pure_packed(f"relax.run.{name}", *args, sinfo_args=info)


tensor_dtype_code = _unary(
    "tensor_dtype_code", "uint8", lambda i: type_code(i.dtype) if i.dtype else None,
    lambda x: type_code(str(x.dtype)), "DLPack's number of the kind of the element type.",
)  # fmt: skip
tensor_dtype_bits = _unary(
    "tensor_dtype_bits", "uint8", lambda i: dtype_of(i.dtype).bits if i.dtype else None,
    lambda x: dtype_of(str(x.dtype)).bits, "The bits of an element.",
)  # fmt: skip
tensor_dtype_lanes = _unary(
    "tensor_dtype_lanes", "uint16", lambda i: dtype_of(i.dtype).lanes if i.dtype else None,
    lambda x: 1, "The lanes of an element.",
)  # fmt: skip
tensor_ndim = _unary(
    "tensor_ndim", "int32", lambda i: i.ndim if i.ndim >= 0 else None, np.ndim,
    "The number of dimensions.",
)  # fmt: skip
tensor_byte_offset = _unary(
    "tensor_byte_offset", "uint64", lambda i: None, lambda x: 0,
    "The bytes from the tensor's address to its first element.",
)  # fmt: skip
tensor_elem_offset = _unary(
    "tensor_elem_offset", "uint64", lambda i: None, lambda x: 0,
    "The elements from the tensor's address to its first.",
)  # fmt: skip


def _axis(axis: Any, info: TensorStructInfo) -> int | None:
    if not isinstance(axis, PrimStructInfo):
        raise CompileError(f"the axis must be a scalar, found `{axis}`")
    if not isinstance(axis.value, IntImm):
        return None
    place = axis.value.value
    if place < 0 or (info.ndim != -1 and place >= info.ndim):
        raise CompileError(f"axis {place} is out of range for a tensor of {info.ndim} dimensions")
    return place


def _extent(x: Any, axis: Any) -> PrimStructInfo:
    info = _infer.tensor(x)
    place = _axis(axis, info)
    value: PrimExpr | None = None
    if place is not None and info.dims is not None:
        value = info.dims[place]
    return PrimStructInfo("int64", value)


@op(
    "inspect.tensor_shape_i",
    infer=_extent,
    decompose=lambda x, axis, call: number(call, (x, axis)),
    reference=lambda x, axis: x.shape[axis],
)
def tensor_shape_i(x: Expr, axis: Prim) -> Expr:
    """The extent of `axis`."""


def _infer_stride(x: Any, axis: Any) -> PrimStructInfo:
    _axis(axis, _infer.tensor(x))
    return PrimStructInfo("int64")


@op(
    "inspect.tensor_stride_i",
    infer=_infer_stride,
    decompose=lambda x, axis, call: number(call, (x, axis)),
    reference=lambda x, axis: int(np.prod(x.shape[axis + 1 :], dtype=np.int64)),
)
def tensor_stride_i(x: Expr, axis: Prim) -> Expr:
    """The elements from one to the next along `axis`."""
