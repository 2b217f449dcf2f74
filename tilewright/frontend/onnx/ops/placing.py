"""Scattering and gathering at places that are known: blocks of images, windows, sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ....support.dtypes import dtype_of
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import element_dtype

Expr = relax.Expr


def windows(
    spatial: list[int], kernel: list[int], strides: list[int], dilations: list[int],
    outs: list[int] | None = None,
) -> tuple[Any, list[int]]:  # fmt: skip
    """The flat place of every element of every window, (windows, elements), and the counts."""
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    counts = outs or [(s - r) // t + 1 for s, r, t in zip(spatial, reach, strides, strict=True)]
    flat = np.zeros((1, 1), "int64")
    for size, k, s, d, count in zip(spatial, kernel, strides, dilations, counts, strict=True):
        place = np.arange(count)[:, None] * s + np.arange(k)[None, :] * d
        whole = flat[:, None, :, None] * size + place[None, :, None, :]
        flat = whole.reshape(flat.shape[0] * count, flat.shape[1] * k)
    return flat, counts


@onnx_op("Col2Im")
def col2im(n: NodeContext) -> Result:
    """Images from their (overlapping, then added) blocks as columns."""
    image = [int(v) for v in n.require_constant(1, "the size of the image").reshape(-1)]
    block = [int(v) for v in n.require_constant(2, "the size of a block").reshape(-1)]
    rank = len(image)
    pads = [int(p) for p in n.attr("pads", [0] * 2 * rank)]
    strides = [int(s) for s in n.attr("strides", [1] * rank)]
    dilations = [int(d) for d in n.attr("dilations", [1] * rank)]
    padded = [image[i] + pads[i] + pads[rank + i] for i in range(rank)]
    places, _ = windows(padded, block, strides, dilations)
    batch, columns, count = n.static_shape(0)
    channels = columns // math.prod(block)
    flat = n.emit(R.reshape(n[0], [batch, channels, math.prod(block) * count]))
    index = np.broadcast_to(places.T.reshape(1, 1, -1), (batch, channels, places.size))
    zeros = n.emit(R.zeros([batch, channels, math.prod(padded)], n.dtype(0)))
    made = R.scatter_elements(zeros, n.const(index, "int64"), flat, 2, "add")
    whole = n.emit(R.reshape(n.emit(made), [batch, channels, *padded]))
    axes = [2 + i for i in range(rank)]
    return R.strided_slice(
        whole, axes, pads[:rank], [p + s for p, s in zip(pads[:rank], image, strict=True)]
    )


def max_pool_with_indices(
    n: NodeContext, kernel: list[int], strides: list[int], dilations: list[int],
    padding: list[int], outs: list[int] | None,
) -> list[Expr]:  # fmt: skip
    """The largest of each window and its flat place in the whole input."""
    batch, channels, *spatial = n.static_shape(0)
    rank, dtype = len(kernel), n.dtype(0)
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    ends = [padding[rank + i] for i in range(rank)]
    if outs is not None:
        needed = [(o - 1) * s + r for o, s, r in zip(outs, strides, reach, strict=True)]
        have = [spatial[i] + padding[i] + ends[i] for i in range(rank)]
        ends = [e + max(w - h, 0) for e, w, h in zip(ends, needed, have, strict=True)]
    lowest = dtype_of(dtype).min_value
    widths = [0, 0, 0, 0] + [p for i in range(rank) for p in (padding[i], ends[i])]
    padded = [spatial[i] + padding[i] + ends[i] for i in range(rank)]
    x = n.emit(R.nn.pad(n[0], widths, "constant", lowest)) if any(widths) else n[0]
    flat = n.emit(R.reshape(x, [batch, channels, math.prod(padded)]))
    places, counts = windows(padded, kernel, strides, dilations, outs)
    cut = n.emit(R.take(flat, n.const(places, "int64"), 2))
    best = n.emit(R.max(cut, 3))
    which = n.emit(R.argmax(cut, 3))
    own = _own_places(padded, padding, spatial, bool(n.attr("storage_order", 0)))[places]
    offsets = np.arange(places.shape[0]) * places.shape[1]
    position = n.emit(R.add(which, n.const(offsets.reshape(1, 1, -1), "int64")))
    found = n.emit(R.take(n.const(own.reshape(-1), "int64"), position, 0))
    size = math.prod(spatial)
    base = (np.arange(batch)[:, None] * channels + np.arange(channels)[None, :]) * size
    whole = n.emit(R.add(found, n.const(base[:, :, None], "int64")))
    shape = [batch, channels, *counts]
    return [n.emit(R.reshape(best, shape)), n.emit(R.reshape(whole, shape))]


def _own_places(padded: list[int], before: list[int], spatial: list[int], columns: bool) -> Any:
    """The place in the image of each place in the padded image (those outside: any)."""
    grids = np.meshgrid(*[np.arange(s) for s in padded], indexing="ij")
    index = [np.clip(g - b, 0, s - 1) for g, b, s in zip(grids, before, spatial, strict=False)]
    flat = np.zeros(padded, "int64")
    axes = range(len(spatial))
    for i in reversed(axes) if columns else axes:
        flat = flat * spatial[i] + index[i]
    return flat.reshape(-1)


@onnx_op("MaxUnpool")
def max_unpool(n: NodeContext) -> Result:
    """Values put back where `MaxPool` found them, 0 elsewhere."""
    kernel = [int(k) for k in n.attr("kernel_shape")]
    rank = len(kernel)
    strides = [int(s) for s in n.attr("strides", [1] * rank)]
    pads = [int(p) for p in n.attr("pads", [0] * 2 * rank)]
    shape = n.static_shape(0)
    natural = [
        *shape[:2],
        *[(shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[rank + i]
          for i in range(rank)],
    ]  # fmt: skip
    wanted = natural
    if n.has(2):
        wanted = [int(v) for v in n.require_constant(2, "the output's shape").reshape(-1)]
    zeros = n.emit(R.zeros([math.prod(natural)], n.dtype(0)))
    index = n.emit(R.reshape(n[1], [-1]))
    values = n.emit(R.reshape(n[0], [-1]))
    made = n.emit(R.reshape(n.emit(R.scatter_elements(zeros, index, values, 0)), natural))
    if wanted == natural:
        return made
    widths = [p for a, b in zip(natural, wanted, strict=True) for p in (0, b - a)]
    return R.nn.pad(made, widths)


@onnx_op("ReverseSequence")
def reverse_sequence(n: NodeContext) -> Result:
    """The first part of each sequence of a batch backwards."""
    batch, time = int(n.attr("batch_axis", 1)), int(n.attr("time_axis", 0))
    rank, size = n.rank(0), n.static_shape(0)[time]
    known = n.known(1)
    if known is not None and not ((known >= 0) & (known <= size)).all():
        raise n.error(f"sequence_lens {known.tolist()} must be 0 to {size}")
    if n.shape(1) != [n.shape(0)[batch]]:
        raise n.error(f"sequence_lens of shape {n.shape(1)}, expected {[n.shape(0)[batch]]}")
    shape = [1] * rank
    shape[batch] = -1
    lengths = n.emit(R.reshape(n.emit(R.astype(n[1], "int64")), shape))
    order = [1] * rank
    order[time] = size
    steps = n.const(np.arange(size).reshape(order), "int64")
    back = n.emit(R.subtract(n.emit(R.subtract(lengths, n.const(1, "int64"))), steps))
    places = n.emit(R.where(n.emit(R.less(steps, lengths)), back, steps))
    return R.gather_elements(n[0], n.emit(R.broadcast_to(places, n.shape(0))), time)


@onnx_op("TensorScatter")
def tensor_scatter(n: NodeContext) -> Result:
    """A cache with new slices written at an index a batch item, wrapping round if circular."""
    rank = n.rank(0)
    axis = n.normalize_axis(int(n.attr("axis", -2)), rank)
    shape, update = n.static_shape(0), n.static_shape(1)
    order = [1] * rank
    order[axis] = update[axis]
    steps: Expr = n.const(np.arange(update[axis]).reshape(order), "int64")
    if n.has(2):
        start = n.emit(R.reshape(n.emit(R.astype(n[2], "int64")), [-1, *[1] * (rank - 1)]))
        steps = n.emit(R.add(start, steps))
    if n.attr("mode", "linear") == "circular":
        steps = n.emit(R.floor_mod(steps, n.const(shape[axis], "int64")))
    places = n.emit(R.broadcast_to(steps, update))
    return R.scatter_elements(n[0], places, n[1], axis)


@onnx_op("BitCast")
def bit_cast(n: NodeContext) -> Result:
    """The same bits as another data type."""
    dtype = element_dtype(int(n.attr("to")))
    if "bool" in (dtype, n.dtype(0)):
        return R.astype(n[0], dtype)
    return R.reinterpret(n[0], dtype)


@onnx_op("CumProd")
def cumprod(n: NodeContext) -> Result:
    """Running products along an axis."""
    axis = int(n.require_constant(1, "axis").reshape(-1)[0])
    axis = n.normalize_axis(axis, n.rank(0))
    reverse, exclusive = bool(n.attr("reverse", 0)), bool(n.attr("exclusive", 0))
    x = n.emit(R.flip(n[0], axis)) if reverse else n[0]
    result = n.emit(R.cumprod(x, axis, exclusive=exclusive))
    return R.flip(result, axis) if reverse else result


@onnx_op("Det")
def determinant(n: NodeContext) -> Result:
    """The determinants of square matrices, by elimination with a choice of pivots."""
    rank = n.rank(0)
    size = n.static_shape(0)[-1]
    dtype = n.dtype(0)
    x = n[0]
    result: Expr | None = None
    for step in range(size):
        left = size - step
        column = _part(n, x, rank - 1, 0, 1)
        pivot = n.emit(R.argmax(n.emit(R.abs(column)), rank - 2, True))
        rows = n.const(np.arange(left).reshape(*[1] * (rank - 2), -1, 1), "int64")
        here = n.emit(R.astype(n.emit(R.equal(rows, pivot)), dtype))
        top = n.emit(R.sum(n.emit(R.multiply(x, here)), [rank - 2], keepdims=True))
        value = _part(n, top, rank - 1, 0, 1)
        moved = n.emit(R.not_equal(pivot, n.const(0, "int64")))
        sign = n.emit(R.where(moved, n.const(-1, dtype), n.const(1, dtype)))
        factor = n.emit(R.multiply(value, sign))
        result = factor if result is None else n.emit(R.multiply(result, factor))
        if left == 1:
            break
        # The first row takes the place of the pivot's.
        first = _part(n, x, rank - 2, 0, 1)
        change = n.emit(R.multiply(here, n.emit(R.subtract(first, x))))
        below = _part(n, n.emit(R.add(x, change)), rank - 2, 1, left)
        zero = n.emit(R.equal(value, n.const(0, dtype)))
        safe = n.emit(R.where(zero, n.const(1, dtype), value))
        scale = n.emit(R.divide(_part(n, below, rank - 1, 0, 1), safe))
        rest = _part(n, below, rank - 1, 1, left)
        tail = _part(n, top, rank - 1, 1, left)
        x = n.emit(R.subtract(rest, n.emit(R.multiply(scale, tail))))
    if result is None:
        return R.ones(n.shape(0)[:-2], dtype)
    return R.squeeze(result, [rank - 2, rank - 1])


def _part(n: NodeContext, x: Expr, axis: int, begin: int, end: int) -> Expr:
    return n.emit(R.strided_slice(x, [axis], [begin], [end]))
