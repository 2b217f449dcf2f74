"""Reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def reduction_samples() -> list[Sample]:
    """Every way to choose axes."""
    x: Any = array((2, 3, 4))
    choices: list[tuple[Any, bool]] = [
        (None, False), (None, True), (1, False), ((0, -1), True), ((), False),
    ]  # fmt: skip
    return [sample(x, axis=a, keepdims=k) for a, k in choices]


@op(
    "sum",
    infer=_infer.reduction,
    lower=lambda x, axis, keepdims: topi.sum(x, axis, keepdims),
    reference=lambda x, axis, keepdims: np.sum(x, axis, x.dtype, keepdims=keepdims),
    samples=reduction_samples,
)
def sum(x: Expr, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expr:
    """The sum over `axis` (None: over all), in the dtype of `x`."""
