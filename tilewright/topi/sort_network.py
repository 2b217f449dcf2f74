"""Sorting of a row by vectors: a bitonic network on numbers that hold key and place; selection of
the first few by the smallest numbers of chunks.

Each element becomes one int64, its key above and its place below: no two are equal, so any sorting
network is stable. Comparisons are minima and maxima of whole vectors, without branches; what lies
beyond the end of the row counts as the largest and is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..ir.expr import PrimExpr
from ..support.dtypes import dtype_of
from ..tir import op
from ..tir.buffer import Buffer
from ..tir.expr import Broadcast, Ramp, Shuffle
from ..tir.stmt import ForKind, Stmt
from .loops import Cell, cells, let, load, loop, repeat_while, scratch, seq, store

LANES = 8
"""Numbers a vector: 512 bits; narrower machines take two or four registers."""

KEY = "int64"
PLACE_BITS = 32

Key = Callable[[PrimExpr], PrimExpr]
Then = Callable[[PrimExpr], Stmt]


def has_key(dtype: str) -> bool:
    """Whether elements of `dtype` leave room for their places."""
    info = dtype_of(dtype)
    return info.bits <= PLACE_BITS and (info.is_float or info.is_integral) and not info.is_bool


def ordered(value: PrimExpr, ascending: bool) -> PrimExpr:
    """An int64 within the range of int32 that orders as `value` does: -0 is 0, NaN the largest."""
    info = dtype_of(value.dtype)
    if info.is_float:
        wide = op.cast(value, "float32")
        zero = op.const(0.0, "float32")
        bits = op.reinterpret("int32", op.select(op.equal(wide, zero), zero, wide))
        largest = op.const(0x7FFFFFFF, "int32")
        turned = op.bitwise_and(op.shift_right(bits, op.const(31, "int32")), largest)
        number = op.select(op.isnan(wide), largest, op.bitwise_xor(bits, turned))
        made = op.cast(number, KEY)
    elif info.min_value == 0 and info.bits == PLACE_BITS:
        made = op.subtract(op.cast(value, KEY), op.const(1 << (PLACE_BITS - 1), KEY))
    else:
        made = op.cast(value, KEY)
    return made if ascending else op.subtract(op.const(-1, KEY), made)


def padded_count(count: PrimExpr) -> PrimExpr:
    """`count` filled up to whole vectors."""
    lanes = op.const(LANES, count.dtype)
    return op.multiply(op.ceildiv(count, lanes), lanes)


def place_of(keys: Buffer, index: PrimExpr, dtype: str) -> PrimExpr:
    """The place that the element at `index` of the sorted order comes from."""
    return op.cast(op.bitwise_and(load(keys, [index]), op.const((1 << PLACE_BITS) - 1, KEY)), dtype)


def network_sort(count: PrimExpr, key: Key, keys: Buffer, ascending: bool) -> Stmt:
    """Fills `keys`, of `padded_count(count)` elements, with the elements in order."""
    dtype = count.dtype

    def program(width: Cell, step: Cell) -> Stmt:
        def ordered_runs(whole: PrimExpr) -> Stmt:
            level = seq(
                _folded(keys, whole, width.get()),
                step.set(op.floordiv(width.get(), op.const(4, dtype))),
                repeat_while(
                    op.greater_equal(step.get(), op.const(LANES, dtype)),
                    seq(_halved(keys, whole, step.get()), step.set(_half(step.get()))),
                ),
                _each_vector(keys, whole, _merged),
                width.set(op.multiply(width.get(), op.const(2, dtype))),
            )
            return seq(
                _each_vector(keys, whole, _sorted),
                width.set(op.const(2 * LANES, dtype)),
                step.set(op.const(0, dtype)),
                repeat_while(op.less(_half(width.get()), whole), level),
            )

        return let(padded_count(count), ordered_runs, "whole")

    filled = _fill(count, padded_count(count), key, keys, ascending)
    return seq(filled, cells([dtype] * 2, program, "network"))


def chunk_of(size: int | None) -> int:
    """The elements of a chunk of a row of `size`: about as many as there are chunks."""
    return 256 if size is None else max(1, round(size**0.5 / LANES)) * LANES


def network_select(
    count: PrimExpr, wanted: PrimExpr, key: Key, keys: Buffer, ascending: bool, chunk: int,
    chosen: Buffer,
) -> Stmt:  # fmt: skip
    """Fills `chosen` with the first `wanted` elements in order.

    `keys` holds whole chunks. The smallest number of each chunk is known; the smallest of these is
    the next element, after which one chunk is searched anew.
    """
    dtype = count.dtype
    size = op.const(chunk, dtype)
    chunks = op.ceildiv(count, size)
    end = op.multiply(chunks, size)
    vectors = op.const(chunk // LANES, dtype)

    def searched(lows: Buffer, c: PrimExpr) -> Stmt:
        return _smallest(keys, op.multiply(c, size), vectors, lambda v: store(lows, [c], v))

    def take(lows: Buffer, n: PrimExpr) -> Stmt:
        def found(number: PrimExpr) -> Stmt:
            place = op.cast(op.bitwise_and(number, op.const((1 << PLACE_BITS) - 1, KEY)), dtype)
            inside = op.min(place, op.subtract(end, op.const(1, dtype)))
            return let(inside, lambda at: seq(
                store(chosen, [n], number),
                store(keys, [at], op.max_value(KEY)),
                let(op.floordiv(at, size), lambda c: searched(lows, c), "chunk"),
            ), "at")  # fmt: skip

        return _smallest(lows, op.const(0, dtype), op.ceildiv(chunks, _lanes(dtype)), found)

    def program(lows: Buffer) -> Stmt:
        missing = op.subtract(padded_count(chunks), chunks)
        return seq(
            _fill(count, end, key, keys, ascending),
            loop(chunks, lambda c: searched(lows, c), "c"),
            loop(missing, lambda c: store(lows, [op.add(chunks, c)], op.max_value(KEY)), "c"),
            loop(wanted, lambda n: take(lows, n), "n"),
        )

    return scratch([padded_count(chunks)], KEY, program, "lows")


def _smallest(buffer: Buffer, first: PrimExpr, vectors: PrimExpr, then: Then) -> Stmt:
    """`then` of the smallest of so many vectors from `first` on."""
    zero = op.const(0, first.dtype)

    def search(least: Buffer) -> Stmt:
        def one(v: PrimExpr) -> Stmt:
            there = _at(buffer, op.add(first, op.multiply(v, _lanes(first.dtype))))
            return _put(least, zero, op.min(_at(least, zero), there))

        none = Broadcast(op.max_value(KEY), LANES)
        return seq(_put(least, zero, none), loop(vectors, one, "v"), _folds(_at(least, zero), then))

    return scratch([LANES], KEY, search, "least", "local")


def _folds(vector: PrimExpr, then: Then, step: int = LANES // 2) -> Stmt:
    """`then` of the smallest lane."""
    if step == 0:
        return let(_picked([vector], [0]), then, "smallest")
    other = _picked([vector], [n ^ step for n in range(LANES)])
    return let(op.min(vector, other), lambda v: _folds(v, then, step // 2), "run")


def _lanes(dtype: str) -> PrimExpr:
    return op.const(LANES, dtype)


def _half(value: PrimExpr) -> PrimExpr:
    return op.floordiv(value, op.const(2, value.dtype))


def _fill(count: PrimExpr, end: PrimExpr, key: Key, keys: Buffer, ascending: bool) -> Stmt:
    """Elements with their places, and the largest number from there to `end`."""
    dtype = count.dtype
    lanes = op.const(LANES, dtype)
    full = op.floordiv(count, lanes)

    def put(index: PrimExpr) -> Stmt:
        above = op.shift_left(ordered(key(index), ascending), op.const(PLACE_BITS, KEY))
        return store(keys, [index], op.bitwise_or(above, op.cast(index, KEY)))

    def vector(v: PrimExpr) -> Stmt:
        return loop(
            lanes, lambda i: put(op.add(op.multiply(v, lanes), i)), "lane", ForKind.VECTORIZED
        )

    def rest(first: PrimExpr) -> Stmt:
        return seq(
            loop(op.subtract(count, first), lambda i: put(op.add(first, i)), "k"),
            loop(
                op.subtract(end, count),
                lambda i: store(keys, [op.add(count, i)], op.max_value(KEY)),
                "k",
            ),
        )

    return seq(loop(full, vector, "v"), let(op.multiply(full, lanes), rest, "first"))


# ---- vectors --------------------------------------------------------------------------------


def _at(buffer: Buffer, first: PrimExpr) -> PrimExpr:
    return load(buffer, [Ramp(first, op.const(1, first.dtype), LANES)])


def _put(buffer: Buffer, first: PrimExpr, value: PrimExpr) -> Stmt:
    return store(buffer, [Ramp(first, op.const(1, first.dtype), LANES)], value)


def _picked(vectors: Sequence[PrimExpr], lanes: Sequence[int]) -> PrimExpr:
    return Shuffle(tuple(vectors), tuple(op.const(n, "int32") for n in lanes))


def _turned(vector: PrimExpr) -> PrimExpr:
    return _picked([vector], range(LANES - 1, -1, -1))


def _paired(vector: PrimExpr, partner: Sequence[int], then: Callable[[PrimExpr], Stmt]) -> Stmt:
    """`then` of the vector with each lane compared to its partner, the smaller first."""

    def choose(other: PrimExpr) -> Stmt:
        chosen = [n if n < p else LANES + n for n, p in enumerate(partner)]
        both = [op.min(vector, other), op.max(vector, other)]
        return let(_picked(both, chosen), then, "run")

    return let(_picked([vector], partner), choose, "other")


def _network(partners: Sequence[Sequence[int]], vector: PrimExpr, end: Then) -> Stmt:
    if not partners:
        return end(vector)
    return _paired(vector, partners[0], lambda v: _network(partners[1:], v, end))


MERGE = [[n ^ step for n in range(LANES)] for step in (4, 2, 1)]
"""Partners that order a vector whose halves rise and fall."""

SORT = [
    partner
    for width in (2, 4, 8)
    for partner in (
        [n ^ (width - 1) for n in range(LANES)],
        *([n ^ step for n in range(LANES)] for step in (2, 1) if 2 * step < width),
    )
]
"""Partners that order any vector."""


def _merged(vector: PrimExpr, end: Then) -> Stmt:
    return _network(MERGE, vector, end)


def _sorted(vector: PrimExpr, end: Then) -> Stmt:
    return _network(SORT, vector, end)


def _each_vector(keys: Buffer, whole: PrimExpr, network: Callable[[PrimExpr, Then], Stmt]) -> Stmt:
    lanes = op.const(LANES, whole.dtype)

    def one(first: PrimExpr) -> Stmt:
        return let(_at(keys, first), lambda v: network(v, lambda r: _put(keys, first, r)), "run")

    return loop(op.floordiv(whole, lanes), lambda v: let(op.multiply(v, lanes), one, "first"), "v")


def _exchanged(
    keys: Buffer, low: PrimExpr, high: PrimExpr, turn: Callable[[PrimExpr], PrimExpr]
) -> Stmt:
    """The smaller of each pair goes to `low`, the larger to `high`."""
    return let(
        _at(keys, low),
        lambda a: let(
            turn(_at(keys, high)),
            lambda b: seq(_put(keys, low, op.min(a, b)), _put(keys, high, turn(op.max(a, b)))),
            "b",
        ),
        "a",
    )


def _folded(keys: Buffer, whole: PrimExpr, width: PrimExpr) -> Stmt:
    """Two runs of `width / 2` each: the first element is compared to the last, and so on inwards.
    The smaller half and the larger half are left, each rising and falling."""
    dtype = whole.dtype
    lanes = op.const(LANES, dtype)

    def pair(start: PrimExpr) -> Stmt:
        missing = op.max(op.subtract(op.add(start, width), whole), op.const(0, dtype))
        first = op.floordiv(missing, lanes)
        last = op.subtract(op.add(start, width), lanes)

        def one(t: PrimExpr) -> Stmt:
            moved = op.multiply(op.add(first, t), lanes)
            return _exchanged(keys, op.add(start, moved), op.subtract(last, moved), _turned)

        vectors = op.floordiv(width, op.const(2 * LANES, dtype))
        return loop(op.max(op.subtract(vectors, first), op.const(0, dtype)), one, "t")

    return loop(
        op.ceildiv(whole, width), lambda p: let(op.multiply(p, width), pair, "start"), "pair"
    )


def _halved(keys: Buffer, whole: PrimExpr, step: PrimExpr) -> Stmt:
    """Elements `step` apart are compared, in blocks of twice as many."""
    dtype = whole.dtype
    lanes = op.const(LANES, dtype)
    double = op.multiply(step, op.const(2, dtype))

    def block(start: PrimExpr) -> Stmt:
        there = op.subtract(whole, op.add(start, step))
        inside = op.max(op.min(step, there), op.const(0, dtype))

        def one(t: PrimExpr) -> Stmt:
            low = op.add(start, op.multiply(t, lanes))
            return _exchanged(keys, low, op.add(low, step), lambda v: v)

        return loop(op.floordiv(inside, lanes), one, "t")

    return loop(
        op.ceildiv(whole, double), lambda p: let(op.multiply(p, double), block, "start"), "block"
    )
