"""Convolutions over two dimensions whose channels stand in blocks: NCHW16c with OIHW16i16o."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..linalg import check_same
from ..math import cast
from ..reduction import accumulator
from ..utils import (
    compute,
    const_or_none,
    equal_const_int,
    index_dtype,
    reduce_over,
    require_rank,
)
from .conv import conv_extent, padded, strided
from .utils import get_pad_tuple_generic, numbers, positive

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
    """`conv2d_NCHWc` in groups of channels; a block lies within one group."""
    require_rank(data, 5, "conv2d_NCHWc")
    require_rank(kernel, 6, "conv2d_NCHWc")
    strides, dilations = numbers(stride, 2, "stride"), numbers(dilation, 2, "dilation")
    positive([*strides, *dilations, groups], "strides, dilations and groups")
    batch, in_outer, height, width, in_block = data.shape
    out_outer, per_group, kh, kw, k_block, out_block = kernel.shape
    check_same(in_block, k_block, "conv2d_NCHWc")
    if groups == 1:
        check_same(in_outer, per_group, "conv2d_NCHWc")
    outs = const_or_none(out_outer)
    if groups > 1 and (outs is None or outs % groups):
        raise ArgumentError(f"group_conv2d_NCHWc: {out_outer} output blocks in {groups} groups")
    before, after = get_pad_tuple_generic(padding, [kh, kw], dilations)
    result = out_dtype or data.dtype
    kept, dtype = accumulator(result), index_dtype(data, kernel)
    source = padded(data, [2, 3], before, after)
    shape = [
        batch,
        out_outer,
        conv_extent(height, kh, before[0], after[0], strides[0], dilations[0]),
        conv_extent(width, kw, before[1], after[1], strides[1], dilations[1]),
        out_block,
    ]
    rc, ry, rx, ri = (
        reduce_over(extent, name, dtype)
        for extent, name in ((per_group, "rc"), (kh, "ry"), (kw, "rx"), (in_block, "ri"))
    )

    def element(n: PrimExpr, o: PrimExpr, y: PrimExpr, x: PrimExpr, b: PrimExpr) -> PrimExpr:
        outer: PrimExpr = rc.var
        if groups > 1:
            blocks = outs // groups if outs is not None else 1
            outer = op.add(op.multiply(op.floordiv(o, blocks), per_group), rc.var)
        row = strided(y, strides[0], ry.var, dilations[0])
        column = strided(x, strides[1], rx.var, dilations[1])
        left = op.cast(source(n, outer, row, column, ri), kept)
        right = op.cast(kernel(o, rc, ry, rx, ri, b), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), [rc, ry, rx, ri])
        return made

    made = compute(
        shape, element, "conv2d_NCHWc", "conv2d_NCHWc",
        strides=strides, dilation=dilations, groups=groups,
    )  # fmt: skip
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]


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
    strides, dilations = numbers(stride, 2, "stride"), numbers(dilation, 2, "dilation")
    batch, in_outer, height, width, in_block = Input.shape
    out_outer, _, kh, kw, _, out_block = Filter.shape
    before, after = get_pad_tuple_generic(padding, [kh, kw], dilations)
    result = out_dtype or Input.dtype
    kept, dtype = accumulator(result), index_dtype(Input, Filter)
    source = padded(Input, [2, 3], before, after)
    one_to_one = _same(in_outer, out_outer) and _same(in_block, out_block)
    shape = [
        batch,
        out_outer,
        conv_extent(height, kh, before[0], after[0], strides[0], dilations[0]),
        conv_extent(width, kw, before[1], after[1], strides[1], dilations[1]),
        out_block,
    ]
    ry, rx = reduce_over(kh, "ry", dtype), reduce_over(kw, "rx", dtype)
    multiplier = op.floordiv(op.multiply(out_outer, out_block), op.multiply(in_outer, in_block))

    def element(n: PrimExpr, o: PrimExpr, y: PrimExpr, x: PrimExpr, b: PrimExpr) -> PrimExpr:
        outer, inner = o, b
        if not one_to_one:
            channel = op.floordiv(op.add(op.multiply(o, out_block), b), multiplier)
            outer, inner = op.floordiv(channel, in_block), op.floormod(channel, in_block)
        row = strided(y, strides[0], ry.var, dilations[0])
        column = strided(x, strides[1], rx.var, dilations[1])
        zero = IntImm(dtype, 0)
        left = op.cast(source(n, outer, row, column, inner), kept)
        right = op.cast(Filter(o, zero, ry, rx, zero, b), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), [ry, rx])
        return made

    made = compute(
        shape, element, "DepthwiseConv2d", "depthwise_conv2d_NCHWc",
        strides=strides, dilation=dilations,
    )  # fmt: skip
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]


def _same(a: PrimExpr, b: PrimExpr) -> bool:
    return a is b or (const_or_none(a) is not None and equal_const_int(b, const_or_none(a) or 0))
