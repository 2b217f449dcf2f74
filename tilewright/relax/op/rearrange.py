"""Operators that move axes and elements without computing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import CompileError
from ...tir import op as tir_op
from ...tir.index_map import IndexMap
from ..base import Expr
from ..dims import as_dim, is_different, product, simplify
from ..struct_info import TensorStructInfo, TupleStructInfo
from . import _infer
from ._declare import Prim, Sample, Shape, Tensors, op, sample
from ._samples import array

ONE = IntImm("int64", 1)


def _infer_permute(x: Any, axes: Any) -> TensorStructInfo:
    info = _infer.tensor(x)
    if info.ndim == -1:
        return info
    order = _order(info.ndim, axes)
    return _infer.like(info, None if info.dims is None else [info.dims[a] for a in order],
                       info.ndim)  # fmt: skip


def _order(ndim: int, axes: Any) -> list[int]:
    if axes is None:
        return list(range(ndim))[::-1]
    order = [_infer.normalize_axis(a, ndim) for a in axes]
    if sorted(order) != list(range(ndim)):
        raise CompileError(
            f"axes {list(axes)} are no permutation of {ndim} dimensions",
            hint=f"name each axis from 0 to {ndim - 1} once",
        )
    return order


@op(
    "permute_dims",
    infer=_infer_permute,
    lower=lambda x, axes: topi.transpose(x, None if axes is None else _order(len(x.shape), axes)),
    reference=np.transpose,
    samples=lambda: [sample(array((2, 3, 4))), sample(array((2, 3, 4)), (1, -1, 0))],
    pattern="injective",
)
def permute_dims(x: Expr, axes: Sequence[int] | None = None) -> Expr:
    """The axes of `x` in the order `axes`; None: reversed."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int) else list(value)


def _infer_expand(x: Any, axis: Any) -> TensorStructInfo:
    info = _infer.tensor(x)
    if info.ndim == -1:
        return info
    new = _infer.normalize_axes(_listed(axis), info.ndim + len(_listed(axis)))
    rank = info.ndim + len(new)
    if info.dims is None:
        return _infer.like(info, None, rank)
    old = iter(info.dims)
    return _infer.like(info, [ONE if i in new else next(old) for i in range(rank)])


def _expand(x: Any, axis: Any) -> Any:
    rank = len(x.shape) + len(_listed(axis))
    for place in _infer.normalize_axes(_listed(axis), rank):
        x = topi.expand_dims(x, place, 1)
    return x


@op(
    "expand_dims",
    infer=_infer_expand,
    lower=_expand,
    reference=lambda x, axis: np.expand_dims(x, tuple(_listed(axis))),
    samples=lambda: [sample(array((2, 3)), 1), sample(array((2, 3)), (0, -1))],
    pattern="injective",
)
def expand_dims(x: Expr, axis: int | Sequence[int]) -> Expr:
    """`x` with new axes of extent 1 at these places of the result."""


def _squeezed(info: TensorStructInfo, axis: Any) -> tuple[int, ...]:
    if axis is not None:
        return _infer.normalize_axes(axis, info.ndim)
    dims = info.dims or ()
    return tuple(i for i, d in enumerate(dims) if isinstance(d, IntImm) and d.value == 1)


def _infer_squeeze(x: Any, axis: Any) -> TensorStructInfo:
    info = _infer.tensor(x)
    if info.ndim == -1 or (info.dims is None and axis is None):
        return _infer.like(info, None)
    gone = _squeezed(info, axis)
    if info.dims is None:
        return _infer.like(info, None, info.ndim - len(gone))
    for i in gone:
        if is_different(info.dims[i], ONE):
            raise CompileError(f"axis {i} has extent {info.dims[i]}, only 1 can be dropped")
        _infer.require_equal(info.dims[i], ONE, f"the extent of axis {i}")
    return _infer.like(info, [d for i, d in enumerate(info.dims) if i not in gone])


