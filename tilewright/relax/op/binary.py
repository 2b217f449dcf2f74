"""Elementwise operators of two tensors that broadcast."""

from __future__ import annotations

import numpy as np

from ... import topi
from ..base import Expr
from . import _infer, _samples
from ._declare import op


@op(
    "add",
    infer=_infer.binary,
    lower=lambda x1, x2: topi.add(x1, x2),
    reference=np.add,
    gradient=lambda call, grad: [grad, grad],
    samples=_samples.binary(),
    onnx="Add",
)
def add(x1: Expr, x2: Expr) -> Expr:
    """`x1 + x2`; the shapes broadcast, integers wrap around."""
