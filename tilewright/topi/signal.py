"""Fourier transforms by their definition."""

from __future__ import annotations

import math
from typing import Any

from .. import te
from ..ir.expr import PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from . import tag
from .kinds import Sizes
from .utils import (
    as_dim,
    as_list,
    compute,
    const_or_none,
    get_const_int,
    index_dtype,
    reduce_over,
    require_rank,
    require_shape,
)

__all__ = ["dft", "stft"]


def _angle(k: PrimExpr, n: PrimExpr, size: PrimExpr, inverse: bool, dtype: str) -> PrimExpr:
    """The angle of the `k`-th root of unity to the `n`, the turns taken off as integers."""
    turn = op.cast(op.floormod(op.multiply(k, n), size), dtype)
    unit = op.const((2 if inverse else -2) * math.pi, dtype)
    return op.div(op.multiply(unit, turn), op.cast(size, dtype))


def dft(re_data: Tensor, im_data: Tensor, inverse: Any = False) -> list[Tensor]:
    """The discrete Fourier transform along the last dimension, as real and imaginary part; the
    inverse one is divided by the length."""
    if re_data.ndim != im_data.ndim or not re_data.ndim:
        raise ArgumentError(f"dft: {re_data.ndim} and {im_data.ndim} dimensions")
    backwards = bool(get_const_int(inverse)) if not isinstance(inverse, bool) else inverse
    size, kind = re_data.shape[-1], re_data.dtype
    scale = op.div(op.const(1, kind), op.cast(size, kind))

    def part(imaginary: bool) -> Tensor:
        n = reduce_over(size, "n", index_dtype(re_data))

        def element(*i: PrimExpr) -> PrimExpr:
            angle = _angle(i[-1], n.var, size, backwards, kind)
            re, im = re_data(*i[:-1], n), im_data(*i[:-1], n)
            c, s = op.cos(angle), op.sin(angle)
            value = (
                op.add(op.multiply(re, s), op.multiply(im, c))
                if imaginary
                else op.subtract(op.multiply(re, c), op.multiply(im, s))
            )
            made: PrimExpr = te.sum(value, n)
            return made

        total = compute(re_data.shape, element, "dft_im" if imaginary else "dft_re", "dft")
        if not backwards:
            return total
        return compute(
            re_data.shape, lambda *i: op.multiply(total(*i), scale), "dft_scaled", tag.ELEMWISE
        )

    return [part(False), part(True)]


def stft(
    data: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    window: Tensor,
    normalized: bool,
    onesided: bool,
    output_shape: Sizes = None,
) -> Tensor:
    """The transforms of windows of `n_fft` samples, `hop_length` apart, of the signals `data`,
    (batch, length): (batch, frequencies, windows, 2), as real and imaginary part.

    `window`, `win_length` long, stands in the middle of each; `onesided` leaves the mirrored
    frequencies out; `normalized` divides by the root of `n_fft`.
    """
    require_rank(data, 2, "stft")
    require_shape(window, [win_length], "stft")
    if min(n_fft, hop_length, win_length) < 1 or win_length > n_fft:
        raise ArgumentError(
            "stft: n_fft, hop_length and win_length are positive, and a window is no longer than "
            f"n_fft; found {n_fft}, {hop_length} and {win_length}"
        )
    kind, dtype = data.dtype, index_dtype(data)
    length = data.shape[1]
    known = const_or_none(length)
    if output_shape is not None:
        frames = as_list(output_shape, 4, "stft: output_shape")[2]
    elif known is not None:
        frames = max(0, (known - n_fft) // hop_length + 1)
    else:
        frames = op.floordiv(op.subtract(length, n_fft - hop_length), hop_length)
    bins = n_fft // 2 + 1 if onesided else n_fft
    left = (n_fft - win_length) // 2
    n = reduce_over(win_length, "n", dtype)
    size = as_dim(n_fft, dtype)
    factor = op.const(1 / math.sqrt(n_fft) if normalized else 1.0, kind)

    def element(b: PrimExpr, k: PrimExpr, t: PrimExpr, part: PrimExpr) -> PrimExpr:
        place = op.add(n.var, op.const(left, dtype))
        angle = _angle(k, place, size, False, kind)
        sample = data(b, op.add(op.multiply(t, hop_length), place))
        wave = op.select(op.equal(part, 0), op.cos(angle), op.sin(angle))
        made: PrimExpr = te.sum(op.multiply(op.multiply(window(n), sample), wave), n)
        return made

    total = compute([data.shape[0], bins, frames, 2], element, "stft", "stft")
    if not normalized:
        return total
    return compute(
        total.shape, lambda *i: op.multiply(total(*i), factor), "stft_scaled", tag.ELEMWISE
    )