def _squeeze(x: Any, axis: Any) -> Any:
    rank = len(x.shape)
    if axis is None:
        gone = [i for i, d in enumerate(x.shape) if isinstance(d, IntImm) and d.value == 1]
    else:
        gone = list(_infer.normalize_axes(axis, rank))
    return topi.squeeze(x, gone) if gone else topi.identity(x)


@op(
    "squeeze",
    infer=_infer_squeeze,
    lower=_squeeze,
    reference=lambda x, axis: np.squeeze(x, None if axis is None else tuple(_listed(axis))),
    samples=lambda: [sample(array((1, 3, 1))), sample(array((1, 3, 1)), (0,))],
    pattern="injective",
)
def squeeze(x: Expr, axis: int | Sequence[int] | None = None) -> Expr:
    """`x` without these axes of extent 1; None: without all such."""


def _infer_broadcast_to(x: Any, shape: Any) -> TensorStructInfo:
    info, target = _infer.tensor(x), _infer.shape(shape)
    if target.values is None or info.dims is None:
        return _infer.like(info, target.values, target.ndim)
    if len(info.dims) > len(target.values):
        raise CompileError(f"{list(info.dims)} has more dimensions than {list(target.values)}")
    for have, want in zip(info.dims[::-1], target.values[::-1], strict=False):
        if is_different(have, ONE) and is_different(have, want):
            raise CompileError(f"{list(info.dims)} does not broadcast to {list(target.values)}")
        if not _infer.is_one(have):
            _infer.require_equal(have, want, "broadcast dimensions")
    return _infer.like(info, target.values)


@op(
    "broadcast_to",
    infer=_infer_broadcast_to,
    lower=lambda x, shape: topi.broadcast_to(x, shape),
    reference=np.broadcast_to,
    samples=lambda: [sample(array((3, 1)), (2, 3, 4)), sample(array(()), (2,))],
    pattern="broadcast",
)
def broadcast_to(x: Expr, shape: Shape) -> Expr:
    """`x` repeated along axes of extent 1 and new leading ones, to `shape`."""


@op(
    "flatten",
    infer=lambda x: _infer.like(
        _infer.tensor(x), None if x.dims is None else (product(x.dims),), 1
    ),
    lower=lambda x: topi.reshape(x, (product(x.shape),)),
    reference=lambda x: np.reshape(x, -1),
    samples=lambda: [sample(array((2, 3))), sample(array(()))],
    pattern="injective",
)
def flatten(x: Expr) -> Expr:
    """The elements in row-major order as a vector."""


