"""Reading a tensor at indices that another tensor holds, and tensors made from indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import te
from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from . import tag
from .broadcast import broadcast_index, broadcast_shapes
from .kinds import Sizes
from .utils import (
    as_dim,
    as_list,
    as_tuple,
    compute,
    equal_const_int,
    flat_index,
    get_const_int,
    index_dtype,
    normalize_axis,
    product,
    require_rank,
    unflatten,
)

__all__ = [
    "adv_index", "arange", "eye", "gather", "gather_nd", "gather_nd_batched", "index_tensor",
    "matrix_set_diag", "one_hot", "sequence_mask", "sparse_to_dense", "take", "take_along_axis",
    "trilu",
]  # fmt: skip

_MODES = ("fast", "clip", "wrap", "nan")


def index_in(index: PrimExpr, extent: PrimExpr, mode: str) -> PrimExpr:
    """`index` into a dimension of `extent`: clipped to it, wrapped around it, or as it is."""
    if mode == "clip":
        top = op.subtract(extent, op.const(1, extent.dtype))
        wide = op.cast(index, extent.dtype)
        return op.max(op.min(wide, top), op.const(0, wide.dtype))
    if mode == "wrap":
        return op.floormod(op.cast(index, extent.dtype), extent)
    return index


def _is_index(tensor: Tensor, who: str) -> None:
    if not dtype_of(tensor.dtype).is_integral:
        raise ArgumentError(f"{who}: indices must be integers, found {tensor.dtype}")


def take(
    a: Tensor, indices: Any, axis: int | None = None, batch_dims: int = 0, mode: str = "fast"
) -> Tensor:
    """The slices of `a` at `indices` along `axis` (None: of `a` as one dimension).

    `mode`: `fast` (indices are in range), `clip`, `wrap`, or `nan` (NaN where out of range).
    The first `batch_dims` dimensions of both run together.
    """
    if mode not in _MODES:
        raise ArgumentError(f"take: mode is one of {', '.join(_MODES)}, found {mode!r}")
    if not isinstance(indices, Tensor):
        constant = as_scalar(indices)
        indices = te.compute((), lambda: constant, name="T_index")
    _is_index(indices, "take")
    if axis is None:
        return _take_flat(a, indices, mode)
    place = normalize_axis(axis, a.ndim)
    batch = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if not 0 <= batch <= min(place, indices.ndim):
        raise ArgumentError(f"take: batch_dims {batch_dims} does not fit axis {axis}")
    picked = indices.shape[batch:]
    shape = [*a.shape[:place], *picked, *a.shape[place + 1 :]]

    def element(*i: PrimExpr) -> PrimExpr:
        raw = indices(*i[:batch], *i[place : place + len(picked)])
        rest = i[place + len(picked) :]
        extent = a.shape[place]
        value = a(*i[:place], index_in(raw, extent, mode), *rest)
        return _or_nan(raw, extent, value) if mode == "nan" else value

    return compute(shape, element, "T_take", tag.INJECTIVE)


def _or_nan(index: PrimExpr, extent: PrimExpr, value: PrimExpr) -> PrimExpr:
    inside = op.all(op.greater_equal(index, 0), op.less(index, extent))
    return op.if_then_else(inside, value, op.const(math.nan, value.dtype))


def _take_flat(a: Tensor, indices: Tensor, mode: str) -> Tensor:
    total = product(a.shape, index_dtype(a))

    def element(*i: PrimExpr) -> PrimExpr:
        raw = indices(*i)
        flat = op.cast(index_in(raw, total, mode), total.dtype)
        value = a(*unflatten(flat, a.shape))
        return _or_nan(raw, total, value) if mode == "nan" else value

    return compute(indices.shape, element, "T_take", tag.INJECTIVE)


def gather(data: Tensor, axis: int, indices: Tensor) -> Tensor:
    """`data` at `indices` along `axis`, each index in its own row: shaped like `indices`."""
    _is_index(indices, "gather")
    place = normalize_axis(axis, data.ndim)
    if indices.ndim != data.ndim:
        raise ArgumentError(f"gather: {indices.ndim} dimensions of indices for {data.ndim} of data")
    return compute(
        indices.shape,
        lambda *i: data(
            *i[:place], index_in(indices(*i), data.shape[place], "clip"), *i[place + 1 :]
        ),
        "T_gather",
        tag.INJECTIVE,
    )


def take_along_axis(data: Tensor, indices: Tensor, axis: int, mode: str = "fast") -> Tensor:
    """`data` at `indices` along `axis`; the other dimensions broadcast."""
    place = normalize_axis(axis, data.ndim)
    require_rank(indices, data.ndim, "take_along_axis")
    one = IntImm(index_dtype(data), 1)
    rest = broadcast_shapes(
        [one if k == place else d for k, d in enumerate(data.shape)],
        [one if k == place else d for k, d in enumerate(indices.shape)],
    )
    shape = [*rest[:place], indices.shape[place], *rest[place + 1 :]]

    def element(*i: PrimExpr) -> PrimExpr:
        own = broadcast_index(i, shape, data.shape)
        raw = indices(*broadcast_index(i, shape, indices.shape))
        own[place] = index_in(raw, data.shape[place], mode)
        return data(*own)

    return compute(shape, element, "T_take_along_axis", tag.INJECTIVE)


def _coordinates(indices: Tensor, place: int, batch_dims: int) -> int:
    if not indices.ndim or batch_dims < 0:
        raise ArgumentError(
            f"gather_nd: indices of {indices.ndim} dimensions and batch_dims of {batch_dims}, "
            "expected 1 or more and 0 or more"
        )
    return get_const_int(indices.shape[place])


def gather_nd(a: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    """`a` at coordinates: `indices[k, ...]` is the index of the `k`-th dimension that is picked
    (after `batch_dims` dimensions that run together)."""
    _is_index(indices, "gather_nd")
    depth = _coordinates(indices, 0, batch_dims)
    if depth + batch_dims > a.ndim:
        raise ArgumentError(f"gather_nd: coordinates of {depth} for {a.ndim} dimensions")
    outer = indices.ndim - 1
    shape = [*indices.shape[1:], *a.shape[depth + batch_dims :]]

    def element(*i: PrimExpr) -> PrimExpr:
        raw = [indices(IntImm(index_dtype(a), k), *i[:outer]) for k in range(depth)]
        extents = a.shape[batch_dims : batch_dims + depth]
        picked = [index_in(x, extent, "clip") for x, extent in zip(raw, extents, strict=True)]
        return a(*i[:batch_dims], *picked, *i[outer:])

    return compute(shape, element, "T_gather_nd", tag.INJECTIVE)


def gather_nd_batched(data: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    """`data` at the coordinates in the last dimension of `indices`, as in ONNX: the first
    `batch_dims` dimensions run together; negative coordinates count from the end."""
    _is_index(indices, "gather_nd")
    depth = _coordinates(indices, -1, batch_dims)
    outer = indices.ndim - 1
    if depth + batch_dims > data.ndim or batch_dims > outer:
        raise ArgumentError(
            f"gather_nd: coordinates of {depth} after {batch_dims} for {data.ndim} dimensions"
        )

    def element(*i: PrimExpr) -> PrimExpr:
        picked = []
        for k in range(depth):
            extent = data.shape[batch_dims + k]
            raw = op.cast(indices(*i[:outer], k), extent.dtype)
            wrapped = op.select(op.less(raw, 0), op.add(raw, extent), raw)
            picked.append(index_in(wrapped, extent, "clip"))
        return data(*i[:batch_dims], *picked, *i[outer:])

    shape = [*indices.shape[:-1], *data.shape[batch_dims + depth :]]
    return compute(shape, element, "T_gather_nd", tag.INJECTIVE)


def adv_index(data: Tensor, indices: Sequence[Tensor]) -> Tensor:
    """`data[indices[0], indices[1], ...]` with index tensors that broadcast, as in NumPy."""
    return index_tensor(data, indices)


def index_tensor(data: Tensor, indices: Sequence[Tensor]) -> Tensor:
    """`data` at broadcast index tensors, one for each of its first dimensions; negative indices
    count from the end."""
    given = list(indices)
    if not given or len(given) > data.ndim:
        raise ArgumentError(f"{len(given)} index tensors for {data.ndim} dimensions")
    for one in given:
        _is_index(one, "index_tensor")
    front = broadcast_shapes(*[t.shape for t in given])

    def element(*i: PrimExpr) -> PrimExpr:
        head = i[: len(front)]
        picked = []
        for k, t in enumerate(given):
            extent = data.shape[k]
            raw = op.cast(t(*broadcast_index(head, front, t.shape)), extent.dtype)
            wrapped = op.select(op.less(raw, 0), op.add(raw, extent), raw)
            picked.append(index_in(wrapped, extent, "clip"))
        return data(*picked, *i[len(front) :])

    return compute([*front, *data.shape[len(given) :]], element, "advanced_index", tag.INJECTIVE)


def one_hot(
    indices: Tensor, on_value: Any, off_value: Any, depth: Any, axis: int, dtype: str
) -> Tensor:
    """`on_value` where a new dimension of `depth` at `axis` equals the index, else `off_value`."""
    place = normalize_axis(axis, indices.ndim + 1)
    shape = list(indices.shape)
    shape.insert(place, as_dim(depth, index_dtype(indices)))
    on, off = (
        op.cast(x() if isinstance(x, Tensor) else as_scalar(x, dtype), dtype)
        for x in (on_value, off_value)
    )
    return compute(
        shape,
        lambda *i: op.select(
            op.equal(indices(*i[:place], *i[place + 1 :]), op.cast(i[place], indices.dtype)),
            on,
            off,
        ),
        "T_one_hot",
        tag.INJECTIVE,
    )


def sequence_mask(
    data: Tensor, valid_length: Tensor, mask_value: float = 0, axis: int = 0
) -> Tensor:
    """`data` of shape (length, batch, ...) (`axis=1`: (batch, length, ...)) with `mask_value`
    from `valid_length[batch]` on."""
    if axis not in (0, 1) or data.ndim < 2:
        raise ArgumentError(f"sequence_mask: axis 0 or 1 of at least 2 dimensions, found {axis}")

    def element(*i: PrimExpr) -> PrimExpr:
        length = valid_length(i[1 - axis])
        outside = op.greater_equal(op.cast(i[axis], length.dtype), length)
        return op.select(outside, op.const(mask_value, data.dtype), data(*i))

    return compute(data.shape, element, "T_sequence_mask", tag.INJECTIVE)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "float32") -> Tensor:
    """`start, start + step, ...` before `stop`; with one number, from 0 to it."""
    if stop is None:
        start, stop = 0, start
    numbers = (start, stop, step)
    if all(isinstance(x, (int, float, IntImm)) or op.const_value(x) is not None for x in numbers):
        lo, hi, by = (op.const_value(x) if isinstance(x, PrimExpr) else x for x in numbers)
        if not by:
            raise ArgumentError("arange: the step must not be 0")
        count: Any = max(0, math.ceil((hi - lo) / by))  # type: ignore[operator]
    else:
        count = _count(start, stop, step)
    first, by = (as_scalar(x, dtype) if not isinstance(x, PrimExpr) else x for x in (start, step))

    def element(i: PrimExpr) -> PrimExpr:
        if op.const_value(first) == 0 and op.const_value(by) == 1:
            return op.cast(i, dtype)
        offset = op.multiply(op.cast(i, dtype), op.cast(by, dtype))
        return op.add(op.cast(first, dtype), offset)

    return compute([count], element, "T_arange", tag.INJECTIVE)


def _count(start: Any, stop: Any, step: Any) -> PrimExpr:
    parts = [as_scalar(x) for x in (start, stop, step)]
    if any(dtype_of(p.dtype).is_float for p in parts):
        a, b, c = (op.cast(p, "float64") for p in parts)
        return op.max(op.cast(op.ceil(op.div(op.subtract(b, a), c)), "int64"), op.const(0, "int64"))
    a, b, c = parts
    span = op.subtract(b, a)
    by = op.const_value(c)
    if by is None:
        span = op.add(span, op.select(op.greater(c, 0), op.subtract(c, 1), op.add(c, 1)))
    elif by != 1:
        span = op.add(span, int(by) - (1 if by > 0 else -1))
    count = op.floordiv(span, c)
    return op.max(count, op.const(0, count.dtype))


def sparse_to_dense(
    sparse_indices: Tensor, output_shape: Sizes, sparse_values: Tensor, default_value: Any = 0
) -> Tensor:
    """A dense tensor that holds `sparse_values` at `sparse_indices` (a number, a row of numbers,
    or a row of coordinates), `default_value` elsewhere; the last of equal coordinates wins."""
    shape = list(as_tuple(output_shape))
    default = default_value() if isinstance(default_value, Tensor) else default_value
    rank = sparse_indices.ndim
    if rank > 2:
        raise ArgumentError(f"sparse_to_dense: indices of {rank} dimensions, expected at most 2")
    count = 1 if rank == 0 else get_const_int(sparse_indices.shape[0])

    def at(k: int) -> list[PrimExpr]:
        if rank == 0:
            return [sparse_indices()]
        if rank == 1:
            return [sparse_indices(k)]
        return [sparse_indices(k, d) for d in range(len(shape))]

    def element(*i: PrimExpr) -> PrimExpr:
        result = op.cast(as_scalar(default, sparse_values.dtype), sparse_values.dtype)
        for k in range(count):
            here = op.every(
                [op.equal(x, op.cast(y, x.dtype)) for x, y in zip(at(k), i, strict=True)]
            )
            value = sparse_values(*([k] if sparse_values.ndim else []))
            result = op.if_then_else(here, value, result)
        return result

    return compute(shape, element, "T_sparse_to_dense", tag.INJECTIVE)


def trilu(data: Tensor, k: Any, upper: bool) -> Tensor:
    """The matrices of `data` with zeros below the `k`-th diagonal (`upper`), or above it."""
    if data.ndim < 2:
        raise ArgumentError(f"trilu needs at least 2 dimensions, found {data.ndim}")
    shift = k() if isinstance(k, Tensor) else as_scalar(k)

    def element(*i: PrimExpr) -> PrimExpr:
        row, column = i[-2], i[-1]
        edge = op.add(row, op.cast(shift, row.dtype))
        keep = op.less_equal(edge, column) if upper else op.greater_equal(edge, column)
        return op.select(keep, data(*i), op.const(0, data.dtype))

    return compute(data.shape, element, "trilu", tag.ELEMWISE)


_ALIGNMENTS = ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT")


def matrix_set_diag(
    data: Tensor, diagonal: Tensor, k: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """The matrices of `data` with their diagonals `k` (one, or from `k[0]` to `k[1]`) replaced.

    `align` says where diagonals shorter than the longest begin: above and below the main one.
    """
    first, last = as_list(k, 2, "matrix_set_diag: k")
    single = diagonal.ndim == data.ndim - 1
    require_rank(diagonal, (data.ndim - 1, data.ndim), "matrix_set_diag")
    if data.ndim < 2 or align not in _ALIGNMENTS:
        raise ArgumentError(
            f"matrix_set_diag needs matrices and align of {', '.join(_ALIGNMENTS)}, found "
            f"{data.ndim} dimensions and {align!r}"
        )
    above, below = align.split("_")

    def element(*i: PrimExpr) -> PrimExpr:
        row, column = i[-2], i[-1]
        away = op.subtract(column, row)
        place = op.select(op.greater(away, 0), row, column)
        if single:
            return op.if_then_else(op.equal(away, first), diagonal(*i[:-2], place), data(*i))
        longest = diagonal.shape[-1]
        rows, columns = data.shape[-2], data.shape[-1]
        length = op.min(op.subtract(columns, op.max(away, 0)), op.add(rows, op.min(away, 0)))
        gap = op.subtract(longest, length)
        shift = op.select(
            op.greater_equal(away, 0),
            gap if above == "RIGHT" else op.const(0, gap.dtype),
            gap if below == "RIGHT" else op.const(0, gap.dtype),
        )
        inside = op.all(op.greater_equal(away, first), op.less_equal(away, last))
        value = diagonal(*i[:-2], op.subtract(last, away), op.add(place, shift))
        return op.if_then_else(inside, value, data(*i))

    return compute(data.shape, element, "T_matrix_set_diag", tag.INJECTIVE)


def eye(n: Any, m: Any = None, k: int = 0, dtype: str = "float32") -> Tensor:
    """A matrix with ones on the `k`-th diagonal."""
    return compute(
        [n, n if m is None else m],
        lambda i, j: op.select(
            op.equal(op.subtract(j, i), k), op.const(1, dtype), op.const(0, dtype)
        ),
        "eye",
        tag.INJECTIVE,
    )


def flat_position(indices: Sequence[PrimExpr], shape: Sequence[PrimExpr]) -> PrimExpr:
    """The row-major position of `indices` in `shape`."""
    if any(equal_const_int(d, 0) for d in shape):
        return op.const(0)
    return flat_index(indices, shape)
