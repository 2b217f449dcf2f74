"""Operators of memory: storages, tensors in them, views."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.op import Op, register_op
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr, ShapeExpr, StructInfo
from ..dims import as_dim, product, simplify
from ..expr import Call, DataTypeImm, PrimValue, StringImm
from ..struct_info import ObjectStructInfo, ShapeStructInfo, TensorStructInfo, TupleStructInfo


def _of_shape(call: Call, shape: Expr, dtype: Expr) -> StructInfo:
    return TensorStructInfo(shape, dtype.value)  # type: ignore[attr-defined]


def _view(call: Call) -> StructInfo:
    info = call.args[0].struct_info
    shape, dtype = call.args[1], call.args[2]
    known = isinstance(shape.struct_info, ShapeStructInfo)
    name = dtype.value if isinstance(dtype, DataTypeImm) else info.dtype
    return TensorStructInfo(shape if known else info.shape, name, info.vdevice)


for _name, _rule, _pure in (
    ("builtin.alloc_tensor", lambda call: _of_shape(call, call.args[0], call.args[1]), True),
    ("memory.alloc_storage", lambda call: ObjectStructInfo(), True),
    ("memory.alloc_tensor", lambda call: _of_shape(call, call.args[2], call.args[3]), True),
    ("vm.alloc_storage", lambda call: ObjectStructInfo(), True),
    ("vm.alloc_tensor", lambda call: _of_shape(call, call.args[2], call.args[3]), True),
    ("memory.kill_storage", lambda call: TupleStructInfo(()), False),
    ("memory.kill_tensor", lambda call: TupleStructInfo(()), False),
    ("vm.kill_object", lambda call: TupleStructInfo(()), False),
    ("memory.view", _view, True),
    ("vm.call_tir_dyn", lambda call: TupleStructInfo(()), False),
    ("builtin.stop_lift_params", lambda call: call.args[0].struct_info, True),
    ("memory.ensure_zero_offset", lambda call: call.args[0].struct_info, True),
):
    register_op(f"relax.{_name}", infer=_rule, FPurity=_pure)


def as_int(value: Any) -> PrimValue:
    return value if isinstance(value, PrimValue) else PrimValue(as_dim(value))


def as_text(value: Any) -> StringImm:
    return value if isinstance(value, StringImm) else StringImm(value)


def as_dtype(value: Any) -> DataTypeImm:
    return value if isinstance(value, DataTypeImm) else DataTypeImm(value)


def as_shape(value: Any) -> Expr:
    return value if isinstance(value, Expr) else ShapeExpr(value)


def alloc_storage(
    size: Any,
    virtual_device_index: int | PrimValue,
    storage_scope: str | StringImm = "global",
    dtype: str | DataTypeImm = "uint8",
) -> Call:
    """A block of `size` bytes."""
    dims = size if isinstance(size, (Expr, list, tuple)) else (size,)
    args = (as_shape(dims), as_int(virtual_device_index), as_text(storage_scope), as_dtype(dtype))
    return Call(Op.get("relax.memory.alloc_storage"), args)


def alloc_tensor(storage: Expr, offset: Any, shape: Any, dtype: str | DataTypeImm) -> Call:
    """A tensor in a storage, `offset` bytes in (`memory.alloc_tensor`)."""
    args = (storage, as_int(offset), as_shape(shape), as_dtype(dtype))
    return Call(Op.get("relax.memory.alloc_tensor"), args)


def kill_storage(storage: Expr) -> Call:
    """Gives a storage back."""
    return Call(Op.get("relax.memory.kill_storage"), (storage,))


def kill_tensor(tensor: Expr) -> Call:
    """Gives a tensor back."""
    return Call(Op.get("relax.memory.kill_tensor"), (tensor,))


def view(
    data: Expr,
    shape: Any = None,
    dtype: str | DataTypeImm | None = None,
    relative_byte_offset: Any = None,
) -> Call:
    """The memory of `data` seen with another shape or dtype."""
    none = Call(Op.get("relax.null_value"), ())
    args = (
        data,
        none if shape is None else as_shape(shape),
        none if dtype is None else as_dtype(dtype),
        none if relative_byte_offset is None else as_int(relative_byte_offset),
    )
    return Call(Op.get("relax.memory.view"), args)


def size_in_bytes(info: TensorStructInfo) -> PrimExpr:
    """What a tensor takes in memory. Raises `CompileError` if its shape or dtype is unknown."""
    if info.dims is None or not info.dtype:
        raise CompileError(f"the size of `{info}` is not known")
    kind = dtype_of(info.dtype)
    count = product(info.dims)
    if kind.bits % 8 and not kind.is_bool:
        return simplify((count * kind.bits + 7) // 8)
    return simplify(count * IntImm("int64", kind.bytes))


def ensure_zero_offset(data: Expr) -> Call:
    """`data`, copied if it does not begin where its storage does."""
    return Call(Op.get("relax.memory.ensure_zero_offset"), (data,))
