"""Signals: discrete Fourier transforms as products with their matrices, frames, filter banks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import element_dtype

Expr = relax.Expr
Pair = tuple[Expr, Expr | None]
"""Real and imaginary part; None for none."""


def _matrices(rows: int, columns: int, length: int, inverse: bool) -> tuple[Any, Any]:
    """Cosines and sines of the transform from `rows` samples to `columns` frequencies."""
    angle = 2 * np.pi * np.outer(np.arange(rows), np.arange(columns)) / length
    scale = 1.0 / length if inverse else 1.0
    return np.cos(angle) * scale, (np.sin(angle) if inverse else -np.sin(angle)) * scale


def _add(n: NodeContext, a: Expr, b: Expr | None) -> Expr:
    return a if b is None else n.emit(R.add(a, b))


def transform(n: NodeContext, x: Pair, cos: Any, sin: Any, dtype: str) -> tuple[Expr, Expr]:
    """The transform of the last axis: `x @ (cos + i sin)`."""
    real, imaginary = x
    c, s = n.const(cos, dtype), n.const(sin, dtype)
    re, im = n.emit(R.matmul(real, c)), n.emit(R.matmul(real, s))
    if imaginary is not None:
        re = n.emit(R.subtract(re, n.emit(R.matmul(imaginary, s))))
        im = _add(n, im, n.emit(R.matmul(imaginary, c)))
    return re, im


def _parts(n: NodeContext, x: Expr, rank: int, complex_: bool) -> Pair:
    """Real and imaginary part of a tensor whose last axis holds them."""
    axis = rank - 1
    real = n.emit(R.squeeze(n.emit(R.strided_slice(x, [axis], [0], [1])), [axis]))
    if not complex_:
        return real, None
    return real, n.emit(R.squeeze(n.emit(R.strided_slice(x, [axis], [1], [2])), [axis]))


@onnx_op("DFT")
def dft(n: NodeContext) -> Result:
    """The discrete Fourier transform along an axis; the last axis holds real and imaginary part."""
    rank, shape = n.rank(0), n.static_shape(0)
    if n.opset >= 20:
        axis = int(n.require_constant(2, "the axis").reshape(-1)[0]) if n.has(2) else -2
    else:
        axis = int(n.attr("axis", 1))
    axis = n.normalize_axis(axis, rank)
    if axis == rank - 1:
        raise n.error("the axis of DFT is that of real and imaginary part")
    inverse, one_sided = bool(n.attr("inverse", 0)), bool(n.attr("onesided", 0))
    given = int(n.require_constant(1, "the length").reshape(-1)[0]) if n.has(1) else None
    x, dtype, size = n[0], n.dtype(0), shape[axis]
    real_output = inverse and one_sided
    length = given or (2 * (size - 1) if real_output else size)
    rows = min(size, length // 2 + 1 if real_output else length)
    if rows < size:
        x = n.emit(R.strided_slice(x, [axis], [0], [rows]))
    order = [a for a in range(rank - 1) if a != axis] + [axis, rank - 1]
    x = n.emit(R.permute_dims(x, order))
    columns = length // 2 + 1 if one_sided and not inverse else length
    cos, sin = _matrices(rows, columns, length, inverse)
    if real_output:
        twice = np.full((rows, 1), 2.0)
        twice[0] = 1.0
        if length % 2 == 0 and rows == length // 2 + 1:
            twice[-1] = 1.0
        cos, sin = cos * twice, sin * twice
    re, im = transform(n, _parts(n, x, rank, shape[-1] == 2), cos, sin, dtype)
    back = [order.index(a) for a in range(rank)]
    parts = [n.emit(R.expand_dims(re, [rank - 1]))]
    if not real_output:
        parts.append(n.emit(R.expand_dims(im, [rank - 1])))
    whole = parts[0] if len(parts) == 1 else n.emit(R.concat(parts, rank - 1))
    return R.permute_dims(whole, back)


@onnx_op("STFT")
def stft(n: NodeContext) -> Result:
    """Fourier transforms of windowed frames: (batch, frames, frequencies, 2)."""
    shape, dtype = n.static_shape(0), n.dtype(0)
    step = int(n.require_constant(1, "the step").reshape(-1)[0])
    window = n.value(2) if n.has(2) else None
    if n.has(3):
        length = int(n.require_constant(3, "the length of a frame").reshape(-1)[0])
    else:
        length = n.static_shape(2)[0]
    frames = (shape[1] - length) // step + 1
    places = np.arange(frames)[:, None] * step + np.arange(length)[None, :]
    rank = len(shape)
    parts = _parts(n, n[0], rank, rank == 3 and shape[-1] == 2) if rank == 3 else (n[0], None)
    index = n.const(places, "int64")
    cut = [None if p is None else n.emit(R.take(p, index, 1)) for p in parts]
    if window is not None:
        shaped = n[2]
        cut = [None if p is None else n.emit(R.multiply(p, shaped)) for p in cut]
    columns = length // 2 + 1 if n.attr("onesided", 1) else length
    cos, sin = _matrices(length, columns, length, False)
    assert cut[0] is not None
    re, im = transform(n, (cut[0], cut[1]), cos, sin, dtype)
    return R.stack([re, im], 3)


@onnx_op("MelWeightMatrix")
def mel_weight_matrix(n: NodeContext) -> Result:
    """A bank of triangular filters, evenly spaced on the mel scale."""
    names = ("the number of bins", "the length", "the rate", "the lower edge", "the upper edge")
    bins, length, rate, low, high = (
        n.require_constant(i, what).reshape(-1)[0].item() for i, what in enumerate(names)
    )
    dtype = element_dtype(int(n.attr("output_datatype", 1)))
    rows = length // 2 + 1
    edges = 2595 * np.log10(1 + np.array([low, high]) / 700)
    mels = np.arange(bins + 2) * (edges[1] - edges[0]) / (bins + 2) + edges[0]
    places = np.floor((length + 1) * (700 * (10 ** (mels / 2595) - 1)) / rate).astype("int64")
    out = np.zeros((rows, bins))
    for i in range(bins):
        lower, center, upper = places[i : i + 3]
        if center == lower:
            out[center, i] = 1
        else:
            for j in range(lower, center + 1):
                out[j, i] = (j - lower) / (center - lower)
        for j in range(center, upper):
            out[j, i] = (upper - j) / (upper - center)
    return out.astype(dtype)


def _window(n: NodeContext, terms: list[float]) -> Result:
    size = int(n.require_constant(0, "the size").reshape(-1)[0])
    dtype = element_dtype(int(n.attr("output_datatype", 1)))
    whole = size if n.attr("periodic", 1) else size - 1
    angle = 2 * np.pi * np.arange(size) / max(whole, 1)
    total = sum(a * np.cos(k * angle) for k, a in enumerate(terms))
    return np.asarray(total).astype(dtype)


@onnx_op("HannWindow")
def hann_window(n: NodeContext) -> Result:
    """Raised cosine."""
    return _window(n, [0.5, -0.5])


@onnx_op("HammingWindow")
def hamming_window(n: NodeContext) -> Result:
    """Raised cosine on a pedestal."""
    return _window(n, [25 / 46, -21 / 46])


@onnx_op("BlackmanWindow")
def blackman_window(n: NodeContext) -> Result:
    """Two cosines."""
    return _window(n, [0.42, -0.5, 0.08])
