"""Operators that later passes replace."""

from __future__ import annotations

from typing import Any

from ...ir.op import Op
from ..base import Expr
from ..expr import Call, DataTypeImm, PrimValue, StringImm
from .memory import as_dtype, as_int, as_shape, as_text


def alloc_tensor(
    shape: Any,
    dtype: str | DataTypeImm,
    runtime_device_index: int | PrimValue,
    storage_scope: str | StringImm = "global",
) -> Call:
    """A new tensor, before memory is planned (`builtin.alloc_tensor`)."""
    args = (as_shape(shape), as_dtype(dtype), as_int(runtime_device_index), as_text(storage_scope))
    return Call(Op.get("relax.builtin.alloc_tensor"), args)


def stop_lift_params(x: Expr) -> Call:
    """`x`, which parameter lifting does not pass."""
    return Call(Op.get("relax.builtin.stop_lift_params"), (x,))
