"""Pooling over regions of interest."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.stmt import Stmt
from ..kinds import Sizes
from ..loops import Cell, cells, let, load, loop, nest, seq, store, when
from ..utils import as_dims, as_list, index_dtype, offset, require_rank, require_shape

__all__ = ["roi_align_nchw", "roi_pool_nchw"]

_F = "float32"


def _bilinear(data: Buffer, n: PrimExpr, c: PrimExpr, y: PrimExpr, x: PrimExpr) -> PrimExpr:
    """The image at a point; 0 where it lies a pixel or more outside."""
    inside: PrimExpr = op.const(1, "bool")
    steps = []
    for at, size in ((y, data.shape[2]), (x, data.shape[3])):
        whole = op.cast(size, _F)
        inside = op.all(inside, op.greater_equal(at, op.const(-1, _F)), op.less_equal(at, whole))
        top = op.subtract(whole, op.const(1, _F))
        place = op.max(op.min(at, top), op.const(0, _F))
        low = op.floor(place)
        rest = op.subtract(place, low)
        first = op.cast(low, size.dtype)
        second = op.min(offset(first, 1), offset(size, -1))
        steps.append([(first, op.subtract(op.const(1, _F), rest)), (second, rest)])
    total: PrimExpr = op.const(0, _F)
    for i, u in steps[0]:
        for j, v in steps[1]:
            value = op.cast(load(data, [n, c, i, j]), _F)
            total = op.add(total, op.multiply(op.multiply(u, v), value))
    return op.if_then_else(inside, total, op.const(0, _F))


def _check(data: Tensor, rois: Tensor, who: str) -> None:
    require_rank(data, 4, who)
    require_shape(rois, [*rois.shape[:1], 5], who)


def roi_align_nchw(
    data: Tensor,
    rois: Tensor,
    pooled_size: Sizes,
    spatial_scale: float,
    mode: Any = "avg",
    sample_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Each region of `rois`, rows of (image, x1, y1, x2, y2), as `pooled_size` cells: the mean (or
    the largest) of points sampled in each.

    `sample_ratio` points a side; below 1, as many as a cell has pixels. `aligned` shifts by half a
    pixel and lets regions be smaller than one.
    """
    kinds = {0: "avg", 1: "max", b"avg": "avg", b"max": "max"}
    kind = kinds.get(mode, mode) if isinstance(mode, (int, bytes)) else mode
    if kind not in ("avg", "max"):
        raise ArgumentError(f"roi_align: mode is avg or max, found {mode!r}")
    _check(data, rois, "roi_align")
    dtype = index_dtype(data, rois)
    height, width = as_dims(as_list(pooled_size, 2, "pooled_size"), dtype)
    shape = [rois.shape[0], data.shape[1], height, width]
    shift = op.const(0.5 if aligned else 0.0, _F)

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def side(r: PrimExpr, k: int) -> tuple[PrimExpr, PrimExpr]:
            """Where the region begins and how long it is."""
            ends = [
                op.multiply(
                    op.cast(load(ins[1], [r, op.const(j, dtype)]), _F), op.const(spatial_scale, _F)
                )
                for j in (k, k + 2)
            ]
            low, high = (op.subtract(e, shift) for e in ends)
            length = op.subtract(high, low)
            return low, length if aligned else op.max(length, op.const(1, _F))

        def cell(state: Cell, *i: PrimExpr) -> Stmt:
            r, c, row, column = i
            image = op.cast(load(ins[1], [r, op.const(0, dtype)]), dtype)
            sides = [side(r, 2), side(r, 1)]
            sizes = [
                op.div(s[1], op.cast(d, _F)) for s, d in zip(sides, (height, width), strict=True)
            ]
            counts = [
                op.const(sample_ratio, dtype)
                if sample_ratio > 0
                else op.max(op.cast(op.ceil(size), dtype), op.const(1, dtype))
                for size in sizes
            ]

            def point(a: PrimExpr, b: PrimExpr) -> Stmt:
                at = []
                for k, (place, tap) in enumerate(((row, a), (column, b))):
                    step = op.div(sizes[k], op.cast(counts[k], _F))
                    inner = op.multiply(op.add(op.cast(tap, _F), op.const(0.5, _F)), step)
                    start = op.multiply(op.cast(place, _F), sizes[k])
                    at.append(op.add(op.add(sides[k][0], start), inner))
                value = _bilinear(ins[0], image, c, at[0], at[1])
                old = state.get()
                return state.set(op.add(old, value) if kind == "avg" else op.max(old, value))

            start = op.const(0, _F) if kind == "avg" else -op.infinity(_F)
            total = op.cast(op.multiply(counts[0], counts[1]), _F)
            result = op.div(state.get(), total) if kind == "avg" else state.get()
            return seq(state.set(start), nest(counts, point, "s"), store(outs[0], i, result))

        return cells([_F], lambda state: nest(shape, lambda *i: cell(state, *i), "i"), "total")

    made: Tensor = te.extern(
        [shape], [data, rois], program, "roi_align", [data.dtype], tag="roi_align"
    )
    return made


