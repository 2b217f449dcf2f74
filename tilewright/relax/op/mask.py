"""Operators that replace what a mask marks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import Expr
from . import _infer
from ._declare import op, sample
from ._samples import array


def _infer_masked(x: Any, mask: Any, value: Any) -> Any:
    info, chosen = _infer.tensor(x), _infer.tensor(mask, "the mask")
    return _infer.broadcast(info, chosen, dtype=info.dtype)


def _decompose(x: Expr, mask: Expr, value: Any) -> Expr:
    from .create import full_like
    from .search import where

    return where(mask, full_like(x, value), x)


@op(
    "masked_fill",
    infer=_infer_masked,
    decompose=_decompose,
    reference=lambda x, mask, value: np.where(mask, np.asarray(value, x.dtype), x),
    samples=lambda: [
        sample(array((3, 4)), array((3, 4), "bool"), -1.5),
        sample(array((3, 4), "int32"), array((4,), "bool"), 7),
    ],
)
def masked_fill(x: Expr, mask: Expr, value: float) -> Expr:
    """`value` where the mask holds, else `x`."""


__all__ = ["masked_fill"]
