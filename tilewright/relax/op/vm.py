"""Operators of the virtual machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.op import Op
from ..base import Expr
from ..expr import Call, DataTypeImm, ExternFunc, PrimValue, StringImm, Tuple
from .memory import as_dtype, as_int, as_shape, as_text


def alloc_storage(
    shape: Any,
    runtime_device_index: int | PrimValue,
    dtype: str | DataTypeImm,
    storage_scope: str | StringImm = "global",
) -> Call:
    """A block of memory."""
    args = (as_shape(shape), as_int(runtime_device_index), as_text(storage_scope), as_dtype(dtype))
    return Call(Op.get("relax.vm.alloc_storage"), args)


def alloc_tensor(storage: Expr, offset: Any, shape: Any, dtype: str | DataTypeImm) -> Call:
    """A tensor in a storage, `offset` bytes in."""
    args = (storage, as_int(offset), as_shape(shape), as_dtype(dtype))
    return Call(Op.get("relax.vm.alloc_tensor"), args)


def kill_object(value: Expr) -> Call:
    """Forgets a value."""
    return Call(Op.get("relax.vm.kill_object"), (value,))


def call_tir_dyn(func: Expr | str, args: Sequence[Expr]) -> Call:
    """A kernel, or a function of the runtime by its name, called with a last argument that is a
    shape of its scalars."""
    func = ExternFunc(func) if isinstance(func, str) else func
    given = args if isinstance(args, Tuple) else Tuple(tuple(args))
    return Call(Op.get("relax.vm.call_tir_dyn"), (func, given))
