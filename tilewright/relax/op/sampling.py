"""Drawing from distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import topi
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ...te import compute, reduce_axis
from ...te import sum as te_sum
from ...tir import op as tir_op
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample


def _infer_multinomial(prob: Any, uniform_sample: Any, sample_indices: Any, dtype: str) -> Any:
    infos = [
        _infer.tensor(info, f"`{what}`")
        for info, what in (
            (prob, "prob"), (uniform_sample, "uniform_sample"), (sample_indices, "sample_indices"),
        )
    ]  # fmt: skip
    for info in infos:
        if info.ndim not in (2, -1):
            raise CompileError(f"every argument has 2 dimensions, found {info.ndim}")
    weights, draws, rows = infos
    if weights.dtype and not dtype_of(weights.dtype).is_float:
        raise CompileError(f"probabilities are floats, found {weights.dtype}")
    if draws.dims is None:
        return _infer.like(draws, None, 2, dtype)
    if rows.dims is not None:
        _infer.require_equal(draws.dims[0], rows.dims[0], "the numbers of samples and rows")
    return _infer.like(draws, (draws.dims[0], 1), dtype=dtype)


def _lower(prob: Any, uniform_sample: Any, sample_indices: Any, dtype: str) -> Any:
    sums = topi.cumsum(topi.cast(prob, "float32"), 1)
    k = reduce_axis((0, prob.shape[1]), "k")

    def count(i: Any, j: Any) -> Any:
        row = tir_op.cast(sample_indices(i, 0), prob.shape[0].dtype)
        passed = tir_op.less_equal(sums(row, k), tir_op.cast(uniform_sample(i, 0), "float32"))
        return te_sum(tir_op.cast(passed, dtype), k)

    made = compute((uniform_sample.shape[0], 1), count, name="multinomial")
    last = tir_op.cast(prob.shape[1], dtype) - tir_op.const(1, dtype)
    return topi.minimum(made, last)


def _multinomial(prob: Any, uniform_sample: Any, sample_indices: Any, dtype: str) -> Any:
    sums = np.cumsum(prob.astype("float32"), 1)[sample_indices[:, 0]]
    places = (sums <= uniform_sample.astype("float32")).sum(1, keepdims=True)
    return np.minimum(places, prob.shape[1] - 1).astype(dtype_of(dtype).numpy)


def _samples() -> list[Sample]:
    prob = np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]], "float32")
    draws = np.array([[0.1], [0.45], [0.8], [0.6]], "float32")
    rows = np.array([[0], [0], [0], [1]], "int64")
    return [sample(prob, draws, rows), sample(prob, draws[:1], rows[:1], "int32")]


@op("multinomial_from_uniform", infer=_infer_multinomial, lower=_lower, reference=_multinomial,
    samples=_samples)  # fmt: skip
def multinomial_from_uniform(
    prob: Expr, uniform_sample: Expr, sample_indices: Expr, dtype: str = "int64"
) -> Expr:
    """Draws from the distributions in the rows of `prob`, (batch, values): sample i takes the first
    value whose cumulative probability in row `sample_indices[i]` is above `uniform_sample[i]`."""


__all__ = ["multinomial_from_uniform"]
