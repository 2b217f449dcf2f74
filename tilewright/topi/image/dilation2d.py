"""Morphological dilation: the largest sum of an element and a tap of a window."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Padding, Sizes
from ..nn.conv import conv_extent
from ..nn.utils import get_pad_tuple_generic, numbers, positive
from ..utils import compute, get_const_int, index_dtype, offset, reduce_over, require_rank

__all__ = ["dilation2d_nchw", "dilation2d_nhwc"]


def _dilation(
    data: Tensor, taps: Tensor, layout: str, stride: Sizes, padding: Padding, dilations: Sizes,
    out_dtype: str | None,
) -> Tensor:  # fmt: skip
    require_rank(data, 4, "dilation2d")
    require_rank(taps, 3, "dilation2d")
    s, d = numbers(stride, 2, "stride"), numbers(dilations, 2, "dilations")
    positive([*s, *d], "stride and dilations")
    channel = layout.index("C")
    places = [layout.index("H"), layout.index("W")]
    in_taps = [place - 1 for place in places]
    kernel = [get_const_int(taps.shape[k]) for k in in_taps]
    if get_const_int(taps.shape[channel - 1]) != get_const_int(data.shape[channel]):
        raise ArgumentError(
            f"dilation2d: {data.shape[channel]} channels, a filter of {taps.shape[channel - 1]}"
        )
    before, after = get_pad_tuple_generic(padding, kernel, d)
    dtype, result = index_dtype(data, taps), out_dtype or data.dtype
    shape: list[Any] = list(data.shape)
    for k, place in enumerate(places):
        shape[place] = conv_extent(data.shape[place], kernel[k], before[k], after[k], s[k], d[k])
    reduced = [reduce_over(n, name, dtype) for n, name in zip(kernel, ("ry", "rx"), strict=True)]
    lowest = te.max.identity(result)

    def element(*i: PrimExpr) -> PrimExpr:
        own, tap = list(i), list(i[1:])
        inside: PrimExpr = op.const(1, "bool")
        for k, place in enumerate(places):
            moved = op.add(op.multiply(i[place], s[k]), op.multiply(reduced[k].var, d[k]))
            at = own[place] = offset(moved, -before[k])
            tap[in_taps[k]] = reduced[k].var
            inside = op.all(inside, op.greater_equal(at, 0), op.less(at, data.shape[place]))
        value = op.cast(data(*own), result) + op.cast(taps(*tap), result)
        made: PrimExpr = te.max(op.if_then_else(inside, value, lowest), reduced)
        return made

    return compute(shape, element, "compute", f"dilation2d_{layout.lower()}")


def dilation2d_nchw(
    input: Tensor, filter: Tensor, stride: Sizes, padding: Padding, dilations: Sizes,
    out_dtype: str | None = None,
) -> Tensor:  # fmt: skip
    """The dilation of NCHW by a filter of CHW; padding never wins."""
    return _dilation(input, filter, "NCHW", stride, padding, dilations, out_dtype)


def dilation2d_nhwc(
    input: Tensor, filter: Tensor, stride: Sizes, padding: Padding, dilations: Sizes,
    out_dtype: str | None = None,
) -> Tensor:  # fmt: skip
    """The dilation of NHWC by a filter of HWC; padding never wins."""
    return _dilation(input, filter, "NHWC", stride, padding, dilations, out_dtype)
