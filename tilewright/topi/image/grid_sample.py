"""Sampling an image at the points of a grid, and grids from affine maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from .. import tag
from ..reduction import accumulator
from ..utils import as_dims, compute, index_dtype, offset, require_rank, require_shape
from .resize import cubic_weights

__all__ = ["affine_grid", "crop_and_resize", "grid_sample"]

_PADDINGS = ("zeros", "border", "reflection")


def affine_grid(data: Tensor, target_shape: Sequence[Any]) -> Tensor:
    """The points (x first) where maps `data`, (batch, 2, 3), take the pixels of an image of
    `target_shape` whose corners are -1 and 1: (batch, 2, height, width). Also in 3 dimensions."""
    n = len(target_shape)
    if data.ndim != 3:
        raise ArgumentError(f"affine_grid needs 3 dimensions, found {data.ndim}")
    dims = as_dims(target_shape, index_dtype(data))

    def coordinate(i: PrimExpr, size: PrimExpr) -> PrimExpr:
        steps = op.max(offset(size, -1), op.const(1, size.dtype))
        step = op.div(op.const(2, data.dtype), op.cast(steps, data.dtype))
        return op.add(op.const(-1, data.dtype), op.multiply(op.cast(i, data.dtype), step))

    def element(*i: PrimExpr) -> PrimExpr:
        batch, row, places = i[0], i[1], i[2:]
        total = data(batch, row, n)
        for k in range(n):
            at = coordinate(places[n - 1 - k], dims[n - 1 - k])
            total = op.add(op.multiply(data(batch, row, k), at), total)
        return total

    return compute([data.shape[0], n, *dims], element, "compute", tag.INJECTIVE)


def _reflected(at: PrimExpr, size: PrimExpr, align_corners: bool) -> PrimExpr:
    """A coordinate mirrored at the borders (the centers of the edge pixels, or their edges)."""
    kind = at.dtype
    whole = op.cast(size, kind)
    low = op.const(0.0 if align_corners else -0.5, kind)
    span = op.subtract(whole, op.const(1, kind)) if align_corners else whole
    away = op.abs(op.subtract(at, low))
    turns = op.floor(op.div(away, span))
    rest = op.subtract(away, op.multiply(turns, span))
    odd = op.not_equal(op.fmod(turns, op.const(2, kind)), op.const(0, kind))
    made = op.add(op.select(odd, op.subtract(span, rest), rest), low)
    return op.select(op.less_equal(span, op.const(0, kind)), op.const(0, kind), made)


class _Sampler:
    def __init__(self, data: Tensor, padding_mode: str, align_corners: bool) -> None:
        self.data = data
        self.padding = padding_mode
        self.align = align_corners
        self.sizes = data.shape[2:]

    def pixel(self, value: PrimExpr, k: int) -> PrimExpr:
        """A coordinate from -1 to 1 in pixels."""
        kind = value.dtype
        size = op.cast(self.sizes[k], kind)
        one, half = op.const(1, kind), op.const(0.5, kind)
        if self.align:
            return op.multiply(op.multiply(op.add(value, one), half), op.subtract(size, one))
        return op.subtract(op.multiply(op.multiply(op.add(value, one), half), size), half)

    def bordered(self, at: PrimExpr, k: int) -> PrimExpr:
        """The coordinate brought into the image, if the padding does so."""
        if self.padding == "reflection":
            at = _reflected(at, self.sizes[k], self.align)
        if self.padding == "zeros":
            return at
        top = op.cast(offset(self.sizes[k], -1), at.dtype)
        return op.max(op.min(at, top), op.const(0, at.dtype))

    def load(self, n: PrimExpr, c: PrimExpr, places: Sequence[PrimExpr], tapped: bool) -> PrimExpr:
        """The pixel at float `places`; `tapped`: each is brought into the image on its own."""
        inside: PrimExpr = op.const(1, "bool")
        own = []
        for k, (place, size) in enumerate(zip(places, self.sizes, strict=True)):
            at = self.bordered(place, k) if tapped else place
            index = op.cast(at, size.dtype)
            inside = op.all(inside, op.greater_equal(index, 0), op.less(index, size))
            own.append(index)
        return op.if_then_else(inside, self.data(n, c, *own), op.const(0, self.data.dtype))


def grid_sample(
    data: Tensor,
    grid: Tensor,
    method: str = "bilinear",
    layout: str = "NCHW",
    padding_mode: str = "zeros",
    align_corners: bool = True,
) -> Tensor:
    """`data` (N, C, ...) at the points of `grid` (N, dimensions, ...), x first, from -1 to 1.

    `method` is nearest, bilinear or bicubic; `padding_mode` zeros, border or reflection.
    """
    n = data.ndim - 2
    if layout not in ("NCHW", "NCDHW") or n not in (2, 3) or grid.ndim != data.ndim:
        raise ArgumentError(f"grid_sample: layout {layout} with {data.ndim} dimensions")
    if padding_mode not in _PADDINGS:
        raise ArgumentError(f"grid_sample: padding is one of {', '.join(_PADDINGS)}")
    blend = _BLENDS.get(method)
    if blend is None:
        raise ArgumentError(f"grid_sample: method is one of {', '.join(_BLENDS)}, found {method!r}")
    sampler = _Sampler(data, padding_mode, align_corners)
    kind = accumulator(grid.dtype)

    def element(*i: PrimExpr) -> PrimExpr:
        batch, channel, at = i[0], i[1], i[2:]
        points = [sampler.pixel(op.cast(grid(batch, n - 1 - k, *at), kind), k) for k in range(n)]
        return op.cast(blend(sampler, batch, channel, points), data.dtype)

    shape = [*data.shape[:2], *grid.shape[2:]]
    return compute(shape, element, "compute", tag.INJECTIVE)


Point = Sequence[PrimExpr]


def _nearest(s: _Sampler, n: PrimExpr, c: PrimExpr, at: Point) -> PrimExpr:
    places = [op.round(s.bordered(p, k)) for k, p in enumerate(at)]
    return s.load(n, c, places, False)


def _linear(s: _Sampler, n: PrimExpr, c: PrimExpr, at: Point) -> PrimExpr:
    inner = [s.bordered(p, k) for k, p in enumerate(at)]
    lows = [op.floor(p) for p in inner]
    steps = []
    for p, low in zip(inner, lows, strict=True):
        rest = op.subtract(p, low)
        one = op.const(1, p.dtype)
        steps.append([(low, op.subtract(one, rest)), (op.add(low, one), rest)])
    return _weighted(steps, lambda places: s.load(n, c, places, False))


def _cubic(s: _Sampler, n: PrimExpr, c: PrimExpr, at: Point) -> PrimExpr:
    steps = []
    for p in at:
        low = op.floor(p)
        weights = cubic_weights(op.subtract(p, low), -0.75)
        steps.append([
            (op.add(low, op.const(k - 1, p.dtype)), w) for k, w in enumerate(weights)
        ])  # fmt: skip
    return _weighted(steps, lambda places: s.load(n, c, places, True))


def _weighted(
    steps: Sequence[Sequence[tuple[PrimExpr, PrimExpr]]], load: Callable[[Point], PrimExpr]
) -> PrimExpr:
    """The sum over all taps of the product of their weights times what lies there."""
    taps: list[tuple[list[PrimExpr], PrimExpr | None]] = [([], None)]
    for step in steps:
        taps = [
            ([*places, place], weight if before is None else op.multiply(before, weight))
            for places, before in taps
            for place, weight in step
        ]
    total: PrimExpr | None = None
    for places, weight in taps:
        if weight is not None:
            value = op.multiply(op.cast(load(places), weight.dtype), weight)
            total = value if total is None else op.add(total, value)
    if total is None:
        raise ArgumentError("grid_sample needs at least one dimension")
    return total


_BLENDS: dict[str, Callable[[_Sampler, PrimExpr, PrimExpr, Point], PrimExpr]] = {
    "nearest": _nearest, "bilinear": _linear, "linear": _linear, "bicubic": _cubic, "cubic": _cubic,
}  # fmt: skip


def crop_and_resize(
    data: Tensor,
    boxes: Tensor,
    box_indices: Tensor,
    crop_size: Sequence[Any],
    layout: str = "NCHW",
    method: str = "bilinear",
    extrapolation_value: float | None = None,
    out_dtype: str | None = None,
) -> Tensor:
    """The boxes (y1, x1, y2, x2, from 0 to 1) of the images `box_indices`, in `crop_size`."""
    if layout not in ("NCHW", "NHWC") or method not in ("bilinear", "nearest_neighbor"):
        raise ArgumentError(f"crop_and_resize: layout {layout!r} or method {method!r} is unknown")
    require_rank(data, 4, "crop_and_resize")
    require_shape(boxes, [*boxes.shape[:1], 4], "crop_and_resize")
    require_shape(box_indices, boxes.shape[:1], "crop_and_resize")
    at = {letter: k for k, letter in enumerate(layout)}
    dtype = index_dtype(data)
    crops = as_dims(crop_size, dtype)
    outside = op.const(extrapolation_value or 0.0, "float32")
    shape: list[Any] = list(data.shape)
    shape[0] = boxes.shape[0]
    shape[at["H"]], shape[at["W"]] = crops

    def coordinate(box: PrimExpr, k: int, place: PrimExpr) -> PrimExpr:
        low, high = (op.cast(boxes(box, k + j), "float32") for j in (0, 2))
        top = op.cast(offset(data.shape[at["HW"[k]]], -1), "float32")
        if op.is_const_int(crops[k], 1):
            return op.multiply(op.multiply(op.add(low, high), op.const(0.5, "float32")), top)
        step = op.div(
            op.multiply(op.subtract(high, low), top), op.cast(offset(crops[k], -1), "float32")
        )
        return op.add(op.multiply(low, top), op.multiply(op.cast(place, "float32"), step))

    def element(*i: PrimExpr) -> PrimExpr:
        image = box_indices(i[0])
        points = [coordinate(i[0], k, i[at["HW"[k]]]) for k in range(2)]
        inside: PrimExpr = op.const(1, "bool")
        steps = []
        for k, p in enumerate(points):
            size = data.shape[at["HW"[k]]]
            top = op.cast(offset(size, -1), "float32")
            inside = op.all(
                inside, op.greater_equal(p, op.const(0, p.dtype)), op.less_equal(p, top)
            )
            low = op.round(p) if method == "nearest_neighbor" else op.floor(p)
            rest = op.subtract(p, low)
            high = op.min(op.add(low, op.const(1, p.dtype)), top)
            one = op.const(1, p.dtype)
            both = [(low, op.subtract(one, rest)), (high, rest)]
            steps.append([(low, one)] if method == "nearest_neighbor" else both)

        def load(places: Point) -> PrimExpr:
            own = list(i)
            own[0] = image
            for k, place in enumerate(places):
                own[at["HW"[k]]] = op.cast(place, dtype)
            return op.if_then_else(inside, op.cast(data(*own), "float32"), outside)

        made = op.select(inside, _weighted(steps, load), outside)
        return op.cast(made, out_dtype or data.dtype)

    return compute(shape, element, "crop_and_resize", tag.INJECTIVE)
