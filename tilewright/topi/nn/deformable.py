"""Convolution whose taps are moved by offsets, and images put together from columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Padding, Sizes
from ..math import cast
from ..reduction import accumulator
from ..transform import transpose
from ..utils import (
    as_dim,
    as_dims,
    compute,
    const_or_none,
    get_const_int,
    index_dtype,
    reduce_over,
    require_rank,
)
from ..utils import (
    offset as shifted,
)
from .conv import conv_extent
from .utils import get_pad_tuple_generic, numbers, positive

__all__ = ["col2im", "deformable_conv2d_nchw", "deformable_conv2d_nhwc"]

_F = "float32"


def _sample(data: Tensor, n: PrimExpr, c: PrimExpr, y: PrimExpr, x: PrimExpr) -> PrimExpr:
    """The image at a point, what lies outside being 0."""
    steps = []
    for at in (y, x):
        low = op.floor(at)
        rest = op.subtract(at, low)
        one = op.const(1, _F)
        steps.append([(low, op.subtract(one, rest)), (op.add(low, one), rest)])
    total: PrimExpr = op.const(0, _F)
    for i, u in steps[0]:
        for j, v in steps[1]:
            places = [op.cast(p, d.dtype) for p, d in zip((i, j), data.shape[2:], strict=True)]
            inside: PrimExpr = op.const(1, "bool")
            for p, d in zip(places, data.shape[2:], strict=True):
                inside = op.all(inside, op.greater_equal(p, 0), op.less(p, d))
            value = op.if_then_else(inside, op.cast(data(n, c, *places), _F), op.const(0, _F))
            total = op.add(total, op.multiply(op.multiply(u, v), value))
    return total


def deformable_conv2d_nchw(
    data: Tensor,
    offset: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    deformable_groups: int,
    groups: int,
    out_dtype: str | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The convolution of NCHW with OIHW whose taps are read beside their places: `offset`
    is (batch, groups of offsets * taps * 2, height, width) of the output, y before x; `mask`, a
    factor for each tap, likewise without the 2."""
    require_rank(data, 4, "deformable_conv2d")
    require_rank(kernel, 4, "deformable_conv2d")
    s, d = numbers(strides, 2, "strides"), numbers(dilation, 2, "dilation")
    positive([*s, *d, groups, deformable_groups], "strides, dilations and groups")
    batch, channels = data.shape[:2]
    outs, per_group = kernel.shape[:2]
    kh, kw = (get_const_int(k) for k in kernel.shape[2:])
    width = const_or_none(channels)
    if width is None or width % deformable_groups or get_const_int(outs) % groups:
        raise ArgumentError(
            f"deformable_conv2d: {channels} channels to {outs} in {groups} groups, "
            f"{deformable_groups} of offsets"
        )
    before, after = get_pad_tuple_generic(padding, [kh, kw], d)
    dtype = index_dtype(data, kernel)
    result = out_dtype or data.dtype
    kept = accumulator(result)
    shape = [
        batch,
        outs,
        *(
            conv_extent(data.shape[2 + k], kernel.shape[2 + k], before[k], after[k], s[k], d[k])
            for k in range(2)
        ),
    ]
    rc, ry, rx = (reduce_over(e, n, dtype) for e, n in ((per_group, "rc"), (kh, "ry"), (kw, "rx")))
    per_out, per_offset = get_const_int(outs) // groups, width // deformable_groups

    def element(n: PrimExpr, o: PrimExpr, y: PrimExpr, x: PrimExpr) -> PrimExpr:
        group = op.floordiv(o, per_out) if groups > 1 else op.const(0, dtype)
        channel = op.add(op.multiply(group, per_group), rc.var)
        part = op.floordiv(channel, per_offset)
        tap = op.add(op.multiply(ry.var, kw), rx.var)
        place = op.add(op.multiply(part, kh * kw), tap)
        at = []
        for k, (index, r) in enumerate(((y, ry), (x, rx))):
            moved = offset(n, shifted(op.multiply(place, 2), k), y, x)
            base = op.add(op.multiply(index, s[k]), op.multiply(r.var, d[k]))
            at.append(op.add(op.cast(shifted(base, -before[k]), _F), op.cast(moved, _F)))
        value = op.cast(_sample(data, n, channel, at[0], at[1]), kept)
        if mask is not None:
            value = op.multiply(value, op.cast(mask(n, place, y, x), kept))
        weight = op.cast(kernel(o, rc, ry, rx), kept)
        made: PrimExpr = te.sum(op.multiply(value, weight), [rc, ry, rx])
        return made

    made = compute(shape, element, "compute", "deformable_conv2d_nchw")
    return made if kept == result else cast(made, result)


def deformable_conv2d_nhwc(
    data: Tensor,
    offset: Tensor,
    kernel: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    deformable_groups: int,
    groups: int,
    out_dtype: str | None = None,
) -> Tensor:
    """`deformable_conv2d_nchw` of NHWC with HWIO and offsets whose channels come last."""
    made = deformable_conv2d_nchw(
        transpose(data, (0, 3, 1, 2)), transpose(offset, (0, 3, 1, 2)),
        transpose(kernel, (3, 2, 0, 1)), strides, padding, dilation, deformable_groups, groups,
        out_dtype,
    )  # fmt: skip
    return transpose(made, (0, 2, 3, 1))


def col2im(
    data: Tensor,
    image_shape: Sequence[Any],
    block_shape: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Images (N, C, ...) of `image_shape` from columns (N, C * taps, windows): what the windows of
    `block_shape` hold is added up where they overlap. `padding` is all before, then all after."""
    require_rank(data, 3, "col2im")
    n, dtype = len(image_shape), index_dtype(data)
    taps = [get_const_int(k) for k in block_shape]
    steps, gaps = numbers(strides, n, "strides"), numbers(dilation, n, "dilation")
    before, after = get_pad_tuple_generic(padding, taps, gaps)
    sizes = as_dims(image_shape, dtype)
    counts = [
        as_dim(conv_extent(sizes[k], taps[k], before[k], after[k], steps[k], gaps[k]), dtype)
        for k in range(n)
    ]
    total = 1
    for tap in taps:
        total *= tap
    reduced = [reduce_over(t, f"k{k}", dtype) for k, t in enumerate(taps)]
    kept = accumulator(data.dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        tap: PrimExpr = op.const(0, dtype)
        window: PrimExpr = op.const(0, dtype)
        for k, r in enumerate(reduced):
            away = op.subtract(shifted(i[2 + k], before[k]), op.multiply(r.var, gaps[k]))
            place = away if steps[k] == 1 else op.floordiv(away, steps[k])
            inside = op.all(inside, op.greater_equal(away, 0), op.less(place, counts[k]))
            if steps[k] > 1:
                inside = op.logical_and(inside, op.equal(op.floormod(away, steps[k]), 0))
            tap = op.add(op.multiply(tap, taps[k]), r.var)
            window = op.add(op.multiply(window, counts[k]), place)
        value = data(i[0], op.add(op.multiply(i[1], total), tap), window)
        made: PrimExpr = te.sum(
            op.if_then_else(inside, op.cast(value, kept), op.const(0, kept)), reduced
        )
        return made

    shape = [data.shape[0], op.floordiv(data.shape[1], total), *sizes]
    made = compute(shape, element, "col2im", tag.COMM_REDUCE)
    return made if kept == data.dtype else cast(made, data.dtype)
