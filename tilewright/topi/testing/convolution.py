"""NumPy references of convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__all__ = [
    "batch_matmul", "conv2d_nchw_python", "conv2d_nhwc_python", "conv_python",
    "conv_transpose_python", "dilate_python",
]  # fmt: skip


def _windows(
    data: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Array:
    """(N, C, out..., taps...) of data (N, C, ...)."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    axes = tuple(range(2, data.ndim))
    views = np.lib.stride_tricks.sliding_window_view(data, spans, axes)
    steps = tuple(slice(None, None, s) for s in stride)
    taps = tuple(slice(None, None, d) for d in dilation)
    which = (slice(None), slice(None), *steps, *taps)
    picked: Array = views[which]
    return picked


def conv_python(
    data: Array,
    weight: Array,
    stride: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """The convolution of (N, C, ...) with (O, C / groups, ...)."""
    pads = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    windows = _windows(np.pad(data, pads), weight.shape[2:], stride, dilation)
    n = data.ndim - 2
    width, outs = weight.shape[1], weight.shape[0] // groups
    parts = []
    for g in range(groups):
        own = windows[:, g * width : (g + 1) * width]
        filt = weight[g * outs : (g + 1) * outs]
        left = [1, *range(2 + n, 2 + 2 * n)]
        right = [1, *range(2, 2 + n)]
        parts.append(np.moveaxis(np.tensordot(own, filt, (left, right)), -1, 1))
    made: Array = np.concatenate(parts, 1).astype(data.dtype)
    return made


def conv2d_nchw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, groups: int = 1
) -> Array:
    """The convolution of NCHW with OIHW."""
    s = (stride, stride) if isinstance(stride, int) else tuple(stride)
    p = (padding,) * 2 if isinstance(padding, int) else tuple(padding)
    before, after = (p[:2], p[2:]) if len(p) == 4 else (p, p)
    return conv_python(a_np, w_np, s, before, after, (1, 1), groups)


def conv2d_nhwc_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, groups: int = 1
) -> Array:
    """The convolution of NHWC with HWIO."""
    made = conv2d_nchw_python(
        a_np.transpose(0, 3, 1, 2), w_np.transpose(3, 2, 0, 1), stride, padding, groups
    )
    last: Array = made.transpose(0, 2, 3, 1)
    return last


def conv_transpose_python(
    data: Array,
    weight: Array,
    stride: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    output_padding: Sequence[int],
    groups: int = 1,
    dilation: Sequence[int] | None = None,
) -> Array:
    """The transposed convolution of (N, C, ...) with (C, O / groups, ...): every input element
    adds its multiple of the filter to the output."""
    n = data.ndim - 2
    steps = list(dilation or [1] * n)
    taps, size = weight.shape[2:], data.shape[2:]
    whole = [
        (i - 1) * s + (k - 1) * d + 1 + e
        for i, s, k, d, e in zip(size, stride, taps, steps, output_padding, strict=True)
    ]
    per_in, per_out = weight.shape[0] // groups, weight.shape[1]
    out = np.zeros((data.shape[0], per_out * groups, *whole), "float64")
    for g in range(groups):
        own = data[:, g * per_in : (g + 1) * per_in].astype("float64")
        filt = weight[g * per_in : (g + 1) * per_in].astype("float64")
        for tap in np.ndindex(*taps):
            here: Any = (slice(None), slice(None), *tap)
            value = np.tensordot(own, filt[here], ([1], [0]))
            place = tuple(
                slice(t * d, t * d + (i - 1) * s + 1, s)
                for t, d, i, s in zip(tap, steps, size, stride, strict=True)
            )
            target = (slice(None), slice(g * per_out, (g + 1) * per_out), *place)
            out[target] += np.moveaxis(value, -1, 1)
    crop = tuple(slice(b, w - a) for b, a, w in zip(before, after, whole, strict=True))
    inner = (slice(None), slice(None), *crop)
    made: Array = out[inner].astype(data.dtype)
    return made


def dilate_python(
    input_np: Array,
    strides: Sequence[int],
    dilation_value: float = 0.0,
    out_dtype: str | None = None,
) -> Array:
    """Elements of `dilation_value` between those of the input, as `out_dtype` (the input's)."""
    shape = [(d - 1) * s + 1 for d, s in zip(input_np.shape, strides, strict=True)]
    out = np.full(shape, dilation_value, out_dtype or input_np.dtype)
    out[tuple(slice(None, None, s) for s in strides)] = input_np
    return out


def batch_matmul(
    x: Array, y: Array, out_dtype: str | None = None, trans_x: bool = False, trans_y: bool = True
) -> Array:
    """Products of matrices in batches."""
    left = x.swapaxes(-1, -2) if trans_x else x
    right = y.swapaxes(-1, -2) if trans_y else y
    kind = out_dtype or x.dtype
    made: Array = np.matmul(left.astype(kind), right.astype(kind))
    return made
