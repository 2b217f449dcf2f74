"""Convolutions over two dimensions whose channels stand in blocks: NCHW16c with OIHW16i16o."""

from __future__ import annotations

from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Padding, Sizes
from ..utils import compute, get_const_int, product, require_rank
from .conv import conv

__all__ = [
    "conv2d_NCHWc", "conv2d_NCHWc_OIHWo", "conv2d_NCHWc_int8", "depthwise_conv2d_NCHWc",
    "group_conv2d_NCHWc", "unpack_NCHWc_to_nchw",
]  # fmt: skip


def conv2d_NCHWc(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    layout: str,
    out_layout: str,
    out_dtype: str | None = "float32",
) -> Tensor:
    """The convolution of NCHW[x]c with OIHW[x]i[y]o, giving NCHW[y]c."""
    return group_conv2d_NCHWc(
        data, kernel, stride, padding, dilation, 1, layout, out_layout, out_dtype
    )


def group_conv2d_NCHWc(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
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
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
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


def conv2d_NCHWc_OIHWo(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    layout: str,
    out_layout: str,
    out_dtype: str | None = "float32",
) -> Tensor:
    """The convolution of NCHW[x]c with OIHW[y]o, whose input channels are in one row."""
    require_rank(data, 5, "conv2d_NCHWc_OIHWo")
    require_rank(kernel, 5, "conv2d_NCHWc_OIHWo")
    inner = get_const_int(data.shape[4])
    blocks = get_const_int(kernel.shape[1]) // inner
    packed = compute(
        (kernel.shape[0], blocks, *kernel.shape[2:4], inner, kernel.shape[4]),
        lambda o, i, h, w, i_in, o_in: kernel(o, i * inner + i_in, h, w, o_in),
        "kernel_packed",
        tag.INJECTIVE,
    )
    return conv2d_NCHWc(data, packed, stride, padding, dilation, layout, out_layout, out_dtype)


def conv2d_NCHWc_int8(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    layout: str,
    out_layout: str,
    out_dtype: str = "int32",
    n_elems: int = 4,
) -> Tensor:
    """The convolution of NCHW[x]c with OIHW[x / n]i[y]o[n]i of 8-bit integers."""
    require_rank(kernel, 7, "conv2d_NCHWc_int8")
    inner, outer, least = (get_const_int(d) for d in kernel.shape[4:])
    if least != n_elems:
        raise ArgumentError(f"conv2d_NCHWc_int8: the filter's last dimension is {least}, "
                            f"n_elems is {n_elems}")  # fmt: skip
    packed = compute(
        (*kernel.shape[:4], inner * least, outer),
        lambda o, i, h, w, i_in, o_in: kernel(
            o, i, h, w, op.floordiv(i_in, least), o_in, op.floormod(i_in, least)
        ),
        "kernel_packed",
        tag.INJECTIVE,
    )
    return conv2d_NCHWc(data, packed, stride, padding, dilation, layout, out_layout, out_dtype)


def unpack_NCHWc_to_nchw(packed_out: Tensor, out_dtype: str) -> Tensor:
    """NCHW[x]c as NCHW of `out_dtype`."""
    require_rank(packed_out, 5, "unpack_NCHWc_to_nchw")
    batch, blocks, height, width, block = packed_out.shape
    return compute(
        (batch, op.multiply(blocks, block), height, width),
        lambda n, c, h, w: op.cast(
            packed_out(n, op.floordiv(c, block), h, w, op.floormod(c, block)), out_dtype
        ),
        "output_unpack",
        "injective,unpack_nchwc",
    )
