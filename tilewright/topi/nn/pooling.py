"""Pooling: the largest element or the mean of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.expr import IterVar
from ..kinds import Padding, Sizes
from ..reduction import accumulator
from ..utils import (
    as_dim,
    as_list,
    as_tuple,
    compute,
    const_or_none,
    equal_const_int,
    flat_index,
    index_dtype,
    is_float,
    offset,
    reduce_over,
    require_rank,
)
from .conv import padded
from .utils import layout_rank, no_negative, numbers, positive, spatial_places

__all__ = [
    "adaptive_pool", "adaptive_pool1d", "adaptive_pool3d", "global_pool", "max_pool_with_indices",
    "pool", "pool1d", "pool2d", "pool3d", "pool_extent", "window_sizes",
]  # fmt: skip


def pool_extent(
    extent: Any, kernel: int, stride: int, dilation: int, before: int, after: int, ceil_mode: bool
) -> Any:
    """How many windows a dimension holds; a window begins within the input or the padding before
    it, also when `ceil_mode` lets it reach beyond the end."""
    slack = stride - 1 if ceil_mode else 0
    reach = offset(extent, before + after - (kernel - 1) * dilation - 1 + stride + slack)
    size = const_or_none(extent)
    count = no_negative(reach if stride == 1 else reach // stride)
    if ceil_mode and size is not None:
        found = const_or_none(count) or 0
        return found - 1 if found > 0 and (found - 1) * stride >= size + before else count
    if ceil_mode:
        fewer = offset(count, -1)
        outside = op.greater_equal(op.multiply(fewer, stride), offset(extent, before))
        return op.select(outside, fewer, count)
    return count


class _Window:
    def __init__(
        self,
        data: Tensor,
        kernel: Sizes,
        stride: Sizes,
        dilation: Sizes,
        padding: Padding,
        layout: str,
        n: int,
    ) -> None:
        self.places = spatial_places(layout, n)
        require_rank(data, layout_rank(layout), f"pooling of {layout}")
        self.kernel = numbers(kernel, n, "kernel")
        self.stride = numbers(stride, n, "stride")
        self.dilation = numbers(dilation, n, "dilation")
        pads = numbers(padding, n if len(as_tuple(padding)) == n else 2 * n, "padding")
        pads = pads if len(pads) == 2 * n else pads * 2
        self.before, self.after = pads[:n], pads[n:]
        positive([*self.kernel, *self.stride, *self.dilation], "kernel, stride and dilation")
        self.extents = [data.shape[p] for p in self.places]
        self.dtype = index_dtype(data)
        names = ["rv0", "rv1", "rv2"]
        self.axes: list[IterVar] = [
            reduce_over(k, name, self.dtype) for k, name in zip(self.kernel, names, strict=False)
        ]

    def without_padding(self, shape: Sequence[Any], ceil_mode: bool) -> tuple[list[int], list[int]]:
        """Leaves out the taps at the ends that meet padding for every element of `shape`: a window
        larger than its image becomes one of about the image's size. Returns the padding that is
        left before and after each dimension."""
        front, back = list(self.before), self.reach(shape) if ceil_mode else list(self.after)
        for k, place in enumerate(self.places):
            size, count = const_or_none(self.extents[k]), const_or_none(shape[place])
            if not size or not count:
                continue
            step, moved = self.dilation[k], (count - 1) * self.stride[k]
            first = max(0, (self.before[k] - moved) // step)
            last = min(self.kernel[k] - 1, (size - 1 + self.before[k]) // step)
            if first > last or last - first + 1 == self.kernel[k]:
                continue
            self.axes[k] = reduce_over(last - first + 1, f"rv{k}", self.dtype)
            front[k] -= first * step
            back[k] = max(0, moved + (last - first) * step + 1 - size - front[k])
        return front, back

    def shape(self, data: Tensor, ceil_mode: bool) -> list[Any]:
        out: list[Any] = list(data.shape)
        for k, place in enumerate(self.places):
            out[place] = pool_extent(
                self.extents[k], self.kernel[k], self.stride[k], self.dilation[k],
                self.before[k], self.after[k], ceil_mode,
            )  # fmt: skip
        return out

    def source(self, i: Sequence[PrimExpr]) -> list[PrimExpr]:
        own = list(i)
        for k, place in enumerate(self.places):
            tap = op.multiply(self.axes[k].var, self.dilation[k])
            own[place] = op.add(op.multiply(i[place], self.stride[k]), tap)
        return own

    def reach(self, shape: Sequence[Any]) -> list[Any]:
        """How much padding behind each dimension the windows touch."""
        found = []
        for k, place in enumerate(self.places):
            last = const_or_none(shape[place])
            size = const_or_none(self.extents[k])
            if last is None or size is None:
                found.append(self.after[k] + self.stride[k] - 1)
                continue
            end = (last - 1) * self.stride[k] + (self.kernel[k] - 1) * self.dilation[k] + 1
            found.append(max(self.after[k], end - size - self.before[k]))
        return found

    def count(self, i: Sequence[PrimExpr], padded_too: bool, ceil_mode: bool) -> PrimExpr | int:
        """How many elements of a window are averaged over."""
        constant = 1
        result: PrimExpr | None = None
        for k, place in enumerate(self.places):
            taps = self._taps(k, i[place], padded_too, ceil_mode)
            if isinstance(taps, int):
                constant *= taps
            else:
                result = taps if result is None else op.multiply(result, taps)
        if result is None:
            return constant
        return op.max(op.multiply(result, constant), op.const(1, result.dtype))

    def _taps(self, k: int, index: PrimExpr, padded_too: bool, ceil_mode: bool) -> PrimExpr | int:
        size, d = self.kernel[k], self.dilation[k]
        before, after = self.before[k], self.after[k]
        low, high = (before, after) if padded_too else (0, 0)
        whole = padded_too and not ceil_mode
        if whole or (not ceil_mode and before == 0 and after == 0):
            return size
        start = offset(op.multiply(index, self.stride[k]), -before)
        end = offset(self.extents[k], high)
        if d == 1:
            stop = op.min(offset(start, size), end)
            return op.subtract(stop, op.max(start, op.const(-low, start.dtype)))
        first = op.max(op.ceildiv(op.subtract(op.const(-low, start.dtype), start), d), 0)
        last = op.min(op.ceildiv(op.subtract(end, start), d), op.const(size, start.dtype))
        return op.subtract(last, first)


def _pool(
    data: Tensor,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    padding: Padding,
    pool_type: str,
    ceil_mode: bool,
    layout: str,
    count_include_pad: bool,
    n: int,
) -> Tensor:
    if pool_type not in ("max", "avg"):
        raise ArgumentError(f"pool_type is max or avg, found {pool_type!r}")
    window = _Window(data, kernel, stride, dilation, padding, layout, n)
    shape = window.shape(data, ceil_mode)
    front, behind = window.without_padding(shape, ceil_mode)
    if pool_type == "max":
        lowest = te.max.identity(data.dtype)
        source = padded(data, window.places, front, behind, lowest)
        return compute(
            shape,
            lambda *i: te.max(source(*window.source(i)), window.axes),
            "pool_max",
            "pool_max",
            kernel=window.kernel, strides=window.stride, dilation=window.dilation,
        )  # fmt: skip
    source = padded(data, window.places, front, behind, 0)
    kept = _total_type(data.dtype)
    total = compute(
        shape,
        lambda *i: te.sum(op.cast(source(*window.source(i)), kept), window.axes),
        "pool_sum",
        "pool_sum",
        kernel=window.kernel, strides=window.stride, dilation=window.dilation,
    )  # fmt: skip

    def average(*i: PrimExpr) -> PrimExpr:
        count = window.count(i, count_include_pad, ceil_mode)
        return op.cast(_divided(total(*i), count), data.dtype)

    return compute(shape, average, "pool_avg", "elemwise")


def _total_type(dtype: str) -> str:
    """The type in which windows of `dtype` are summed: of 32 bits, if theirs is narrower."""
    narrow = dtype_of(dtype).is_integral and dtype_of(dtype).bits < 32
    return "int32" if narrow else accumulator(dtype)


def _divided(total: PrimExpr, count: PrimExpr | int) -> PrimExpr:
    number = op.const(count, total.dtype) if isinstance(count, int) else op.cast(count, total.dtype)
    if is_float(total.dtype) and isinstance(count, int):
        return (
            op.multiply(total, op.const(1.0 / count, total.dtype))
            if _is_power_of_two(count)
            else op.div(total, number)
        )
    return op.div(total, number)


def _is_power_of_two(count: int) -> bool:
    return count > 0 and count & (count - 1) == 0


def pool(
    data: Tensor,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    padding: Padding,
    pool_type: str,
    ceil_mode: bool = False,
    layout: str = "NCHW",
    count_include_pad: bool = True,
) -> Tensor:
    """Pooling over as many dimensions as `layout` has; see `pool2d`."""
    n = _spatial_count(layout)
    return _pool(
        data, kernel, stride, dilation, padding, pool_type, ceil_mode, layout, count_include_pad, n
    )


def _spatial_count(layout: str) -> int:
    return sum(1 for letter in layout if letter in "DHW")


def _pool_over(n: int, default: str, doc: str) -> Callable[..., Tensor]:
    """Pooling over `n` dimensions, of `default` layout."""

    def pooled(
        data: Tensor,
        kernel: Sizes,
        stride: Sizes,
        dilation: Sizes,
        padding: Padding,
        pool_type: str,
        ceil_mode: bool = False,
        layout: str = default,
        count_include_pad: bool = True,
    ) -> Tensor:
        return _pool(
            data, kernel, stride, dilation, padding, pool_type, ceil_mode, layout,
            count_include_pad, n,
        )  # fmt: skip

    pooled.__name__ = pooled.__qualname__ = f"pool{n}d"
    pooled.__doc__ = doc
    return pooled


pool1d = _pool_over(
    1, "NCW", "Pooling over one dimension; `padding` is all before and then all after."
)
pool2d = _pool_over(
    2,
    "NCHW",
    """Pooling over two dimensions (`max` or `avg`); `padding` is top, left, bottom, right.

    `layout` may be blocked. `count_include_pad`: the mean counts the padding. `ceil_mode`: the
    last window may reach beyond the padding, if it begins in the input or the padding before it,
    as in ONNX and PyTorch. The mean of integers is rounded towards zero.
    """,
)
pool3d = _pool_over(
    3, "NCDHW", "Pooling over three dimensions; `padding` is all before and then all after."
)


def window_sizes(
    data: Tensor, kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Padding, layout: str,
    count_include_pad: bool, ceil_mode: bool, dtype: str,
) -> Callable[[Sequence[PrimExpr]], PrimExpr]:  # fmt: skip
    """How many elements the window at an output's indices is averaged over, as `dtype`."""
    window = _Window(data, kernel, stride, dilation, padding, layout, _spatial_count(layout))

    def count(i: Sequence[PrimExpr]) -> PrimExpr:
        found = window.count(i, count_include_pad, ceil_mode)
        return op.const(found, dtype) if isinstance(found, int) else op.cast(found, dtype)

    return count


