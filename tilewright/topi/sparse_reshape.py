"""Coordinates of a sparse tensor in another shape, and smaller helpers of shapes."""

from __future__ import annotations

import math
from typing import Any

from .. import te
from ..ir.expr import PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor, as_shape
from ..tir import op
from . import tag
from .kinds import Axes
from .reduction import accumulator
from .transform import ndarray_size, tile
from .utils import (
    as_list,
    as_tuple,
    compute,
    equal_const_int,
    get_const_int,
    index_dtype,
    normalize_axis,
    reduce_over,
    require_rank,
    require_shape,
)

__all__ = [
    "collapse_sum", "dyn_tile", "fixed_point_multiply_per_axis", "hamming_window",
    "sparse_reshape", "tensor_size",
]  # fmt: skip

tensor_size = ndarray_size


def sparse_reshape(
    sparse_indices: Tensor,
    prev_shape: Tensor,
    new_shape: Tensor,
    new_sparse_indices_shape: Any,
    new_shape_shape: Any,
) -> tuple[Tensor, Tensor]:
    """The rows of `sparse_indices`, places in `prev_shape`, as places in `new_shape`, and that
    shape with its -1 replaced by what is left."""
    require_rank(sparse_indices, 2, "sparse_reshape")
    require_shape(prev_shape, sparse_indices.shape[1:], "sparse_reshape")
    require_rank(new_shape, 1, "sparse_reshape")
    rows = as_list(new_sparse_indices_shape, 2, "sparse_reshape: new_sparse_indices_shape")
    kind = new_shape.dtype
    before = [prev_shape(k) for k in range(get_const_int(prev_shape.shape[0]))]
    after = [new_shape(k) for k in range(get_const_int(new_shape.shape[0]))]
    total: PrimExpr = op.const(1, kind)
    for dim in before:
        total = op.multiply(total, op.cast(dim, kind))
    known: PrimExpr = op.const(1, kind)
    for dim in after:
        known = op.multiply(known, op.select(op.equal(dim, -1), op.const(1, kind), dim))

    def resolved(k: PrimExpr) -> PrimExpr:
        dim = new_shape(k)
        return op.if_then_else(op.equal(dim, -1), op.floordiv(total, known), dim)

    whole = compute(as_shape(new_shape_shape), resolved, "new_shape", tag.INJECTIVE)

    def place(row: PrimExpr, column: PrimExpr) -> PrimExpr:
        flat: PrimExpr = op.const(0, kind)
        for k, dim in enumerate(before):
            flat = op.add(
                op.multiply(flat, op.cast(dim, kind)), op.cast(sparse_indices(row, k), kind)
            )
        found: PrimExpr = op.const(0, kind)
        inner: PrimExpr = op.const(1, kind)
        for k in reversed(range(len(after))):
            digit = op.floormod(op.floordiv(flat, inner), whole(k))
            found = op.select(op.equal(column, k), digit, found)
            inner = op.multiply(inner, whole(k))
        return op.cast(found, sparse_indices.dtype)

    made = compute(rows, place, "new_indices", tag.INJECTIVE)
    return made, whole


def collapse_sum(data: Tensor, target_shape: Any) -> Tensor:
    """`data` summed up to `target_shape`: the gradient of broadcasting that shape to its own."""
    target = as_shape(target_shape)
    lead = data.ndim - len(target)
    summed = [
        k for k, d in enumerate(data.shape)
        if k < lead or (equal_const_int(target[k - lead], 1) and not equal_const_int(d, 1))
    ]  # fmt: skip
    if not summed:
        return data
    dtype, kept = index_dtype(data), accumulator(data.dtype)
    axes = {k: reduce_over(data.shape[k], f"k{k}", dtype) for k in summed}

    def element(*i: PrimExpr) -> PrimExpr:
        own = [axes[k].var if k in axes else i[k - lead] for k in range(data.ndim)]
        made: PrimExpr = te.sum(op.cast(data(*own), kept), list(axes.values()))
        return made

    total = compute(target, element, f"{data.op.name}_red", tag.COMM_REDUCE)
    if kept == data.dtype:
        return total
    return compute(target, lambda *i: op.cast(total(*i), data.dtype), "T_cast", tag.ELEMWISE)


def dyn_tile(a: Tensor, new_shape: Any, rdim: int) -> Tensor:
    """`a` repeated to fill `new_shape`, of which `rdim` dimensions are repeated."""
    del rdim
    shape = as_shape(new_shape)
    lead = len(shape) - a.ndim
    if lead < 0:
        return tile(a, [1] * a.ndim)
    return compute(
        shape,
        lambda *i: a(*[op.floormod(i[lead + k], d) for k, d in enumerate(a.shape)]),
        "T_tile",
        tag.BROADCAST,
    )


def hamming_window(
    window_size: int, periodic: bool, alpha: float, beta: float, dtype: str
) -> Tensor:
    """`alpha - beta * cos(2 pi n / N)`; `N` is the window's size, less one if not `periodic`."""
    if window_size < 1:
        raise ArgumentError(f"hamming_window: window_size must be positive, found {window_size}")
    span = window_size if periodic else window_size - 1

    def element(n: PrimExpr) -> PrimExpr:
        if window_size == 1:
            return op.const(1.0, dtype)
        kept = "float64" if dtype == "float64" else "float32"
        angle = op.multiply(op.cast(n, kept), op.const(2 * math.pi / span, kept))
        made = op.subtract(op.const(alpha, kept), op.multiply(op.const(beta, kept), op.cos(angle)))
        return op.cast(made, dtype)

    return compute((window_size,), element, "hamming_window", tag.INJECTIVE)


def fixed_point_multiply_per_axis(
    x: Tensor,
    y: Tensor,
    lshift: Tensor,
    rshift: Tensor,
    is_lshift_required: Any,
    is_rshift_required: Any,
    axes: Axes,
) -> Tensor:
    """`x * y * 2 ** (lshift - rshift - 31)` of `int32`, rounded half up, by the multipliers and
    shifts of the axes named."""
    places = [normalize_axis(axis, x.ndim) for axis in as_tuple(axes)]
    for factors in (y, lshift, rshift):
        require_shape(factors, [x.shape[p] for p in places], "fixed_point_multiply_per_axis")

    def element(*i: PrimExpr) -> PrimExpr:
        own = [i[p] for p in places]
        wide = op.cast(x(*i), "int64")
        if get_const_int(is_lshift_required):
            wide = op.shift_left(wide, op.cast(lshift(*own), "int64"))
        total: PrimExpr = op.const(31, "int64")
        if get_const_int(is_rshift_required):
            total = op.add(total, op.cast(rshift(*own), "int64"))
        one = op.const(1, "int64")
        half = op.shift_left(one, op.subtract(total, one))
        product = op.add(op.multiply(wide, op.cast(y(*own), "int64")), half)
        return op.cast(op.shift_right(product, total), x.dtype)

    return compute(x.shape, element, "compute", tag.BROADCAST)
