"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import topi
from ....support.dtypes import dtype_of
from ....support.errors import CompileError
from ....tir import op as tir_op
from ...base import Expr
from ...struct_info import TensorStructInfo
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array

REDUCTIONS = ("none", "sum", "mean")


def _infer_cross_entropy(predictions: Any, labels: Any) -> TensorStructInfo:
    a, b = _infer.tensor(predictions, "`predictions`"), _infer.tensor(labels, "`labels`")
    dtype = _infer.common_dtype(a, b)
    if -1 not in (a.ndim, b.ndim) and a.ndim != b.ndim:
        raise CompileError(f"predictions of {a.ndim} dimensions, labels of {b.ndim}")
    for axis, (x, y) in enumerate(zip(a.dims or (), b.dims or (), strict=False)):
        _infer.require_equal(x, y, f"dimension {axis} of predictions and labels")
    return _infer.like(a, (), dtype=dtype)


def _lower_cross_entropy(predictions: Any, labels: Any) -> Any:
    total = topi.negative(topi.sum(topi.multiply(predictions, labels)))
    if predictions.ndim < 2:
        return total
    return topi.divide(total, tir_op.cast(predictions.shape[0], predictions.dtype))


def _cross_entropy(predictions: Any, labels: Any) -> Any:
    rows = predictions.shape[0] if predictions.ndim > 1 else 1
    return -np.sum(predictions * labels, dtype=predictions.dtype) / predictions.dtype.type(rows)


@op(
    "nn.cross_entropy_with_logits",
    infer=_infer_cross_entropy,
    lower=_lower_cross_entropy,
    reference=_cross_entropy,
    samples=lambda: [
        sample(array((3, 5)), array((3, 5), seed=1)),
        sample(array((4,)), array((4,), seed=1)),
    ],
)
def cross_entropy_with_logits(predictions: Expr, labels: Expr) -> Expr:
    """`-sum(predictions * labels) / n`; n is the first dimension, or 1 of vectors.

    `predictions` are logarithms of probabilities, such as `log_softmax` gives.
    """


def check_nll(predictions: Any, targets: Any, weights: Any, reduction: str) -> TensorStructInfo:
    """The predictions of a negative log likelihood. Raises `CompileError` for what cannot be."""
    if reduction not in REDUCTIONS:
        raise CompileError(f"reduction is none, sum or mean, found {reduction!r}")
    info, chosen = _infer.tensor(predictions, "`predictions`"), _infer.tensor(targets, "`targets`")
    if info.ndim == 0:
        raise CompileError("predictions have a dimension of classes, found a scalar")
    if chosen.dtype and not dtype_of(chosen.dtype).is_integral:
        raise CompileError(f"targets are integers, found {chosen.dtype}")
    if -1 not in (info.ndim, chosen.ndim) and chosen.ndim != max(info.ndim - 1, 0):
        raise CompileError(f"predictions of {info.ndim} dimensions need targets of "
                           f"{max(info.ndim - 1, 0)}, found {chosen.ndim}")  # fmt: skip
    classes = None if info.dims is None else info.dims[0 if info.ndim == 1 else 1]
    if info.dims is not None and chosen.dims is not None:
        for axis, (a, b) in enumerate(
            zip((*info.dims[:1], *info.dims[2:]), chosen.dims, strict=False)
        ):
            _infer.require_equal(a, b, f"dimension {axis} of the targets")
    if weights is not None:
        each = _infer.tensor(weights, "`weights`")
        if each.ndim not in (1, -1):
            raise CompileError(f"`weights` is a vector, found {each.ndim} dimensions")
        _infer.common_dtype(info, each)
        if classes is not None and each.dims is not None:
            _infer.require_equal(classes, each.dims[0], "the numbers of classes and weights")
    return info


def _infer_nll(
    predictions: Any, targets: Any, weights: Any, reduction: str, ignore_index: int
) -> TensorStructInfo:
    info = check_nll(predictions, targets, weights, reduction)
    if reduction != "none":
        return _infer.like(info, ())
    return TensorStructInfo(targets.shape, info.dtype, info.vdevice, targets.ndim)


def weights_of(predictions: Any, weights: Any) -> Any:
    """The weights of the classes, 1 if none are given."""
    if weights is not None:
        return weights
    classes = predictions.shape[0 if predictions.ndim == 1 else 1]
    if isinstance(predictions, np.ndarray):
        return np.ones(classes, predictions.dtype)
    return topi.full((classes,), predictions.dtype, tir_op.const(1, predictions.dtype))


def _nll(predictions: Any, targets: Any, weights: Any, reduction: str, ignore_index: int) -> Any:
    each = weights_of(predictions, weights)
    used = targets != ignore_index
    safe = np.where(used, targets, 0)
    factor = np.where(used, each[safe], 0)
    if predictions.ndim == 1:
        losses = -predictions[safe] * factor
    else:
        losses = -np.take_along_axis(predictions, np.expand_dims(safe, 1), 1)[:, 0] * factor
    whole = {"none": lambda: losses, "sum": lambda: losses.sum(),
             "mean": lambda: losses.sum() / factor.sum()}[reduction]()  # fmt: skip
    return np.asarray(whole, predictions.dtype)


def nll_samples() -> list[Sample]:
    """All reductions, with and without weights, batches and images, ignored targets."""
    images, places = array((2, 3, 4, 2)), array((2, 4, 2), "int64", low=0, high=0.4)
    rows = np.array([1, 0, 2, 2], "int64")
    each = array((3,), seed=2, low=0.1, high=1.0)
    return [
        sample(images, places, each),
        sample(images, places, None, "none"),
        sample(array((4, 3)), rows, each, "sum", 2),
        sample(array((4, 3)), rows, each, "mean", 1),
        sample(array((3,)), np.array(1, "int32"), None, "mean"),
    ]


@op(
    "nn.nll_loss",
    infer=_infer_nll,
    lower=lambda predictions, targets, weights, reduction, ignore_index: topi.nn.nll_loss(
        predictions, targets, weights_of(predictions, weights), reduction, ignore_index
    ),
    reference=_nll,
    samples=nll_samples,
)
def nll_loss(
    predictions: Expr,
    targets: Expr,
    weights: Expr | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Expr:
    """The negative log likelihood: `-weights[t] * predictions[n, t, ...]`, `t = targets[n, ...]`.

    `predictions` are log probabilities (n, classes, ...) or (classes,). Targets equal to
    `ignore_index` count nothing; `mean` divides by the sum of the weights that count.
    """


__all__ = ["cross_entropy_with_logits", "nll_loss"]
