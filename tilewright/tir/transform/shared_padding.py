"""Gaps between the rows of shared memory, so that the threads of a warp meet in few banks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...support.dtypes import dtype_of
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import Var
from ..stmt import BufferRegion, MatchBufferRegion, Stmt
from ..stmt_functor import substitute

WARP = 32
BANKS, WORD = 32, 4
"""Neighbouring words of 4 bytes lie in neighbouring banks, each of which serves one at a time."""
ROWS, ROW_BYTES = 8, 16
"""What a matrix unit loads at once: so many rows of so many bytes."""
FRAGMENT_STEP = 8
"""Rows of fragments are a multiple of so many elements apart."""

Place = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WarpAccess:
    """Where the threads of a warp begin to touch `width` elements each; rows may be apart by
    multiples of `step` elements."""

    places: list[Place]
    width: int
    step: int


def of_threads(
    indices: Sequence[PrimExpr], threads: Sequence[tuple[Var, int]], lane: tuple[Var, int]
) -> WarpAccess | None:
    """The access of the first warp, whose threads, fastest first, are `threads`; None if its place
    depends on what is not known."""
    first = [_place(indices, values) for values in _warp(threads)]
    second = _place(indices, {lane[0]: 1})
    places = [place for place in first if place is not None]
    if len(places) < len(first) or second is None:
        return None
    start = places[0]
    is_vector = lane[1] > 1 and second == (*start[:-1], start[-1] + 1)
    width = lane[1] if is_vector else 1
    return WarpAccess(places, width, width)


def of_fragment(buffer: Buffer) -> WarpAccess:
    """The access of a matrix unit."""
    lead = (0,) * (buffer.ndim - 2)
    width = ROW_BYTES // dtype_of(buffer.dtype).bytes
    return WarpAccess([(*lead, row, 0) for row in range(ROWS)], width, FRAGMENT_STEP)


def _warp(threads: Sequence[tuple[Var, int]]) -> list[dict[Var, int]]:
    count = min(WARP, math.prod(extent for _, extent in threads))
    found = []
    for number in range(count):
        values: dict[Var, int] = {}
        for var, extent in threads:
            number, values[var] = divmod(number, extent)
        found.append(values)
    return found


def _place(indices: Sequence[PrimExpr], values: dict[Var, int]) -> Place | None:
    """The element at an index, with variables that have no value at zero."""
    used: dict[Var, PrimExpr] = {}

    def look(node: Any) -> None:
        if isinstance(node, Var):
            used[node] = IntImm(node.dtype, values.get(node, 0))

    post_order_visit(tuple(indices), look)
    made = [Analyzer().simplify(substitute(index, used)) for index in indices]
    known = [index.value for index in made if isinstance(index, IntImm)]
    return tuple(known) if len(known) == len(made) else None


def padded(stmt: Stmt, accesses: dict[Buffer, list[WarpAccess]]) -> Stmt:
    """`stmt` with strides for those buffers of `accesses` whose rows are best a little apart.

    A buffer whose address is handed out, or of which a compact view is made, stays as it is.
    """
    addresses = _Addresses()
    addresses.walk(stmt)
    made: dict[Buffer, Buffer] = {}
    for buffer, found in accesses.items():
        if buffer.data not in addresses.found and not buffer.strides:
            strides = _strides(buffer, found)
            if strides is not None:
                made[buffer] = buffer.replace(strides=strides)
    return _Replace(made).run(stmt) if made else stmt


def _strides(buffer: Buffer, accesses: list[WarpAccess]) -> tuple[PrimExpr, ...] | None:
    """The strides with the fewest conflicts and, of those, the smallest; None if these are the
    compact ones. From the innermost dimension outwards each gets the best gap by itself."""
    shape = [extent.value for extent in buffer.shape if isinstance(extent, IntImm)]
    if len(shape) < buffer.ndim or buffer.ndim < 2:
        return None
    size = dtype_of(buffer.dtype).bytes
    step = math.lcm(*(access.step for access in accesses))
    inner: list[int] = [1]
    is_padded = False
    for axis in reversed(range(buffer.ndim - 1)):
        compact = inner[0] * shape[axis + 1]
        choices = range(compact, compact + BANKS * WORD // size, step)
        trials = [[*_compact(shape[:axis], shape[axis], one), one, *inner] for one in choices]
        best = min(trials, key=lambda strides: _conflicts(strides, accesses, size))
        inner = best[axis:]
        is_padded = is_padded or inner[0] != compact
    return tuple(IntImm("int32", stride) for stride in inner) if is_padded else None


def _compact(outer: list[int], extent: int, stride: int) -> list[int]:
    """Strides of `outer` dimensions around one of `extent` and `stride`."""
    found: list[int] = []
    for size in reversed(outer):
        stride *= extent
        found.insert(0, stride)
        extent = size
    return found


def _conflicts(strides: list[int], accesses: list[WarpAccess], size: int) -> int:
    """How often the busiest banks are asked, in all."""
    total = 0
    for access in accesses:
        at_once = max(1, min(WARP, BANKS * WORD // (access.width * size)))
        starts = [sum(map(int.__mul__, place, strides)) * size for place in access.places]
        for begin in range(0, len(starts), at_once):
            words = {
                word for start in starts[begin : begin + at_once]
                for word in range(start // WORD, (start + access.width * size - 1) // WORD + 1)
            }  # fmt: skip
            total += max(Counter(word % BANKS for word in words).values())
    return total


class _Addresses(Visitor):
    """The memory whose layout matters elsewhere."""

    def __init__(self) -> None:
        self.found: set[Var] = set()

    @on(Var)
    def address(self, var: Var) -> None:
        """An address handed out."""
        self.found.add(var)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """A buffer that is accessed: its layout may change."""

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> None:
        """What a block touches."""

    @on(MatchBufferRegion)
    def match(self, match: MatchBufferRegion) -> None:
        """A view that has no strides of its own."""
        if not match.buffer.strides:
            self.found.add(match.source.buffer.data)


class _Replace(Rewriter):
    def __init__(self, made: dict[Buffer, Buffer]) -> None:
        self.made = made

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """The buffer with its strides."""
        return self.made.get(buffer, buffer)
