"""Attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .... import topi
from ....support.errors import CompileError
from ...base import Expr
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array


def _infer_attention(query: Any, key: Any, value: Any, bias: Any, *rest: Any) -> Any:
    q, k, v = (_infer.tensor(x, w) for x, w in ((query, "query"), (key, "key"), (value, "value")))
    for info, what in ((q, "query"), (k, "key"), (v, "value")):
        if info.ndim not in (4, -1):
            raise CompileError(f"{what} has {info.ndim} dimensions, expected batch, length, "
                               "heads and width")  # fmt: skip
    if q.dims is None or k.dims is None or v.dims is None:
        return _infer.like(q, None, 4)
    _infer.require_equal(q.dims[3], k.dims[3], "the widths of query and key")
    _infer.require_equal(k.dims[1], v.dims[1], "the lengths of key and value")
    return _infer.like(q, (q.dims[0], q.dims[1], q.dims[2], v.dims[3]))


def causal_offset(causal_mask: str | None, length: int, total: int) -> int | None:
    """Row i sees columns up to i + offset; None: all of them."""
    if causal_mask is None:
        return None
    return total - length if causal_mask == "BottomRight" else 0


def _attention(
    query: Any, key: Any, value: Any, bias: Any, scale: Any, causal_mask: Any, window_size: Any
) -> Any:
    q, k, v = (np.moveaxis(x.astype(np.float64), 2, 1) for x in (query, key, value))
    groups = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, groups, 1), np.repeat(v, groups, 1)
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = q @ np.swapaxes(k, -1, -2) * factor
    if bias is not None:
        scores = scores + bias
    rows, columns = np.ogrid[: q.shape[2], : k.shape[2]]
    offset = causal_offset(causal_mask, q.shape[2], k.shape[2])
    if offset is not None:
        scores = np.where(columns <= rows + offset, scores, -np.inf)
        if window_size is not None:
            scores = np.where(columns > rows + offset - window_size, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    return np.moveaxis(weights @ v, 1, 2).astype(query.dtype)


def _samples() -> list[Sample]:
    q, kv = (2, 5, 4, 8), (2, 7, 4, 8)
    few = (2, 7, 2, 8)
    return [
        sample(array(q), array(kv, seed=1), array(kv, seed=2)),
        sample(array(q), array(few, seed=1), array(few, seed=2), causal_mask="TopLeft"),
        sample(array(q), array(kv, seed=1), array(kv, seed=2), array((2, 1, 5, 7), seed=3), 0.3),
    ]


@op(
    "nn.attention",
    infer=_infer_attention,
    lower=lambda query, key, value, bias, scale, causal_mask, window_size: topi.nn.attention(
        query, key, value, bias, scale, causal_mask, window_size
    ),
    reference=_attention,
    samples=_samples,
)
def attention(
    query: Expr,
    key: Expr,
    value: Expr,
    bias: Expr | None = None,
    scale: float | None = None,
    causal_mask: str | None = None,
    window_size: int | None = None,
) -> Expr:
    """`softmax(query key^T * scale + bias) value` for each head.

    query: (batch, length, heads, width); key and value: (batch, total, key heads, width), the
    heads of the query divided among those of the key. `scale` is 1 / sqrt(width) by default.
    `causal_mask`: `TopLeft` or `BottomRight` hides later columns; `window_size` earlier ones.
    """


@op(
    "nn.attention_bias",
    infer=_infer_attention,
    lower=lambda query, key, value, bias, scale, causal_mask, window_size: topi.nn.attention(
        query, key, value, bias, scale, causal_mask, window_size
    ),
    reference=_attention,
    samples=lambda: [s for s in _samples() if len(s.args) > 3],
)
def attention_bias(
    query: Expr,
    key: Expr,
    value: Expr,
    bias: Expr,
    scale: float | None = None,
    causal_mask: str | None = None,
    window_size: int | None = None,
) -> Expr:
    """`attention` with a bias, which is not optional."""
