"""NumPy references of convolutions under the names and layouts that operators have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .convolution import Array, conv2d_nchw_python, conv_python, conv_transpose_python

__all__ = [
    "conv1d_ncw_python", "conv1d_transpose_ncw_python", "conv2d_backward_weight_python",
    "conv2d_hwcn_python", "conv2d_transpose_nchw_python", "conv2d_transpose_nhwc_python",
    "conv3d_ncdhw_python", "conv3d_ndhwc_python", "conv3d_transpose_ncdhw_python",
    "depthwise_conv2d_python_nchw", "depthwise_conv2d_python_nchwc",
    "depthwise_conv2d_python_nhwc", "group_conv1d_ncw_python", "group_conv1d_transpose_ncw_python",
]  # fmt: skip


def numbers(value: Any, count: int) -> tuple[int, ...]:
    """`value`, one number or `count` of them."""
    return (value,) * count if isinstance(value, int) else tuple(value)


def pads(
    padding: Any, kernel: Sequence[int], dilation: Sequence[int] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and after each dimension; SAME puts the odd one first."""
    count = len(kernel)
    if padding == "VALID":
        return (0,) * count, (0,) * count
    if padding == "SAME":
        steps = dilation or (1,) * count
        total = [(k - 1) * d for k, d in zip(kernel, steps, strict=True)]
        return tuple((t + 1) // 2 for t in total), tuple(t // 2 for t in total)
    if isinstance(padding, (tuple, list)) and len(padding) == 2 * count:
        return tuple(padding[:count]), tuple(padding[count:])
    each = numbers(padding, count)
    return each, each


def group_conv1d_ncw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    """The convolution of NCW with OIW in groups."""
    steps = numbers(dilation, 1)
    before, after = pads(padding, w_np.shape[2:], steps)
    return conv_python(a_np, w_np, numbers(stride, 1), before, after, steps, groups)


def conv1d_ncw_python(a_np: Array, w_np: Array, stride: Any, padding: Any, dilation: Any) -> Array:
    """The convolution of NCW with OIW."""
    return group_conv1d_ncw_python(a_np, w_np, stride, padding, dilation, 1)


def conv2d_hwcn_python(a_np: Array, w_np: Array, stride: Any, padding: Any) -> Array:
    """The convolution of HWCN with HWIO."""
    before, after = pads(padding, w_np.shape[:2])
    made = conv2d_nchw_python(
        a_np.transpose(3, 2, 0, 1), w_np.transpose(3, 2, 0, 1), stride, (*before, *after)
    )
    last: Array = made.transpose(2, 3, 1, 0)
    return last


def conv3d_ncdhw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, groups: int = 1
) -> Array:
    """The convolution of NCDHW with OIDHW."""
    before, after = pads(padding, w_np.shape[2:])
    return conv_python(a_np, w_np, numbers(stride, 3), before, after, (1, 1, 1), groups)


def conv3d_ndhwc_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, groups: int = 1
) -> Array:
    """The convolution of NDHWC with DHWIO."""
    first, weight = np.moveaxis(a_np, -1, 1), w_np.transpose(4, 3, 0, 1, 2)
    return np.moveaxis(conv3d_ncdhw_python(first, weight, stride, padding, groups), 1, -1)


def _transposed(
    a_np: Array, w_np: Array, stride: Any, padding: Any, output_padding: Any, groups: int
) -> Array:
    count = a_np.ndim - 2
    before, after = pads(padding, w_np.shape[2:])
    extra = numbers(output_padding, count)
    return conv_transpose_python(a_np, w_np, numbers(stride, count), before, after, extra, groups)


def conv1d_transpose_ncw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, output_padding: Any
) -> Array:
    """The transposed convolution of NCW with IOW."""
    return _transposed(a_np, w_np, stride, padding, output_padding, 1)


def group_conv1d_transpose_ncw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, output_padding: Any, groups: int = 1
) -> Array:
    """The transposed convolution of NCW with IOW in groups."""
    return _transposed(a_np, w_np, stride, padding, output_padding, groups)


def conv2d_transpose_nchw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, output_padding: Any, groups: int = 1
) -> Array:
    """The transposed convolution of NCHW with IOHW."""
    return _transposed(a_np, w_np, stride, padding, output_padding, groups)


