"""Products with weights that were packed ahead."""

from __future__ import annotations

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...te.tensor import Tensor
from ...tir import op
from ...tir.op import simplified
from ..linalg import check_same
from ..math import cast
from ..reduction import accumulator
from ..utils import index_dtype, reduce_over, require_rank

__all__ = ["dense_pack", "packed_matmul"]


def packed_matmul(
    data: Tensor, weight: Tensor, out_features: int, out_dtype: str | None = None
) -> Tensor:
    """`data[..., k] @ w[k, n]`, `w` in panels of columns (n / width, k, width), n up to
    `out_features`."""
    dtype = index_dtype(data, weight)
    width = weight.shape[2]
    k = reduce_over(data.shape[-1], "k", dtype)
    result = out_dtype or data.dtype
    kept = accumulator(result)
    shape = (*data.shape[:-1], IntImm(dtype, out_features))

    def element(*i: PrimExpr) -> PrimExpr:
        column = i[-1]
        left = data(*i[:-1], k)
        right = weight(op.floordiv(column, width), k, op.floormod(column, width))
        made: PrimExpr = te.sum(op.multiply(op.cast(left, kept), op.cast(right, kept)), k)
        return made

    made = te.compute(shape, element, "T_packed_matmul", "matmul")
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]


def dense_pack(
    data: Tensor, weight: Tensor, bias: Tensor | None = None, out_dtype: str | None = None
) -> Tensor:
    """`data @ w.T + bias`, `w` in panels of its rows: (n / width, k, width)."""
    require_rank(data, 2, "dense_pack")
    require_rank(weight, 3, "dense_pack")
    check_same(data.shape[1], weight.shape[1], "dense_pack")
    columns = simplified(op.multiply(weight.shape[0], weight.shape[2]))
    dtype = index_dtype(data, weight)
    result = out_dtype or data.dtype
    width, kept = weight.shape[2], accumulator(result)
    k = reduce_over(data.shape[1], "k", dtype)

    def element(i: PrimExpr, j: PrimExpr) -> PrimExpr:
        right = weight(op.floordiv(j, width), k, op.floormod(j, width))
        made: PrimExpr = te.sum(op.multiply(op.cast(data(i, k), kept), op.cast(right, kept)), k)
        return made

    made: Tensor = te.compute((data.shape[0], columns), element, "T_dense_pack", "dense_pack")
    if bias is not None:
        total = made
        made = te.compute(
            made.shape, lambda i, j: total(i, j) + op.cast(bias(j), kept), "T_bias", "broadcast"
        )
    return made if kept == result else cast(made, result)
