"""Shapes, and what is computed from them; constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .... import relax
from ....ir.expr import PrimExpr
from ....relax import op as R
from ....support.dtypes import dtype_of
from ..node import NodeContext, Result, attribute_value
from ..registry import onnx_op
from ..values import is_symbolic, settle, symbolic_array


@onnx_op("Constant")
def constant(n: NodeContext) -> Result:
    """A constant given by one of several attributes."""
    attribute = n.proto.attribute[0]
    value = attribute_value(attribute)
    kinds = {"value_int": "int64", "value_ints": "int64", "value_float": "float32",
             "value_floats": "float32"}  # fmt: skip
    if attribute.name in kinds:
        return np.asarray(value, kinds[attribute.name])
    if attribute.name == "sparse_value":
        from ..graph import dense_of

        return dense_of(value)
    return np.asarray(value)


@onnx_op("Shape")
def shape(n: NodeContext) -> Result:
    """The dimensions between `start` and `end`."""
    if n.known(0) is None and n.info(0).ndim < 0:
        return R.shape_to_tensor(n.emit(R.shape_of(n[0])))
    dims = n.shape(0)
    start, end = n.attr("start", 0), n.attr("end", len(dims))
    return symbolic_array(dims[slice(start, end)])


@onnx_op("Size")
def size(n: NodeContext) -> Result:
    """The number of elements."""
    total: Any = 1
    for d in n.shape(0):
        total = total * d
    return symbolic_array([total]).reshape(())


@onnx_op("ConstantOfShape")
def constant_of_shape(n: NodeContext) -> Result:
    """A tensor of a given shape filled with one value."""
    value = np.asarray(n.attr("value", np.zeros(1, "float32"))).reshape(-1)[:1]
    dims = n.dims(0, "the shape")
    dtype = str(value.dtype)
    fill = n.const(value[0], dtype)
    if dims is None:
        count = n.length(0)
        if count is None:
            raise n.needed(0, "the shape")
        dims = n.sizes(n.vector(0), count)
    if not any(isinstance(d, PrimExpr) for d in dims) and np.prod(dims, initial=1) <= 1024:
        return np.full(tuple(dims), value[0])
    return R.full(dims, fill, dtype)


@onnx_op("Reshape")
def reshape(n: NodeContext) -> Result:
    """Another shape; 0 copies a dimension, one -1 is computed."""
    known = n.known(0)
    target = n.dims(1, "the shape") if n.has(1) else [int(d) for d in n.attr("shape")]
    if target is None:
        return _runtime_reshape(n)
    if not n.attr("allowzero", 0):
        dims = n.shape(0)
        if any(isinstance(d, int) and d == 0 and i >= len(dims) for i, d in enumerate(target)):
            raise n.error(f"shape {target} copies a dimension that data of rank {len(dims)} lacks")
        target = [dims[i] if isinstance(d, int) and d == 0 else d for i, d in enumerate(target)]
    if known is not None and not any(isinstance(d, PrimExpr) for d in target):
        return known.reshape(tuple(target))
    return R.reshape(n[0], target)


def _runtime_reshape(n: NodeContext) -> Result:
    """Reshape to a shape that is computed when the program runs."""
    count = n.length(1)
    if count is None:
        raise n.needed(1, "the shape")
    wanted, dims = n.vector(1), n.shape(0)
    if not n.attr("allowzero", 0):
        own = [dims[i] if i < len(dims) else 1 for i in range(count)]
        copied = n.emit(R.equal(wanted, n.const(0, "int64")))
        wanted = n.emit(R.where(copied, _vector_of(n, own), wanted))
    free = n.emit(R.equal(wanted, n.const(-1, "int64")))
    known = n.emit(R.prod(n.emit(R.where(free, n.const(1, "int64"), wanted)), keepdims=True))
    total = n.emit(R.prod(_vector_of(n, dims), keepdims=True))
    least = n.emit(R.maximum(known, n.const(1, "int64")))
    rest = n.emit(R.floor_divide(total, least))
    made = n.emit(R.where(free, rest, wanted))
    elements = n.emit(R.prod(made, keepdims=True))
    n.must_hold(elements, math.prod(dims), "elements_of_the_new_shape")
    return R.reshape(n[0], n.sizes(made, count))


def _vector_of(n: NodeContext, dims: list[Any]) -> relax.Expr:
    """Dimensions as a vector of int64."""
    return n.importer.materialize(symbolic_array(dims))


@onnx_op("Flatten")
def flatten(n: NodeContext) -> Result:
    """Two dimensions: those before `axis`, and the rest."""
    dims = n.shape(0)
    axis = int(n.attr("axis", 1))
    axis = axis + len(dims) if axis < 0 else axis
    if not 0 <= axis <= len(dims):
        raise n.error(f"axis {n.attr('axis', 1)} for data of rank {len(dims)}")
    rows: Any = 1
    for d in dims[:axis]:
        rows = rows * d
    columns: Any = 1
    for d in dims[axis:]:
        columns = columns * d
    return R.reshape(n[0], [rows, columns])


def _axes(n: NodeContext) -> list[int] | None:
    if n.has_attr("axes"):
        return [int(a) for a in n.attr("axes")]
    if not n.has(1):
        return None
    return [int(a) for a in n.require_constant(1, "axes").reshape(-1)]


@onnx_op("Unsqueeze")
def unsqueeze(n: NodeContext) -> Result:
    """New dimensions of size 1."""
    axes = _axes(n) or []
    rank = n.rank(0) + len(axes)
    axes = sorted(n.normalize_axis(a, rank) for a in axes)
    known = n.known(0)
    if known is not None:
        for axis in axes:
            known = np.expand_dims(known, axis)
        return known
    return R.expand_dims(n[0], axes) if axes else n[0]


@onnx_op("Squeeze")
def squeeze(n: NodeContext) -> Result:
    """Without dimensions of size 1."""
    axes = _axes(n)
    if axes is not None:
        axes = [n.normalize_axis(a, n.rank(0)) for a in axes]
    known = n.known(0)
    if known is not None:
        return known.squeeze(tuple(axes) if axes is not None else None)
    return R.squeeze(n[0], axes)


@onnx_op("Expand")
def expand(n: NodeContext) -> Result:
    """Broadcast against a shape, both ways."""
    target = n.dims(1, "the shape")
    if target is None:
        return _runtime_expand(n)
    dims = n.shape(0)
    wide = max(len(dims), len(target))
    dims = [1] * (wide - len(dims)) + dims
    target = [1] * (wide - len(target)) + target
    shape = [d if isinstance(t, int) and t == 1 else t for d, t in zip(dims, target, strict=True)]
    known = n.known(0)
    static = all(isinstance(d, int) for d in shape)
    if known is not None and static and np.prod(shape, initial=1) <= 1024:
        return np.broadcast_to(known, shape).copy()
    return R.broadcast_to(n[0], shape)


def _runtime_expand(n: NodeContext) -> Result:
    """Broadcasting to a shape that is computed when the program runs."""
    count = n.length(1)
    if count is None:
        raise n.needed(1, "the shape")
    dims = n.shape(0)
    wide = max(len(dims), count)
    wanted = n.vector(1)
    if wide > count:
        wanted = n.emit(R.concat([n.const([1] * (wide - count), "int64"), wanted], 0))
    own = _vector_of(n, [1] * (wide - len(dims)) + dims)
    ones = n.emit(R.equal(wanted, n.const(1, "int64")))
    made = n.sizes(n.emit(R.where(ones, own, wanted)), wide)
    places = range(wide - len(dims), wide)
    kept = [
        d if isinstance(d, int) and d != 1 else made[i] for i, d in zip(places, dims, strict=True)
    ]
    return R.broadcast_to(n[0], [*made[: wide - len(dims)], *kept])


@onnx_op("Range")
def range_(n: NodeContext) -> Result:
    """Numbers from a start, by a step, below a limit."""
    values = [n.known(i) for i in range(3)]
    if any(value is None for value in values):
        return _runtime_range(n)
    parts = [settle(v).reshape(-1)[0] for v in values if v is not None]
    dtype = n.dtype(0)
    if not any(isinstance(p, PrimExpr) for p in parts):
        made = np.arange(*parts).astype(dtype)
        return made if made.size <= 1024 else n.const(made, dtype)
    start, end, step = (p if isinstance(p, PrimExpr) else int(p) for p in parts)
    return R.arange(start, end, step, dtype)


def _runtime_range(n: NodeContext) -> Result:
    """A range whose bounds are computed when the program runs."""
    dtype = n.dtype(0)
    start, limit, step = (n.emit(R.reshape(n[i], [1])) for i in range(3))
    span = n.emit(R.subtract(limit, start))
    if dtype_of(dtype).is_float:
        count = n.emit(R.ceil(n.emit(R.divide(span, step))))
    else:
        count = n.emit(R.negative(n.emit(R.floor_divide(n.emit(R.negative(span)), step))))
    count = n.emit(R.maximum(n.emit(R.astype(count, "int64")), n.const(0, "int64")))
    (size,) = n.sizes(count, 1)
    places = n.emit(R.astype(n.emit(R.arange(0, size, 1, "int64")), dtype))
    return R.add(n.emit(R.multiply(places, step)), start)


__all__ = ["is_symbolic", "relax"]
