"""NumPy references of operators that move, pick and place elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__all__ = [
    "batch_to_space_nd_python", "depth_to_space_python", "gather_nd_python", "gather_python",
    "matrix_set_diag", "one_hot", "reorg_python", "searchsorted_ref", "sequence_mask",
    "slice_axis_python", "space_to_batch_nd_python", "space_to_depth_python", "strided_set_python",
    "strided_slice_python",
]  # fmt: skip


def gather_python(data: Array, axis: int, indices: Array) -> Array:
    """`data` at `indices` along `axis`, every other index the place's own."""
    return np.take_along_axis(data, indices.astype("int64"), axis)


def gather_nd_python(a_np: Array, indices_np: Array) -> Array:
    """`a[indices[0, ...], indices[1, ...], ...]`."""
    made: Array = a_np[tuple(indices_np.astype("int64"))]
    return made


def one_hot(
    indices: Array, on_value: Any, off_value: Any, depth: int, axis: int, dtype: str
) -> Array:
    """`on_value` where the new dimension `axis`, of `depth`, is the index; else `off_value`."""
    hit = indices[..., None] == np.arange(depth)
    made = np.where(hit, np.asarray(on_value, dtype), np.asarray(off_value, dtype))
    return np.moveaxis(made, -1, axis)


def sequence_mask(data: Array, valid_length: Array, mask_value: float, axis: int) -> Array:
    """`mask_value` beyond each sequence's length; `axis` 0 or 1 is time, the other the batch."""
    time = np.arange(data.shape[axis])
    beyond = time[:, None] >= valid_length[None] if axis == 0 else time >= valid_length[:, None]
    beyond = beyond.reshape(*beyond.shape, *[1] * (data.ndim - 2))
    made: Array = np.where(beyond, np.asarray(mask_value, data.dtype), data)
    return made


def slice_axis_python(data: Array, axis: int, begin: int, end: int | None = None) -> Array:
    """`data[..., begin:end, ...]` at `axis`."""
    whole: list[Any] = [slice(None)] * data.ndim
    whole[axis] = slice(begin, end)
    made: Array = data[tuple(whole)]
    return made


def _slices(
    data: Array, begin: Any, end: Any, strides: Any, mode: str, axes: Sequence[int] | None
) -> tuple[slice, ...]:
    count = len(begin)
    steps = [1] * count if strides is None or len(strides) == 0 else list(strides)
    steps += [1] * (count - len(steps))
    which = list(axes) if axes is not None else list(range(count))
    found = [slice(None)] * data.ndim
    for k, axis in enumerate(which):
        start = begin[k]
        stop = end[k] if end is not None and k < len(end) else None
        if mode == "size":
            step = 1
            stop = None if stop is None or stop < 0 else start + stop
        else:
            step = int(steps[k])
        if stop is not None and step < 0 and stop < -data.shape[axis]:
            stop = None
        found[axis] = slice(start, stop, step)
    return tuple(found)


def strided_slice_python(
    data: Array,
    begin: Sequence[int | None],
    end: Sequence[int | None],
    strides: Sequence[int] | None,
    slice_mode: str = "end",
    axes: Sequence[int] | None = None,
) -> Array:
    """`data[begin:end:strides]`; with `slice_mode` "size", `end` holds lengths, -1 for the rest."""
    made: Array = data[_slices(data, begin, end, strides, slice_mode, axes)]
    return made


def strided_set_python(
    data: Array, v: Array, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]
) -> Array:
    """`data` with `data[begin:end:strides] = v`."""
    made: Array = data.copy()
    made[_slices(data, begin, end, strides, "end", None)] = v
    return made


def matrix_set_diag(
    input_np: Array, diagonal: Array, k: Any = 0, align: str = "RIGHT_LEFT"
) -> Array:
    """Matrices with their diagonals `k` (one, or the lowest and the highest) replaced.

    Several diagonals are rows of `diagonal`, the highest first; `align` says at which side the
    short ones above and below the main one are padded (LEFT: padded at the right).
    """
    low, high = (k, k) if isinstance(k, int) else (k[0], k[-1])
    made: Array = input_np.copy()
    rows, columns = input_np.shape[-2:]
    above, below = align.split("_")
    longest = max(
        (min(rows + min(d, 0), columns - max(d, 0)) for d in range(low, high + 1)), default=0
    )
    for d in range(low, high + 1):
        length = min(rows + min(d, 0), columns - max(d, 0))
        values = diagonal if low == high else diagonal[..., high - d, :]
        side = above if d >= 0 else below
        start = longest - length if low != high and side == "RIGHT" else 0
        for j in range(length):
            made[..., j - min(d, 0), j + max(d, 0)] = values[..., start + j]
    return made


