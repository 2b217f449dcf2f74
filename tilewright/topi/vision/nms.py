"""Which of many boxes with scores stay (non-maximum suppression by class)."""

from __future__ import annotations

from typing import Any

from ... import te
from ...ir.expr import IntImm, PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ...tir.buffer import Buffer
from ...tir.stmt import Stmt
from ..loops import Cell, cells, load, loop, nest, scratch, seq, store, when
from ..sort import merge_sort, order
from ..utils import const_or_none
from .boxes import Box, intersection_over_union, limit_of

__all__ = ["get_valid_counts", "non_max_suppression"]

INDEX = "int32"


def get_valid_counts(
    data: Tensor, score_threshold: Any = 0, id_index: int = 0, score_index: int = 1
) -> list[Tensor]:
    """The boxes that have a score and a class, first.

    data: (batch, number, row), a row with a score at `score_index` and, unless `id_index` is
    negative, a class at `id_index`. Boxes stay whose score is above `score_threshold`, a number or
    a tensor of one element, and whose class is not negative. The result is how many stay, (batch,)
    of int32; the rows that stay in their order and then rows of -1; where these were, (batch,
    number) of int32, and then -1. Raises `ArgumentError` unless `data` has 3 dimensions and rows
    as long as the indices ask for.
    """
    _check_rows(data, score_index=score_index, id_index=max(id_index, 0))
    batch, number, row = data.shape
    given = [score_threshold] if isinstance(score_threshold, Tensor) else []

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        source, (counts, kept, places) = ins[0], outs
        least = op.cast(limit_of(score_threshold, ins[1] if given else None), data.dtype)

        def one(b: PrimExpr) -> Stmt:
            def consider(n: PrimExpr) -> Stmt:
                at = op.cast(load(counts, [b]), number.dtype)
                move = seq(
                    loop(row, lambda k: store(kept, [b, at, k], load(source, [b, n, k])), "k"),
                    store(places, [b, at], n),
                    store(counts, [b], load(counts, [b]) + 1),
                )
                stays = op.greater(load(source, [b, n, score_index]), least)
                if id_index >= 0:
                    has_class = op.greater_equal(load(source, [b, n, id_index]), 0)
                    stays = op.logical_and(stays, has_class)
                return when(stays, move)

            return seq(store(counts, [b], 0), loop(number, consider, "n"))

        return seq(
            nest([batch, number, row], lambda b, n, k: store(kept, [b, n, k], -1), "c"),
            nest([batch, number], lambda b, n: store(places, [b, n], -1), "p"),
            loop(batch, one, "b"),
        )

    made = te.extern(
        [[batch], list(data.shape), [batch, number]], [data, *given], program,
        "get_valid_counts", [INDEX, data.dtype, INDEX], tag="get_valid_counts",
    )  # fmt: skip
    return list(made)


def non_max_suppression(
    data: Tensor,
    valid_count: Tensor,
    indices: Tensor,
    max_output_size: Any = -1,
    iou_threshold: Any = 0.5,
    force_suppress: bool = False,
    top_k: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = 0,
    return_indices: bool = True,
    invalid_to_bottom: bool = False,
) -> Tensor | list[Tensor]:
    """Boxes by falling score, without those that overlap a better one of their class too much.

    data, valid_count, indices: as `get_valid_counts` gives them; four coordinates of a row begin at
    `coord_start`. Of the `top_k` boxes of highest scores (of all, if that is not positive) those of
    positive scores are taken, at most `max_output_size` a batch (if that is not negative), unless
    they overlap one taken before by `iou_threshold` or more, of the same class only without
    `force_suppress`. Boxes of other scores stay as they are as long as more are wanted. With a
    threshold that is not positive nothing is suppressed or reordered.

    With `return_indices`, the result is [boxes, counts]: the entries of `indices` of the boxes that
    stay, then -1, (batch, number) of int32; how many stay, (batch, 1) of int32. Without, it is the
    rows in the order of their scores, -1 as score and class of those suppressed and all of -1 where
    nothing is left; with `invalid_to_bottom`, the rows that stay come first. Raises `ArgumentError`
    unless `data` has 3 dimensions and rows as long as the indices ask for.
    """
    _check_rows(
        data, score_index=score_index, id_index=max(id_index, 0), coord_start=coord_start,
        last_coordinate=coord_start + 3,
    )  # fmt: skip
    batch, number, row = data.shape
    limits = [max_output_size, iou_threshold]
    given = [x for x in limits if isinstance(x, Tensor)]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        more = iter(ins[3:])
        most, overlap = (limit_of(x, next(more) if isinstance(x, Tensor) else None) for x in limits)
        one = _Suppression(
            ins, outs, op.cast(most, INDEX), op.cast(overlap, data.dtype), top_k, coord_start,
            score_index, id_index, force_suppress,
        )  # fmt: skip
        return seq(
            nest([batch, number, row], lambda b, n, k: store(outs[0], [b, n, k], -1), "c"),
            nest([batch, number], lambda b, n: store(outs[1], [b, n], -1), "p"),
            scratch(
                [number], number.dtype,
                lambda places: scratch(
                    [number], number.dtype,
                    lambda spare: loop(batch, lambda b: one.batch(b, places, spare), "b"), "spare",
                ),
                "places",
            ),
        )  # fmt: skip

    rows, found = te.extern(
        [list(data.shape), [batch, number]], [data, valid_count, indices, *given], program,
        "non_max_suppression", [data.dtype, INDEX], tag="nms",
    )  # fmt: skip
    if return_indices:
        return _first_indices(found)
    return (
        _first_rows(rows, id_index if id_index >= 0 else score_index) if invalid_to_bottom else rows
    )


class _Suppression:
    """The loops of `non_max_suppression`; `outs` are the rows and the entries of `indices`."""

    def __init__(
        self, ins: list[Buffer], outs: list[Buffer], most: PrimExpr, overlap: PrimExpr, top_k: int,
        coord_start: int, score_index: int, id_index: int, force: bool,
    ) -> None:  # fmt: skip
        self.data, self.counts, self.indices = ins[:3]
        self.rows, self.found = outs
        self.most, self.overlap, self.top_k = most, overlap, top_k
        self.coord, self.score, self.id, self.force = coord_start, score_index, id_index, force

    def batch(self, b: PrimExpr, places: Buffer, spare: Buffer) -> Stmt:
        """One batch: the rows in order, then the choice among them."""
        dtype = self.data.shape[1].dtype
        count = op.cast(load(self.counts, [b]), dtype)
        best = op.min(count, op.const(self.top_k, dtype)) if self.top_k > 0 else count
        ordered = seq(
            merge_sort(
                count, lambda n: load(self.data, [b, n, self.score]), places, spare,
                order(self.data.dtype, False),
            ),
            loop(best, lambda j: self._copy(b, j, load(places, [j])), "j"),
            cells(
                [INDEX, INDEX],
                lambda taken, apart: seq(
                    taken.set(0), loop(best, lambda j: self._choose(b, j, taken, apart), "j")
                ),
                "state",
            ),
        )  # fmt: skip
        unchanged = loop(count, lambda j: self._copy(b, j, j), "j")
        return when(op.greater(self.overlap, 0), ordered, unchanged)

    def _copy(self, b: PrimExpr, j: PrimExpr, n: PrimExpr) -> Stmt:
        width = self.data.shape[2]
        return seq(
            loop(width, lambda k: store(self.rows, [b, j, k], load(self.data, [b, n, k])), "k"),
            store(self.found, [b, j], load(self.indices, [b, n])),
        )

    def _of(self, b: PrimExpr, j: PrimExpr, k: int) -> PrimExpr:
        return load(self.rows, [b, j, op.const(k, j.dtype)])

    def _box(self, b: PrimExpr, j: PrimExpr) -> Box:
        return [self._of(b, j, self.coord + k) for k in range(4)]

    def _choose(self, b: PrimExpr, j: PrimExpr, taken: Cell, apart: Cell) -> Stmt:
        """Row `j` is taken, suppressed, or removed as more than are wanted."""
        full = op.logical_and(
            op.greater_equal(self.most, 0), op.greater_equal(taken.get(), self.most)
        )
        width = self.data.shape[2]
        remove = seq(
            loop(width, lambda k: store(self.rows, [b, j, k], -1), "k"),
            store(self.found, [b, j], -1),
        )
        suppress = [store(self.rows, [b, j, k], -1) for k in (self.score, self.id) if k >= 0]
        decide = seq(
            apart.set(1),
            loop(j, lambda k: self._compare(b, j, k, apart), "k"),
            when(
                op.equal(apart.get(), 1),
                taken.set(taken.get() + 1),
                seq(*suppress, store(self.found, [b, j], -1)),
            ),
        )
        return when(full, remove, when(op.greater(self._of(b, j, self.score), 0), decide))

    def _compare(self, b: PrimExpr, j: PrimExpr, k: PrimExpr, apart: Cell) -> Stmt:
        counts = [op.equal(apart.get(), 1), op.greater(self._of(b, k, self.score), 0)]
        if self.id >= 0:
            counts.append(op.greater_equal(self._of(b, k, self.id), 0))
            if not self.force:
                counts.append(op.equal(self._of(b, j, self.id), self._of(b, k, self.id)))
        shared = intersection_over_union(self._box(b, j), self._box(b, k))
        near = op.greater_equal(shared, self.overlap)
        return when(op.every(counts), when(near, apart.set(0)))


