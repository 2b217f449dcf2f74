"""Moving elements: joining, cutting, gathering, padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....ir.expr import PrimExpr
from ....relax import op as R
from ....tir import op as tir_op
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import dimension, element_dtype, settle, symbolic_array

Expr = relax.Expr


@onnx_op("Transpose")
def transpose(n: NodeContext) -> Result:
    """Axes in another order; reversed by default."""
    order = n.attr("perm")
    axes = [int(a) for a in order] if order is not None else list(range(n.rank(0)))[::-1]
    known = n.known(0)
    if known is not None and n.importer.is_small(known):
        return known.transpose(axes)
    return R.permute_dims(n[0], axes)


@onnx_op("Concat")
def concat(n: NodeContext) -> Result:
    """Joined along an axis."""
    known = [n.known(i) for i in range(n.num_inputs)]
    if all(k is not None and n.importer.is_small(k) for k in known):
        parts = [k for k in known if k is not None]
        if any(p.dtype == object for p in parts):
            parts = [p.astype(object) for p in parts]
        return settle(np.concatenate(parts, axis=int(n.attr("axis", 1))))
    if n.num_inputs == 1:
        return n[0]
    return R.concat(n.inputs(), n.axis(default=1))


@onnx_op("Split")
def split(n: NodeContext) -> Result:
    """Cut along an axis into parts of given or equal sizes."""
    axis = n.axis(default=0)
    sizes = n.attr("split")
    if sizes is None and n.has(1):
        sizes = n.dims(1, "the sizes of the parts")
        if sizes is None:
            raise n.needed(1, "the sizes of the parts")
    count = int(n.attr("num_outputs", n.num_outputs))
    total = n.shape(0)[axis]
    if sizes is None:
        part = -(-total // count) if isinstance(total, int) else tir_op.ceildiv(total, count)
        sizes = [part] * (count - 1)
    else:
        sizes = _part_sizes(n, list(sizes), total, axis)[:-1]
    if not sizes:
        return [n[0]]
    ends: list[Any] = []
    position: Any = 0
    for size in sizes:
        position = dimension(position + size)
        ends.append(min(position, total) if isinstance(position, int) and isinstance(total, int)
                    else position)  # fmt: skip
    known = n.known(0)
    if known is not None and all(isinstance(e, int) for e in ends):
        return list(np.split(known, ends, axis))
    if all(isinstance(e, int) for e in ends):
        return R.split(n[0], ends, axis)
    starts, stops = [0, *ends], [*ends, total]
    return [R.strided_slice(n[0], [axis], [a], [b]) for a, b in zip(starts, stops, strict=True)]


def _part_sizes(n: NodeContext, sizes: list[Any], total: Any, axis: int) -> list[Any]:
    """The sizes of a split, which add up to the dimension."""
    if any(isinstance(s, int) and s < 0 for s in sizes):
        raise n.error(f"the sizes of the parts {sizes} must not be negative")
    if len(sizes) != n.num_outputs:
        raise n.error(f"{len(sizes)} sizes of parts {sizes} for {n.num_outputs} outputs")
    n.must_equal(total, sum(sizes), f"the parts {sizes} do not make up axis {axis}")
    return sizes


@onnx_op("Slice")
def slice_(n: NodeContext) -> Result:
    """A part, along some axes, with steps."""
    if n.has_attr("starts"):
        starts, ends = list(n.attr("starts")), list(n.attr("ends"))
        axes = list(n.attr("axes", range(len(starts))))
        steps: list[Any] = [1] * len(starts)
    else:
        found = [n.dims(i, what) for i, what in ((1, "starts"), (2, "ends"))]
        starts, ends = found  # type: ignore[assignment]
        if starts is None or ends is None:
            return _runtime_slice(n)
        axes = n.dims(3, "axes") if n.has(3) else list(range(len(starts)))  # type: ignore[assignment]
        steps = n.dims(4, "steps") if n.has(4) else [1] * len(starts)  # type: ignore[assignment]
        if axes is None or steps is None:
            raise n.needed(3 if axes is None else 4, "axes and steps")
    rank = n.rank(0)
    axes = [n.normalize_axis(int(a), rank) for a in axes]
    known = n.known(0)
    if known is not None and all(isinstance(v, int) for v in (*starts, *ends, *steps)):
        index: list[Any] = [slice(None)] * rank
        for a, b, e, s in zip(axes, starts, ends, steps, strict=True):
            index[a] = slice(b, None if s < 0 and e < -(2**31) else e, s)
        return known[tuple(index)]
    shape = n.shape(0)
    bounds = [
        _bounds(shape[a], b, e, s) for a, b, e, s in zip(axes, starts, ends, steps, strict=True)
    ]
    return R.strided_slice(
        n[0], axes, [b for b, _ in bounds], [e for _, e in bounds], steps, assume_inbound=True
    )


def _runtime_slice(n: NodeContext) -> Expr:
    """A part whose bounds are computed when the program runs; axes and steps are constant."""
    count = n.length(1) or n.length(2)
    if count is None:
        raise n.needed(1, "the bounds")
    rank = n.rank(0)
    axes = n.require_constant(3, "axes").reshape(-1) if n.has(3) else np.arange(count)
    steps = n.require_constant(4, "steps").reshape(-1) if n.has(4) else np.ones(count, "int64")
    order = [n.normalize_axis(int(a), rank) for a in axes]
    shape = n.shape(0)
    if (steps <= 0).any():
        raise n.needed(1 if n.known(1) is None else 2, "the bounds of a slice with negative steps")
    extent = n.importer.materialize(symbolic_array([shape[a] for a in order]))
    begin, end = _within(n, n.vector(1), extent), _within(n, n.vector(2), extent)
    step = n.const(steps, "int64")
    reach = n.emit(R.add(n.emit(R.subtract(end, begin)), n.const(steps - 1, "int64")))
    number = n.emit(R.floor_divide(n.emit(R.maximum(reach, n.const(0, "int64"))), step))
    lows, sizes = n.sizes(begin, count), n.sizes(number, count)
    stops = [b + s * int(k) for b, s, k in zip(lows, sizes, steps, strict=True)]
    made = n.emit(
        R.strided_slice(n[0], order, lows, stops, [int(k) for k in steps], assume_inbound=True)
    )
    return made


def _within(n: NodeContext, bound: Expr, extent: Expr) -> Expr:
    """Bounds from the front, clamped to the dimension."""
    zero = n.const(0, "int64")
    moved = n.emit(R.where(n.emit(R.less(bound, zero)), n.emit(R.add(bound, extent)), bound))
    return n.emit(R.minimum(n.emit(R.maximum(moved, zero)), extent))


def _bounds(size: Any, start: Any, end: Any, step: int) -> tuple[Any, Any]:
    """Begin and end within the dimension, as ONNX clamps them."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    return _clamp(start, size, low, high), _clamp(end, size, low, high)


