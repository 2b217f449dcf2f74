"""Sorting: stable sorts as loop programs, and what is built on order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import te
from ..ir.expr import IntImm, PrimExpr
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..te.tensor import Tensor
from ..tir import op
from ..tir.buffer import Buffer
from ..tir.stmt import Stmt
from .loops import Cell, cells, let, load, loop, nest, repeat_while, scratch, seq, store, when
from .sort_network import (
    KEY,
    Key,
    chunk_of,
    has_key,
    network_select,
    network_sort,
    padded_count,
    place_of,
)
from .utils import as_dim, const_or_none, get_const_int, normalize_axis

__all__ = ["argsort", "searchsorted", "sort", "topk", "unique"]

Before = Callable[[PrimExpr, PrimExpr], PrimExpr]
Place = Callable[[PrimExpr], PrimExpr]


def order(dtype: str, ascending: bool) -> Before:
    """Whether the first of two values must come before the second; NaN is the largest."""

    def before(a: PrimExpr, b: PrimExpr) -> PrimExpr:
        x, y = (a, b) if ascending else (b, a)
        smaller = op.less(x, y)
        if dtype_of(dtype).is_float:
            return op.logical_or(smaller, op.logical_and(op.isnan(y), op.logical_not(op.isnan(x))))
        return smaller

    return before


def merge_sort(
    count: PrimExpr,
    key: Callable[[PrimExpr], PrimExpr],
    places: Buffer,
    spare: Buffer,
    before: Before,
) -> Stmt:
    """Fills `places` with 0..count in the stable order of `key`: n log n steps, bottom up."""
    dtype = count.dtype
    zero, one = op.const(0, dtype), op.const(1, dtype)

    def at(buffer: Buffer, index: PrimExpr) -> PrimExpr:
        return load(buffer, [index])

    def merge(lo: PrimExpr, mid: PrimExpr, hi: PrimExpr, i: Cell, j: Cell) -> Stmt:
        def step(k: PrimExpr) -> Stmt:
            target = op.add(lo, k)
            left = seq(store(spare, [target], at(places, i.get())), i.set(i.get() + 1))
            right = seq(store(spare, [target], at(places, j.get())), j.set(j.get() + 1))
            earlier = before(key(at(places, j.get())), key(at(places, i.get())))
            return when(
                op.greater_equal(j.get(), hi),
                left,
                when(op.greater_equal(i.get(), mid), right, when(earlier, right, left)),
            )

        return seq(i.set(lo), j.set(mid), loop(op.subtract(hi, lo), step, "k"))

    def level(width: Cell, i: Cell, j: Cell) -> Stmt:
        double = op.multiply(width.get(), op.const(2, dtype))

        def pair(p: PrimExpr) -> Stmt:
            return let(
                op.multiply(p, double),
                lambda lo: let(
                    op.min(op.add(lo, width.get()), count),
                    lambda mid: let(
                        op.min(op.add(lo, double), count), lambda hi: merge(lo, mid, hi, i, j), "hi"
                    ),
                    "mid",
                ),
                "lo",
            )

        return let(
            op.ceildiv(count, double),
            lambda pairs: seq(
                loop(pairs, pair, "pair"),
                loop(count, lambda k: store(places, [k], at(spare, k)), "k"),
                width.set(double),
            ),
            "pairs",
        )

    def program(width: Cell, i: Cell, j: Cell) -> Stmt:
        return seq(
            loop(count, lambda k: store(places, [k], k), "k"),
            width.set(one),
            i.set(zero),
            j.set(zero),
            repeat_while(op.less(width.get(), count), level(width, i, j)),
        )

    return cells([dtype] * 3, program, "cursor")


def _rows(
    data: Buffer,
    axis: int,
    ascending: bool,
    emit: Callable[[list[PrimExpr], Place], Stmt],
    valid: Callable[[Sequence[PrimExpr]], PrimExpr] | None = None,
    wanted: PrimExpr | None = None,
) -> Stmt:
    """`emit(outer indices, order)` for each row of `data` along `axis`, its elements ordered.

    `valid` tells how many elements of a row are ordered; the others stay where they are. With
    `wanted` only so many elements are asked for.
    """
    extent = data.shape[axis]
    others = [d for k, d in enumerate(data.shape) if k != axis]

    def row(outer: list[PrimExpr], work: Ordering) -> Stmt:
        def key(index: PrimExpr) -> PrimExpr:
            return load(data, [*outer[:axis], index, *outer[axis:]])

        if valid is None:
            return seq(work.sort(extent, key), emit(outer, work.place))

        def limited(count: PrimExpr) -> Stmt:
            def place(k: PrimExpr) -> PrimExpr:
                return op.if_then_else(op.less(k, count), work.place(k), k)

            return seq(work.sort(count, key), emit(outer, place))

        return let(valid(outer), limited, "count")

    return _ordering(
        data.dtype, extent, ascending, wanted,
        lambda work: nest(others, lambda *o: row(list(o), work), "i"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ordering:
    """A way to sort a row: `sort(count, key)`, after which `place(k)` is where the `k`-th element
    in order comes from."""

    sort: Callable[[PrimExpr, Key], Stmt]
    place: Place


def _are_few(wanted: PrimExpr | None, extent: PrimExpr) -> bool:
    """Whether taking so many elements one by one is faster than sorting all."""
    few, size = const_or_none(wanted), const_or_none(extent)
    if few is None:
        return False
    return few <= 64 if size is None else few * chunk_of(size) <= 4 * size


def _selecting(
    extent: PrimExpr, ascending: bool, wanted: PrimExpr, body: Callable[[Ordering], Stmt]
) -> Stmt:
    """`body` of a way to find the first `wanted` elements."""
    chunk = chunk_of(const_or_none(extent))

    def select(keys: Buffer, chosen: Buffer) -> Stmt:
        return body(
            Ordering(
                lambda count, key: network_select(
                    count, wanted, key, keys, ascending, chunk, chosen
                ),
                lambda k: place_of(chosen, k, extent.dtype),
            )
        )

    size = op.const(chunk, extent.dtype)
    return scratch(
        [op.multiply(op.ceildiv(extent, size), size)], KEY,
        lambda keys: scratch([wanted], KEY, lambda chosen: select(keys, chosen), "chosen"), "keys",
    )  # fmt: skip


def _ordering(
    dtype: str,
    extent: PrimExpr,
    ascending: bool,
    wanted: PrimExpr | None,
    body: Callable[[Ordering], Stmt],
) -> Stmt:
    """`body` of a way to sort rows of `extent` elements: by vectors where key and place fit into
    one number, else by merging."""
    if wanted is not None and has_key(dtype) and _are_few(wanted, extent):
        return _selecting(extent, ascending, wanted, body)
    if has_key(dtype):
        return scratch(
            [padded_count(extent)],
            KEY,
            lambda keys: body(
                Ordering(
                    lambda count, key: network_sort(count, key, keys, ascending),
                    lambda k: place_of(keys, k, extent.dtype),
                )
            ),
            "keys",
        )
    before = order(dtype, ascending)

    def merging(places: Buffer, spare: Buffer) -> Stmt:
        return body(
            Ordering(
                lambda count, key: merge_sort(count, key, places, spare, before),
                lambda k: load(places, [k]),
            )
        )

    return scratch(
        [extent], extent.dtype,
        lambda p: scratch([extent], extent.dtype, lambda s: merging(p, s), "spare"), "places",
    )  # fmt: skip


def _is_ascending(value: Any) -> bool:
    return bool(get_const_int(value))


def sort(data: Tensor, axis: int = -1, is_ascend: Any = 1) -> Tensor:
    """`data` with its elements along `axis` in order; equal ones keep theirs, NaN is largest."""
    place = normalize_axis(axis, data.ndim)

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def emit(outer: list[PrimExpr], place_at: Place) -> Stmt:
            def step(k: PrimExpr) -> Stmt:
                source = [*outer[:place], place_at(k), *outer[place:]]
                return store(outs[0], [*outer[:place], k, *outer[place:]], load(ins[0], source))

            return loop(data.shape[place], step, "k")

        return _rows(ins[0], place, _is_ascending(is_ascend), emit)

    name = "sort_cpu"
    made: Tensor = te.extern([data.shape], [data], program, name, [data.dtype], tag=name)
    return made


def argsort(
    data: Tensor,
    valid_count: Tensor | None = None,
    axis: int = -1,
    is_ascend: Any = 1,
    dtype: str = "float32",
) -> Tensor:
    """Where the elements in order along `axis` come from, as `dtype`.

    `valid_count`: only so many elements of each row are ordered, the rest stay in place.
    """
    place = normalize_axis(axis, data.ndim)
    inputs = [data] if valid_count is None else [data, valid_count]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        def emit(outer: list[PrimExpr], place_at: Place) -> Stmt:
            return loop(
                data.shape[place],
                lambda k: store(outs[0], [*outer[:place], k, *outer[place:]], place_at(k)),
                "k",
            )

        def valid(outer: Sequence[PrimExpr]) -> PrimExpr:
            return op.cast(load(ins[1], outer[: ins[1].ndim]), data.shape[place].dtype)

        limit = None if valid_count is None else valid
        return _rows(ins[0], place, _is_ascending(is_ascend), emit, limit)

    name = "argsort_cpu" if valid_count is None else "argsort_nms_cpu"
    made: Tensor = te.extern([data.shape], inputs, program, name, [dtype], tag=name)
    return made


def topk(
    data: Tensor,
    k: Any = 1,
    axis: int = -1,
    ret_type: str = "both",
    is_ascend: Any = False,
    dtype: str = "int64",
) -> Any:
    """The first `k` elements in order along `axis` (largest first unless `is_ascend`): their
    `values`, their `indices` as `dtype`, or `both`; all elements if `k` is less than 1."""
    if ret_type not in ("both", "values", "indices"):
        raise ArgumentError(f"topk: ret_type is both, values or indices, found {ret_type!r}")
    place = normalize_axis(axis, data.ndim)
    extent = data.shape[place]
    wanted, size = const_or_none(k), const_or_none(extent)
    if isinstance(k, Tensor):
        raise ArgumentError("topk: k must be a number or an expression")
    count = extent if wanted is not None and wanted < 1 else as_dim(k, extent.dtype)
    if wanted is not None and size is not None and wanted > size:
        raise ArgumentError(f"topk: {wanted} of {size} elements")
    shape = list(data.shape)
    shape[place] = count
    kinds = {"values": data.dtype, "indices": dtype}
    names = ["values", "indices"] if ret_type == "both" else [ret_type]

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        targets = dict(zip(names, outs, strict=True))

        def emit(outer: list[PrimExpr], place_at: Place) -> Stmt:
            def step(j: PrimExpr) -> Stmt:
                to = [*outer[:place], j, *outer[place:]]
                source = place_at(j)
                stores = []
                if "values" in targets:
                    value = load(ins[0], [*outer[:place], source, *outer[place:]])
                    stores.append(store(targets["values"], to, value))
                if "indices" in targets:
                    stores.append(store(targets["indices"], to, source))
                return seq(*stores)

            return loop(count, step, "j")

        return _rows(ins[0], place, _is_ascending(is_ascend), emit, wanted=count)

    made = te.extern(
        [shape] * len(names), [data], program, "topk_cpu", [kinds[n] for n in names], tag="topk_cpu"
    )
    return made


def searchsorted(
    sorted_sequence: Tensor, values: Tensor, right: bool = False, out_dtype: str = "int64"
) -> Tensor:
    """Where each of `values` is to be inserted to keep the rows of `sorted_sequence` in order:
    before equal elements, or after them if `right`. One row serves all values."""
    single = sorted_sequence.ndim == 1
    if not single and sorted_sequence.ndim != values.ndim:
        raise ArgumentError(
            f"searchsorted: {values.ndim} dimensions of values for {sorted_sequence.ndim}"
        )
    extent = sorted_sequence.shape[-1]
    kind = extent.dtype

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        row, wanted = ins

        def search(lo: Cell, hi: Cell, i: tuple[PrimExpr, ...]) -> Stmt:
            outer = [] if single else list(i[:-1])

            def halve(mid: PrimExpr) -> Stmt:
                here, value = load(row, [*outer, mid]), load(wanted, i)
                beyond = op.less_equal(here, value) if right else op.less(here, value)
                return when(beyond, lo.set(op.add(mid, op.const(1, kind))), hi.set(mid))

            middle = op.floordiv(op.add(lo.get(), hi.get()), op.const(2, kind))
            return seq(
                lo.set(0),
                hi.set(extent),
                repeat_while(op.less(lo.get(), hi.get()), let(middle, halve, "mid")),
                store(outs[0], i, lo.get()),
            )

        return cells(
            [kind, kind],
            lambda lo, hi: nest(wanted.shape, lambda *i: search(lo, hi, i), "i"),
            "bound",
        )

    made: Tensor = te.extern(
        [values.shape], [sorted_sequence, values], program, "searchsorted", [out_dtype],
        tag="searchsorted",
    )  # fmt: skip
    return made


def unique(data: Tensor, is_sorted: bool = True, return_counts: bool = False) -> list[Tensor]:
    """The different elements of one-dimensional `data`: [elements, where each occurs first, which
    of them each element is, how many there are (one number)] and how often each occurs if
    `return_counts`. Sorted, or in the order of occurrence; what is not used is 0."""
    if data.ndim != 1:
        raise ArgumentError(f"unique needs one dimension, found {data.ndim}")
    extent = data.shape[0]
    kind = extent.dtype
    zero = op.const(0, kind)

    def program(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
        source = ins[0]
        values, first, inverse, total, counts, starts = outs

        def number(places: Buffer) -> Stmt:
            """Walks the sorted order; equal elements share a number."""

            def step(k: PrimExpr) -> Stmt:
                here = load(places, [k])
                earlier = load(places, [op.max(op.subtract(k, 1), zero)])
                differs = op.logical_and(
                    op.greater(k, 0), op.not_equal(load(source, [here]), load(source, [earlier]))
                )
                fresh = op.logical_or(op.equal(k, 0), differs)
                count = load(total, [zero])
                return seq(
                    when(fresh, seq(
                        store(starts, [op.cast(count, kind)], here),
                        store(total, [zero], count + 1),
                    )),
                    store(inverse, [here], load(total, [zero]) - 1),
                )  # fmt: skip

            return loop(extent, step, "k")

        def settle(rank: Buffer) -> Stmt:
            """Gives every number its place in the result."""

            def place(k: PrimExpr) -> Stmt:
                to = load(rank, [k])
                origin = load(starts, [k])
                return seq(store(values, [to], load(source, [origin])), store(first, [to], origin))

            def renumber(k: PrimExpr) -> Stmt:
                return let(
                    load(rank, [op.cast(load(inverse, [k]), kind)]),
                    lambda to: seq(
                        store(inverse, [k], to), store(counts, [to], load(counts, [to]) + 1)
                    ),
                    "to",
                )

            used = op.cast(load(total, [zero]), kind)
            return seq(loop(used, place, "k"), loop(extent, renumber, "k"))

        def ranks(rank: Buffer, spare: Buffer) -> Stmt:
            if is_sorted:
                return seq(loop(extent, lambda k: store(rank, [k], k), "k"), settle(rank))
            used = op.cast(load(total, [zero]), kind)

            def key(k: PrimExpr) -> PrimExpr:
                return load(starts, [k])

            def invert(by_first: Buffer) -> Stmt:
                return seq(
                    merge_sort(used, key, by_first, spare, op.less),
                    loop(used, lambda k: store(rank, [load(by_first, [k])], k), "k"),
                    settle(rank),
                )

            return scratch([extent], kind, invert, "by_first")

        def zeros(k: PrimExpr) -> Stmt:
            return seq(*[store(b, [k], 0) for b in (values, first, counts, starts)])

        def whole(places: Buffer, spare: Buffer, rank: Buffer) -> Stmt:
            before = order(source.dtype, True)
            return seq(
                loop(extent, zeros, "k"),
                store(total, [zero], 0),
                merge_sort(extent, lambda i: load(source, [i]), places, spare, before),
                number(places),
                ranks(rank, spare),
            )

        return scratch([extent], kind, lambda p: scratch([extent], kind, lambda s: scratch(
            [extent], kind, lambda r: whole(p, s, r), "rank"), "spare"), "places")  # fmt: skip

    shapes = [[extent]] * 3 + [[IntImm(kind, 1)]] + [[extent]] * 2
    made = te.extern(
        shapes, [data], program, "unique", [data.dtype, "int32", "int32", "int32", "int32", kind],
        tag="unique",
    )  # fmt: skip
    return list(made[:5] if return_counts else made[:4])
