"""Operators of sets, whose results' sizes are known only when the program runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import Expr
from ..struct_info import TensorStructInfo, TupleStructInfo
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _infer_unique(
    x: Any, sorted: bool, return_index: bool, return_inverse: bool, return_counts: bool, axis: Any
) -> Any:
    info = _infer.tensor(x)
    if axis is not None:
        _infer.normalize_axis(axis, info.ndim)
    values = _infer.like(info, None, 1 if axis is None else info.ndim)
    extras = [w for w in (return_index, return_inverse, return_counts) if w]
    if not extras:
        return values
    places = TensorStructInfo(None, "int64", info.vdevice, 1)
    return TupleStructInfo((values, *(places for _ in extras)))


def _unique(
    x: Any, sorted: bool, return_index: bool, return_inverse: bool, return_counts: bool, axis: Any
) -> Any:
    values, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, 0 if axis is None else axis)
        first, inverse, counts = first[order], np.argsort(order)[inverse], counts[order]
    wanted = zip((return_index, return_inverse, return_counts), (first, inverse, counts),
                 strict=True)  # fmt: skip
    extras = [part.astype("int64") for asked, part in wanted if asked]
    return (values, *extras) if extras else values


def _unique_samples() -> list[Sample]:
    x = np.array([[3, 1, 3], [1, 1, 2], [3, 1, 3]], "int32")
    return [
        sample(x),
        sample(x, False, True, True, True),
        sample(x.astype("float32"), True, True, False, True, 0),
        sample(x, True, False, True, False, -1),
    ]


@op(
    "unique",
    infer=_infer_unique,
    reference=_unique,
    packed="relax.run.unique",
    samples=_unique_samples,
)
def unique(
    x: Expr,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Expr:
    """The different elements of `x` (slices along `axis`), and, as int64, where each is first,
    which of them each element is, and how often each occurs.

    Not sorted means in the order of first occurrence.
    """


def _nonzero(x: Any) -> Any:
    return np.array(np.nonzero(x) if x.ndim else (np.zeros(int(x != 0)),), "int64").reshape(
        max(x.ndim, 1), -1
    )


@op(
    "nonzero",
    infer=lambda x: TensorStructInfo(None, "int64", _infer.tensor(x).vdevice, 2),
    reference=_nonzero,
    packed="relax.run.nonzero",
    samples=lambda: [
        sample(array((3, 4), "bool")),
        sample(array((5,), "int32")),
        sample(np.array(2.0)),
    ],
)
def nonzero(x: Expr) -> Expr:
    """The indices of the elements that are not 0: a row for each dimension, row-major order."""


__all__ = ["nonzero", "unique"]
