"""NumPy references of regions, boxes and convolutions whose taps move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .convolution_named import numbers, pads

Array = np.ndarray[Any, Any]

__all__ = [
    "deformable_conv2d_nchw_python", "deformable_conv2d_nhwc_python", "get_valid_counts_python",
    "non_max_suppression_python", "roi_align_nchw_python", "roi_align_nhwc_python",
    "roi_pool_nchw_python",
]  # fmt: skip


def _bilinear(image: Array, y: float, x: float, clamp: bool) -> Array:
    """An image (C, H, W) at a point; beyond it 0, or the border's value with `clamp`."""
    height, width = image.shape[1:]
    if clamp:
        if y < -1 or y > height or x < -1 or x > width:
            return np.zeros(image.shape[0])
        y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    total = np.zeros(image.shape[0])
    low_y, low_x = math.floor(y), math.floor(x)
    for p, u in ((low_y, 1 - (y - low_y)), (low_y + 1, y - low_y)):
        for q, v in ((low_x, 1 - (x - low_x)), (low_x + 1, x - low_x)):
            if 0 <= p < height and 0 <= q < width:
                total += u * v * image[:, p, q]
    return total


def roi_align_nchw_python(
    a_np: Array,
    rois_np: Array,
    pooled_size: Any,
    spatial_scale: float,
    sample_ratio: int,
    mode: Any = b"avg",
    aligned: bool = False,
) -> Array:
    """Regions (image, x1, y1, x2, y2) averaged into `pooled_size` cells by sampled points."""
    height, width = numbers(pooled_size, 2)
    largest = mode in (b"max", "max", 1)
    out = np.zeros((len(rois_np), a_np.shape[1], height, width))
    shift = 0.5 if aligned else 0.0
    for r, (image, *box) in enumerate(rois_np.astype("float64")):
        x1, y1, x2, y2 = (v * spatial_scale - shift for v in box)
        roi_h, roi_w = y2 - y1, x2 - x1
        if not aligned:
            roi_h, roi_w = max(roi_h, 1.0), max(roi_w, 1.0)
        cell_h, cell_w = roi_h / height, roi_w / width
        rows = sample_ratio if sample_ratio > 0 else math.ceil(cell_h)
        columns = sample_ratio if sample_ratio > 0 else math.ceil(cell_w)
        for i, j in np.ndindex(height, width):
            points = [
                _bilinear(
                    a_np[int(image)],
                    y1 + i * cell_h + (p + 0.5) * cell_h / rows,
                    x1 + j * cell_w + (q + 0.5) * cell_w / columns,
                    True,
                )
                for p in range(rows)
                for q in range(columns)
            ]
            out[r, :, i, j] = np.max(points, 0) if largest else np.mean(points, 0)
    return out.astype(a_np.dtype)


def roi_align_nhwc_python(
    a_np: Array,
    rois_np: Array,
    pooled_size: Any,
    spatial_scale: float,
    sample_ratio: int,
    mode: Any = b"avg",
    aligned: bool = False,
) -> Array:
    """`roi_align_nchw_python` of NHWC."""
    made = roi_align_nchw_python(
        a_np.transpose(0, 3, 1, 2), rois_np, pooled_size, spatial_scale, sample_ratio, mode, aligned
    )
    last: Array = made.transpose(0, 2, 3, 1)
    return last


def roi_pool_nchw_python(
    a_np: Array, rois_np: Array, pooled_size: Any, spatial_scale: float
) -> Array:
    """The largest element of each cell of regions (image, x1, y1, x2, y2); 0 if it is empty."""
    rows, columns = numbers(pooled_size, 2)
    height, width = a_np.shape[2:]
    out = np.zeros((len(rois_np), a_np.shape[1], rows, columns), a_np.dtype)
    for r, (image, *box) in enumerate(rois_np):
        x1, y1, x2, y2 = (math.floor(float(v) * spatial_scale + 0.5) for v in box)
        cell_h, cell_w = max(y2 - y1 + 1, 1) / rows, max(x2 - x1 + 1, 1) / columns
        for i, j in np.ndindex(rows, columns):
            top = min(max(math.floor(i * cell_h) + y1, 0), height)
            bottom = min(max(math.ceil((i + 1) * cell_h) + y1, 0), height)
            left = min(max(math.floor(j * cell_w) + x1, 0), width)
            right = min(max(math.ceil((j + 1) * cell_w) + x1, 0), width)
            if top < bottom and left < right:
                out[r, :, i, j] = a_np[int(image), :, top:bottom, left:right].max((1, 2))
    return out


