"""Rearrangements between channels, batches and space; dilation and upsampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..kinds import Sizes
from ..transform import flatten
from ..utils import (
    as_dim,
    as_tuple,
    compute,
    const_or_none,
    get_const_int,
    index_dtype,
    offset,
    require_rank,
)
from .pad import pad
from .utils import layout_rank, numbers, positive, spatial_places

__all__ = [
    "batch_to_space_nd", "depth_to_space", "dilate", "flatten", "space_to_batch_nd",
    "space_to_depth", "upsampling", "upsampling3d",
]  # fmt: skip


def _nchw(data: Tensor, layout: str, who: str) -> dict[str, int]:
    require_rank(data, 4, who)
    if layout not in ("NCHW", "NHWC"):
        raise ArgumentError(f"{who}: layout is NCHW or NHWC, found {layout!r}")
    return {letter: k for k, letter in enumerate(layout)}


def _divisible(dim: PrimExpr, by: int, who: str) -> PrimExpr:
    positive([by], f"{who}: a block's size")
    value = const_or_none(dim)
    if value is not None and value % by:
        raise ArgumentError(f"{who}: {value} is no multiple of {by}")
    return op.floordiv(dim, by)


def depth_to_space(
    data: Tensor, block_size: int, layout: str = "NCHW", mode: str = "DCR"
) -> Tensor:
    """Blocks of channels spread over space; `DCR`: the block is outside the channel, `CRD` (or
    `CDR`): in."""
    at = _nchw(data, layout, "depth_to_space")
    if mode not in ("DCR", "CRD", "CDR"):
        raise ArgumentError(f"depth_to_space: mode is DCR or CRD, found {mode!r}")
    channels = _divisible(data.shape[at["C"]], block_size * block_size, "depth_to_space")
    shape = list(data.shape)
    shape[at["C"]] = channels
    for x in "HW":
        shape[at[x]] = op.multiply(shape[at[x]], block_size)

    def element(*i: PrimExpr) -> PrimExpr:
        y, x, c = i[at["H"]], i[at["W"]], i[at["C"]]
        block = op.add(
            op.multiply(op.floormod(y, block_size), block_size), op.floormod(x, block_size)
        )
        own = list(i)
        own[at["H"]], own[at["W"]] = op.floordiv(y, block_size), op.floordiv(x, block_size)
        own[at["C"]] = (
            op.add(op.multiply(block, channels), c)
            if mode == "DCR"
            else op.add(op.multiply(c, block_size * block_size), block)
        )
        return data(*own)

    return compute(shape, element, "depth_to_space", tag.INJECTIVE)


def space_to_depth(data: Tensor, block_size: int, layout: str = "NCHW") -> Tensor:
    """Blocks of space gathered into channels, the block outside the channel."""
    at = _nchw(data, layout, "space_to_depth")
    shape = list(data.shape)
    channels = shape[at["C"]]
    shape[at["C"]] = op.multiply(channels, block_size * block_size)
    for x in "HW":
        shape[at[x]] = _divisible(shape[at[x]], block_size, "space_to_depth")

    def element(*i: PrimExpr) -> PrimExpr:
        block, own = op.floordiv(i[at["C"]], channels), list(i)
        own[at["C"]] = op.floormod(i[at["C"]], channels)
        own[at["H"]] = op.add(op.multiply(i[at["H"]], block_size), op.floordiv(block, block_size))
        own[at["W"]] = op.add(op.multiply(i[at["W"]], block_size), op.floormod(block, block_size))
        return data(*own)

    return compute(shape, element, "space_to_depth", tag.INJECTIVE)


def dilate(
    data: Tensor, strides: Sequence[int], dilation_value: Any = 0.0, name: str = "DilatedInput"
) -> Tensor:
    """`data` with `strides[k] - 1` elements of `dilation_value` between its own."""
    steps = numbers(strides, data.ndim, "strides")
    shape = [
        d if s == 1 else offset(op.multiply(offset(d, -1), s), 1)
        for d, s in zip(data.shape, steps, strict=True)
    ]

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        own = []
        for index, step in zip(i, steps, strict=True):
            if step > 1:
                inside = op.logical_and(inside, op.equal(op.floormod(index, step), 0))
            own.append(op.floordiv(index, step))
        return op.if_then_else(inside, data(*own), op.const(dilation_value, data.dtype))

    return compute(shape, element, name, "injective,dilate")


def _blocks(
    data: Tensor, block_shape: Sequence[int], borders: Sequence[Sequence[int]], who: str
) -> list[int]:
    """The sizes of blocks, of which borders have one number each, before and after."""
    blocks = [get_const_int(b) for b in as_tuple(block_shape)]
    positive(blocks, f"{who}: a block's size")
    counts = [len(border) for border in borders]
    if len(blocks) >= data.ndim or counts != [len(blocks)] * 2:
        raise ArgumentError(
            f"{who}: {len(blocks)} sizes of blocks, {counts[0]} numbers before and {counts[1]} "
            f"after for {data.ndim} dimensions"
        )
    return blocks


def space_to_batch_nd(
    data: Tensor,
    block_shape: Sequence[int],
    pad_before: Sequence[int],
    pad_after: Sequence[int],
    pad_value: float = 0.0,
) -> Tensor:
    """Blocks of the padded dimensions after the first gathered into the batch."""
    blocks = _blocks(data, block_shape, (pad_before, pad_after), "space_to_batch_nd")
    count, rest = len(blocks), data.ndim - 1 - len(blocks)
    source = pad(
        data, [0, *pad_before, *[0] * rest], [0, *pad_after, *[0] * rest], pad_value, "pad_temp"
    )
    total = math.prod(blocks)
    batch = data.shape[0]
    shape = [
        op.multiply(batch, total),
        *[
            _divisible(d, b, "space_to_batch_nd")
            for d, b in zip(source.shape[1 : 1 + count], blocks, strict=True)
        ],
        *source.shape[1 + count :],
    ]

    def element(*i: PrimExpr) -> PrimExpr:
        block, own = op.floordiv(i[0], batch), list(i)
        own[0] = op.floormod(i[0], batch)
        for k in reversed(range(count)):
            own[1 + k] = op.add(op.multiply(i[1 + k], blocks[k]), op.floormod(block, blocks[k]))
            block = op.floordiv(block, blocks[k])
        return source(*own)

    return compute(shape, element, "space_to_batch_nd", tag.INJECTIVE)


def batch_to_space_nd(
    data: Tensor,
    block_shape: Sequence[int],
    crop_begin_list: Sequence[int],
    crop_end_list: Sequence[int],
) -> Tensor:
    """The inverse of `space_to_batch_nd`, with the border cut away."""
    blocks = _blocks(data, block_shape, (crop_begin_list, crop_end_list), "batch_to_space_nd")
    total = math.prod(blocks)
    batch = _divisible(data.shape[0], total, "batch_to_space_nd")
    shape: list[Any] = [batch]
    for d, b, lo, hi in zip(data.shape[1:], blocks, crop_begin_list, crop_end_list, strict=False):
        shape.append(offset(op.multiply(d, b), -lo - hi))
    shape += data.shape[1 + len(blocks) :]

    def element(*i: PrimExpr) -> PrimExpr:
        own, block = list(i), op.const(0, i[0].dtype)
        for k, size in enumerate(blocks):
            place = offset(i[1 + k], crop_begin_list[k])
            own[1 + k] = op.floordiv(place, size)
            block = op.add(op.multiply(block, size), op.floormod(place, size))
        own[0] = op.add(op.multiply(block, batch), i[0])
        return data(*own)

    return compute(shape, element, "batch_to_space_nd", tag.INJECTIVE)


def upsampling(
    data: Tensor,
    scale_h: float,
    scale_w: float,
    layout: str = "NCHW",
    method: str = "nearest_neighbor",
    align_corners: bool = False,
    output_shape: Sizes = None,
) -> Tensor:
    """`data` enlarged `scale_h` and `scale_w` times (see `image.resize2d` for the methods)."""
    from ..image.resize import resize2d

    size = output_shape or _scaled(data, layout, (scale_h, scale_w))
    mode = "align_corners" if align_corners else "asymmetric"
    return resize2d(data, [0.0] * 4, size, layout, _method(method), mode)


def upsampling3d(
    data: Tensor,
    scale_d: float,
    scale_h: float,
    scale_w: float,
    layout: str = "NCDHW",
    method: str = "nearest_neighbor",
    coordinate_transformation_mode: str = "half_pixel",
    output_shape: Sizes = None,
) -> Tensor:
    """`data` enlarged in three dimensions (see `image.resize3d` for the methods)."""
    from ..image.resize import resize3d

    size = output_shape or _scaled(data, layout, (scale_d, scale_h, scale_w))
    return resize3d(
        data, [0.0] * 6, size, layout, _method(method), coordinate_transformation_mode,
    )  # fmt: skip


def _method(method: str) -> str:
    return {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}.get(method, method)


def _scaled(data: Tensor, layout: str, scales: Sequence[float]) -> list[Any]:
    out: list[Any] = []
    places = spatial_places(layout, len(scales))
    require_rank(data, layout_rank(layout), f"upsampling of {layout}")
    if not all(0 < scale < math.inf for scale in scales):
        raise ArgumentError(f"upsampling: scales must be positive, found {list(scales)}")
    for place, scale in zip(places, scales, strict=True):
        dim = data.shape[place]
        value = const_or_none(dim)
        if value is not None:
            out.append(round(value * scale))
        elif float(scale).is_integer():
            out.append(op.multiply(dim, as_dim(int(scale), index_dtype(data))))
        else:
            wide = op.multiply(op.cast(dim, "float64"), op.const(scale, "float64"))
            out.append(op.cast(op.round(wide), dim.dtype))
    return out
