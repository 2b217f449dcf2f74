"""Transposed convolutions: the gradient of a convolution with respect to its input."""

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
    "conv1d_transpose_ncw", "conv2d_transpose_nchw", "conv3d_transpose_ncdhw", "conv_transpose",
    "group_conv1d_transpose_ncw", "group_conv2d_transpose_nchw", "group_conv3d_transpose_ncdhw",
]  # fmt: skip


def conv_transpose(
    data: Tensor,
    kernel: Tensor,
    stride: Any,
    padding: Any,
    out_dtype: str | None = None,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transposed convolution of NCHW (or NCW, NCDHW) with IOHW, in groups.

    The output is `(in - 1) * stride - padding + dilation * (kernel - 1) + 1 + output_padding` long.
    """
    count = data.ndim - 2
    if count not in LETTERS:
        raise ArgumentError(f"transposed convolution needs 3 to 5 dimensions, found {data.ndim}")
    require_rank(kernel, data.ndim, "transposed convolution")
    strides, dilations = numbers(stride, count, "stride"), numbers(dilation, count, "dilation")
    extra = numbers(output_padding, count, "output_padding")
    positive([*strides, *dilations, groups], "strides, dilations and groups")
    for k in range(count):
        if extra[k] >= max(strides[k], dilations[k]):
            raise ArgumentError(
                f"output_padding {extra[k]} must be smaller than the stride {strides[k]} "
                f"or the dilation {dilations[k]}"
            )
    taps = [get_const_int(k) for k in kernel.shape[2:]]
    before, after = get_pad_tuple_generic(padding, taps, dilations)
    check_same(data.shape[1], kernel.shape[0], "transposed convolution")
    spans = [(t - 1) * d for t, d in zip(taps, dilations, strict=True)]
    outs = [
        no_negative(offset(op.multiply(offset(n, -1), s), span + 1 - b - a + e))
        for n, s, span, b, a, e in zip(
            data.shape[2:], strides, spans, before, after, extra, strict=True
        )
    ]
    spread = _spread(data, strides, spans, before, outs)
    dtype = index_dtype(data, kernel)
    result = out_dtype or data.dtype
    kept = accumulator(result)
    channels = const_or_none(data.shape[1])
    per_in: Any = channels // groups if channels is not None else data.shape[1]
    if groups > 1 and (channels is None or channels % groups):
        raise ArgumentError(f"transposed convolution: {data.shape[1]} channels, {groups} groups")
    per_out = kernel.shape[1]
    rc = reduce_over(per_in, "dc", dtype)
    reduced = [reduce_over(t, f"d{'dhw'[3 - count + k]}", dtype) for k, t in enumerate(taps)]

    def element(*i: PrimExpr) -> PrimExpr:
        channel: PrimExpr = rc.var
        own_out = i[1]
        if groups > 1:
            group = i[1] if equal_const_int(per_out, 1) else op.floordiv(i[1], per_out)
            channel = op.add(op.multiply(group, per_in), rc.var)
            own_out = (
                IntImm(dtype, 0) if equal_const_int(per_out, 1) else op.floormod(i[1], per_out)
            )
        places = [
            op.add(i[2 + k], op.multiply(r.var, dilations[k])) for k, r in enumerate(reduced)
        ]
        flipped = [op.subtract(op.const(t - 1, dtype), r.var) for t, r in zip(taps, reduced, strict=True)]
        left = op.cast(spread(i[0], channel, *places), kept)
        right = op.cast(kernel(channel, own_out, *flipped), kept)
        made: PrimExpr = te.sum(op.multiply(left, right), [rc, *reduced])
        return made

    name = f"conv{count}d_transpose_nc{LETTERS[count].lower()}"
    shape = [data.shape[0], op.multiply(per_out, as_dim(groups, per_out.dtype)), *outs]
    made = compute(
        shape, element, "compute" if groups == 1 else "group_conv_transpose",
        name if groups == 1 else f"group_{name}",
        strides=strides, dilation=dilations, groups=groups,
    )  # fmt: skip
    return made if kept == result else cast(made, result)  # type: ignore[no-any-return]


def _spread(
    data: Tensor, strides: list[int], spans: list[int], before: list[int], outs: list[Any]
) -> Tensor:
    """`data` with `stride - 1` zeros between its elements, and zeros around it."""
    shape = [*data.shape[:2], *[op.add(as_dim(o, data.shape[2].dtype), s) for o, s in zip(outs, spans, strict=True)]]

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        own = list(i)
        for k, (stride, span) in enumerate(zip(strides, spans, strict=True)):
            place = offset(i[2 + k], before[k] - span)
            index = place if stride == 1 else op.floordiv(place, stride)
            inside = op.all(inside, op.greater_equal(place, 0), op.less(index, data.shape[2 + k]))
            if stride > 1:
                inside = op.logical_and(inside, op.equal(op.floormod(place, stride), 0))
            own[2 + k] = index
        return op.if_then_else(inside, data(*own), op.const(0, data.dtype))

    return compute(shape, element, "data_pad", "injective,dilate")


def _plain(name: str, doc: str) -> Any:
    def operate(
        Input: Tensor,
        Filter: Tensor,
        strides: Any,
        padding: Any,
        out_dtype: str | None,
        output_padding: Any,
    ) -> Tensor:
        return conv_transpose(Input, Filter, strides, padding, out_dtype, output_padding)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


def _grouped(name: str, doc: str) -> Any:
    def operate(
        data: Tensor,
        kernel: Tensor,
        stride: Any,
        padding: Any,
        out_dtype: str | None,
        output_padding: Any,
        groups: int,
    ) -> Tensor:
        return conv_transpose(data, kernel, stride, padding, out_dtype, output_padding, groups)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = doc
    return operate


conv1d_transpose_ncw = _plain("conv1d_transpose_ncw", "`conv_transpose` over one dimension.")
conv2d_transpose_nchw = _plain("conv2d_transpose_nchw", "`conv_transpose` over two dimensions.")
conv3d_transpose_ncdhw = _plain("conv3d_transpose_ncdhw", "`conv_transpose` over three dimensions.")
group_conv1d_transpose_ncw = _grouped(
    "group_conv1d_transpose_ncw", "`conv_transpose` over one dimension, in groups."
)
group_conv2d_transpose_nchw = _grouped(
    "group_conv2d_transpose_nchw", "`conv_transpose` over two dimensions, in groups."
)
group_conv3d_transpose_ncdhw = _grouped(
    "group_conv3d_transpose_ncdhw", "`conv_transpose` over three dimensions, in groups."
)
