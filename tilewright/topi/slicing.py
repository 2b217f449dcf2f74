"""Parts of tensors: slices with steps, of constant or computed bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from . import tag
from .kinds import Axes, Sizes
from .utils import (
    as_dim,
    as_dims,
    as_tuple,
    compute,
    const_or_none,
    get_const_int,
    index_dtype,
    normalize_axis,
    require_shape,
)

__all__ = [
    "dynamic_strided_slice", "slice_from", "slice_scatter", "strided_set", "strided_slice",
]  # fmt: skip

_FAR = 2**31 - 1


def slice_bounds(
    begin: Any, end: Any, stride: int, extent: PrimExpr, assume_inbound: bool = False
) -> tuple[PrimExpr, PrimExpr]:
    """Where the slice `begin:end:stride` of a dimension starts and how long it is, as in Python.

    `assume_inbound`: bounds that are not constant lie within the dimension already.
    """
    if stride == 0:
        raise ArgumentError("a slice needs a stride other than 0")
    dtype = extent.dtype
    default = (0, _FAR) if stride > 0 else (_FAR, -_FAR - 1)
    lo = _place(default[0] if begin is None else begin, stride, extent, assume_inbound)
    hi = _place(default[1] if end is None else end, stride, extent, assume_inbound)
    span = op.subtract(hi, lo) if stride > 0 else op.subtract(lo, hi)
    step = abs(stride)
    count = span if step == 1 else op.floordiv(op.add(span, step - 1), step)
    if const_or_none(count) is None and assume_inbound:
        return lo, count
    if const_or_none(lo) == 0 and hi is extent:
        return lo, count
    return lo, op.max(count, op.const(0, dtype))


def _place(bound: Any, stride: int, extent: PrimExpr, inbound: bool) -> PrimExpr:
    """A bound counted from the front and brought into the dimension."""
    dtype = extent.dtype
    least, most = (0, 0) if stride > 0 else (-1, -1)
    size, value = const_or_none(extent), const_or_none(bound)
    top = op.add(extent, most)
    if value is not None:
        if value >= _FAR:
            return top
        if value <= -_FAR:
            return IntImm(dtype, least)
        if size is not None:
            placed = value + size if value < 0 else value
            return IntImm(dtype, max(least, min(placed, size + most)))
        if value >= 0:
            here: PrimExpr = IntImm(dtype, value)
            return here if inbound or (value == 0 and stride > 0) else op.min(here, top)
        here = op.add(extent, value)
        return here if inbound else op.max(here, IntImm(dtype, least))
    made = as_dim(bound, dtype)
    if inbound or made is extent:
        return made
    made = op.select(op.less(made, 0), op.add(made, extent), made)
    return op.min(op.max(made, op.const(least, dtype)), top)


def strided_slice(
    a: Tensor,
    begin: Sequence[Any],
    end: Sequence[Any],
    strides: Sizes = None,
    axes: Axes = None,
    slice_mode: str = "end",
    assume_inbound: bool = True,
) -> Tensor:
    """`a[begin:end:strides]` along the first dimensions, or along `axes`.

    Bounds are counted as in Python; they may be expressions. `slice_mode="size"`: `end` holds
    lengths (-1: all the rest). `assume_inbound`: bounds that are not constant need no clamping.
    """
    if isinstance(begin, Tensor):
        raise ArgumentError("strided_slice: bounds in a tensor need dynamic_strided_slice")
    starts, ends = list(as_tuple(begin)), list(as_tuple(end))
    places = (
        list(range(len(starts)))
        if axes is None
        else [normalize_axis(x, a.ndim) for x in as_tuple(axes)]
    )
    steps = [get_const_int(s) for s in _given(strides)] or [1] * len(starts)
    steps += [1] * (len(starts) - len(steps))
    ends += [None] * (len(starts) - len(ends))
    if len(places) != len(starts) or len(ends) != len(starts) or len(starts) > a.ndim:
        raise ArgumentError(
            f"strided_slice: {len(starts)} beginnings, {len(ends)} ends and {len(places)} axes "
            f"for {a.ndim} dimensions"
        )
    shape = list(a.shape)
    origin: dict[int, tuple[PrimExpr, int]] = {}
    for place, lo, hi, step in zip(places, starts, ends, steps, strict=True):
        if slice_mode == "size":
            step = 1
            hi = None if const_or_none(hi) is not None and const_or_none(hi) < 0 else lo + hi  # type: ignore[operator]
        first, count = slice_bounds(lo, hi, step, a.shape[place], assume_inbound)
        shape[place] = count
        origin[place] = (first, step)
    return compute(shape, lambda *i: a(*_source(i, origin)), "T_strided_slice", tag.INJECTIVE)


def _given(values: Sizes) -> tuple[Any, ...]:
    return () if values is None else as_tuple(values)


def _source(indices: Sequence[PrimExpr], origin: dict[int, tuple[PrimExpr, int]]) -> list[PrimExpr]:
    out = list(indices)
    for place, (first, step) in origin.items():
        if step == -1:
            out[place] = op.subtract(first, indices[place])
        elif step < 0:
            out[place] = op.subtract(first, op.multiply(indices[place], -step))
        else:
            out[place] = op.add(op.multiply(indices[place], step), first)
    return out


def slice_from(
    x: Tensor, lows: Sequence[Any], steps: Sequence[int], extents: Sequence[Any]
) -> Tensor:
    """`extents[k]` elements of each dimension from `lows[k]` on, by `steps[k]`."""
    origin = {
        k: (as_dim(low, d.dtype), get_const_int(step))
        for k, (low, step, d) in enumerate(zip(lows, steps, x.shape, strict=True))
        if const_or_none(low) != 0 or step != 1
    }
    return compute(extents, lambda *i: x(*_source(i, origin)), "T_strided_slice", tag.INJECTIVE)


def dynamic_strided_slice(
    a: Tensor, begin: Tensor, end: Tensor, strides: Tensor, output_shape: Sizes
) -> Tensor:
    """`a[begin:end:strides]` with bounds in tensors; `output_shape` says how much that is."""
    for bounds in (begin, end, strides):
        require_shape(bounds, begin.shape[:1], "dynamic_strided_slice")
    count = get_const_int(begin.shape[0])
    if count > a.ndim:
        raise ArgumentError(f"dynamic_strided_slice: {count} bounds for {a.ndim} dimensions")
    sizes = as_dims(output_shape, index_dtype(a))
    if len(sizes) < count:
        raise ArgumentError(
            f"dynamic_strided_slice: output_shape of {len(sizes)} for {count} bounds"
        )
    shape = [*sizes[:count], *a.shape[count:]]

    def element(*i: PrimExpr) -> PrimExpr:
        own = list(i)
        for k in range(count):
            extent = a.shape[k]
            lo, step = (op.cast(t(k), extent.dtype) for t in (begin, strides))
            lo = op.select(op.less(lo, 0), op.add(lo, extent), lo)
            top = op.select(op.less(step, 0), op.subtract(extent, 1), extent)
            least = op.select(op.less(step, 0), op.const(-1, extent.dtype), 0)
            own[k] = op.add(op.min(op.max(lo, least), top), op.multiply(i[k], step))
        return a(*own)

    return compute(shape, element, "T_strided_slice_dynamic", tag.INJECTIVE)


def strided_set(
    a: Tensor, v: Tensor, begin: Sequence[Any], end: Sequence[Any], strides: Sizes = None
) -> Tensor:
    """`a` with the slice `begin:end:strides` replaced by `v`."""
    starts, ends = as_tuple(begin), as_tuple(end)
    steps = [get_const_int(s) for s in _given(strides)]
    steps += [1] * (len(starts) - len(steps))
    if not len(starts) == len(ends) == len(steps) <= a.ndim or v.ndim != a.ndim:
        raise ArgumentError(
            f"strided_set: {len(starts)} beginnings, {len(ends)} ends and {len(steps)} strides of "
            f"{v.ndim} dimensions for {a.ndim}"
        )
    bounds = [
        slice_bounds(lo, hi, step, extent)
        for lo, hi, step, extent in zip(starts, ends, steps, a.shape, strict=False)
    ]

    def element(*i: PrimExpr) -> PrimExpr:
        inside: PrimExpr = op.const(1, "bool")
        own = list(i)
        for k, ((first, count), step) in enumerate(zip(bounds, steps, strict=True)):
            away = op.subtract(i[k], first) if step > 0 else op.subtract(first, i[k])
            stride = abs(step)
            place = away if stride == 1 else op.floordiv(away, stride)
            tests = [op.greater_equal(away, 0), op.less(place, count)]
            if stride > 1:
                tests.append(op.equal(op.floormod(away, stride), 0))
            inside = op.all(inside, *tests)
            own[k] = place
        return op.if_then_else(inside, op.cast(v(*own), a.dtype), a(*i))

    return compute(a.shape, element, "T_strided_set", tag.INJECTIVE)


def slice_scatter(
    input_tensor: Tensor, src: Tensor, start: Any, end: Any, step: int, axis: int
) -> Tensor:
    """`input_tensor` with its slice `start:end:step` along `axis` replaced by `src`."""
    place = normalize_axis(axis, input_tensor.ndim)
    begin: list[Any] = [0] * place + [start]
    ends: list[Any] = [*input_tensor.shape[:place], end]
    return strided_set(input_tensor, src, begin, ends, [1] * place + [get_const_int(step)])
