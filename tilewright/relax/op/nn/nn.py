"""Operators of neural networks."""

from __future__ import annotations

import numpy as np

from .... import topi
from ...base import Expr
from .. import _infer, _samples
from .._declare import op


@op(
    "nn.relu",
    infer=_infer.same_as_first,
    lower=lambda data: topi.nn.relu(data),
    reference=lambda data: np.maximum(data, data.dtype.type(0)),
    samples=_samples.unary((*_samples.FLOATS, "int32")),
    onnx="Relu",
)
def relu(data: Expr) -> Expr:
    """`data` where positive, else 0."""