def split_bounds(size: Any, indices_or_sections: Any, what: str = "axis") -> list[Any]:
    """Where the parts begin and where the last one ends, in order."""
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if isinstance(size, IntImm):
            step = -(-size.value // count)
            return [min(i * step, size.value) for i in range(count)] + [size.value]
        part = simplify(tir_op.ceildiv(size, count))
        ends = [simplify(tir_op.min(part * i, size)) for i in range(1, count)]
        return [0, *ends, size]
    inner = [int(i) for i in indices_or_sections]
    if isinstance(size, IntImm):
        inner = [min(max(i + size.value if i < 0 else i, 0), size.value) for i in inner]
        return [0, *inner, size.value]
    return [0, *inner, size]


def _infer_split(x: Any, indices_or_sections: Any, axis: int) -> TupleStructInfo:
    info = _infer.tensor(x)
    axis = _infer.normalize_axis(axis, info.ndim)
    count = (
        indices_or_sections
        if isinstance(indices_or_sections, int)
        else (len(indices_or_sections) + 1)
    )
    if info.dims is None:
        return TupleStructInfo((_infer.like(info, None, info.ndim),) * count)
    size = info.dims[axis]
    bounds = split_bounds(size, indices_or_sections)
    if not isinstance(indices_or_sections, int) and not isinstance(size, IntImm) and bounds[1:-1]:
        reach = simplify(tir_op.max(size, as_dim(max(bounds[1:-1]))))
        _infer.require_equal(size, reach, f"the indices must lie within axis {axis}")
    parts = []
    for begin, end in itertools.pairwise(bounds):
        extent = simplify(tir_op.max(as_dim(end) - as_dim(begin), as_dim(0)))
        dims = [extent if i == axis else d for i, d in enumerate(info.dims)]
        parts.append(_infer.like(info, dims))
    return TupleStructInfo(tuple(parts))


def _split_reference(x: Any, indices_or_sections: Any, axis: int) -> tuple[Any, ...]:
    bounds = split_bounds(IntImm("int64", x.shape[axis]), indices_or_sections)
    return tuple(np.split(x, bounds[1:-1], axis))


@op(
    "split",
    infer=_infer_split,
    lower=lambda x, indices_or_sections, axis: topi.split(
        x, split_bounds(x.shape[axis], indices_or_sections)[1:-1], axis
    ),
    reference=_split_reference,
    samples=lambda: [sample(array((6, 4)), 3, 0), sample(array((2, 7)), 3, -1),
                     sample(array((5, 2)), (1, 3), 0)],
)  # fmt: skip
def split(x: Expr, indices_or_sections: int | Sequence[int], axis: int = 0) -> Expr:
    """`x` cut along `axis` into so many parts (the last may be short), or at these places."""


def _infer_stack(tensors: Any, axis: int) -> TensorStructInfo:
    infos = _infer.tensors(tensors, "`tensors`")
    if not infos:
        raise CompileError("nothing to stack")
    first = infos[0]
    rank = first.ndim + 1
    axis = _infer.normalize_axis(axis, rank)
    if first.dims is None:
        return _infer.like(first, None, rank if first.ndim >= 0 else -1)
    dims: list[PrimExpr] = list(first.dims)
    dims.insert(axis, IntImm("int64", len(infos)))
    return _infer.like(first, dims, dtype=_infer.common_dtype(*infos))


@op(
    "stack",
    infer=_infer_stack,
    lower=lambda tensors, axis: topi.stack(tensors, axis),
    reference=lambda tensors, axis: np.stack(tensors, axis),
    samples=lambda: [sample((array((2, 3)), array((2, 3), seed=1)), axis=1)],
)
def stack(tensors: Tensors, axis: int = 0) -> Expr:
    """The tensors, all of one shape, along a new axis."""


def _infer_tile(x: Any, repeats: Any) -> TensorStructInfo:
    info = _infer.tensor(x)
    times = _listed(repeats)
    if any(isinstance(t, int) and t < 0 for t in times):
        raise CompileError(f"repeats must be at least 0, found {times}")
    rank = max(info.ndim, len(times))
    if info.dims is None:
        return _infer.like(info, None, rank)
    dims = [ONE] * (rank - len(info.dims)) + list(info.dims)
    times = [1] * (rank - len(times)) + times
    return _infer.like(info, [simplify(d * t) for d, t in zip(dims, times, strict=True)])


@op(
    "tile",
    infer=_infer_tile,
    lower=lambda x, repeats: topi.tile(x, _listed(repeats)),
    reference=lambda x, repeats: np.tile(x, repeats),
    samples=lambda: [sample(array((2, 3)), (2, 1)), sample(array((3,)), (2, 2))],
)
def tile(x: Expr, repeats: int | Sequence[int]) -> Expr:
    """`x` laid side by side `repeats` times along each axis."""


def _infer_repeat(data: Any, repeats: int, axis: int | None) -> TensorStructInfo:
    info = _infer.tensor(data)
    if info.dims is None:
        return _infer.like(info, None, 1 if axis is None else info.ndim)
    if axis is None:
        return _infer.like(info, (simplify(product(info.dims) * repeats),))
    axis = _infer.normalize_axis(axis, info.ndim)
    dims = [simplify(d * repeats) if i == axis else d for i, d in enumerate(info.dims)]
    return _infer.like(info, dims)


def _repeat(data: Any, repeats: int, axis: int | None) -> Any:
    if axis is None:
        return topi.repeat(topi.reshape(data, (product(data.shape),)), repeats, 0)
    return topi.repeat(data, repeats, axis)


@op(
    "repeat",
    infer=_infer_repeat,
    lower=_repeat,
    reference=lambda data, repeats, axis: np.repeat(data, repeats, axis),
    samples=lambda: [sample(array((2, 3)), 2, 0), sample(array((2, 3)), 3, None)],
)
def repeat(data: Expr, repeats: int, axis: int | None = None) -> Expr:
    """Each element `repeats` times along `axis`; None: of the flattened tensor."""


@op(
    "flip",
    infer=lambda data, axis: _infer.tensor(data),
    lower=lambda data, axis: topi.flip(data, axis),
    reference=lambda data, axis: np.flip(data, axis),
    samples=lambda: [sample(array((2, 3)), 0), sample(array((2, 3)), -1)],
)
def flip(data: Expr, axis: int) -> Expr:
    """`data` with the order along `axis` reversed."""


def slice_extent(size: PrimExpr, begin: Any, end: Any, step: int, inbound: bool) -> PrimExpr:
    """How many elements a slice takes; bounds are clamped as in Python unless `inbound`."""
    lo, hi = as_dim(begin), as_dim(end)
    if not inbound:
        lo, hi = clamped(size, lo, step), clamped(size, hi, step)
    span = hi - lo if step > 0 else lo - hi
    return simplify(tir_op.max(tir_op.ceildiv(span, abs(step)), as_dim(0)))


def clamped(size: PrimExpr, bound: PrimExpr, step: int) -> PrimExpr:
    """A bound of a slice counted from the front and kept within the axis."""
    if isinstance(bound, IntImm) and bound.value < 0:
        bound = bound + size
    low, high = (as_dim(0), size) if step > 0 else (as_dim(-1), size - 1)
    if isinstance(bound, IntImm) and bound.value == 0 and step > 0:
        return bound
    return simplify(tir_op.max(tir_op.min(bound, high), low))


def _slice_parts(info: Any, axes: Any, begin: Any, end: Any, strides: Any) -> list[Any]:
    if not len(axes) == len(begin) == len(end) == len(strides or axes):
        raise CompileError(f"axes {axes}, begin {begin} and end {end} have different lengths")
    rank = len(info.shape) if hasattr(info, "op") else info.ndim
    steps = strides or (1,) * len(axes)
    return [
        (_infer.normalize_axis(a, rank), b, e, int(s))
        for a, b, e, s in zip(axes, begin, end, steps, strict=True)
    ]


def _infer_strided_slice(
    x: Any, axes: Any, begin: Any, end: Any, strides: Any, assume_inbound: bool
) -> TensorStructInfo:
    info = _infer.tensor(x)
    if info.dims is None:
        return _infer.like(info, None, info.ndim)
    dims = list(info.dims)
    for axis, b, e, s in _slice_parts(info, axes, begin, end, strides):
        if s == 0:
            raise CompileError("the step of a slice is 0")
        dims[axis] = slice_extent(dims[axis], b, e, s, assume_inbound)
    return _infer.like(info, dims)


def _strided_slice(
    x: Any, axes: Any, begin: Any, end: Any, strides: Any, assume_inbound: bool
) -> Any:
    rank = len(x.shape)
    lows: list[Any] = [as_dim(0)] * rank
    steps = [1] * rank
    extents: list[Any] = list(x.shape)
    for axis, b, e, s in _slice_parts(x, axes, begin, end, strides):
        size = tir_op.cast(x.shape[axis], "int64")
        lows[axis] = as_dim(b) if assume_inbound else clamped(size, as_dim(b), s)
        steps[axis] = s
        extents[axis] = slice_extent(size, b, e, s, assume_inbound)
    return topi.slice_from(x, lows, steps, extents)


def _slice_reference(
    x: Any, axes: Any, begin: Any, end: Any, strides: Any, assume_inbound: bool
) -> Any:
    index: list[Any] = [slice(None)] * x.ndim
    for a, b, e, s in zip(axes, begin, end, strides or (1,) * len(axes), strict=True):
        stop = None if s < 0 and e == -1 and assume_inbound else e
        index[a] = slice(b, stop, s)
    return x[tuple(index)]


def _slice_samples() -> list[Sample]:
    x = array((6, 5, 4))
    return [
        sample(x, (0,), (1,), (4,)),
        sample(x, (0, -1), (5, 1), (0, 3), (-2, 1)),
        sample(x, (1,), (-3,), (100,)),
        sample(x, (1,), (4,), (2,)),
    ]


@op(
    "strided_slice",
    infer=_infer_strided_slice,
    lower=_strided_slice,
    reference=_slice_reference,
    samples=_slice_samples,
    pattern="injective",
)
def strided_slice(
    x: Expr,
    axes: Sequence[int],
    begin: Sequence[Any],
    end: Sequence[Any],
    strides: Sequence[int] | None = None,
    assume_inbound: bool = False,
) -> Expr:
    """`x[begin:end:stride]` along `axes`, bounds as in Python; they may be symbolic.

    `assume_inbound`: bounds are not negative and within the axis (-1 is before the first).
    """


def _infer_layout_transform(
    x: Any, index_map: Any, pad_value: Any, axis_separators: Any, input_axis_separators: Any
) -> TensorStructInfo:
    info = _infer.tensor(x)
    made = _index_map(index_map)
    if info.dims is None:
        return _infer.like(info, None, len(made.final_indices))
    return _infer.like(info, [simplify(as_dim64(d)) for d in made.map_shape(info.dims)])


def as_dim64(d: PrimExpr) -> PrimExpr:
    """A dimension in int64."""
    return tir_op.cast(d, "int64")


def _index_map(index_map: Any) -> IndexMap:
    return index_map if isinstance(index_map, IndexMap) else IndexMap.from_func(index_map)


def _layout_transform_reference(
    x: Any, index_map: Any, pad_value: Any, axis_separators: Any, input_axis_separators: Any
) -> Any:
    made = _index_map(index_map)
    return made.map_array(x, 0 if pad_value is None else pad_value)


@op(
    "layout_transform",
    infer=_infer_layout_transform,
    lower=lambda x, index_map, pad_value, axis_separators, input_axis_separators: (
        topi.index_map_transform(x, _index_map(index_map), pad_value)
    ),
    reference=_layout_transform_reference,
    convert={"index_map": _index_map},
    samples=lambda: [
        sample(array((1, 32, 2, 2)), lambda n, c, h, w: (n, c // 16, h, w, c % 16)),
        sample(array((1, 20, 2)), lambda n, c, w: (n, c // 16, w, c % 16), 0.0),
    ],
    pattern="injective",
)
def layout_transform(
    x: Expr,
    index_map: Any,
    pad_value: Any = None,
    axis_separators: Any = None,
    input_axis_separators: Any = None,
) -> Expr:
    """`x` with its elements where `index_map` sends them; places that none reaches hold
    `pad_value` (0 by default)."""


def _infer_one_hot(
    indices: Any, on_value: Any, off_value: Any, depth: int, axis: int
) -> TensorStructInfo:
    info = _infer.tensor(indices)
    dtype = getattr(on_value, "dtype", "float32")
    if info.dims is None:
        return _infer.like(info, None, info.ndim + 1, dtype)
    place = _infer.normalize_axis(axis, info.ndim + 1)
    dims = list(info.dims)
    dims.insert(place, IntImm("int64", depth))
    return _infer.like(info, dims, dtype=dtype)


def _one_hot_reference(indices: Any, on: Any, off: Any, depth: int, axis: int) -> Any:
    rank = indices.ndim + 1
    shape = [1] * rank
    shape[axis] = depth
    hit = np.expand_dims(indices, axis) == np.arange(depth).reshape(shape)
    return np.where(hit, np.asarray(on), np.asarray(off))


@op(
    "one_hot",
    infer=_infer_one_hot,
    lower=lambda indices, on_value, off_value, depth, axis: topi.one_hot(
        indices, on_value, off_value, depth, axis, on_value.dtype
    ),
    reference=_one_hot_reference,
)
def one_hot(indices: Expr, on_value: Prim, off_value: Prim, depth: int, axis: int = -1) -> Expr:
    """`on_value` where an index points along a new `axis` of extent `depth`, else `off_value`."""
