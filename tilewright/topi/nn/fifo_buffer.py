"""A window over a stream that moves on with what is new."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..utils import compute, normalize_axis

__all__ = ["fifo_buffer"]


def fifo_buffer(data: Tensor, buffer: Tensor, axis: int) -> Tensor:
    """`buffer` followed by `data` along `axis`, its oldest elements dropped."""
    if data.ndim != buffer.ndim:
        raise ArgumentError(f"fifo_buffer: {data.ndim} dimensions into {buffer.ndim}")
    place = normalize_axis(axis, buffer.ndim)
    new, length = data.shape[place], buffer.shape[place]
    kept = op.subtract(length, new)

    def element(*i: PrimExpr) -> PrimExpr:
        at = i[place]
        old = buffer(*i[:place], at + new, *i[place + 1 :])
        fresh = data(*i[:place], at - kept, *i[place + 1 :])
        return op.if_then_else(op.less(at, kept), old, fresh)

    return compute(buffer.shape, element, "new_buffer", tag.INJECTIVE)
