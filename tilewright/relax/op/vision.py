"""Operators of object detection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ...support.errors import CompileError
from ..base import Expr
from ..struct_info import TupleStructInfo
from . import _infer
from ._declare import op, sample
from ._samples import array


def _pair(value: Any) -> tuple[int, int]:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return int(items[0]), int(items[1])


def _infer_roi_align(data: Any, rois: Any, pooled_size: Any, *rest: Any) -> Any:
    info, regions = _infer.tensor(data), _infer.tensor(rois, "the regions")
    if info.dims is None or regions.dims is None:
        return _infer.like(info, None, info.ndim)
    if info.ndim != 4 or regions.ndim != 2:
        raise CompileError(f"images of {info.ndim} dimensions with regions of {regions.ndim}")
    return _infer.like(info, [regions.dims[0], info.dims[1], *_pair(pooled_size)])


def _point(image: Any, y: float, x: float) -> Any:
    """All channels of an image at a point."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(image.shape[0])
    total = np.zeros(image.shape[0])
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    for place, u in _taps(y, height):
        for other, v in _taps(x, width):
            total += image[:, place, other] * (u * v)
    return total


def _taps(at: float, size: int) -> list[tuple[int, float]]:
    low = int(at)
    return [(low, 1 - (at - low)), (min(low + 1, size - 1), at - low)]


def _roi_align(
    data: Any, rois: Any, pooled_size: Any, spatial_scale: float, sample_ratio: int, aligned: bool,
    layout: str, mode: str,
) -> Any:  # fmt: skip
    height, width = _pair(pooled_size)
    out = np.zeros((len(rois), data.shape[1], height, width))
    shift = 0.5 if aligned else 0.0
    for r, (batch, *corners) in enumerate(rois.astype("float64")):
        x1, y1, x2, y2 = (c * spatial_scale - shift for c in corners)
        least = 0.0 if aligned else 1.0
        steps = (max(y2 - y1, least) / height, max(x2 - x1, least) / width)
        counts = [sample_ratio if sample_ratio > 0 else max(math.ceil(s), 1) for s in steps]
        for i, j in np.ndindex(height, width):
            values = [
                _point(
                    data[int(batch)],
                    y1 + (i + (p + 0.5) / counts[0]) * steps[0],
                    x1 + (j + (q + 0.5) / counts[1]) * steps[1],
                )
                for p in range(counts[0])
                for q in range(counts[1])
            ]
            out[r, :, i, j] = np.mean(values, 0) if mode == "avg" else np.max(values, 0)
    return out.astype(data.dtype)


def _regions() -> Any:
    return np.array([[0, 1, 1, 6, 5], [1, 0, 2, 3, 4]], "float32")


@op(
    "vision.roi_align",
    infer=_infer_roi_align,
    lower=lambda data, rois, pooled_size, spatial_scale, sample_ratio, aligned, layout, mode: (
        topi.vision.roi_align_nchw(
            data, rois, pooled_size, spatial_scale, mode, sample_ratio, aligned
        )
    ),
    reference=_roi_align,
    samples=lambda: [
        sample(array((2, 3, 8, 8)), _regions(), (2, 3), 1.0, 2),
        sample(array((2, 3, 8, 8)), _regions(), (2, 2), 0.5, -1, True),
        sample(array((2, 3, 8, 8)), _regions(), (2, 2), 1.0, 2, False, "NCHW", "max"),
    ],
    pattern="opaque",
)
def roi_align(
    data: Expr,
    rois: Expr,
    pooled_size: int | Sequence[int],
    spatial_scale: float,
    sample_ratio: int = -1,
    aligned: bool = False,
    layout: str = "NCHW",
    mode: str = "avg",
) -> Expr:
    """Each region of `rois`, rows of (image, x1, y1, x2, y2), as `pooled_size` cells: the mean
    (`avg`) or the largest (`max`) of points sampled in each."""


