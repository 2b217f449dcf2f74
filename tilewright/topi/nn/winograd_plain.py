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
    places at which polynomials are evaluated are not known: the tile and the kernel together from
    4 to 11."""
    at, g, bt = (m.astype(out_dtype) for m in winograd_matrices(tile_size, kernel_size))
    return const_matrix(at.T, "A"), const_matrix(bt.T, "B"), const_matrix(g, "G")


def _weights(kernel: Tensor, tile: int, spatial: int) -> Tensor:
    """Filters (O, I, ..., taps) transformed along their last `spatial` dimensions."""
    extents = [get_const_int(extent) for extent in kernel.shape[-spatial:]]
    if len(set(extents)) > 1:
        raise ArgumentError(f"Winograd: kernels of one extent, found {tuple(extents)}")
    matrix = winograd_matrices(tile, extents[0])[1]
    g, side = const_matrix(matrix.astype(kernel.dtype), "G"), len(matrix)
    taps = [reduce_over(extents[0], f"r_k{k}", index_dtype(kernel)) for k in range(spatial)]
    rest = kernel.shape[:-spatial]

    def element(*i: PrimExpr) -> PrimExpr:
        value = kernel(*i[spatial:], *[r.var for r in taps])
        for at, r in zip(i[:spatial], taps, strict=True):
            value = op.multiply(value, g(at, r.var))
        made: PrimExpr = te.sum(value, taps)
        return made

    return compute((*[side] * spatial, *rest), element, "transform_weight", tag.COMM_REDUCE)


def conv2d_winograd_weight_transform(kernel: Tensor, tile_size: int) -> Tensor:
    """OIHW (k x k) transformed: (tile_size + k - 1, tile_size + k - 1, O, I)."""
    require_rank(kernel, 4, "conv2d_winograd_weight_transform")
    return _weights(kernel, tile_size, 2)


def conv3d_winograd_weight_transform(kernel: Tensor, tile_size: int) -> Tensor:
    """OIDHW transformed along all three dimensions if they are one extent, else along H and W: the
    transformed dimensions come first."""
    require_rank(kernel, 5, "conv3d_winograd_weight_transform")
    if get_const_int(kernel.shape[2]) == get_const_int(kernel.shape[3]):
        return _weights(kernel, tile_size, 3)
    moved = transpose(kernel, (2, 0, 1, 3, 4))
    made = _weights(moved, tile_size, 2)
    return transpose(made, (2, 0, 1, 3, 4))


def _transformed_kernel(weight: Tensor) -> int:
    """The extent of the kernel that was transformed to `weight`, (side, side, ..): with tiles of 4,
    but F(2, 3) where F(4, 1) could be meant, which saves nothing."""
    side = get_const_int(weight.shape[0])
    return 3 if side == 4 else side - TILE + 1


def _winograd(
    data: Tensor,
    weight: Tensor,
    kernel: int,
    strides: Sizes,
    padding: Padding,
    dilation: Sizes,
    out_dtype: str,
) -> Tensor:
    """NCHW with the transformed weight (side, side, I, O) of a `kernel` x `kernel` window."""
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
    made = conv2d_winograd_NCHWc(source, packed, padding, kernel)
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
    """The convolution of NCHW with OIHW (k x k, stride 1) by Winograd, in tiles of 4. With
    `pre_computed` the weight is transformed, for tiles of 4 or F(2, 3): (side, side, I, O)."""
    del auto_scheduler_rewritten_layout, meta_schedule_original_shape
    if pre_computed:
        kernel = _transformed_kernel(weight)
    else:
        kernel = get_const_int(weight.shape[2])
        weight = transpose(conv2d_winograd_weight_transform(weight, TILE), (0, 1, 3, 2))
    return _winograd(data, weight, kernel, strides, padding, dilation, out_dtype)


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
    """The convolution of NHWC with HWIO (k x k, stride 1) by Winograd, in tiles of 4. With
    `pre_computed` the weight is transformed, for tiles of 4 or F(2, 3): (side, side, O, I)."""
    del auto_scheduler_rewritten_layout, meta_schedule_original_shape
    order = (0, 1, 3, 2)
    if pre_computed:
        kernel = _transformed_kernel(weight)
    else:
        kernel = get_const_int(weight.shape[0])
        oihw = transpose(weight, (3, 2, 0, 1))
        weight = conv2d_winograd_weight_transform(oihw, TILE)
    first = transpose(data, (0, 3, 1, 2))
    made = _winograd(first, transpose(weight, order), kernel, strides, padding, dilation, out_dtype)
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
