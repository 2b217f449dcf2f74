"""Winograd convolutions of plain layouts, and their matrices."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..helpers import const_matrix
from ..kinds import Padding, Sizes
from ..transform import transpose
from ..utils import compute, get_const_int, index_dtype, reduce_over, require_rank
from .conv import check_channels
from .utils import numbers
from .winograd import conv2d_winograd_NCHWc, winograd_matrices

__all__ = [
    "conv2d_winograd_nchw", "conv2d_winograd_nchw_without_weight_transform",
    "conv2d_winograd_nhwc", "conv2d_winograd_nhwc_without_weight_transform",
    "conv2d_winograd_weight_transform", "conv3d_winograd_weight_transform",
    "winograd_transform_matrices",
]  # fmt: skip

TILE = 4


def winograd_transform_matrices(
    tile_size: int, kernel_size: int, out_dtype: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The matrices (A, B, G) of F(tile_size, kernel_size) as constant tensors: the inputs of a tile
    become `B.T d B`, weights `G g G.T` and outputs `A.T m A`. Raises `ArgumentError` where the
    places at which polynomials are evaluated are not known: tiles and kernels of more than 9."""
    at, g, bt = (m.astype(out_dtype) for m in winograd_matrices(tile_size, kernel_size))
    return const_matrix(at.T, "A"), const_matrix(bt.T, "B"), const_matrix(g, "G")


def _weights(kernel: Tensor, tile: int, spatial: int) -> Tensor:
    """Filters (O, I, ..., taps) transformed along their last `spatial` dimensions."""
    for extent in kernel.shape[-spatial:]:
        if get_const_int(extent) != 3:
            raise ArgumentError(f"Winograd: kernels of 3, found {extent}")
    g = const_matrix(winograd_matrices(tile)[1].astype(kernel.dtype), "G")
    side, dtype = tile + 2, index_dtype(kernel)
    taps = [reduce_over(3, f"r_k{k}", dtype) for k in range(spatial)]
    rest = kernel.shape[:-spatial]

    def element(*i: PrimExpr) -> PrimExpr:
        value = kernel(*i[spatial:], *[r.var for r in taps])
        for at, r in zip(i[:spatial], taps, strict=True):
            value = op.multiply(value, g(at, r.var))
        made: PrimExpr = te.sum(value, taps)
        return made

    return compute((*[side] * spatial, *rest), element, "transform_weight", tag.COMM_REDUCE)


def conv2d_winograd_weight_transform(kernel: Tensor, tile_size: int) -> Tensor:
    """OIHW (3 x 3) transformed: (tile_size + 2, tile_size + 2, O, I)."""
    require_rank(kernel, 4, "conv2d_winograd_weight_transform")
    return _weights(kernel, tile_size, 2)


def conv3d_winograd_weight_transform(kernel: Tensor, tile_size: int) -> Tensor:
    """OIDHW (of 3 or less along D) transformed along all three dimensions if D is 3, else along H
    and W: the transformed dimensions come first."""
    require_rank(kernel, 5, "conv3d_winograd_weight_transform")
    if get_const_int(kernel.shape[2]) == 3:
        return _weights(kernel, tile_size, 3)
    moved = transpose(kernel, (2, 0, 1, 3, 4))
    made = _weights(moved, tile_size, 2)
    return transpose(made, (2, 0, 1, 3, 4))


def _winograd(
    data: Tensor, weight: Tensor, strides: Sizes, padding: Padding, dilation: Sizes, out_dtype: str
) -> Tensor:
    """NCHW with a transformed weight (side, side, I, O)."""
    if {*numbers(strides, 2, "strides"), *numbers(dilation, 2, "dilation")} != {1}:
        raise ArgumentError("Winograd convolutions have strides and dilations of 1")
    source = compute(
        (*data.shape, 1), lambda *i: op.cast(data(*i[:4]), out_dtype), "data_blocks", tag.INJECTIVE
    )
    side, _, ins, outs = weight.shape
    check_channels(data, weight, data.shape[1], ins, 1, outs)
    packed = compute(
        (outs, side, side, ins, 1, 1),
        lambda o, a, b, i, *_: op.cast(weight(a, b, i, o), out_dtype),
        "weight_blocks",
        tag.INJECTIVE,
    )
    made = conv2d_winograd_NCHWc(source, packed, padding)
    return compute(made.shape[:4], lambda *i: made(*i, 0), "conv2d_winograd", tag.INJECTIVE)


def conv2d_winograd_nchw(
    data: Tensor,
    weight: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    out_dtype: str,
    pre_computed: bool = False,
    auto_scheduler_rewritten_layout: str = "",
    meta_schedule_original_shape: Any = None,
) -> Tensor:
    """The convolution of NCHW with OIHW (3 x 3, stride 1) by Winograd; with `pre_computed` the
    weight is transformed and (side, side, I, O)."""
    del auto_scheduler_rewritten_layout, meta_schedule_original_shape
    if not pre_computed:
        weight = transpose(conv2d_winograd_weight_transform(weight, TILE), (0, 1, 3, 2))
    return _winograd(data, weight, strides, padding, dilation, out_dtype)


def conv2d_winograd_nhwc(
    data: Tensor,
    weight: Tensor,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    out_dtype: str,
    pre_computed: bool = False,
    auto_scheduler_rewritten_layout: str = "",
    meta_schedule_original_shape: Any = None,
) -> Tensor:
    """The convolution of NHWC with HWIO (3 x 3, stride 1) by Winograd; with `pre_computed` the
    weight is transformed and (side, side, O, I)."""
    del auto_scheduler_rewritten_layout, meta_schedule_original_shape
    order = (0, 1, 3, 2)
    if not pre_computed:
        oihw = transpose(weight, (3, 2, 0, 1))
        weight = conv2d_winograd_weight_transform(oihw, TILE)
    first = transpose(data, (0, 3, 1, 2))
    made = _winograd(first, transpose(weight, order), strides, padding, dilation, out_dtype)
    return transpose(made, (0, 2, 3, 1))


def conv2d_winograd_nchw_without_weight_transform(
    data: Tensor, weight: Tensor, strides: Sizes, padding: Padding, dilation: Sizes, out_dtype: str,
    auto_scheduler_rewritten_layout: str = "", meta_schedule_original_shape: Any = None,
) -> Tensor:  # fmt: skip
    """`conv2d_winograd_nchw` of a transformed weight."""
    return conv2d_winograd_nchw(
        data, weight, strides, padding, dilation, out_dtype, True,
        auto_scheduler_rewritten_layout, meta_schedule_original_shape,
    )  # fmt: skip


def conv2d_winograd_nhwc_without_weight_transform(
    data: Tensor, weight: Tensor, strides: Sizes, padding: Padding, dilation: Sizes, out_dtype: str,
    auto_scheduler_rewritten_layout: str = "", meta_schedule_original_shape: Any = None,
) -> Tensor:  # fmt: skip
    """`conv2d_winograd_nhwc` of a transformed weight."""
    return conv2d_winograd_nhwc(
        data, weight, strides, padding, dilation, out_dtype, True,
        auto_scheduler_rewritten_layout, meta_schedule_original_shape,
    )  # fmt: skip
