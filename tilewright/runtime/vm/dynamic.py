"""Packed functions whose results' sizes depend on the values: where, unique, boxes that stay."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ndarray import Tensor, tensor
from .builtins import builtin


@builtin("vm.dynamic.nonzero")
def nonzero(x: Tensor) -> Tensor:
    """The indices of elements that are not 0: (rank, count)."""
    return tensor(np.ascontiguousarray(where_not_zero(x.numpy())))


def where_not_zero(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`nonzero` of an array; a scalar counts as one element."""
    found = np.nonzero(np.atleast_1d(x))
    return np.array(found, "int64").reshape(max(x.ndim, 0 if x.ndim == 0 else 1), -1)


@builtin("vm.dynamic.compress")
def compress(x: Tensor, condition: Tensor, axis: int) -> Tensor:
    """The slices along `axis` (-1: of the flattened tensor) where the condition holds."""
    return tensor(np.ascontiguousarray(compressed(x.numpy(), condition.numpy(), axis)))


def compressed(x: Any, condition: Any, axis: int) -> np.ndarray[Any, Any]:
    """`compress` of arrays."""
    return np.compress(condition.astype(bool), x, axis=None if axis < 0 else axis)


@builtin("vm.dynamic.unique")
def unique(x: Tensor, axis: int, is_sorted: int) -> Any:
    """The different elements or slices, where each first is, which each is, how many there are."""
    return tuple(tensor(np.ascontiguousarray(a)) for a in uniques(x.numpy(), axis, bool(is_sorted)))


def uniques(x: Any, axis: int, is_sorted: bool) -> list[np.ndarray[Any, Any]]:
    """`unique` of an array; `axis` -1 flattens."""
    along = None if axis < 0 else axis
    wide = x if x.dtype.kind in "biuf" else x.astype("float32")
    values, first, inverse, count = np.unique(
        wide, return_index=True, return_inverse=True, return_counts=True, axis=along
    )
    inverse = inverse.reshape(-1)
    if not is_sorted:
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        values = values.take(order, axis=along or 0)
        first, inverse, count = first[order], place[inverse], count[order]
    integers = [a.astype("int64") for a in (first, inverse, count)]
    return [values.astype(x.dtype), *integers]


@builtin("vm.dynamic.non_max_suppression")
def non_max_suppression(
    boxes: Tensor, scores: Tensor, limit: int, overlap: float, threshold: float, has_threshold: int,
    centered: int,
) -> Tensor:  # fmt: skip
    """The boxes that stay: rows of batch, class, box (see `kept_boxes`)."""
    least = threshold if has_threshold else None
    return tensor(kept_boxes(boxes.numpy(), scores.numpy(), limit, overlap, least, bool(centered)))


def kept_boxes(
    boxes: Any, scores: Any, limit: int, overlap: float, threshold: float | None, centered: bool
) -> np.ndarray[Any, Any]:
    """Of each class the boxes in order of score, none overlapping a better one by more than
    `overlap` (intersection over union), at most `limit`: rows of batch, class, box."""
    rows = []
    corners = _corners(boxes.astype("float64"), centered)
    for batch in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            for box in _kept(corners[batch], scores[batch, kind], limit, overlap, threshold):
                rows.append((batch, kind, box))
    return np.array(rows, "int64").reshape(-1, 3)


def _corners(boxes: Any, centered: bool) -> Any:
    """Boxes as y1, x1, y2, x2 in order."""
    if centered:
        x, y, width, height = np.moveaxis(boxes, -1, 0)
        return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], -1)
    y1, x1, y2, x2 = np.moveaxis(boxes, -1, 0)
    return np.stack(
        [np.minimum(y1, y2), np.minimum(x1, x2), np.maximum(y1, y2), np.maximum(x1, x2)], -1
    )


def _kept(
    boxes: Any, scores: Any, limit: int, overlap: float, threshold: float | None
) -> list[int]:
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if len(kept) >= limit:
            break
        if threshold is not None and not scores[index] > threshold:
            break
        if all(_overlap(boxes[index], boxes[other]) <= overlap for other in kept):
            kept.append(int(index))
    return kept


def _overlap(a: Any, b: Any) -> float:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    if height <= 0 or width <= 0:
        return 0.0
    common = height * width
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return float(common / union) if union > 0 else 0.0


@builtin("relax.run.dynamic_strided_slice")
def dynamic_strided_slice(x: Tensor, begin: Tensor, end: Tensor, strides: Tensor) -> Tensor:
    """`x[begin:end:strides]`, one of each for every axis."""
    bounds = (b.numpy().tolist() for b in (begin, end, strides))
    where = tuple(slice(*each) for each in zip(*bounds, strict=True))
    return tensor(np.ascontiguousarray(x.numpy()[where]))
