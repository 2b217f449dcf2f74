"""Elementwise operators of three tensors."""

from __future__ import annotations

from typing import Any

from ... import topi
from ..base import Expr
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _infer_fma(x1: Any, x2: Any, x3: Any) -> Any:
    infos = [_infer.tensor(x, f"`x{k}`") for k, x in enumerate((x1, x2, x3), 1)]
    return _infer.broadcast(*infos)


def _samples() -> list[Sample]:
    same = [array((2, 3), seed=k) for k in range(3)]
    return [
        sample(*same),
        sample(array((4, 1, 3)), array((2, 1), seed=1), array((), seed=2)),
        sample(*[array((3,), "int32", k) for k in range(3)]),
    ]


@op(
    "ewise_fma",
    infer=_infer_fma,
    lower=lambda x1, x2, x3: topi.add(topi.multiply(x1, x2), x3),
    reference=lambda x1, x2, x3: x1 * x2 + x3,
    samples=_samples,
)
def ewise_fma(x1: Expr, x2: Expr, x3: Expr) -> Expr:
    """`x1 * x2 + x3`, elementwise."""


__all__ = ["ewise_fma"]
