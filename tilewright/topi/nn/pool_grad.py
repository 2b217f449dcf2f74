"""The gradient of pooling over two dimensions."""

from __future__ import annotations

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Padding, Sizes
from ..reduction import accumulator
from ..utils import compute, index_dtype, offset, reduce_over, require_rank
from .pooling import max_pool_with_indices, window_sizes
from .utils import layout_rank, numbers, positive, spatial_places

__all__ = ["pool_grad"]


def pool_grad(
    grads: Tensor,
    data: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Padding,
    pool_type: str,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: str = "NCHW",
    dilation: Sizes = 1,
) -> Tensor:
    """What `grads`, of the outputs of `pool2d`, are of its input: each goes to the largest element
    of its window (the first of equals), or in equal parts to all of it.

    `padding` is top, left, bottom, right.
    """
    if pool_type not in ("max", "avg"):
        raise ArgumentError(f"pool_type is max or avg, found {pool_type!r}")
    places = spatial_places(layout, 2)
    taps, steps = numbers(kernel, 2, "kernel"), numbers(stride, 2, "stride")
    gaps = numbers(dilation, 2, "dilation")
    before = numbers(padding, 4, "padding")[:2]
    positive([*taps, *steps, *gaps], "kernel, stride and dilation")
    for tensor in (data, grads):
        require_rank(tensor, layout_rank(layout), f"pooling of {layout}")
    dtype, kept = index_dtype(data, grads), accumulator(data.dtype)
    windows = [
        reduce_over((k - 1) * d // s + 1, f"w{n}", dtype)
        for n, (k, s, d) in enumerate(zip(taps, steps, gaps, strict=True))
    ]
    sizes = [data.shape[p] for p in places]
    if pool_type == "max":
        _, chosen = max_pool_with_indices(data, taps, steps, gaps, padding, ceil_mode, layout)
    else:
        count = window_sizes(
            data, taps, steps, gaps, padding, layout, count_include_pad, ceil_mode, kept
        )

    def element(*i: PrimExpr) -> PrimExpr:
        out = list(i)
        inside: PrimExpr = op.const(1, "bool")
        for k, place in enumerate(places):
            at = offset(i[place], before[k])
            window = op.subtract(op.floordiv(at, steps[k]), windows[k].var)
            reach = op.subtract(at, op.multiply(window, steps[k]))
            hits = op.less(reach, taps[k] * gaps[k])
            if gaps[k] > 1:
                hits = op.logical_and(hits, op.equal(op.floormod(reach, gaps[k]), 0))
            there = op.all(op.greater_equal(window, 0), op.less(window, grads.shape[place]))
            inside = op.all(inside, there, hits)
            out[place] = window
        zero = op.const(0, kept)
        value = op.cast(grads(*out), kept)
        if pool_type == "max":
            own = op.add(op.multiply(i[places[0]], sizes[1]), i[places[1]])
            inside = op.all(inside, op.equal(chosen(*out), own))
        else:
            value = op.div(value, count(out))
        made: PrimExpr = te.sum(op.if_then_else(inside, value, zero), windows)
        return made

    total = compute(data.shape, element, "T_pool_grad", "pool_grad")
    if kept == data.dtype:
        return total
    return compute(data.shape, lambda *i: op.cast(total(*i), data.dtype), "T_cast", "elemwise")