def deformable_conv2d_nchw_python(
    a_np: Array,
    offset_np: Array,
    w_np: Array,
    stride: Any,
    padding: Any,
    dilation: Any,
    deformable_groups: int,
    groups: int,
) -> Array:
    """The convolution of NCHW with OIHW whose taps are moved by `offset_np`, y before x."""
    batch, channels = a_np.shape[:2]
    outs, per_group, kh, kw = w_np.shape
    (sh, sw), (dh, dw) = numbers(stride, 2), numbers(dilation, 2)
    (top, left), _ = pads(padding, (kh, kw), (dh, dw))
    rows, columns = offset_np.shape[2:]
    moves = offset_np.reshape(batch, deformable_groups, kh * kw, 2, rows, columns)
    patch = np.zeros((batch, channels, kh, kw, rows, columns))
    share = channels // deformable_groups
    for n, g, y, x, i, j in np.ndindex(batch, deformable_groups, kh, kw, rows, columns):
        dy, dx = moves[n, g, y * kw + x, :, i, j]
        own = slice(g * share, (g + 1) * share)
        at_y, at_x = i * sh - top + y * dh + dy, j * sw - left + x * dw + dx
        patch[n, own, y, x, i, j] = _bilinear(a_np[n, own], float(at_y), float(at_x), False)
    split = patch.reshape(batch, groups, per_group, kh, kw, rows, columns)
    weight = w_np.reshape(groups, outs // groups, per_group, kh, kw)
    made = np.einsum("ngcyxij,gocyx->ngoij", split, weight)
    result: Array = made.reshape(batch, outs, rows, columns).astype(a_np.dtype)
    return result


def deformable_conv2d_nhwc_python(
    a_np: Array,
    offset_np: Array,
    w_np: Array,
    stride: Any,
    padding: Any,
    dilation: Any,
    deformable_groups: int,
    groups: int,
) -> Array:
    """The same of NHWC with HWIO and offsets whose channels come last."""
    made = deformable_conv2d_nchw_python(
        a_np.transpose(0, 3, 1, 2), offset_np.transpose(0, 3, 1, 2), w_np.transpose(3, 2, 0, 1),
        stride, padding, dilation, deformable_groups, groups,
    )  # fmt: skip
    last: Array = made.transpose(0, 2, 3, 1)
    return last


def get_valid_counts_python(
    data: Array, score_threshold: float = 0, id_index: int = 0, score_index: int = 1
) -> tuple[Array, Array, Array]:
    """How many boxes of each batch score above the threshold (and have a class), the boxes with
    these in front and the rest -1, and where each came from."""
    batch, anchors, _ = data.shape
    counts = np.zeros(batch, "int32")
    out, indices = np.full_like(data, -1), np.full((batch, anchors), -1, "int32")
    for b, a in np.ndindex(batch, anchors):
        box = data[b, a]
        if box[score_index] > score_threshold and (id_index < 0 or box[id_index] >= 0):
            out[b, counts[b]], indices[b, counts[b]] = box, a
            counts[b] += 1
    return counts, out, indices


def _overlap(a: Array, b: Array) -> float:
    low = [max(min(a[k], a[k + 2]), min(b[k], b[k + 2])) for k in (0, 1)]
    high = [min(max(a[k], a[k + 2]), max(b[k], b[k + 2])) for k in (0, 1)]
    both = max(high[0] - low[0], 0.0) * max(high[1] - low[1], 0.0)
    area = abs(a[2] - a[0]) * abs(a[3] - a[1]) + abs(b[2] - b[0]) * abs(b[3] - b[1]) - both
    return float(both / area) if area > 0 else 0.0


def non_max_suppression_python(
    data: Array,
    valid_count: Array,
    indices: Array,
    max_output_size: int = -1,
    iou_threshold: float = 0.5,
    force_suppress: bool = False,
    top_k: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = 0,
    return_indices: bool = True,
    invalid_to_bottom: bool = False,
    soft_nms_sigma: float = 0.0,
    score_threshold: float = 0.0,
) -> Any:
    """Boxes that overlap a better one (of their class) too much are dropped.

    Gives the boxes in order of score, what is dropped as -1 (moved to the end with
    `invalid_to_bottom`), or, with `return_indices`, the kept boxes' places in the input and their
    number. With a `soft_nms_sigma`, scores decay by the overlap instead.
    """
    batch, anchors, _ = data.shape
    out, places = np.full_like(data, -1), np.full((batch, anchors), -1, "int32")
    for b in range(batch):
        count = int(valid_count[b])
        boxes = data[b, :count].copy()
        left = list(np.argsort(-boxes[:, score_index], kind="stable"))
        left = left[:top_k] if top_k > 0 else left
        at = 0
        while left and (max_output_size < 0 or at < max_output_size):
            best = left.pop(0)
            out[b, at], places[b, at] = boxes[best], indices[b, best]
            at += 1
            left = _survivors(
                boxes, best, left, iou_threshold, force_suppress, coord_start, score_index,
                id_index, soft_nms_sigma, score_threshold,
            )  # fmt: skip
    if not return_indices:
        return out
    return places, (places >= 0).sum(1, keepdims=True).astype("int32")


def _survivors(
    boxes: Array, best: int, left: list[int], limit: float, force: bool, start: int, score: int,
    kind: int, sigma: float, threshold: float,
) -> list[int]:  # fmt: skip
    kept = []
    for other in left:
        same = force or kind < 0 or boxes[best, kind] == boxes[other, kind]
        here = slice(start, start + 4)
        overlap = _overlap(boxes[best, here], boxes[other, here]) if same else 0.0
        if sigma > 0:
            boxes[other, score] *= math.exp(-(overlap**2) / sigma)
            if boxes[other, score] > threshold:
                kept.append(other)
        elif overlap < limit:
            kept.append(other)
    return sorted(kept, key=lambda k: -boxes[k, score]) if sigma > 0 else kept
