"""Convolutions over two dimensions whose channels stand in blocks: NCHW16c with OIHW16i16o."""

from __future__ import annotations

from typing import Any

from ...te.tensor import Tensor
from ..utils import get_const_int, product, require_rank
from .conv import conv

__all__ = ["conv2d_NCHWc", "depthwise_conv2d_NCHWc", "group_conv2d_NCHWc"]


def conv2d_NCHWc(
    data: Tensor,
    kernel: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    layout: str,
    out_layout: str,
    out_dtype: str | None = None,
) -> Tensor:
    """The convolution of NCHW[x]c with OIHW[x]i[y]o, giving NCHW[y]c."""
    return group_conv2d_NCHWc(
        data, kernel, stride, padding, dilation, 1, layout, out_layout, out_dtype
    )


def group_conv2d_NCHWc(
    data: Tensor,
    kernel: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    layout: str,
    out_layout: str,
    out_dtype: str | None = None,
) -> Tensor:
    """`conv2d_NCHWc` in groups of channels."""
    require_rank(data, 5, "conv2d_NCHWc")
    require_rank(kernel, 6, "conv2d_NCHWc")
    inner, outer = (get_const_int(d) for d in kernel.shape[4:])
    return conv(
        data, kernel, stride, padding, dilation, groups, layout, f"OIHW{inner}i{outer}o",
        out_dtype, out_layout,
    )  # fmt: skip


def depthwise_conv2d_NCHWc(
    Input: Tensor,
    Filter: Tensor,
    stride: Any,
    padding: Any,
    dilation: Any,
    layout: str,
    out_layout: str,
    out_dtype: str | None = None,
) -> Tensor:
    """Every channel of NCHW[x]c with its own filters, (blocks, 1, height, width, 1, block).

    With a multiplier the output has that many times the channels, in order.
    """
    require_rank(Input, 5, "depthwise_conv2d_NCHWc")
    require_rank(Filter, 6, "depthwise_conv2d_NCHWc")
    channels = get_const_int(product([Input.shape[1], Input.shape[4]]))
    return conv(
        Input, Filter, stride, padding, dilation, channels, layout,
        f"OIHW1i{get_const_int(Filter.shape[5])}o", out_dtype, out_layout,
    )  # fmt: skip