def _clamp(value: Any, size: Any, low: Any, high: Any) -> Any:
    if isinstance(value, int) and isinstance(size, int):
        moved = value + size if value < 0 else value
        return max(low, min(moved, high))
    if isinstance(value, int):
        if value >= 2**30:
            return high
        if value <= -(2**30):
            return low
        if value == 0 and isinstance(low, int) and low == 0:
            return 0
        moved = value + size if value < 0 else value
        return dimension(tir_op.max(low, tir_op.min(moved, high)))
    return dimension(tir_op.max(low, tir_op.min(value, high)))


@onnx_op("Gather")
def gather(n: NodeContext) -> Result:
    """Slices along an axis, picked by indices (negative ones count from the end)."""
    axis = n.axis(default=0)
    data, indices = n.known(0), n.constant(1)
    size = n.shape(0)[axis]
    _check_indices(n, axis, size)
    if data is not None and indices is not None and n.importer.is_small(data):
        return settle(np.asarray(data.take(indices, axis=axis)))
    if indices is not None:
        if isinstance(size, int):
            fixed = np.where(indices < 0, indices + size, indices)
            return R.take(n[0], n.const(fixed, "int64"), axis)
        if (indices >= 0).all():
            return R.take(n[0], n.const(indices, "int64"), axis)
    return R.take(n[0], _non_negative(n, 1, size), axis)


def _check_indices(n: NodeContext, axis: int, size: Any) -> None:
    """Raises `ImportModelError` if constant indices are beyond a known dimension."""
    indices = n.constant(1)
    if indices is not None:
        _check_range(n, indices, axis, size)


def _check_range(n: NodeContext, indices: Any, axis: int, size: Any) -> None:
    if not isinstance(size, int):
        return
    outside = indices[(indices < -size) | (indices >= size)]
    if outside.size:
        raise n.error(f"index {outside.flat[0]} is out of range for axis {axis} of size {size}")


def _check_tuples(n: NodeContext, first: int) -> None:
    """Raises `ImportModelError` if constant tuples of indices, for the axes from `first` on, are
    beyond a known dimension."""
    tuples = n.constant(1)
    if tuples is None or tuples.ndim == 0:
        return
    for place, size in enumerate(n.shape(0)[first : first + tuples.shape[-1]]):
        _check_range(n, tuples[..., place], first + place, size)


