"""The median."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import topi
from ...te import compute
from ..base import Expr
from ..struct_info import TensorStructInfo, TupleStructInfo
from . import _infer
from ._declare import Sample, op, sample
from ._samples import array


def _single(axis: Any) -> int | None:
    """The axis if it is one, for which the places of the medians are given too."""
    if axis is None or isinstance(axis, int):
        return axis
    return axis[0] if len(axis) == 1 else None


def _infer_median(x: Any, axis: Any, keepdims: bool) -> Any:
    values = _infer.reduction(x, axis, keepdims)
    if _single(axis) is None:
        return values
    places = TensorStructInfo(values.shape, "int64", values.vdevice, values.ndim)
    return TupleStructInfo((values, places))


def _rows(x: Any, axis: Any, move: Any, reshape: Any) -> tuple[Any, tuple[int, ...]]:
    """`x` with the reduced axes last, as one; the axes."""
    gone = _infer.normalize_axes(axis, len(x.shape))
    kept = [i for i in range(len(x.shape)) if i not in gone]
    moved = move(x, [*kept, *gone])
    shape = [x.shape[i] for i in kept]
    count: Any = 1
    for i in gone:
        count = x.shape[i] * count
    return reshape(moved, [*shape, count]), gone


def _lower(x: Any, axis: Any, keepdims: bool) -> Any:
    rows, gone = _rows(x, axis, topi.transpose, topi.reshape)
    middle = (rows.shape[-1] - 1) // 2
    kept = list(rows.shape[:-1])
    order = topi.argsort(rows, None, -1, 1, "int64")
    places = compute(kept, lambda *i: order(*i, middle), name="median_place")
    values = compute(kept, lambda *i: rows(*i, order(*i, middle)), name="median")
    out = [values] if _single(axis) is None else [values, places]
    if keepdims:
        shape = [1 if i in gone else d for i, d in enumerate(x.shape)]
        out = [topi.reshape(o, shape) for o in out]
    return out[0] if len(out) == 1 else out


def _median(x: Any, axis: Any, keepdims: bool) -> Any:
    rows, gone = _rows(x, axis, np.transpose, np.reshape)
    place = np.argsort(rows, -1, kind="stable")[..., (rows.shape[-1] - 1) // 2]
    out = [np.take_along_axis(rows, place[..., None], -1)[..., 0], place.astype("int64")]
    if keepdims:
        out = [np.expand_dims(o, gone) for o in out]
    return out[0] if _single(axis) is None else tuple(out)


def _samples() -> list[Sample]:
    x = array((2, 5, 4))
    return [
        sample(x, 1), sample(x, -1, True), sample(x, None), sample(x, (0, 2), True),
        sample(array((7,), "int32"), (0,)),
    ]  # fmt: skip


@op("median", infer=_infer_median, lower=_lower, reference=_median, samples=_samples)
def median(x: Expr, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Expr:
    """The middle element in order over `axis` (None: all), the lower of two middle ones.

    Over one axis the result is a tuple: the medians, and where along the axis they are (int64).
    """


__all__ = ["median"]
