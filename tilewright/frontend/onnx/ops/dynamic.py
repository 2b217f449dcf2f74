"""Operators whose results' sizes depend on the values: computed by packed functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ....runtime.vm.dynamic import compressed, kept_boxes, uniques, where_not_zero
from ....tir.expr import SizeVar
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import tensor_info

Expr = relax.Expr


def packed(
    n: NodeContext, name: str, args: list[Any], results: list[tuple[list[Any], str]]
) -> list[Expr]:
    """What a packed function gives, cast to shapes in which None is a size known only then."""
    fresh: dict[int, SizeVar] = {}
    infos, casts = [], []
    for shape, dtype in results:
        infos.append(relax.TensorStructInfo(None, dtype, None, len(shape)))
        dims = []
        for d in shape:
            key = -1 if d is None else d if isinstance(d, int) and d < 0 else 0
            if key:
                label = f"{n.op_type.lower()}_{len(n.importer.dims)}"
                fresh.setdefault(key, SizeVar(label, "int64"))
                n.importer.dims.setdefault(f"{n.proto.output[0]}/{key}", fresh[key])
            dims.append(fresh[key] if key else d)
        casts.append(tensor_info(dims, dtype))
    if len(infos) == 1:
        made = n.emit(R.call_pure_packed(name, *args, sinfo_args=infos[0]))
        return [n.cast(made, casts[0])]
    whole = n.emit(R.call_pure_packed(name, *args, sinfo_args=relax.TupleStructInfo(tuple(infos))))
    return [n.cast(n.emit(relax.TupleGetItem(whole, i)), cast) for i, cast in enumerate(casts)]


@onnx_op("NonZero")
def nonzero(n: NodeContext) -> Result:
    """The indices of elements that are not 0: (rank, count)."""
    known = n.constant(0)
    if known is not None:
        return where_not_zero(known)
    return packed(n, "vm.dynamic.nonzero", [n[0]], [([n.rank(0), None], "int64")])


@onnx_op("Compress")
def compress(n: NodeContext) -> Result:
    """The slices (or elements) where a condition holds."""
    rank = n.rank(0)
    axis = n.normalize_axis(int(n.attr("axis")), rank) if n.has_attr("axis") else -1
    data, condition = n.constant(0), n.constant(1)
    if condition is not None:
        if data is not None:
            return compressed(data, condition, axis)
        places = np.nonzero(condition)[0]
        x = n[0] if axis >= 0 else n.emit(R.reshape(n[0], [-1]))
        return R.take(x, n.const(places, "int64"), max(axis, 0))
    shape: list[Any] = [None] if axis < 0 else list(n.shape(0))
    shape[max(axis, 0)] = None
    return packed(n, "vm.dynamic.compress", [n[0], n[1], axis], [(shape, n.dtype(0))])


@onnx_op("Unique")
def unique(n: NodeContext) -> Result:
    """The different elements or slices, where each first is, which each is, how many there are."""
    ordered = bool(n.attr("sorted", 1))
    rank = n.rank(0)
    axis = n.normalize_axis(int(n.attr("axis")), rank) if n.has_attr("axis") else -1
    known = n.constant(0)
    if known is not None:
        return list(uniques(known, axis, ordered))
    shape: list[Any] = [None] if axis < 0 else list(n.shape(0))
    along: Any = -2 if axis < 0 else shape[axis]
    shape[max(axis, 0)] = None
    results = [(shape, n.dtype(0)), ([None], "int64"), ([along], "int64"), ([None], "int64")]
    return packed(n, "vm.dynamic.unique", [n[0], axis, int(ordered)], results)


@onnx_op("NonMaxSuppression")
def non_max_suppression(n: NodeContext) -> Result:
    """The boxes that stay: rows of batch, class, box."""
    limit = int(_scalar(n, 2, "the number of boxes", 0))
    overlap = float(_scalar(n, 3, "the overlap", 0.0))
    threshold = float(_scalar(n, 4, "the threshold", 0.0)) if n.has(4) else None
    centered = bool(n.attr("center_point_box", 0))
    boxes, scores = n.constant(0), n.constant(1)
    if boxes is not None and scores is not None:
        return kept_boxes(boxes, scores, limit, overlap, threshold, centered)
    args = [
        n[0], n[1], limit, overlap, threshold or 0.0, int(threshold is not None), int(centered),
    ]  # fmt: skip
    return packed(n, "vm.dynamic.non_max_suppression", args, [([None, 3], "int64")])


def _scalar(n: NodeContext, index: int, what: str, default: Any) -> Any:
    if not n.has(index):
        return default
    value = n.require_constant(index, what).reshape(-1)
    return value[0].item() if value.size else default