def _first_indices(found: Tensor) -> list[Tensor]:
    """The entries that are not negative, first; how many there are."""
    batch, number = found.shape

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def one(b: PrimExpr) -> Stmt:
            def move(n: PrimExpr) -> Stmt:
                at = load(outs[1], [b, 0])
                entry = load(ins[0], [b, n])
                step = seq(
                    store(outs[0], [b, op.cast(at, number.dtype)], entry),
                    store(outs[1], [b, 0], at + 1),
                )
                return when(op.greater_equal(entry, 0), step)

            clear = loop(number, lambda n: store(outs[0], [b, n], -1), "n")
            return seq(store(outs[1], [b, 0], 0), clear, loop(number, move, "n"))

        return loop(batch, one, "b")

    made = te.extern(
        [[batch, number], [batch, IntImm(batch.dtype, 1)]], [found], program,
        "rearrange_indices", [INDEX, INDEX], tag="rearrange_indices",
    )  # fmt: skip
    return list(made)


def _first_rows(rows: Tensor, marker: int) -> Tensor:
    """The rows whose element `marker` is not negative, first, then rows of -1."""
    batch, number, width = rows.shape

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def one(b: PrimExpr, at: Cell) -> Stmt:
            def move(n: PrimExpr) -> Stmt:
                place = op.cast(at.get(), number.dtype)
                copy = loop(
                    width, lambda k: store(outs[0], [b, place, k], load(ins[0], [b, n, k])), "k"
                )
                stays = op.greater_equal(load(ins[0], [b, n, marker]), 0)
                return when(stays, seq(copy, at.set(at.get() + 1)))

            return seq(at.set(0), loop(number, move, "n"))

        return seq(
            nest([batch, number, width], lambda b, n, k: store(outs[0], [b, n, k], -1), "c"),
            cells([INDEX], lambda at: loop(batch, lambda b: one(b, at), "b"), "at"),
        )

    made: Tensor = te.extern(
        list(rows.shape), [rows], program, "rearrange_rows", rows.dtype, tag="rearrange_rows"
    )
    return made


def _check_rows(data: Tensor, **places: int) -> None:
    if data.ndim != 3:
        raise ArgumentError(
            f"boxes have 3 dimensions, (batch, number, row), found {data.ndim}",
            hint="give an array of one row a box",
        )
    width = const_or_none(data.shape[2])
    for name, place in places.items():
        if place < 0 or (width is not None and place >= width):
            raise ArgumentError(
                f"boxes have rows of {data.shape[2]} elements, {name} is {place}",
                hint="name the columns of score, class and coordinates",
            )
