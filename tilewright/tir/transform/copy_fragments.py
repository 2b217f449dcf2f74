"""Copies between shared memory and the fragments of a matrix unit, a square of 16 at a time."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import IntImm, PrimExpr, Range
from ...support.errors import CompileError
from .. import op as O
from ..arith import Analyzer, detect_linear_equation
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, StringImm, Var
from ..stmt import (
    Block,
    BlockRealize,
    BufferRegion,
    BufferStore,
    Evaluate,
    For,
    MatchBufferRegion,
    Stmt,
)  # fmt: skip
from ..stmt_functor import substitute

TILE = 16
READ, WRITE = 1, 2


@dataclass(frozen=True)
class Fragment:
    """What moves between a fragment and shared memory: whether it is loaded, and its layout."""

    is_load: bool
    layout: str


FRAGMENTS = {
    ("shared", "wmma.matrix_a"): Fragment(True, "row_major"),
    ("shared", "wmma.matrix_b"): Fragment(True, "col_major"),
    ("wmma.accumulator", "shared"): Fragment(False, "row_major"),
}
"""By the memories of source and target."""


def fragment_copy(loops: list[For], store: BufferStore, fragment: Fragment) -> Stmt:
    """for i, j: W[i, j] = S[i, j]   ->   for i0, j0: load_matrix_sync(W tile, S tile)

    Raises `CompileError` unless the two innermost loops run over multiples of 16 from 0 on and
    are added to the last two indices of both buffers.
    """
    load = store.value
    if len(loops) < 2 or not isinstance(load, BufferLoad):
        raise CompileError(f"`{store.buffer.name}` is copied by one plain load", store.span)
    outer, (rows, columns) = loops[:-2], loops[-2:]
    for loop in (rows, columns):
        is_whole = isinstance(loop.extent, IntImm) and loop.extent.value % TILE == 0
        if not (is_whole and O.is_const_int(loop.min, 0)):
            raise CompileError(
                f"loop `{loop.loop_var.name}` of a fragment runs over {loop.extent}, not over a "
                f"multiple of {TILE}", loop.span,
            )  # fmt: skip
    tiles = {
        loop.loop_var: loop.loop_var.copy_with_name(f"{loop.loop_var.name}_0")
        for loop in (rows, columns)
    }
    target = _tile(store.buffer, store.indices, tiles)
    source = _tile(load.buffer, load.indices, tiles)
    body: Stmt = _moved(source, target, fragment)
    for loop in (columns, rows):
        body = loop.replace(loop_var=tiles[loop.loop_var], extent=loop.extent // TILE, body=body)
    for loop in reversed(outer):
        body = loop.replace(body=body)
    return body


def _tile(buffer: Buffer, indices: tuple[PrimExpr, ...], tiles: dict[Var, Var]) -> BufferRegion:
    """The square of elements that one step moves."""
    analyzer = Analyzer()
    ranges: list[Range] = []
    for place, index in enumerate(indices):
        first = analyzer.simplify(substitute(index, {v: new * TILE for v, new in tiles.items()}))
        moving = [v for v in tiles if _coefficient(index, v) != 0]
        if place < len(indices) - 2 and not moving:
            ranges.append(Range(first, IntImm(first.dtype, 1)))
        elif place >= len(indices) - 2 and [_coefficient(index, v) for v in moving] == [1]:
            ranges.append(Range(first, IntImm(first.dtype, TILE)))
        else:
            raise CompileError(
                f"index {place} of `{buffer.name}` is no loop's variable plus a place: {index}",
                index.span,
            )
    return BufferRegion(buffer, tuple(ranges))


def _coefficient(index: PrimExpr, var: Var) -> int | None:
    found = detect_linear_equation(index, [var])
    return found[0].value if found and isinstance(found[0], IntImm) else None


def _moved(source: BufferRegion, target: BufferRegion, fragment: Fragment) -> BlockRealize:
    src = _view(source, "src", is_strided=fragment.is_load)
    tgt = _view(target, "tgt", is_strided=not fragment.is_load)
    square, shared = (tgt, src) if fragment.is_load else (src, tgt)
    size = TILE * TILE
    number = square.elem_offset // size + square.elem_offset % size // TILE
    address = shared.access_ptr(
        READ if fragment.is_load else WRITE, extent=shared.strides[0] * TILE
    )
    move = O.tvm_load_matrix_sync if fragment.is_load else O.tvm_store_matrix_sync
    call = move(
        square.data, TILE, TILE, TILE, number, address, shared.strides[0],
        StringImm(fragment.layout),
    )  # fmt: skip
    name = "wmma_load" if fragment.is_load else "wmma_store"
    matches = (MatchBufferRegion(src, source), MatchBufferRegion(tgt, target))
    block = Block(
        (), (source,), (target,), name, Evaluate(call), None, (), matches
    )  # fmt: skip
    return BlockRealize((), IntImm("bool", 1), block)


def _view(region: BufferRegion, name: str, *, is_strided: bool) -> Buffer:
    strides = [Var("s1", "int32"), Var("s0", "int32")] if is_strided else None
    return decl_buffer(
        (TILE, TILE), region.buffer.dtype, name, scope=region.buffer.scope(), strides=strides,
        elem_offset=Var(f"{name}_elem_offset", "int32"), offset_factor=TILE,
    )  # fmt: skip
