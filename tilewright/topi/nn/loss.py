"""Losses."""

from __future__ import annotations

from typing import Any

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..broadcast import divide, multiply
from ..math import negative
from ..reduction import sum as total
from ..utils import compute, require_rank, require_shape
from .softmax import log_softmax

__all__ = ["cross_entropy_with_logits", "nll_loss"]


def nll_loss(
    predictions: Tensor, targets: Tensor, weights: Tensor, reduction: str, ignore_index: int
) -> Tensor:
    """The negative log likelihood: `-weights[t] * predictions[n, t, ...]`, `t = targets[n, ...]`,
    0 where that is `ignore_index`; `reduction` is none, sum, or mean (over the weights used)."""
    if reduction not in ("none", "sum", "mean"):
        raise ArgumentError(f"nll_loss: reduction is none, sum or mean, found {reduction!r}")
    batched = predictions.ndim > 1
    classes = predictions.shape[1 if batched else 0 :][:1]
    require_shape(weights, classes, "nll_loss")
    rest = [*predictions.shape[:1], *predictions.shape[2:]] if batched else []
    require_shape(targets, rest, "nll_loss")

    def each(function: Any, name: str) -> Tensor:
        def element(*i: PrimExpr) -> PrimExpr:
            t = targets(*i)
            used = op.not_equal(t, op.const(ignore_index, t.dtype))
            return op.if_then_else(used, function(t, *i), op.const(0, predictions.dtype))

        return compute(targets.shape, element, name, tag.INJECTIVE)

    def loss(t: PrimExpr, *i: PrimExpr) -> PrimExpr:
        value = predictions(i[0], t, *i[1:]) if batched else predictions(t)
        return op.multiply(-value, weights(t))

    losses = each(loss, "nll_loss")
    if reduction == "none":
        return losses
    if reduction == "sum":
        return total(losses)
    return divide(total(losses), total(each(lambda t, *i: weights(t), "nll_weights")))  # type: ignore[no-any-return]


def cross_entropy_with_logits(predictions: Tensor, targets: Tensor) -> Tensor:
    """The mean over the batch of `-sum(targets * log_softmax(predictions))`."""
    require_rank(predictions, 2, "cross_entropy_with_logits")
    require_shape(targets, predictions.shape, "cross_entropy_with_logits")
    rows = op.cast(predictions.shape[0], predictions.dtype)
    return divide(  # type: ignore[no-any-return]
        negative(total(multiply(log_softmax(predictions), targets))), rows
    )
