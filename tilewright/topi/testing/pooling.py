"""NumPy references of pooling: every window looked at on its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__all__ = ["adaptive_pool", "adaptive_pool_python", "pool_grad_nchw", "poolnd_python"]


def poolnd_python(
    np_data: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding_before: Sequence[int],
    padding_after: Sequence[int],
    pool_type: str,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
    dtype: str = "float32",
    layout: str = "NCHW",
) -> Array:
    """Pooling of (N, C, ...)."""
    del layout
    n = np_data.ndim - 2
    size = np_data.shape[2:]
    outs = []
    for k in range(n):
        reach = size[k] + padding_before[k] + padding_after[k] - (kernel[k] - 1) * dilation[k] - 1
        count = (-(-reach // strides[k]) if ceil_mode else reach // strides[k]) + 1
        if ceil_mode and (count - 1) * strides[k] >= size[k] + padding_before[k]:
            count -= 1
        outs.append(count)
    out = np.zeros((*np_data.shape[:2], *outs), "float64")
    for place in np.ndindex(*outs):
        values, counted = [], 0
        for tap in np.ndindex(*kernel):
            at = [p * s + t * d - b for p, s, t, d, b in zip(
                place, strides, tap, dilation, padding_before, strict=True)]  # fmt: skip
            inside = all(0 <= a < d for a, d in zip(at, size, strict=True))
            bordered = all(-b <= a < d + e for a, d, b, e in zip(
                at, size, padding_before, padding_after, strict=True))  # fmt: skip
            counted += bordered if count_include_pad else inside
            if inside:
                here = (slice(None), slice(None), *at)
                values.append(np_data[here].astype("float64"))
        target = (slice(None), slice(None), *place)
        if pool_type == "max":
            out[target] = np.max(values, 0) if values else -np.inf
        else:
            out[target] = np.sum(values, 0) / max(counted, 1) if values else 0.0
    return out.astype(dtype)


def adaptive_pool_python(np_data: Array, out_size: Sequence[int], pool_type: str) -> Array:
    """Pooling of (N, C, ...) into windows that cover the input evenly."""
    size = np_data.shape[2:]
    out = np.zeros((*np_data.shape[:2], *out_size), np_data.dtype)
    reduce = np.max if pool_type == "max" else np.mean
    for place in itertools.product(*[range(o) for o in out_size]):
        window = tuple(
            slice(p * d // o, -(-(p + 1) * d // o))
            for p, d, o in zip(place, size, out_size, strict=True)
        )
        inner: Any = (slice(None), slice(None), *window)
        target: Any = (slice(None), slice(None), *place)
        part = np_data[inner]
        out[target] = reduce(part, axis=tuple(range(2, part.ndim)))
    return out


def adaptive_pool(np_data: Array, out_size: Any, pool_type: str, layout: str) -> Array:
    """`adaptive_pool_python` of `layout`, where C comes second or last."""
    count = np_data.ndim - 2
    sizes = (out_size,) * count if isinstance(out_size, int) else tuple(out_size)
    if layout.endswith("C"):
        return np.moveaxis(
            adaptive_pool_python(np.moveaxis(np_data, -1, 1), sizes, pool_type), 1, -1
        )
    return adaptive_pool_python(np_data, sizes, pool_type)


def pool_grad_nchw(
    a_np: Array,
    out_grad_np: Array,
    pool_size: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    pool_type: str,
    ceil_mode: bool,
    count_include_pad: bool = True,
) -> Array:
    """The gradient of pooling NCHW: to the largest element of a window (the first of equals), or
    to all of it alike."""
    del ceil_mode
    top, left, bottom, right = padding
    height, width = a_np.shape[2:]
    out = np.zeros(a_np.shape, "float64")
    for n, c, i, j in np.ndindex(*out_grad_np.shape):
        y, x = i * strides[0] - top, j * strides[1] - left
        rows = range(max(y, 0), min(y + pool_size[0], height))
        columns = range(max(x, 0), min(x + pool_size[1], width))
        grad = float(out_grad_np[n, c, i, j])
        if pool_type == "max":
            points = list(itertools.product(rows, columns))
            best = max(points, key=lambda p: a_np[n, c, p[0], p[1]])
            out[n, c, best[0], best[1]] += grad
            continue
        bordered = (min(y + pool_size[0], height + bottom) - y) * (
            min(x + pool_size[1], width + right) - x
        )
        count = bordered if count_include_pad else len(rows) * len(columns)
        out[n, c, rows.start : rows.stop, columns.start : columns.stop] += grad / max(count, 1)
    return out.astype(a_np.dtype)
