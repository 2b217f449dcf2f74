"""Square tiles of local memory, written by rows and read by columns, are turned in registers.

A vector down a column of a local buffer is as many loads of single elements as it has lanes:
`n * n` for all columns of a tile of `n` rows. Turned whole, the tile takes `n` loads, `n` stores
and `n * log2(n)` shuffles, each of which is one instruction. Within pieces of 128 bits, of which
the vectors of most processors consist, neighbouring elements of two rows are interleaved, then
pairs of elements, and so on; after that, whole pieces are exchanged.

    a0 a1 a2 a3 | a4 ..      a0 b0 a1 b1 | a4 ..      a0 b0 c0 d0 | a4 ..      a0 b0 c0 d0 | e0 ..
    b0 b1 b2 b3 | b4 ..  ->  a2 b2 a3 b3 | a6 ..  ->  a1 b1 c1 d1 | a5 ..  ->  a1 b1 c1 d1 | e1 ..
    ..                       ..                       ..                       ..
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, Visitor, on
from ...ir.type import PointerType
from ...support.dtypes import dtype_of
from .. import op as O
from ..accesses import as_indices
from ..buffer import Buffer
from ..expr import BufferLoad, Ramp, Shuffle, Var
from ..function import PrimFunc
from ..stmt import Allocate, BufferStore, DeclBuffer, LetStmt, SeqStmt, Stmt, stmt_seq
from .base import factory

PIECE = 128
"""Bits within which the lanes of two vectors are interleaved by one instruction: of SSE, AVX,
AVX-512 and NEON."""

MOST_ROWS = 32
"""Rows of the largest tile that is turned: the vector registers of AVX-512 and NEON."""

Steps = list[tuple[Var, PrimExpr]]


class _Turn(Rewriter):
    @on(Allocate)
    def allocation(self, allocation: Allocate) -> Stmt:
        """Turns the tile, once it is written."""
        made: Allocate = self.rewrite_children(allocation)
        size = _rows_of(made)
        if size is None:
            return made
        body, data = made.body, made.buffer_var
        if isinstance(body, DeclBuffer) and body.buffer.data is data:
            return made.replace(body=body.replace(body=_with_turned(body.body, data, size)))
        return made.replace(body=_with_turned(body, data, size))


def _with_turned(body: Stmt, data: Var, size: int) -> Stmt:
    if not isinstance(body, SeqStmt):
        return body
    at, buffer = _first_turned(body.seq, data, size)
    if buffer is None:
        return body
    columns = _Columns(data, size)
    after = [columns.rewrite(part) for part in body.seq[at:]]
    return stmt_seq(*body.seq[:at], turned(buffer, size), *after)


class _Columns(Rewriter):
    """Reads rows of the turned tile, where columns were read."""

    def __init__(self, data: Var, size: int) -> None:
        self.data = data
        self.size = size

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        """The k-th row for the k-th column."""
        (index, *_) = load.indices
        if load.buffer.data is not self.data or not isinstance(index, Ramp):
            same: BufferLoad = self.rewrite_children(load)
            return same
        row = Ramp(index.base * self.size, O.const(1, index.stride.dtype), self.size)
        return load.replace(indices=(row,))


def _rows_of(allocation: Allocate) -> int | None:
    """The number of rows, and of columns, of a square tile of local memory; a power of two."""
    kind = allocation.buffer_var.type_annotation
    if not isinstance(kind, PointerType) or kind.storage_scope != "local":
        return None
    if len(allocation.extents) != 1 or not isinstance(allocation.extents[0], IntImm):
        return None
    total = allocation.extents[0].value
    size = math.isqrt(total)
    square = size * size == total and size & (size - 1) == 0
    return size if square and 1 < size <= MOST_ROWS else None


def _first_turned(parts: Sequence[Stmt], data: Var, size: int) -> tuple[int, Buffer | None]:
    """From which of `parts` on the tile is read by whole columns and no longer used otherwise, and
    what reads it; no buffer if there is no such part."""
    uses = [_uses(part, data) for part in parts]
    found: tuple[int, Buffer | None] = len(parts), None
    if any(isinstance(use, Var) for part in uses for use in part):
        return found
    for at in range(len(parts) - 1, -1, -1):
        columns = [u for u in uses[at] if isinstance(u, BufferLoad) and _is_column(u, size)]
        if len(columns) < len(uses[at]):
            break
        if columns:
            found = at, columns[0].buffer
    return found


class _Uses(Visitor):
    """What reads or writes a tile; its variable, where that is used apart from this."""

    def __init__(self, data: Var) -> None:
        self.data = data
        self.found: list[BufferLoad | BufferStore | Var] = []

    @on(BufferLoad, BufferStore)
    def access(self, access: BufferLoad | BufferStore) -> None:
        """Notes an access of the tile, and goes on."""
        if access.buffer.data is not self.data:
            self.visit_children(access)
            return
        self.found.append(access)
        self.visit_items(access.indices)
        self.visit(access.predicate)
        if isinstance(access, BufferStore):
            self.visit(access.value)

    @on(Var)
    def variable(self, var: Var) -> None:
        """Notes the variable of the tile."""
        if var is self.data:
            self.found.append(var)


def _uses(part: Stmt, data: Var) -> list[BufferLoad | BufferStore | Var]:
    uses = _Uses(data)
    uses.walk(part)
    return uses.found


def _is_column(load: BufferLoad, size: int) -> bool:
    (index, *rest) = load.indices
    return (
        not rest
        and isinstance(index, Ramp)
        and O.is_const_int(index.stride, size)
        and index.lanes == size
    )


def turned(buffer: Buffer, size: int) -> Stmt:
    """Exchanges rows and columns of a flat `buffer` of `size` vectors of `size` lanes."""
    steps: Steps = []

    def name(value: PrimExpr) -> Var:
        steps.append((Var("row", value.dtype), value))
        return steps[-1][0]

    places = [Ramp(O.const(k * size, "int64"), O.const(1, "int64"), size) for k in range(size)]
    rows: list[Var] = [name(BufferLoad(buffer, (place,))) for place in places]
    piece = min(size, PIECE // dtype_of(buffer.dtype).bits)
    width = 1
    while width < size:
        made = list(rows)
        for k in (k for k in range(size) if not k & width):
            for at, part in enumerate(_halves(size, width, piece)):
                pair = (rows[k], rows[k | width])
                made[k | at * width] = name(Shuffle(pair, as_indices(part)))
        rows = made
        width *= 2
    stores = zip(_in_order(rows, piece), places, strict=True)
    body = stmt_seq(*(BufferStore(buffer, row, (place,)) for row, place in stores))
    for var, value in reversed(steps):
        body = LetStmt(var, value, body)
    return body


def _halves(size: int, width: int, piece: int) -> tuple[list[int], list[int]]:
    """The lanes, of two vectors in a row, of which a step makes two vectors: by turns groups of
    `width` lanes, piece by piece; then whole pieces, those at even places and the others."""
    if width < piece:
        groups = [(at, k) for at in range(0, size, piece) for k in range(0, piece, 2 * width)]
        first = [
            vector * size + at + k // 2 + lane
            for at, k in groups for vector in (0, 1) for lane in range(width)
        ]  # fmt: skip
        return first, [lane + piece // 2 for lane in first]
    first = [at + lane for at in range(0, 2 * size, 2 * piece) for lane in range(piece)]
    return first, [lane + piece for lane in first]


def _in_order(rows: Sequence[Var], piece: int) -> list[Var]:
    """The rows by the columns that they were: steps within pieces reverse the bits of places."""
    bits = piece.bit_length() - 1

    def place(column: int) -> int:
        low = column % piece
        return column - low + sum((low >> k & 1) << (bits - 1 - k) for k in range(bits))

    return [rows[place(k)] for k in range(len(rows))]


@factory
def TurnTiles(func: PrimFunc) -> PrimFunc:
    """for k: near[k * n : k * n + n] = ..
    for k: .. = near[k : k + n * n : n]
    -> for k: near[k * n : k * n + n] = ..
       near[0 : n] = shuffle(..); ..; near[n * n - n : n * n] = shuffle(..)
       for k: .. = near[k * n : k * n + n]

    `near` is local memory of `n` vectors of `n` lanes, `n` a power of two up to 32. A
    tile that is written in part only is turned whole.
    """
    return func.replace(body=_Turn().rewrite(func.body))


__all__ = ["TurnTiles"]
