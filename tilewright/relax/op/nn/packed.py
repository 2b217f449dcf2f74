"""Products with weights that were packed ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import topi
from ....ir.expr import IntImm
from ....support.dtypes import dtype_of
from ....support.errors import CompileError
from ...base import Expr
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array


def pack_columns(weight: Any, width: int) -> Any:
    """A matrix (k, n) as panels (ceil(n / width), k, width), the last one padded with zeros."""
    k, n = weight.shape
    padded = np.pad(weight, ((0, 0), (0, -n % width)))
    return np.ascontiguousarray(padded.reshape(k, -1, width).transpose(1, 0, 2))


def _infer_packed(data: Any, weight: Any, out_features: int, out_dtype: str | None) -> Any:
    x, w = _infer.tensor(data, "the data"), _infer.tensor(weight, "the weight")
    if w.ndim != 3 or w.dims is None:
        raise CompileError(f"a packed weight has 3 known dimensions, found {w.ndim}")
    dtype = out_dtype or _infer.common_dtype(x, w)
    if x.dims is None:
        return _infer.like(x, None, x.ndim, dtype)
    _infer.require_equal(x.dims[-1], w.dims[1], "the inner dimensions")
    return _infer.like(x, (*x.dims[:-1], IntImm("int64", out_features)), dtype=dtype)


def _reference(data: Any, weight: Any, out_features: int, out_dtype: str | None) -> Any:
    panels, k, width = weight.shape
    whole = weight.transpose(1, 0, 2).reshape(k, panels * width)[:, :out_features]
    made = data.astype(np.float64) @ whole.astype(np.float64)
    return made.astype(dtype_of(out_dtype or str(data.dtype)).numpy)


def _samples() -> list[Sample]:
    weight = array((6, 20), seed=1)
    return [
        sample(array((3, 6)), pack_columns(weight, 8), 20),
        sample(array((2, 3, 6)), pack_columns(weight, 16), 20),
        sample(array((1, 6)), pack_columns(array((6, 16), seed=1), 16), 16),
    ]


@op(
    "nn.packed_matmul",
    infer=_infer_packed,
    lower=lambda data, weight, out_features, out_dtype: topi.nn.packed_matmul(
        data, weight, out_features, out_dtype
    ),
    reference=_reference,
    samples=_samples,
    pattern="out_elemwise_fusable",
)
def packed_matmul(
    data: Expr, weight: Expr, out_features: int, out_dtype: str | None = None
) -> Expr:
    """`data @ w` with `w` (k, n) given in panels of columns: (n / width, k, width).

    A panel is read in the order of its memory; columns beyond `out_features` are padding.
    """


__all__ = ["pack_columns", "packed_matmul"]
