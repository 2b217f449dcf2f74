"""Deformable convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import topi
from ...base import Expr
from ...dims import simplify
from .. import _infer
from .._declare import op, sample
from .._samples import array

Array = Any


def _two(value: Any) -> tuple[int, int]:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return int(items[0]), int(items[1])


def _four(value: Any) -> tuple[int, int, int, int]:
    """Padding above, left, below, right."""
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    whole = items * 4 if len(items) == 1 else items * 2 if len(items) == 2 else items
    return int(whole[0]), int(whole[1]), int(whole[2]), int(whole[3])


def _infer_deformable(
    data: Any, offset: Any, weight: Any, mask: Any, strides: Any, padding: Any, dilation: Any,
    deformable_groups: int, groups: int,
) -> Any:  # fmt: skip
    info, w = _infer.tensor(data), _infer.tensor(weight, "the weight")
    if info.dims is None or w.dims is None:
        return _infer.like(info, None, 4)
    pads, steps, gaps = _four(padding), _two(strides), _two(dilation)
    extents = [
        simplify(
            (info.dims[2 + k] + pads[k] + pads[2 + k] - ((w.dims[2 + k] - 1) * gaps[k] + 1))
            // steps[k]
            + 1
        )
        for k in range(2)
    ]
    return _infer.like(info, [info.dims[0], w.dims[0], *extents])


def _at(image: Array, y: float, x: float) -> float:
    """One channel at a point; 0 outside."""
    total = 0.0
    low = (int(np.floor(y)), int(np.floor(x)))
    for i, u in ((low[0], 1 - (y - low[0])), (low[0] + 1, y - low[0])):
        for j, v in ((low[1], 1 - (x - low[1])), (low[1] + 1, x - low[1])):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                total += float(image[i, j]) * u * v
    return total


def _reference(
    data: Array, offset: Array, weight: Array, mask: Array, strides: Any, padding: Any,
    dilation: Any, deformable_groups: int, groups: int,
) -> Array:  # fmt: skip
    top, left, _, _ = _four(padding)
    (sy, sx), (dy, dx) = _two(strides), _two(dilation)
    outs, per_group, kh, kw = weight.shape
    batch, channels = data.shape[:2]
    out = np.zeros((batch, outs, *offset.shape[2:]))
    per_out, per_offset = outs // groups, channels // deformable_groups
    for n, o, y, x in np.ndindex(*out.shape):
        for c, i, j in np.ndindex(per_group, kh, kw):
            channel = o // per_out * per_group + c
            place = channel // per_offset * kh * kw + i * kw + j
            value = _at(
                data[n, channel],
                y * sy - top + i * dy + float(offset[n, 2 * place, y, x]),
                x * sx - left + j * dx + float(offset[n, 2 * place + 1, y, x]),
            )
            factor = 1.0 if mask is None else float(mask[n, place, y, x])
            out[n, o, y, x] += value * factor * float(weight[o, c, i, j])
    return out.astype(data.dtype)


def _lower(
    data: Any, offset: Any, weight: Any, mask: Any, strides: Any, padding: Any, dilation: Any,
    deformable_groups: int, groups: int,
) -> Any:  # fmt: skip
    return topi.nn.deformable_conv2d_nchw(
        data, offset, weight, _two(strides), _four(padding), _two(dilation), deformable_groups,
        groups, None, mask,
    )  # fmt: skip


@op(
    "nn.deformable_conv2d",
    infer=_infer_deformable,
    lower=_lower,
    reference=_reference,
    samples=lambda: [
        sample(array((1, 2, 5, 5)), array((1, 18, 5, 5), seed=1), array((3, 2, 3, 3), seed=2),
               padding=1),
        sample(array((1, 4, 5, 5)), array((1, 16, 2, 2), seed=1), array((4, 2, 2, 2), seed=2),
               array((1, 8, 2, 2), seed=3), strides=2, deformable_groups=2, groups=2),
    ],
    pattern="opaque",
)  # fmt: skip
def deformable_conv2d(
    data: Expr,
    offset: Expr,
    weight: Expr,
    mask: Expr | None = None,
    strides: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    deformable_groups: int = 1,
    groups: int = 1,
) -> Expr:
    """The convolution of NCHW with OIHW whose taps are read beside their places, by `offset`
    (batch, groups * taps * 2, height, width; y before x), times `mask` likewise without the 2."""


__all__ = ["deformable_conv2d"]
