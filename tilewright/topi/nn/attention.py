"""Scaled dot-product attention, as a composition of products and a softmax."""

from __future__ import annotations

import math
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..broadcast import broadcast_index
from ..math import cast
from ..reduction import accumulator
from ..utils import compute, const_or_none, get_const_int, index_dtype, offset, reduce_over
from .softmax import softmax

__all__ = ["attention"]

_MASKS = (None, "TopLeft", "BottomRight")


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    scale: float | None = None,
    causal_mask: str | None = None,
    window_size: int | None = None,
) -> Tensor:
    """`softmax(query @ key * scale + bias) @ value` of tensors (batch, sequence, heads, size).

    `causal_mask`: a query sees no later key, aligned at the first (`TopLeft`) or the last
    (`BottomRight`) of both; `window_size`: only so many keys up to it. Fewer key heads than query
    heads are shared by neighbours. `bias` broadcasts to (batch, heads, queries, keys).
    """
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise ArgumentError("attention needs tensors of (batch, sequence, heads, size)")
    if causal_mask not in _MASKS:
        raise ArgumentError(
            f"attention: causal_mask is TopLeft or BottomRight, found {causal_mask}"
        )
    batch, queries, heads, size = query.shape
    keys, shared = key.shape[1], _shared(heads, key.shape[2])
    kept, dtype = accumulator(query.dtype), index_dtype(query, key)
    factor = op.const(scale, kept) if scale is not None else _default_scale(size, kept)
    shape = [batch, heads, queries, keys]
    d = reduce_over(size, "d", dtype)

    def score(b: PrimExpr, h: PrimExpr, q: PrimExpr, k: PrimExpr) -> PrimExpr:
        left, right = query(b, q, h, d), key(b, k, _head(h, shared), d)
        made: PrimExpr = te.sum(op.multiply(op.cast(left, kept), op.cast(right, kept)), d)
        return made

    scores = compute(shape, score, "attention_scores", "batch_matmul")

    def masked(*i: PrimExpr) -> PrimExpr:
        total = op.multiply(scores(*i), factor)
        if bias is not None:
            total = op.add(total, op.cast(bias(*broadcast_index(i, shape, bias.shape)), kept))
        seen = _visible(i[2], i[3], queries, keys, causal_mask, window_size)
        return op.select(seen, total, op.const(-math.inf, kept))

    weights = softmax(compute(shape, masked, "attention_masked", tag.INJECTIVE))
    s = reduce_over(keys, "s", dtype)

    def mixed(b: PrimExpr, q: PrimExpr, h: PrimExpr, x: PrimExpr) -> PrimExpr:
        right = op.cast(value(b, s, _head(h, shared), x), kept)
        made: PrimExpr = te.sum(op.multiply(weights(b, h, q, s), right), s)
        return made

    out = compute([batch, queries, heads, value.shape[3]], mixed, "attention", "batch_matmul")
    return out if kept == query.dtype else cast(out, query.dtype)


def _default_scale(size: PrimExpr, dtype: str) -> PrimExpr:
    known = const_or_none(size)
    if known is not None:
        return op.const(1 / math.sqrt(known) if known else 1.0, dtype)
    made: PrimExpr = op.rsqrt(op.cast(size, dtype))
    return made


def _shared(heads: PrimExpr, key_heads: PrimExpr) -> int:
    """How many query heads share one key head."""
    a, b = const_or_none(heads), const_or_none(key_heads)
    if a is None or b is None:
        return 1
    if b == 0 or a % b:
        raise ArgumentError(f"attention: {a} query heads cannot share {b} key heads")
    return a // b


def _head(head: PrimExpr, shared: int) -> PrimExpr:
    return head if shared == 1 else op.floordiv(head, shared)


def _visible(
    q: PrimExpr, k: PrimExpr, queries: PrimExpr, keys: PrimExpr, mask: str | None, window: Any
) -> PrimExpr:
    if mask is None:
        return op.const(1, "bool")
    last = q if mask == "TopLeft" else op.add(q, op.subtract(keys, queries))
    seen = op.less_equal(k, last)
    if window is not None:
        first = offset(last, 1 - get_const_int(window))
        seen = op.logical_and(seen, op.greater_equal(k, first))
    return seen