def conv2d_transpose_nhwc_python(
    a_nhwc: Array,
    weight: Array,
    weight_format: str,
    stride: Any,
    padding: Any,
    output_padding: Any = (0, 0),
) -> Array:
    """The transposed convolution of NHWC with a weight in `weight_format`, such as HWOI."""
    order = [weight_format.index(letter) for letter in "IOHW"]
    made = _transposed(
        a_nhwc.transpose(0, 3, 1, 2), weight.transpose(order), stride, padding, output_padding, 1
    )
    last: Array = made.transpose(0, 2, 3, 1)
    return last


def conv3d_transpose_ncdhw_python(
    a_np: Array, w_np: Array, stride: Any, padding: Any, output_padding: Any, groups: int = 1
) -> Array:
    """The transposed convolution of NCDHW with IODHW."""
    return _transposed(a_np, w_np, stride, padding, output_padding, groups)


def depthwise_conv2d_python_nchw(
    input_np: Array, filter_np: Array, stride: Any, padding: Any
) -> Array:
    """Every channel of NCHW by its own filters, (channels, multiplier, H, W)."""
    channels, multiplier, *taps = filter_np.shape
    before, after = pads(padding, taps)
    weight = filter_np.reshape(channels * multiplier, 1, *taps)
    return conv_python(input_np, weight, numbers(stride, 2), before, after, (1, 1), channels)


def depthwise_conv2d_python_nchwc(
    input_np: Array, filter_np: Array, stride: Any, padding: Any
) -> Array:
    """The same in blocks: NCHWc with a filter (outer, multiplier, H, W, 1, block)."""
    batch, outer, height, width, block = input_np.shape
    data = np.moveaxis(input_np, -1, 2).reshape(batch, outer * block, height, width)
    blocks, multiplier, kh, kw, _, inner = filter_np.shape
    weight = filter_np.transpose(0, 5, 1, 4, 2, 3).reshape(blocks * inner, multiplier, kh, kw)
    made = depthwise_conv2d_python_nchw(data, weight, stride, padding)
    outs = made.reshape(batch, outer * multiplier, block, *made.shape[2:])
    return np.moveaxis(outs, 2, -1)


def depthwise_conv2d_python_nhwc(
    input_np: Array, filter_np: Array, stride: Any, padding: Any
) -> Array:
    """Every channel of NHWC by its own filters, (H, W, channels, multiplier)."""
    made = depthwise_conv2d_python_nchw(
        input_np.transpose(0, 3, 1, 2), filter_np.transpose(2, 3, 0, 1), stride, padding
    )
    last: Array = made.transpose(0, 2, 3, 1)
    return last


def conv2d_backward_weight_python(
    dy_np: Array,
    x_np: Array,
    kernel_size: Sequence[int],
    stride: Any,
    padding: Any,
    layout: str = "NCHW",
    groups: int = 1,
    channels: int | None = None,
) -> Array:
    """The gradient of a convolution with respect to its weight: (O, I, H, W) for NCHW, (O, H, W, I)
    for NHWC."""
    del channels
    if layout == "NHWC":
        dy_np, x_np = dy_np.transpose(0, 3, 1, 2), x_np.transpose(0, 3, 1, 2)
    (sh, sw), before = numbers(stride, 2), pads(padding, kernel_size)
    (top, left), (bottom, right) = before
    wide = np.pad(x_np, [(0, 0), (0, 0), (top, bottom), (left, right)]).astype("float64")
    outs, ins = dy_np.shape[1] // groups, x_np.shape[1] // groups
    made = np.zeros((dy_np.shape[1], ins, *kernel_size))
    height, width = dy_np.shape[2:]
    for g in range(groups):
        own = slice(g * outs, (g + 1) * outs)
        for y, x in np.ndindex(*kernel_size):
            rows = slice(y, y + (height - 1) * sh + 1, sh)
            columns = slice(x, x + (width - 1) * sw + 1, sw)
            part = wide[:, g * ins : (g + 1) * ins, rows, columns]
            made[own, :, y, x] = np.einsum("nohw,nihw->oi", dy_np[:, own], part)
    made = made.astype(x_np.dtype)
    return made.transpose(0, 2, 3, 1) if layout == "NHWC" else made
