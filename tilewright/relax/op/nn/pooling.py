"""Pooling over windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import topi
from ....ir.expr import IntImm, PrimExpr
from ....tir import op as tir_op
from ...base import Expr
from ...dims import as_dim, simplify
from .. import _infer
from .._declare import Sample, op, sample
from .._samples import array
from . import _reference as reference
from ._layout import SPATIAL, axes_of
from .convolution import check_window, listed, pads


def _infer_pool(rank: int) -> Any:
    def infer(
        data: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any, ceil_mode: bool,
        count_include_pad: bool, layout: str, out_layout: str | None,
    ) -> Any:  # fmt: skip
        info = _infer.tensor(data)
        if info.dims is None:
            return info
        dims = list(info.dims)
        before, after = pads(padding, rank)
        check_window(listed(strides, rank), listed(dilation, rank), [*before, *after])
        for i, letter in enumerate(SPATIAL[rank]):
            place = axes_of(layout)[letter]
            reach = (listed(pool_size, rank)[i] - 1) * listed(dilation, rank)[i] + 1
            dims[place] = window_count(
                dims[place], reach, listed(strides, rank)[i], before[i], after[i], ceil_mode
            )
        return _infer.like(info, dims)

    return infer


def window_count(
    size: PrimExpr, reach: int, stride: int, before: Any, after: Any, ceil_mode: bool
) -> PrimExpr:
    """How many windows fit; with `ceil_mode` a last one may hang over, if it starts inside."""
    room = size + as_dim(before) + as_dim(after) - reach
    if not ceil_mode:
        return simplify(room // stride + 1)
    count = simplify(tir_op.ceildiv(room, stride) + 1)
    starts_outside = (count - 1) * stride >= size + as_dim(before)
    if isinstance(starts_outside, IntImm):
        return simplify(count - 1) if starts_outside.value else count
    return simplify(tir_op.select(starts_outside, count - 1, count))


def _declare(rank: int, kind: str) -> Any:
    default = "NC" + SPATIAL[rank]

    def declare(
        data: Expr,
        pool_size: int | Sequence[int] = 1,
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        layout: str = default,
        out_layout: str | None = None,
    ) -> Expr:
        raise NotImplementedError

    declare.__name__ = f"{kind}_pool{rank}d"
    what = "largest" if kind == "max" else "mean"
    declare.__doc__ = f"The {what} of each window over {rank} spatial dimensions."

    def arguments(
        data: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any, ceil_mode: bool,
        count_include_pad: bool, layout: str, out_layout: str | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        before, after = pads(padding, rank)
        return (
            data, listed(pool_size, rank), listed(strides, rank), listed(dilation, rank),
            [*before, *after], kind, ceil_mode, layout, count_include_pad,
        )  # fmt: skip

    def make_samples() -> list[Sample]:
        x = array((2, 3, *(7, 6, 5)[:rank]))
        return [
            sample(x, 2, 2),
            sample(x, 3, 2, 1),
            sample(x, 3, 2, 1, ceil_mode=True),
            sample(x, 2, 1, 1, 2),
            sample(x, 3, 1, 1, count_include_pad=True),
        ]

    def lower(
        data: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any, ceil_mode: bool,
        count_include_pad: bool, layout: str, out_layout: str | None,
    ) -> Any:  # fmt: skip
        return getattr(topi.nn, f"pool{rank}d")(
            *arguments(data, pool_size, strides, padding, dilation, ceil_mode,
                       count_include_pad, layout, out_layout)
        )  # fmt: skip

    def evaluate(
        data: Any, pool_size: Any, strides: Any, padding: Any, dilation: Any, ceil_mode: bool,
        count_include_pad: bool, layout: str, out_layout: str | None,
    ) -> Any:  # fmt: skip
        return reference.pool(
            *arguments(data, pool_size, strides, padding, dilation, ceil_mode,
                       count_include_pad, layout, out_layout)
        )  # fmt: skip

    return op(
        f"nn.{kind}_pool{rank}d",
        infer=_infer_pool(rank),
        lower=lower,
        reference=evaluate,
        samples=make_samples,
    )(declare)


max_pool1d, max_pool2d, max_pool3d = (_declare(rank, "max") for rank in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (_declare(rank, "avg") for rank in (1, 2, 3))


def _declare_adaptive(rank: int) -> Any:
    default = "NC" + SPATIAL[rank]

    def infer(data: Any, output_size: Any, layout: str, out_layout: str | None) -> Any:
        info = _infer.tensor(data)
        if info.dims is None or output_size is None:
            return info
        dims = list(info.dims)
        for size, letter in zip(listed(output_size, rank), SPATIAL[rank], strict=True):
            dims[axes_of(layout)[letter]] = as_dim(size)
        return _infer.like(info, dims)

    def evaluate(data: Any, output_size: Any, layout: str, out_layout: str | None) -> Any:
        out = data
        for i, letter in enumerate(SPATIAL[rank]):
            place = axes_of(layout)[letter]
            wanted = data.shape[place] if output_size is None else listed(output_size, rank)[i]
            size = data.shape[place]
            parts = [
                out.take(range(k * size // wanted, -(-(k + 1) * size // wanted)), place).mean(
                    place, keepdims=True
                )
                for k in range(wanted)
            ]
            out = np.concatenate(parts, place)
        return out.astype(data.dtype)

    def declare(
        data: Expr,
        output_size: int | Sequence[int] | None = None,
        layout: str = default,
        out_layout: str | None = None,
    ) -> Expr:
        raise NotImplementedError

    declare.__name__ = f"adaptive_avg_pool{rank}d"
    declare.__doc__ = "The mean of each of `output_size` windows that cover the input evenly."
    return op(
        f"nn.adaptive_avg_pool{rank}d",
        infer=infer,
        lower=lambda data, output_size, layout, out_layout: getattr(
            topi.nn, "adaptive_pool" if rank == 2 else f"adaptive_pool{rank}d"
        )(data, [None] * rank if output_size is None else listed(output_size, rank), "avg", layout),
        reference=evaluate,
        samples=lambda: [sample(array((2, 3, *(7, 6, 5)[:rank])), 1),
                         sample(array((2, 3, *(7, 6, 5)[:rank])), 3)],
    )(declare)  # fmt: skip


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _declare_adaptive(rank) for rank in (1, 2, 3)
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip
