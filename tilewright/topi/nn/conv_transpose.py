"""Transposed convolutions: the gradient of a convolution with respect to its input."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Padding, Sizes
from ..linalg import check_same
from ..math import cast
from ..reduction import accumulator
from ..utils import (
    as_dim,
    compute,
    const_or_none,
    equal_const_int,
    get_const_int,
    index_dtype,
    offset,
    reduce_over,
    require_rank,
)
from .utils import LETTERS, get_pad_tuple_generic, no_negative, numbers, positive

__all__ = [
    "conv1d_transpose_ncw", "conv2d_transpose_nchw", "conv2d_transpose_nchw_preprocess",
    "conv3d_transpose_ncdhw", "conv3d_transpose_ncdhw_preprocess", "conv_transpose",
    "declaration_conv2d_transpose_impl", "declaration_conv3d_transpose_impl",
    "group_conv1d_transpose_ncw", "group_conv2d_transpose_nchw", "group_conv3d_transpose_ncdhw",
]  # fmt: skip


def conv_transpose(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes = 1,
    padding: Padding = 0,
    out_dtype: str | None = None,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    data_layout: str = "",
    kernel_layout: str = "",
) -> Tensor:
    """The transposed convolution, in groups; layouts default to NCHW and IOHW and their kin.

    The output is `(in - 1) * stride - padding + dilation * (kernel - 1) + 1 + output_padding` long.
    """
    count = data.ndim - 2
    if count not in LETTERS:
        raise ArgumentError(f"transposed convolution needs 3 to 5 dimensions, found {data.ndim}")
    require_rank(kernel, data.ndim, "transposed convolution")
    spatial = LETTERS[count]
    at = _places(data_layout or "NC" + spatial, "NC" + spatial)
    kat = _places(kernel_layout or "IO" + spatial, "IO" + spatial)
    size = [data.shape[at[x]] for x in spatial]
    strides, dilations = numbers(stride, count, "stride"), numbers(dilation, count, "dilation")
    extra = numbers(output_padding, count, "output_padding")
    positive([*strides, *dilations, groups], "strides, dilations and groups")
    for k in range(count):
        if extra[k] >= max(strides[k], dilations[k]):
            raise ArgumentError(
                f"output_padding {extra[k]} must be smaller than the stride {strides[k]} "
                f"or the dilation {dilations[k]}"
            )
    taps = [get_const_int(kernel.shape[kat[x]]) for x in spatial]
    before, after = get_pad_tuple_generic(padding, taps, dilations)
    ins, per_out = data.shape[at["C"]], kernel.shape[kat["O"]]
    check_same(ins, kernel.shape[kat["I"]], "transposed convolution")
    spans = [(t - 1) * d for t, d in zip(taps, dilations, strict=True)]
    outs = [
        no_negative(offset(op.multiply(offset(n, -1), s), span + 1 - b - a + e))
        for n, s, span, b, a, e in zip(size, strides, spans, before, after, extra, strict=True)
    ]
    spread = _spread(data, [at[x] for x in spatial], strides, spans, before, outs)
    dtype = index_dtype(data, kernel)
    result = out_dtype or data.dtype
    kept = accumulator(result)
    channels = const_or_none(ins)
    per_in: Any = channels // groups if channels is not None else ins
    if groups > 1 and (channels is None or channels % groups):
        raise ArgumentError(f"transposed convolution: {ins} channels, {groups} groups")
    rc = reduce_over(per_in, "dc", dtype)
    reduced = [reduce_over(t, f"d{'dhw'[3 - count + k]}", dtype) for k, t in enumerate(taps)]

    def element(*i: PrimExpr) -> PrimExpr:
        channel: PrimExpr = rc.var
        out = own_out = i[at["C"]]
        if groups > 1:
            single = equal_const_int(per_out, 1)
            group = out if single else op.floordiv(out, per_out)
            channel = op.add(op.multiply(group, per_in), rc.var)
            own_out = IntImm(dtype, 0) if single else op.floormod(out, per_out)
        own, tap = list(i), [channel] * kernel.ndim
        own[at["C"]], tap[kat["I"]], tap[kat["O"]] = channel, channel, own_out
        for k, (x, r) in enumerate(zip(spatial, reduced, strict=True)):
            own[at[x]] = op.add(i[at[x]], op.multiply(r.var, dilations[k]))
            tap[kat[x]] = op.subtract(op.const(taps[k] - 1, dtype), r.var)
        left, right = op.cast(spread(*own), kept), op.cast(kernel(*tap), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), [rc, *reduced])
        return made

    name = f"conv{count}d_transpose_nc{LETTERS[count].lower()}"
    shape: list[Any] = list(data.shape)
    shape[at["C"]] = op.multiply(per_out, as_dim(groups, per_out.dtype))
    for x, extent in zip(spatial, outs, strict=True):
        shape[at[x]] = extent
    made = compute(shape, element, "compute", name if groups == 1 else f"group_{name}")
    return made if kept == result else cast(made, result)


def _places(layout: str, letters: str) -> dict[str, int]:
    """Where each of `letters` stands in `layout`, which has no others."""
    if sorted(layout) != sorted(letters):
        raise ArgumentError(f"transposed convolution: layout {layout!r} is no order of {letters}")
    return {letter: k for k, letter in enumerate(layout)}


def _spread(
    data: Tensor,
    places: list[int],
    strides: list[int],
    spans: list[int],
    before: list[int],
    outs: list[Any],
) -> Tensor:
    """`data` with `stride - 1` zeros between its elements, and zeros around it."""
    shape = list(data.shape)
    for place, out, span in zip(places, outs, spans, strict=True):
        shape[place] = op.add(as_dim(out, data.shape[place].dtype), span)

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        own = list(i)
        for k, place in enumerate(places):
            stride, position = strides[k], offset(i[place], before[k] - spans[k])
            index = position if stride == 1 else op.floordiv(position, stride)
            low = op.greater_equal(position, 0)
            inside = op.all(inside, low, op.less(index, data.shape[place]))
            if stride > 1:
                inside = op.logical_and(inside, op.equal(op.floormod(position, stride), 0))
            own[place] = index
        return op.if_then_else(inside, data(*own), op.const(0, data.dtype))

    return compute(shape, element, "data_pad", "injective,dilate")


def _plain(name: str, doc: str) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        strides: Sizes,
        padding: Padding,
        out_dtype: str | None,
        output_padding: Sizes,
    ) -> Tensor:
        return conv_transpose(Input, Filter, strides, padding, out_dtype, output_padding)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


def _grouped(name: str, doc: str) -> Any:
    def operate(
        data: Tensor,
        kernel: Tensor,
        stride: Sizes,
        padding: Padding,
        out_dtype: str | None,
        output_padding: Sizes,
        groups: int,
    ) -> Tensor:
        return conv_transpose(data, kernel, stride, padding, out_dtype, output_padding, groups)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


def conv1d_transpose_ncw(
    data: Tensor,
    kernel: Tensor,
    stride: Sizes,
    padding: Padding,
    out_dtype: str | None,
    output_padding: Sizes,
) -> Tensor:
    """`conv_transpose` over one dimension."""
    return conv_transpose(data, kernel, stride, padding, out_dtype, output_padding)


conv2d_transpose_nchw = _plain("conv2d_transpose_nchw", "`conv_transpose` over two dimensions.")
conv3d_transpose_ncdhw = _plain("conv3d_transpose_ncdhw", "`conv_transpose` over three dimensions.")
group_conv1d_transpose_ncw = _grouped(
    "group_conv1d_transpose_ncw", "`conv_transpose` over one dimension, in groups."
)
group_conv2d_transpose_nchw = _grouped(
    "group_conv2d_transpose_nchw", "`conv_transpose` over two dimensions, in groups."
)


def group_conv3d_transpose_ncdhw(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    out_dtype: str | None,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    """`conv_transpose` over three dimensions, in groups."""
    return conv_transpose(data, kernel, strides, padding, out_dtype, output_padding, groups)


def _preprocessed(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    out_dtype: Any,
    output_padding: Sizes,
) -> tuple[Tensor, Tensor]:
    """The spread input and the turned filter whose plain convolution is the transposed one."""
    del out_dtype
    count = data.ndim - 2
    places = list(range(2, data.ndim))
    steps, extra = numbers(strides, count, "strides"), numbers(output_padding, count, "padding")
    taps = [get_const_int(d) for d in kernel.shape[2:]]
    before, after = get_pad_tuple_generic(padding, taps)
    spans = [t - 1 for t in taps]
    outs = [
        no_negative(offset(op.multiply(offset(n, -1), s), span + 1 - b - a + e))
        for n, s, span, b, a, e in zip(
            data.shape[2:], steps, spans, before, after, extra, strict=True
        )
    ]
    spread = _spread(data, places, steps, spans, before, outs)

    def turned(o: PrimExpr, i: PrimExpr, *tap: PrimExpr) -> PrimExpr:
        return kernel(i, o, *[span - t for span, t in zip(spans, tap, strict=True)])

    shape = [kernel.shape[1], kernel.shape[0], *kernel.shape[2:]]
    return spread, compute(shape, turned, "kernel_transform", tag.INJECTIVE)


def conv2d_transpose_nchw_preprocess(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    out_dtype: Any,
    output_padding: Sizes,
) -> tuple[Tensor, Tensor]:
    """What `conv2d_nchw` of stride 1 turns into the transposed convolution: input and OIHW."""
    return _preprocessed(data, kernel, strides, padding, out_dtype, output_padding)


def conv3d_transpose_ncdhw_preprocess(
    data: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    out_dtype: Any,
    output_padding: Sizes,
) -> tuple[Tensor, Tensor]:
    """What `conv3d_ncdhw` of stride 1 turns into the transposed convolution: input and OIDHW."""
    return _preprocessed(data, kernel, strides, padding, out_dtype, output_padding)


def declaration_conv2d_transpose_impl(
    data: Tensor, kernel: Tensor, strides: Sizes, padding: Padding, out_dtype: str | None,
    output_padding: Sizes,
) -> Tensor:  # fmt: skip
    """`conv2d_transpose_nchw`."""
    made: Tensor = conv2d_transpose_nchw(data, kernel, strides, padding, out_dtype, output_padding)
    return made


def declaration_conv3d_transpose_impl(
    data: Tensor, kernel: Tensor, strides: Sizes, padding: Padding, out_dtype: str | None,
    output_padding: Sizes,
) -> Tensor:  # fmt: skip
    """`conv3d_transpose_ncdhw`."""
    made: Tensor = conv3d_transpose_ncdhw(data, kernel, strides, padding, out_dtype, output_padding)
    return made