def space_to_depth_python(data: Array, block_size: int) -> Array:
    """Blocks of NCHW moved into the channels."""
    n, c, h, w = data.shape
    parts = data.reshape(n, c, h // block_size, block_size, w // block_size, block_size)
    moved = parts.transpose(0, 3, 5, 1, 2, 4)
    result: Array = moved.reshape(n, c * block_size**2, h // block_size, w // block_size)
    return result


def depth_to_space_python(data: Array, block_size: int, mode: str = "DCR") -> Array:
    """Channels of NCHW moved into blocks; the block is the outer part of the channels for `DCR`,
    the inner one for `CRD`."""
    n, c, h, w = data.shape
    inner, b = c // block_size**2, block_size
    if mode == "DCR":
        moved = data.reshape(n, b, b, inner, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = data.reshape(n, inner, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    result: Array = moved.reshape(n, inner, h * b, w * b)
    return result


def space_to_batch_nd_python(
    data: Array,
    block_shape: Sequence[int],
    pad_before: Sequence[int],
    pad_after: Sequence[int],
    pad_value: float = 0,
) -> Array:
    """Blocks of the dimensions after the batch moved into the batch."""
    m = len(block_shape)
    rest = [(0, 0)] * (data.ndim - m - 1)
    widths = [(0, 0), *zip(pad_before, pad_after, strict=True), *rest]
    wide = np.pad(data, widths, constant_values=pad_value)
    shape: list[int] = [wide.shape[0]]
    for size, block in zip(wide.shape[1:], block_shape, strict=False):
        shape += [size // block, block]
    split = wide.reshape(*shape, *wide.shape[m + 1 :])
    blocks = [2 * k + 2 for k in range(m)]
    others = [2 * k + 1 for k in range(m)]
    moved = split.transpose(*blocks, 0, *others, *range(2 * m + 1, split.ndim))
    batch = wide.shape[0] * int(np.prod(block_shape))
    result: Array = moved.reshape(batch, *(shape[1::2]), *wide.shape[m + 1 :])
    return result


def batch_to_space_nd_python(
    data: Array,
    block_shape: Sequence[int],
    crop_begin_list: Sequence[int],
    crop_end_list: Sequence[int],
) -> Array:
    """Parts of the batch moved into blocks of the dimensions after it, which are cropped."""
    m = len(block_shape)
    batch = data.shape[0] // int(np.prod(block_shape))
    split = data.reshape(*block_shape, batch, *data.shape[1:])
    order = [m]
    for k in range(m):
        order += [m + 1 + k, k]
    moved = split.transpose(*order, *range(2 * m + 1, split.ndim))
    sizes = [data.shape[1 + k] * block_shape[k] for k in range(m)]
    whole = moved.reshape(batch, *sizes, *data.shape[m + 1 :])
    crops = [slice(b, s - e) for b, e, s in zip(crop_begin_list, crop_end_list, sizes, strict=True)]
    inner: Any = (slice(None), *crops)
    made: Array = whole[inner]
    return made


def reorg_python(a_np: Array, stride: int) -> Array:
    """Darknet's reorganization of NCHW: read as an image of more columns, laid out as channels."""
    n, c, h, w = a_np.shape
    outer = c // stride**2
    flat = a_np.reshape(n, outer, h, stride, w, stride).transpose(0, 3, 5, 1, 2, 4)
    result: Array = flat.reshape(n, c * stride**2, h // stride, w // stride)
    return result


def searchsorted_ref(sorted_sequence: Array, values: Array, right: bool, out_dtype: str) -> Array:
    """Where `values` belong, row by row."""
    side: Any = "right" if right else "left"
    if sorted_sequence.ndim == 1:
        return np.searchsorted(sorted_sequence, values, side).astype(out_dtype)
    rows = sorted_sequence.reshape(-1, sorted_sequence.shape[-1])
    wanted = values.reshape(-1, values.shape[-1])
    found = [np.searchsorted(r, v, side) for r, v in zip(rows, wanted, strict=True)]
    result: Array = np.stack(found).reshape(values.shape).astype(out_dtype)
    return result
