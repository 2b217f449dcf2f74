"""What convolution and pooling mean, in NumPy: sums over kernel places of shifted views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....support.dtypes import dtype_of
from ._layout import axes_of, inner_block

Array = Any


def to_layout(x: Array, source: str, target: str) -> Array:
    """`x` with its axes from layout `source` in layout `target`; blocks are joined or split."""
    blocks = inner_block(source)
    axes = axes_of(source)
    plain = [letter for letter in axes if letter.isupper()]
    order = [axes[c] for letter in plain for c in (letter, letter.lower()) if c in axes]
    shape = [x.shape[axes[c]] * blocks.get(c.lower(), 1) for c in plain]
    joined = x.transpose(order).reshape(shape)
    wanted = inner_block(target)
    split_shape: list[int] = []
    names: list[str] = []
    for letter, size in zip(plain, joined.shape, strict=True):
        small = letter.lower()
        if small in wanted:
            split_shape += [size // wanted[small], wanted[small]]
            names += [letter, small]
        else:
            split_shape.append(size)
            names.append(letter)
    return joined.reshape(split_shape).transpose([names.index(c) for c in axes_of(target)])


def conv(
    data: Array,
    weight: Array,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    data_layout: str,
    kernel_layout: str,
    out_layout: str,
    out_dtype: str | None,
) -> Array:
    """The convolution (a correlation), in double precision or exact integers."""
    rank = len(strides)
    spatial = "DHW"[3 - rank :]
    kind = dtype_of(out_dtype or str(data.dtype))
    wide = np.int64 if kind.is_integral else np.float64
    x = to_layout(data, data_layout, "NC" + spatial).astype(wide)
    w = to_layout(weight, kernel_layout, "OI" + spatial).astype(wide)
    pads = [(0, 0), (0, 0), *zip(padding[:rank], padding[rank:], strict=True)]
    x = np.pad(x, pads)
    sizes = [
        (x.shape[2 + i] - (w.shape[2 + i] - 1) * dilation[i] - 1) // strides[i] + 1
        for i in range(rank)
    ]
    out = np.zeros((x.shape[0], w.shape[0], *sizes), wide)
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for place in np.ndindex(*w.shape[2:]):
        view = x[_inner(_window(place, sizes, strides, dilation))]
        for g in range(groups):
            part = w[_at(slice(g * outputs, (g + 1) * outputs), place)]
            chosen = view[:, g * inputs : (g + 1) * inputs]
            out[:, g * outputs : (g + 1) * outputs] += np.einsum("oi,ni...->no...", part, chosen)
    return to_layout(out, "NC" + spatial, out_layout).astype(kind.numpy)


def _inner(window: Sequence[slice]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *window)


def _at(rows: slice, place: Sequence[int]) -> tuple[Any, ...]:
    return (rows, slice(None), *place)


def _window(
    place: Sequence[int], sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[slice]:
    return [
        slice(p * d, p * d + (n - 1) * s + 1, s)
        for p, n, s, d in zip(place, sizes, strides, dilation, strict=True)
    ]


def conv_transpose(
    data: Array,
    weight: Array,
    strides: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    data_layout: str,
    kernel_layout: str,
    out_dtype: str | None,
) -> Array:
    """The transpose of a convolution: each input element spreads its kernel over the output."""
    rank = len(strides)
    spatial = "DHW"[3 - rank :]
    x = to_layout(data, data_layout, "NC" + spatial).astype(np.float64)
    w = to_layout(weight, kernel_layout, "IO" + spatial).astype(np.float64)
    reach = [(w.shape[2 + i] - 1) * dilation[i] + 1 for i in range(rank)]
    full = [(x.shape[2 + i] - 1) * strides[i] + reach[i] + output_padding[i] for i in range(rank)]
    inputs, outputs = x.shape[1] // groups, w.shape[1]
    out = np.zeros((x.shape[0], outputs * groups, *full))
    for place in np.ndindex(*w.shape[2:]):
        window = _window(place, x.shape[2:], strides, dilation)
        for g in range(groups):
            rows = slice(g * inputs, (g + 1) * inputs)
            part = np.einsum("io,ni...->no...", w[_at(rows, place)], x[:, rows])
            out[:, g * outputs : (g + 1) * outputs][_inner(window)] += part
    inner = [slice(padding[i], full[i] - padding[rank + i]) for i in range(rank)]
    made = out[_inner(inner)]
    return to_layout(made, "NC" + spatial, data_layout).astype(
        dtype_of(out_dtype or str(data.dtype)).numpy
    )


def pool(
    data: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    kind: str,
    ceil_mode: bool,
    layout: str,
    count_include_pad: bool,
) -> Array:
    """The largest or the mean of each window."""
    rank = len(kernel)
    spatial = "DHW"[3 - rank :]
    x = to_layout(data, layout, "NC" + spatial).astype(np.float64)
    sizes, pads = [], []
    for i in range(rank):
        size, before, after = x.shape[2 + i], padding[i], padding[rank + i]
        reach = (kernel[i] - 1) * dilation[i] + 1
        room = size + before + after - reach
        count = room // strides[i] + 1
        if ceil_mode:
            count = -(-room // strides[i]) + 1
            count -= (count - 1) * strides[i] >= size + before
        sizes.append(count)
        pads.append((before, max(after, (count - 1) * strides[i] + reach - size - before)))
    fill = -np.inf if kind == "max" else 0.0
    grown = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    inside = np.pad(np.ones(x.shape[2:]), [(p[0], 0) for p in pads])
    if count_include_pad:
        inside = np.ones([s + padding[i] + padding[rank + i] for i, s in enumerate(x.shape[2:])])
    counted = np.zeros(grown.shape[2:])
    counted[tuple(slice(0, s) for s in inside.shape)] = inside
    windows = [_window(place, sizes, strides, dilation) for place in np.ndindex(*kernel)]
    views = [grown[_inner(w)] for w in windows]
    if kind == "max":
        out = np.maximum.reduce(views)
    else:
        weight = np.add.reduce([counted[tuple(w)] for w in windows])
        out = np.add.reduce(views) / np.maximum(weight, 1)
    return to_layout(out, "NC" + spatial, layout).astype(data.dtype)