def _infer_all_class_nms(
    boxes: Any, scores: Any, most: Any, overlap: Any, least: Any, output_format: str
) -> TupleStructInfo:
    places, marks = _infer.tensor(boxes, "boxes"), _infer.tensor(scores, "scores")
    for info, what in ((places, "boxes"), (marks, "scores")):
        if info.ndim not in (-1, 3):
            raise CompileError(f"{what} of {info.ndim} dimensions, expected 3")
    if output_format not in ("onnx", "tensorflow"):
        raise CompileError(f"output_format is onnx or tensorflow, found {output_format!r}")
    if output_format == "onnx":
        room = None if marks.dims is None else math.prod(marks.dims[1:], start=marks.dims[0])
        rows = None if room is None else (room, 3)
        return TupleStructInfo((_infer.made(rows, "int64", ndim=2), _infer.made((1,), "int64")))
    batch = None if marks.dims is None else marks.dims[:1]
    image = None if marks.dims is None else (marks.dims[0], marks.dims[1] * marks.dims[2])
    pairs = None if image is None else (*image, 2)
    return TupleStructInfo(
        (
            _infer.made(pairs, "int64", ndim=3),
            _infer.like(marks, image, 2),
            _infer.made(batch, "int64", ndim=1),
        )
    )


def _overlap(first: Any, second: Any) -> float:
    """How much of the union of two boxes, two corners each, both cover."""
    low = np.maximum(np.minimum(first[:2], first[2:]), np.minimum(second[:2], second[2:]))
    high = np.minimum(np.maximum(first[:2], first[2:]), np.maximum(second[:2], second[2:]))
    shared = np.prod(np.maximum(high - low, 0))
    whole = sum(abs(np.prod(box[2:] - box[:2])) for box in (first, second)) - shared
    return float(shared / whole) if whole > 0 else 0.0


def _all_class_nms(
    boxes: Any, scores: Any, most: Any, overlap: Any, least: Any, output_format: str
) -> Any:
    batch, classes, number = scores.shape
    chosen: list[tuple[int, int, int]] = []
    for b, c in np.ndindex(batch, classes):
        kept: list[int] = []
        for n in np.argsort(-scores[b, c], kind="stable"):
            near = any(_overlap(boxes[b, n], boxes[b, m]) > overlap for m in kept)
            if scores[b, c, n] > least and len(kept) < most and not near:
                kept.append(int(n))
        chosen += [(b, c, n) for n in kept]
    if output_format == "onnx":
        rows = np.zeros((batch * classes * number, 3), "int64")
        rows[: len(chosen)] = np.reshape(chosen, (-1, 3))
        return rows, np.array([len(chosen)], "int64")
    pairs = np.zeros((batch, classes * number, 2), "int64")
    best = np.zeros((batch, classes * number), scores.dtype)
    counts = np.zeros(batch, "int64")
    for b, c, n in chosen:
        pairs[b, counts[b]], best[b, counts[b]] = (c, n), scores[b, c, n]
        counts[b] += 1
    return pairs, best, counts


def _nms_limits() -> tuple[Any, Any, Any]:
    return np.array(3, "int64"), np.array(0.3, "float32"), np.array(-0.5, "float32")


@op(
    "vision.all_class_non_max_suppression",
    infer=_infer_all_class_nms,
    lower=topi.vision.all_class_non_max_suppression,
    reference=_all_class_nms,
    samples=lambda: [
        sample(array((2, 6, 4)), array((2, 3, 6)), *_nms_limits(), form)
        for form in ("onnx", "tensorflow")
    ],
    pattern="opaque",
)
def all_class_non_max_suppression(
    boxes: Expr,
    scores: Expr,
    max_output_boxes_per_class: Expr,
    iou_threshold: Expr,
    score_threshold: Expr,
    output_format: str = "onnx",
) -> Expr:
    """For each class the boxes by falling score that overlap no better one too much.

    boxes: (batch, number, 4), two corners each; scores: (batch, classes, number); limits: tensors
    of one element. The result of `onnx` is rows of (batch, class, box) as int64 and how many of
    them are used; that of `tensorflow` is rows of (class, box) of each image, their scores and how
    many of them are used. Raises `CompileError` for another `output_format`.
    """