def _non_negative(n: NodeContext, index: int, size: Any) -> Expr:
    dtype = n.dtype(index)
    indices = n[index]
    if isinstance(size, PrimExpr):
        whole = n.emit(R.shape_to_tensor(relax.ShapeExpr((size,))))
        extent = n.emit(R.astype(n.emit(R.reshape(whole, [])), dtype))
    else:
        extent = n.const(size, dtype)
    negative = n.emit(R.less(indices, n.const(0, dtype)))
    return n.emit(R.where(negative, n.emit(R.add(indices, extent)), indices))


@onnx_op("GatherElements")
def gather_elements(n: NodeContext) -> Result:
    """Elements along an axis, picked by indices of the result's shape."""
    axis = n.axis(default=0)
    size = n.shape(0)[axis]
    _check_indices(n, axis, size)
    return R.gather_elements(n[0], _non_negative(n, 1, size), axis)


@onnx_op("GatherND")
def gather_nd(n: NodeContext) -> Result:
    """Elements or slices picked by tuples of indices."""
    batch_dims = int(n.attr("batch_dims", 0))
    _check_tuples(n, batch_dims)
    return R.gather_nd(n[0], n[1], batch_dims)


_REDUCTIONS = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


@onnx_op("ScatterElements", "Scatter")
def scatter_elements(n: NodeContext) -> Result:
    """Elements along an axis replaced (or combined) at indices."""
    axis = n.axis(default=0)
    reduction = _REDUCTIONS[n.attr("reduction", "none")]
    size = n.shape(0)[axis]
    _check_indices(n, axis, size)
    indices = _non_negative(n, 1, size)
    return R.scatter_elements(n[0], indices, n[2], axis, reduction)


@onnx_op("ScatterND")
def scatter_nd(n: NodeContext) -> Result:
    """Elements or slices replaced (or combined) at tuples of indices."""
    _check_tuples(n, 0)
    return R.scatter_nd(n[0], n[1], n[2], _REDUCTIONS[n.attr("reduction", "none")])


@onnx_op("Tile")
def tile(n: NodeContext) -> Result:
    """Repeated along each axis."""
    repeats = n.require_constant(1, "repeats").reshape(-1)
    if len(repeats) != n.rank(0):
        raise n.error(f"{len(repeats)} repeats for data of rank {n.rank(0)}")
    return R.tile(n[0], [int(r) for r in repeats])


@onnx_op("OneHot")
def one_hot(n: NodeContext) -> Result:
    """One value where the index points, another elsewhere."""
    depth = int(n.require_constant(1, "depth").reshape(-1)[0])
    if depth < 1:
        raise n.error(f"depth must be positive, found {depth}")
    off, on = n[2], None
    values = n.constant(2)
    axis = int(n.attr("axis", -1))
    axis = axis + n.rank(0) + 1 if axis < 0 else axis
    indices = n.emit(R.astype(n[0], "int64"))
    wrapped = n.emit(R.floor_mod(indices, n.const(depth, "int64")))
    inside = n.emit(
        R.logical_and(
            n.emit(R.greater_equal(indices, n.const(-depth, "int64"))),
            n.emit(R.less(indices, n.const(depth, "int64"))),
        )
    )
    shape = [1] * (n.rank(0) + 1)
    shape[axis] = depth
    places = n.const(np.arange(depth).reshape(shape), "int64")
    equal = n.emit(R.equal(n.emit(R.expand_dims(wrapped, axis)), places))
    hit = n.emit(R.logical_and(equal, n.emit(R.expand_dims(inside, axis))))
    if values is not None:
        dtype = n.dtype(2)
        return R.where(hit, n.const(values[1], dtype), n.const(values[0], dtype))
    on = n.emit(R.take(off, n.const(1, "int64"), 0))
    return R.where(hit, on, n.emit(R.take(off, n.const(0, "int64"), 0)))


