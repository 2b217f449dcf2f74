"""Overlap of boxes and the choice of the best ones (non-maximum suppression)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import te
from ...ir.expr import PrimExpr, as_scalar
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.stmt import Stmt
from ..loops import Cell, cells, let, load, loop, nest, scratch, seq, store, when
from ..sort import merge_sort, order
from ..utils import index_dtype

__all__ = ["all_class_non_max_suppression", "intersection_over_union"]

Box = Sequence[PrimExpr]


def corners(box: Box, center: bool) -> tuple[PrimExpr, PrimExpr, PrimExpr, PrimExpr]:
    """Low and high ends of a box given by two corners in any order, or by center and size."""
    a, b, c, d = box
    if center:
        half = op.const(0.5, a.dtype)
        w, h = op.multiply(c, half), op.multiply(d, half)
        return op.subtract(b, h), op.subtract(a, w), op.add(b, h), op.add(a, w)
    return op.min(a, c), op.min(b, d), op.max(a, c), op.max(b, d)


def intersection_over_union(first: Box, second: Box, center: bool = False) -> PrimExpr:
    """How much of the union of two boxes both cover; 0 if the union is empty."""
    y0, x0, y1, x1 = corners(first, center)
    v0, u0, v1, u1 = corners(second, center)
    zero = op.const(0, y0.dtype)
    height = op.max(op.subtract(op.min(y1, v1), op.max(y0, v0)), zero)
    width = op.max(op.subtract(op.min(x1, u1), op.max(x0, u0)), zero)
    shared = op.multiply(height, width)
    areas = [
        op.multiply(op.subtract(q, p), op.subtract(t, s))
        for p, q, s, t in ((y0, y1, x0, x1), (v0, v1, u0, u1))
    ]
    whole = op.subtract(op.add(areas[0], areas[1]), shared)
    return op.select(op.greater(whole, zero), op.div(shared, whole), zero)


def all_class_non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    max_output_boxes_per_class: Any,
    iou_threshold: Any,
    score_threshold: Any,
    output_format: str = "onnx",
    center_point_box: bool = False,
) -> list[Tensor]:
    """For each class the boxes by falling score that overlap no better one too much.

    boxes: (batch, number, 4); scores: (batch, classes, number). The result is rows of (batch,
    class, box) as int64, room for all of them, and how many rows are used (one number). With
    `output_format="tensorflow"` it is for each image rows of (class, box), (batch, classes *
    number, 2) as int64, their scores, (batch, classes * number), and how many rows are used,
    (batch,) as int64. Rows that are not used are zeros. Limits are numbers or tensors of one
    element; only scores above `score_threshold` count.
    """
    if output_format not in ("onnx", "tensorflow"):
        raise ArgumentError(f"output_format is onnx or tensorflow, found {output_format!r}")
    if boxes.ndim != 3 or scores.ndim != 3:
        raise ArgumentError(
            f"boxes and scores need 3 dimensions, found {boxes.ndim} and {scores.ndim}"
        )
    kind = index_dtype(boxes, scores)
    batch, classes, count = scores.shape
    limits = [max_output_boxes_per_class, iou_threshold, score_threshold]
    given = [x for x in limits if isinstance(x, Tensor)]
    by_image = output_format == "tensorflow"
    if by_image:
        room = op.multiply(classes, count)
        results = [([batch, room, 2], "int64"), ([batch, room], scores.dtype), ([batch], "int64")]
    else:
        room = op.multiply(op.multiply(batch, classes), count)
        results = [([room, 3], "int64"), ([1], "int64")]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        more = iter(ins[2:])
        most, overlap, least = (
            limit_of(x, next(more) if isinstance(x, Tensor) else None) for x in limits
        )
        limit = op.cast(most, kind)

        def box(b: PrimExpr, n: PrimExpr) -> Box:
            return [load(ins[0], [b, n, op.const(k, kind)]) for k in range(4)]

        def one_class(
            places: Buffer, spare: Buffer, kept: Cell, apart: Cell, b: PrimExpr, c: PrimExpr
        ) -> Stmt:
            def score(n: PrimExpr) -> PrimExpr:
                return load(ins[1], [b, c, n])

            def compare(n: PrimExpr) -> Stmt:
                """Whether candidate `n` keeps its distance from those kept before."""

                def against(k: PrimExpr) -> Stmt:
                    shared = intersection_over_union(
                        box(b, n), box(b, load(spare, [k])), center_point_box
                    )
                    near = op.greater(shared, op.cast(overlap, shared.dtype))
                    return when(near, apart.set(0))

                total = [b if by_image else op.const(0, kind)]
                row = load(outs[-1], total)
                values = (c, n) if by_image else (b, c, n)
                at = [b, row] if by_image else [row]
                emit = seq(
                    store(spare, [kept.get()], n),
                    kept.set(kept.get() + 1),
                    *[
                        store(outs[0], [*at, op.const(k, kind)], value)
                        for k, value in enumerate(values)
                    ],
                    *[store(out, at, score(n)) for out in outs[1:-1]],
                    store(outs[-1], total, row + 1),
                )
                return seq(
                    apart.set(1),
                    loop(kept.get(), against, "k"),
                    when(op.equal(apart.get(), op.const(1, kind)), emit),
                )

            def candidate(k: PrimExpr) -> Stmt:
                def consider(n: PrimExpr) -> Stmt:
                    high = op.greater(score(n), op.cast(least, scores.dtype))
                    return when(op.logical_and(high, op.less(kept.get(), limit)), compare(n))

                return let(load(places, [k]), consider, "n")

            return seq(
                merge_sort(count, score, places, spare, order(scores.dtype, False)),
                kept.set(0),
                loop(count, candidate, "k"),
            )

        def everything(places: Buffer, spare: Buffer) -> Stmt:
            return cells(
                [kind, kind],
                lambda kept, apart: nest(
                    [batch, classes], lambda b, c: one_class(places, spare, kept, apart, b, c), "i"
                ),
                "state",
            )

        work = scratch(
            [count], kind, lambda p: scratch([count], kind, lambda s: everything(p, s), "spare"),
            "places",
        )  # fmt: skip
        return seq(*map(_cleared, outs), work)

    made = te.extern(
        [shape for shape, _ in results], [boxes, scores, *given], program,
        "all_class_non_max_suppression", [dtype for _, dtype in results], tag="all_class_nms",
    )  # fmt: skip
    return list(made)


def _cleared(out: Buffer) -> Stmt:
    return nest(out.shape, lambda *i: store(out, i, op.const(0, out.dtype)), "z")


def limit_of(value: Any, buffer: Buffer | None) -> PrimExpr:
    """A number, or the only element of an array."""
    if buffer is None:
        return as_scalar(value)
    return load(buffer, [op.const(0, d.dtype) for d in buffer.shape])