def _first_largest(a: Any, b: Any) -> tuple[PrimExpr, PrimExpr]:
    earlier = op.logical_and(op.equal(a[1], b[1]), op.less(a[0], b[0]))
    keep = op.logical_or(op.greater(a[1], b[1]), earlier)
    return op.select(keep, a[0], b[0]), op.select(keep, a[1], b[1])


_LARGEST = te.comm_reducer(
    _first_largest, lambda i, v: (op.max_value(i), te.max.identity(v)), "max_with_index"
)


def max_pool_with_indices(
    data: Tensor,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    padding: Padding,
    ceil_mode: bool = False,
    layout: str = "NCHW",
) -> list[Tensor]:
    """The largest element of each window, and where it lies in its image (row-major among the
    spatial dimensions, the first of equals)."""
    n = _spatial_count(layout)
    window = _Window(data, kernel, stride, dilation, padding, layout, n)
    shape = window.shape(data, ceil_mode)

    def element(*i: PrimExpr) -> Any:
        own = window.source(i)
        inside: PrimExpr = op.const(1, "bool")
        places = []
        for k, place in enumerate(window.places):
            at = own[place] = offset(own[place], -window.before[k])
            extent = window.extents[k]
            inside = op.all(inside, op.greater_equal(at, 0), op.less(at, extent))
            places.append(at)
        flat = flat_index(places, window.extents, window.dtype)
        value = op.if_then_else(inside, data(*own), te.max.identity(data.dtype))
        where = op.select(inside, flat, op.max_value(window.dtype))
        return _LARGEST((where, value), window.axes)

    names = [f"ax{k}" for k in range(data.ndim)]
    index, largest = te.compute(
        shape,
        lambda *i: element(*i),
        "pool_max_index",
        "pool_max_index",
        varargs_names=names,
    )
    return [largest, index]