@onnx_op("Pad")
def pad(n: NodeContext) -> Result:
    """Grown (or cropped, where negative) at both ends of each axis."""
    rank = n.rank(0)
    if n.has_attr("pads") or n.has_attr("paddings"):
        pads: list[Any] = list(n.attr("pads", n.attr("paddings")))
        value: Any = n.attr("value", 0.0)
    else:
        pads = n.dims(1, "pads") or []
        if n.known(1) is None:
            raise n.needed(1, "pads")
        fill = n.require_constant(2, "the value to pad with") if n.has(2) else None
        value = 0.0 if fill is None or fill.size == 0 else fill.reshape(-1)[0].item()
    axes = n.require_constant(3, "axes").reshape(-1) if n.has(3) else np.arange(rank)
    begin, end = [0] * rank, [0] * rank
    if len(pads) != 2 * len(axes):
        raise n.error(f"{len(pads)} pads for {len(axes)} axes, expected two for each")
    for position, axis in enumerate(axes):
        where = n.normalize_axis(int(axis), rank)
        begin[where], end[where] = pads[position], pads[position + len(pads) // 2]
    return _padded(n, begin, end, n.attr("mode", "constant"), value)


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _padded(n: NodeContext, begin: list[Any], end: list[Any], mode: str, value: Any) -> Expr:
    x = n[0]
    shape = n.shape(0)
    cut = [a for a in range(len(begin)) if _negative(begin[a]) or _negative(end[a])]
    if cut:
        starts = [-begin[a] if _negative(begin[a]) else 0 for a in cut]
        stops = [shape[a] + end[a] if _negative(end[a]) else shape[a] for a in cut]
        for axis, start, stop in zip(cut, starts, stops, strict=True):
            if isinstance(stop, int) and isinstance(start, int) and stop < start:
                raise n.error(
                    f"axis {axis} of size {shape[axis]} cannot lose {begin[axis]} and {end[axis]}"
                )
        x = n.emit(R.strided_slice(x, cut, starts, stops))
    widths = []
    for low, high in zip(begin, end, strict=True):
        widths += [0 if _negative(low) else low, 0 if _negative(high) else high]
    if not any(isinstance(w, PrimExpr) or w for w in widths):
        return x
    return R.nn.pad(x, widths, _MODES[mode], value)


def _negative(value: Any) -> bool:
    return isinstance(value, int) and value < 0


@onnx_op("DepthToSpace")
def depth_to_space(n: NodeContext) -> Result:
    """Blocks of channels spread over space."""
    size = int(n.attr("blocksize"))
    batch, channels, height, width = n.shape(0)
    small = channels // (size * size)
    if n.attr("mode", "DCR") == "DCR":
        shape, order = [batch, size, size, small, height, width], [0, 3, 4, 1, 5, 2]
    else:
        shape, order = [batch, small, size, size, height, width], [0, 1, 4, 2, 5, 3]
    parts = n.emit(R.permute_dims(n.emit(R.reshape(n[0], shape)), order))
    return R.reshape(parts, [batch, small, height * size, width * size])


@onnx_op("SpaceToDepth")
def space_to_depth(n: NodeContext) -> Result:
    """Blocks of space gathered into channels."""
    size = int(n.attr("blocksize"))
    batch, channels, height, width = n.shape(0)
    shape = [batch, channels, height // size, size, width // size, size]
    order = [0, 1, 3, 5, 2, 4] if n.attr("mode", "DCR") == "CRD" else [0, 3, 5, 1, 2, 4]
    parts = n.emit(R.permute_dims(n.emit(R.reshape(n[0], shape)), order))
    return R.reshape(parts, [batch, channels * size * size, height // size, width // size])


@onnx_op("Trilu")
def trilu(n: NodeContext) -> Result:
    """The upper or lower triangle, from a diagonal."""
    diagonal = n.require_constant(1, "the diagonal") if n.has(1) else None
    k = 0 if diagonal is None else int(diagonal.reshape(-1)[0])
    return R.triu(n[0], k) if n.attr("upper", 1) else R.tril(n[0], k)


@onnx_op("EyeLike")
def eye_like(n: NodeContext) -> Result:
    """Ones on a diagonal."""
    code = n.attr("dtype")
    dtype = n.dtype(0) if code is None else element_dtype(code)
    rows, columns = n.static_shape(0)
    return n.const(np.eye(rows, columns, int(n.attr("k", 0))), dtype)


@onnx_op("TopK")
def top_k(n: NodeContext) -> Result:
    """The k largest or smallest along an axis, and where they are."""
    count = n.attr("k") if n.has_attr("k") else n.require_constant(1, "k").reshape(-1)[0]
    count, axis = int(count), n.axis(default=-1)
    if count < 0:
        raise n.error(f"k must not be negative, found {count}")
    if count == 0:
        dims = [0 if i == axis else d for i, d in enumerate(n.shape(0))]
        return [R.zeros(dims, n.dtype(0)), R.zeros(dims, "int64")]
    largest = bool(n.attr("largest", 1))
    return R.topk(n[0], count, axis, "both", largest, "int64")
