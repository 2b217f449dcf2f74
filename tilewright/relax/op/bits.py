"""Values seen as their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..base import Expr
from ..struct_info import TensorStructInfo
from . import _infer
from ._declare import op, sample


def _infer_reinterpret(x: Any, dtype: str) -> TensorStructInfo:
    info = _infer.tensor(x)
    if info.dtype and dtype_of(info.dtype).bytes != dtype_of(dtype).bytes:
        raise CompileError(f"{info.dtype} and {dtype} are not of the same size")
    return TensorStructInfo(info.shape, dtype, info.vdevice, info.ndim)


@op(
    "reinterpret",
    infer=_infer_reinterpret,
    lower=lambda x, dtype: topi.reinterpret(x, dtype),
    reference=lambda x, dtype: np.ascontiguousarray(x).view(dtype_of(dtype).numpy),
    samples=lambda: [
        sample(np.array([1.5, -2.0, 0.0], "float32"), "int32"),
        sample(np.array([[1, -1], [1 << 40, 0]], "int64"), "float64"),
        sample(np.array([1, 250], "uint8"), "int8"),
    ],
)
def reinterpret(x: Expr, dtype: str) -> Expr:
    """The same bits as another data type of the same size."""