class _Span:
    """The window of each output of adaptive pooling along one dimension."""

    def __init__(self, extent: PrimExpr, out: Any, name: str) -> None:
        self.extent, self.out, dtype = extent, as_dim(out, extent.dtype), extent.dtype
        size, parts = const_or_none(extent), const_or_none(out)
        self.even = parts == 1 or (
            size is not None and parts is not None and size % max(parts, 1) == 0
        )
        if parts == 1:
            length: Any = extent
        elif size is not None and parts is not None:
            length = size // parts if self.even else _longest(size, parts)
        else:
            length = op.add(op.floordiv(op.subtract(extent, 1), self.out), 2)
        self.length = length
        self.axis = reduce_over(length, name, dtype)

    def start(self, index: PrimExpr) -> PrimExpr:
        if equal_const_int(self.out, 1):
            return op.const(0, index.dtype)
        if self.even:
            return op.multiply(index, self.length)
        return op.floordiv(op.multiply(index, self.extent), self.out)

    def size(self, index: PrimExpr) -> PrimExpr:
        if self.even:
            return as_dim(self.length, index.dtype)
        end = op.ceildiv(op.multiply(op.add(index, 1), self.extent), self.out)
        return op.subtract(end, self.start(index))


def _longest(size: int, parts: int) -> int:
    return max((-(-(i + 1) * size // parts) - i * size // parts for i in range(parts)), default=1)


def _adaptive(data: Tensor, output_size: Sizes, pool_type: str, layout: str, n: int) -> Tensor:
    if pool_type not in ("max", "avg"):
        raise ArgumentError(f"pool_type is max or avg, found {pool_type!r}")
    places = spatial_places(layout, n)
    require_rank(data, layout_rank(layout), f"pooling of {layout}")
    sizes = as_list(output_size, n, "output_size")
    positive([known for s in sizes if (known := const_or_none(s)) is not None], "output_size")
    spans = [
        _Span(data.shape[p], data.shape[p] if s is None else s, f"rv{k}")
        for k, (p, s) in enumerate(zip(places, sizes, strict=True))
    ]
    shape: list[Any] = list(data.shape)
    for place, span in zip(places, spans, strict=True):
        shape[place] = span.out
    kept = _total_type(data.dtype) if pool_type == "avg" else data.dtype
    reducer = te.max if pool_type == "max" else te.sum

    def element(*i: PrimExpr) -> PrimExpr:
        own = list(i)
        inside: PrimExpr = op.const(1, "bool")
        for place, span in zip(places, spans, strict=True):
            own[place] = op.add(span.start(i[place]), span.axis.var)
            if not span.even:
                inside = op.logical_and(inside, op.less(span.axis.var, span.size(i[place])))
        value = op.if_then_else(inside, op.cast(data(*own), kept), reducer.identity(kept))
        made: PrimExpr = reducer(value, [span.axis for span in spans])
        return made

    name = f"adaptive_pool_{'max' if pool_type == 'max' else 'sum'}"
    total = compute(shape, element, name, name)
    if pool_type == "max":
        return total

    def average(*i: PrimExpr) -> PrimExpr:
        count: PrimExpr | None = None
        for place, span in zip(places, spans, strict=True):
            size = span.size(i[place])
            count = size if count is None else op.multiply(count, size)
        if count is None:
            raise ArgumentError("adaptive pooling needs a dimension")
        known = const_or_none(count)
        return op.cast(_divided(total(*i), count if known is None else known), data.dtype)

    return compute(shape, average, "adaptive_pool_avg", "elemwise")


def adaptive_pool(data: Tensor, output_size: Sizes, pool_type: str, layout: str = "NCHW") -> Tensor:
    """Pooling into `output_size` windows that cover the input evenly (None: all of a dimension),
    over as many dimensions as `layout` has."""
    return _adaptive(data, output_size, pool_type, layout, _spatial_count(layout))


def _adaptive_over(n: int, default: str) -> Callable[..., Tensor]:
    def pooled(data: Tensor, output_size: Sizes, pool_type: str, layout: str = default) -> Tensor:
        return _adaptive(data, output_size, pool_type, layout, n)

    pooled.__name__ = pooled.__qualname__ = f"adaptive_pool{n}d"
    pooled.__doc__ = f"`adaptive_pool` over {n} dimension{'s' if n > 1 else ''}."
    return pooled


adaptive_pool1d = _adaptive_over(1, "NCW")
adaptive_pool3d = _adaptive_over(3, "NCDHW")


def global_pool(data: Tensor, pool_type: str, layout: str = "NCHW") -> Tensor:
    """One window over all of the spatial dimensions."""
    count = _spatial_count(layout)
    return _adaptive(data, [1] * count, pool_type, layout, count)
