"""Patches of one image compared with displaced patches of another."""

from __future__ import annotations

from ... import te
from ...ir.expr import PrimExpr
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Padding
from ..reduction import accumulator
from ..utils import compute, index_dtype, offset, reduce_over, require_rank
from .conv import padded
from .utils import get_pad_tuple, positive

__all__ = ["correlation_nchw"]


def correlation_nchw(
    data1: Tensor,
    data2: Tensor,
    kernel_size: int,
    max_displacement: int,
    stride1: int,
    stride2: int,
    padding: Padding,
    is_multiply: bool,
) -> Tensor:
    """The mean over a patch of the products (or absolute differences) of two images of NCHW, one
    channel a displacement (FlowNet: Dosovitskiy et al., ICCV 2015)."""
    for tensor in (data1, data2):
        require_rank(tensor, 4, "correlation")
    positive([kernel_size, stride1, stride2], "kernel and strides")
    top, left, bottom, right = get_pad_tuple(padding, (kernel_size, kernel_size))
    one, two = (padded(d, [2, 3], [top, left], [bottom, right], 0) for d in (data1, data2))
    border = 2 * (max_displacement + (kernel_size - 1) // 2)
    reach = max_displacement // stride2
    grid = 2 * reach + 1
    batch, channels = data1.shape[:2]
    sizes = [op.floordiv(offset(d, stride1 - 1 - border), stride1) for d in one.shape[2:]]
    dtype, kept = index_dtype(data1, data2), accumulator(data1.dtype)
    rc = reduce_over(channels, "rc", dtype)
    ry, rx = (reduce_over(kernel_size, name, dtype) for name in ("ry", "rx"))

    def element(n: PrimExpr, q: PrimExpr, i: PrimExpr, j: PrimExpr) -> PrimExpr:
        y = offset(op.multiply(i, stride1), max_displacement) + ry.var
        x = offset(op.multiply(j, stride1), max_displacement) + rx.var
        dy = op.multiply(offset(op.floordiv(q, grid), -reach), stride2)
        dx = op.multiply(offset(op.floormod(q, grid), -reach), stride2)
        a = op.cast(one(n, rc.var, y, x), kept)
        b = op.cast(two(n, rc.var, y + dy, x + dx), kept)
        pair = op.multiply(a, b) if is_multiply else op.abs(op.subtract(a, b))
        made: PrimExpr = te.sum(pair, [rc, ry, rx])
        return made

    total = compute((batch, grid * grid, *sizes), element, "correlation_sum", "correlation_nchw")
    volume = op.cast(op.multiply(channels, kernel_size * kernel_size), kept)
    return compute(
        total.shape, lambda *i: op.cast(op.div(total(*i), volume), data1.dtype), "correlation",
        "elemwise",
    )  # fmt: skip
