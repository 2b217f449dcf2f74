"""Gradients of depthwise convolutions of NHWC."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Padding, Sizes
from ..utils import as_list, compute, get_const_int, index_dtype, offset, reduce_over, require_rank
from .utils import get_pad_tuple, numbers

__all__ = [
    "depthwise_conv2d_backward_input_nhwc", "depthwise_conv2d_backward_weight_nhwc",
]  # fmt: skip


def depthwise_conv2d_backward_input_nhwc(
    Filter: Tensor, Out_grad: Tensor, oshape: Sizes, ishape: Any, stride: Sizes, padding: Padding
) -> Tensor:
    """The gradient of the input, of shape `ishape`; `Filter` is (H, W, channels, multiplier)."""
    for tensor in (Filter, Out_grad):
        require_rank(tensor, 4, "depthwise_conv2d_backward_input")
    del oshape
    shape, s = as_list(ishape, 4, "ishape"), numbers(stride, 2, "stride")
    kh, kw, _, multiplier = (get_const_int(d) for d in Filter.shape)
    top, left, _, _ = get_pad_tuple(padding, (kh, kw))
    dtype = index_dtype(Filter, Out_grad)
    ry, rx = reduce_over(kh, "dh", dtype), reduce_over(kw, "dw", dtype)
    rm = reduce_over(multiplier, "dc", dtype)

    def element(n: PrimExpr, y: PrimExpr, x: PrimExpr, c: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        places = []
        for at, before, step, tap, extent in (
            (y, top, s[0], ry.var, Out_grad.shape[1]),
            (x, left, s[1], rx.var, Out_grad.shape[2]),
        ):
            from_start = op.subtract(offset(at, before), tap)
            place = op.floordiv(from_start, step)
            whole = op.equal(op.floormod(from_start, step), 0)
            there = op.all(op.greater_equal(place, 0), op.less(place, extent))
            inside = op.all(inside, whole, there)
            places.append(place)
        channel = op.add(op.multiply(c, multiplier), rm.var)
        value = Out_grad(n, *places, channel) * Filter(ry.var, rx.var, c, rm.var)
        zero = op.const(0, Out_grad.dtype)
        made: PrimExpr = te.sum(op.if_then_else(inside, value, zero), [ry, rx, rm])
        return made

    return compute(shape, element, "compute", "depthwise_conv2d_backward_input_nhwc")


def depthwise_conv2d_backward_weight_nhwc(
    Input: Tensor, Out_grad: Tensor, oshape: Sizes, fshape: Any, stride: Sizes, padding: Padding
) -> Tensor:
    """The gradient of the filter, of shape `fshape`: (H, W, channels, multiplier)."""
    for tensor in (Input, Out_grad):
        require_rank(tensor, 4, "depthwise_conv2d_backward_weight")
    del oshape
    shape, s = as_list(fshape, 4, "fshape"), numbers(stride, 2, "stride")
    kh, kw, _, multiplier = map(get_const_int, shape)
    top, left, _, _ = get_pad_tuple(padding, (kh, kw))
    dtype = index_dtype(Input, Out_grad)
    batch, height, width, _ = Out_grad.shape
    rn, ry, rx = (
        reduce_over(e, name, dtype) for e, name in ((batch, "db"), (height, "dh"), (width, "dw"))
    )

    def element(fy: PrimExpr, fx: PrimExpr, c: PrimExpr, m: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        places = []
        for tap, before, step, r, extent in (
            (fy, top, s[0], ry.var, Input.shape[1]),
            (fx, left, s[1], rx.var, Input.shape[2]),
        ):
            place = offset(op.add(op.multiply(r, step), tap), -before)
            inside = op.all(inside, op.greater_equal(place, 0), op.less(place, extent))
            places.append(place)
        channel = op.add(op.multiply(c, multiplier), m)
        value = Out_grad(rn.var, ry.var, rx.var, channel) * Input(rn.var, *places, c)
        zero = op.const(0, Input.dtype)
        made: PrimExpr = te.sum(op.if_then_else(inside, value, zero), [rn, ry, rx])
        return made

    return compute(shape, element, "compute", "depthwise_conv2d_backward_weight_nhwc")
