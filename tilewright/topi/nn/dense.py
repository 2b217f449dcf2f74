"""Matrix products with weights, biases and batches."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..broadcast import broadcast_index, broadcast_shapes
from ..kinds import Sizes
from ..linalg import check_same
from ..math import cast
from ..reduction import accumulator
from ..utils import compute, index_dtype, reduce_over
from .utils import require_own_layout

__all__ = ["batch_matmul", "dense", "matmul"]


def product(
    a: Tensor,
    b: Tensor,
    bias: Tensor | None,
    out_dtype: str | None,
    transpose_a: bool,
    transpose_b: bool,
    name: str,
    block: str = "T_matmul",
) -> Tensor:
    """The product of the last two dimensions, the others broadcast; a tensor of one dimension is
    a row on the left, a column on the right, and that dimension is dropped. `bias` is added."""
    if not a.ndim or not b.ndim:
        raise ArgumentError(f"{name} needs at least one dimension on each side")
    vector_a, vector_b = a.ndim == 1, b.ndim == 1
    transpose_a, transpose_b = transpose_a and not vector_a, transpose_b and not vector_b
    depth = a.shape[-2] if transpose_a else a.shape[-1]
    other = b.shape[0] if vector_b else b.shape[-1] if transpose_b else b.shape[-2]
    check_same(depth, other, name)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows = [] if vector_a else [a.shape[-1] if transpose_a else a.shape[-2]]
    columns = [] if vector_b else [b.shape[-2] if transpose_b else b.shape[-1]]
    shape = [*batch, *rows, *columns]
    result = out_dtype or a.dtype
    kept = accumulator(result)
    k = reduce_over(depth, "k", index_dtype(a, b))

    def element(*i: PrimExpr) -> PrimExpr:
        head = i[: len(batch)]
        tail = list(i[len(batch) :])
        left: list[Any] = [k] if vector_a else [tail.pop(0), k]
        right: list[Any] = [k] if vector_b else [k, tail.pop(0)]
        if transpose_a:
            left.reverse()
        if transpose_b:
            right.reverse()
        x = a(*broadcast_index(head, batch, a.shape[:-2]), *left)
        y = b(*broadcast_index(head, batch, b.shape[:-2]), *right)
        made: PrimExpr = te.sum(op.multiply(op.cast(x, kept), op.cast(y, kept)), k)
        return made

    sides = "NT"[transpose_a] + "NT"[transpose_b]
    made = compute(shape, element, f"{block}_{sides}", name)
    if bias is not None:
        total, extra = made, bias
        made = compute(
            shape,
            lambda *i: op.add(
                total(*i), op.cast(extra(*broadcast_index(i, shape, extra.shape)), kept)
            ),
            "T_add",
            "broadcast",
        )
    return made if kept == result else cast(made, result)


def matmul(
    tensor_a: Tensor,
    tensor_b: Tensor,
    bias: Tensor | None = None,
    out_dtype: str | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    auto_scheduler_rewritten_layout: str = "",
    meta_schedule_original_shape: Sizes = None,
) -> Tensor:
    """The matrix product as in NumPy, each side given transposed if so said, plus `bias`."""
    require_own_layout("matmul", auto_scheduler_rewritten_layout, meta_schedule_original_shape)
    return product(tensor_a, tensor_b, bias, out_dtype, transpose_a, transpose_b, "matmul")


def dense(
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    out_dtype: str | None = None,
    auto_scheduler_rewritten_layout: str = "",
    meta_schedule_original_shape: Sizes = None,
) -> Tensor:
    """`data @ weight.T + bias`: the weight is (outputs, inputs)."""
    require_own_layout("dense", auto_scheduler_rewritten_layout, meta_schedule_original_shape)
    return product(data, weight, bias, out_dtype, False, True, "dense")


def batch_matmul(
    tensor_a: Tensor,
    tensor_b: Tensor,
    oshape: Sizes = None,
    out_dtype: str | None = None,
    transpose_a: bool = False,
    transpose_b: bool = True,
    auto_scheduler_rewritten_layout: str = "",
    meta_schedule_original_shape: Sizes = None,
) -> Tensor:
    """The product of matrices in batches that broadcast; `oshape` is seen from the operands."""
    require_own_layout(
        "batch_matmul", auto_scheduler_rewritten_layout, meta_schedule_original_shape
    )
    if tensor_a.ndim < 3 or tensor_b.ndim < 3:
        raise ArgumentError(
            f"batch_matmul needs at least 3 dimensions, found {tensor_a.ndim} and {tensor_b.ndim}"
        )
    sides = transpose_a, transpose_b
    return product(tensor_a, tensor_b, None, out_dtype, *sides, "batch_matmul", "T_batch_matmul")