def roi_pool_nchw(data: Tensor, rois: Tensor, pooled_size: Sizes, spatial_scale: float) -> Tensor:
    """The largest element of each of `pooled_size` cells of the regions `rois`, whose corners are
    rounded to pixels; 0 for an empty cell."""
    _check(data, rois, "roi_pool")
    dtype = index_dtype(data, rois)
    height, width = as_dims(as_list(pooled_size, 2, "pooled_size"), dtype)
    shape = [rois.shape[0], data.shape[1], height, width]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def bounds(r: PrimExpr, k: int, place: PrimExpr, cells_: PrimExpr, size: PrimExpr) -> Any:
            low, high = (
                op.cast(
                    op.floor(op.add(op.multiply(
                        op.cast(load(ins[1], [r, op.const(j, dtype)]), _F),
                        op.const(spatial_scale, _F)), op.const(0.5, _F))),
                    dtype,
                )
                for j in (k, k + 2)
            )  # fmt: skip
            length = op.max(offset(op.subtract(high, low), 1), op.const(1, dtype))
            first = op.add(op.floordiv(op.multiply(place, length), cells_), low)
            last = op.add(op.ceildiv(op.multiply(offset(place, 1), length), cells_), low)
            zero = op.const(0, dtype)
            return [op.min(op.max(v, zero), size) for v in (first, last)]

        def cell(state: Cell, *i: PrimExpr) -> Stmt:
            r, c, row, column = i
            image = op.cast(load(ins[1], [r, op.const(0, dtype)]), dtype)
            top, bottom = bounds(r, 2, row, height, data.shape[2])
            left, right = bounds(r, 1, column, width, data.shape[3])

            def scan(y0: PrimExpr, y1: PrimExpr, x0: PrimExpr, x1: PrimExpr) -> Stmt:
                def visit(a: PrimExpr, b: PrimExpr) -> Stmt:
                    value = load(ins[0], [image, c, op.add(y0, a), op.add(x0, b)])
                    return state.set(op.max(state.get(), value))

                empty = op.logical_or(op.less_equal(y1, y0), op.less_equal(x1, x0))
                lowest = te.max.identity(data.dtype)
                rows = loop(
                    op.subtract(y1, y0),
                    lambda a: loop(op.subtract(x1, x0), lambda b: visit(a, b), "b"),
                    "a",
                )
                return seq(
                    when(empty, state.set(0), seq(state.set(lowest), rows)),
                    store(outs[0], i, state.get()),
                )

            return let(top, lambda y0: let(bottom, lambda y1: let(left, lambda x0: let(
                right, lambda x1: scan(y0, y1, x0, x1), "x1"), "x0"), "y1"), "y0")  # fmt: skip

        return cells([data.dtype], lambda s: nest(shape, lambda *i: cell(s, *i), "i"), "largest")

    made: Tensor = te.extern(
        [shape], [data, rois], program, "roi_pool", [data.dtype], tag="roi_pool"
    )
    return made
