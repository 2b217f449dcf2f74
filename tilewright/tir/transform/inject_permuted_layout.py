"""Shared memory whose rows are permuted, so that threads that read a column meet no bank twice."""

from __future__ import annotations

from typing import Any, NoReturn

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on
from ...support.errors import CompileError
from .. import op as O
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..stmt import Block, BufferStore
from .base import factory
from .scoped import ScopedRewriter

MARK = "permuted_layout"
GROUP = 8
"""Elements that stay side by side: 16 bytes of float16, the row of a matrix of `ldmatrix`."""
LOAD_ADDRESS, STORE_ADDRESS = 5, 2
"""Where `ptx_ldmatrix` and `mma_store` have the address in shared memory."""


@factory
def InjectPermutedLayout(func: PrimFunc) -> PrimFunc:
    """S[i, j]   ->   S[i, (j // 8 ^ i % 8) * 8 + j % 8]

    For accesses of shared memory in blocks with the annotation `permuted_layout`: loads, stores,
    and the addresses that `ptx_ldmatrix` and `mma_store` take. Rows of an odd multiple of 32
    elements permute within 32 (`i % 8 // 2`). All blocks that access a buffer have to carry the
    annotation. Raises `CompileError` for rows of another length, and for addresses in shared
    memory that are no `tvm_access_ptr`.
    """
    return func.replace(body=_Permute(func).run(func.body))


class _Permute(ScopedRewriter):
    def __init__(self, func: PrimFunc) -> None:
        super().__init__()
        self.buffers: dict[Var, Buffer] = {b.data: b for b in func.buffers()}
        self.is_active = False

    @on(Block)
    def block(self, block: Block) -> Block:
        """The annotation holds within the block, and has served."""
        self.buffers |= {b.data: b for b in block.alloc_buffers}
        self.buffers |= {m.buffer.data: m.buffer for m in block.match_buffers}
        outer = self.is_active
        marked = block.annotations.get(MARK)
        if marked is not None:
            self.is_active = bool(getattr(marked, "value", marked))
            kept = {key: value for key, value in block.annotations.items() if key != MARK}
            block = block.replace(annotations=kept)
        made: Block = super().block(block)
        self.is_active = outer
        return made.replace(reads=block.reads, writes=block.writes)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """An element of shared memory."""
        made = self.rewrite_children(access)
        if not (self.is_active and _is_shared(access.buffer)):
            return made
        if access.buffer.ndim < 2:
            _refuse(access.buffer, "it has no rows", access)
        row, column = made.indices[-2:]
        new = self._permuted(access.buffer, row, column)
        return made.replace(indices=(*made.indices[:-1], new))

    @on(Call)
    def call(self, call: Call) -> Any:
        """An address in shared memory, and what lies after it."""
        made = self.rewrite_children(call)
        name = getattr(call.op, "name", "")
        if not self.is_active or name not in ("tir.ptx_ldmatrix", "tir.mma_store"):
            return made
        args: list[Any] = list(made.args)
        if name == "tir.ptx_ldmatrix":
            address = self._address(args[LOAD_ADDRESS], args[LOAD_ADDRESS + 1])
            zero = IntImm(args[LOAD_ADDRESS + 1].dtype, 0)
            args[LOAD_ADDRESS : LOAD_ADDRESS + 2] = [address, zero]
        else:
            args[STORE_ADDRESS] = self._address(args[STORE_ADDRESS], IntImm("int32", 0))
        return made.replace(args=tuple(args))

    def _address(self, pointer: PrimExpr, offset: PrimExpr) -> PrimExpr:
        """`tvm_access_ptr(type, S, o, n, mode)` at the permuted place of `o + offset`."""
        if not isinstance(pointer, Call) or getattr(pointer.op, "name", "") != "tir.tvm_access_ptr":
            raise CompileError(
                f"an address in a block with `{MARK}` is no tvm_access_ptr: {pointer}", pointer.span
            )
        buffer = self.buffers.get(pointer.args[1])  # type: ignore[call-overload]
        if buffer is None or not _is_shared(buffer):
            return pointer
        size = _row_size(buffer, pointer)
        place = self.analyzer.simplify(pointer.args[2] + offset)
        row = self.analyzer.simplify(place // size)
        column = self.analyzer.simplify(place % size)
        new = self.analyzer.simplify(row * size + self._permuted(buffer, row, column))
        return pointer.replace(args=(*pointer.args[:2], new, *pointer.args[3:]))

    def _permuted(self, buffer: Buffer, row: PrimExpr, column: PrimExpr) -> PrimExpr:
        """The column in which an element of a row lies."""
        size = _row_size(buffer, row)
        turn = row % 8 if size % 64 == 0 else row % 8 // 2
        turned = O.bitwise_xor(
            self.analyzer.simplify(column // GROUP), self.analyzer.simplify(turn)
        )
        return self.analyzer.simplify(turned * GROUP + column % GROUP)


def _is_shared(buffer: Buffer) -> bool:
    return buffer.scope() in ("shared", "shared.dyn")


def _row_size(buffer: Buffer, place: PrimExpr) -> int:
    size = buffer.shape[-1]
    if not isinstance(size, IntImm) or size.value % 32:
        _refuse(buffer, f"its rows have {size} elements, not a multiple of 32", place)
    return size.value


def _refuse(buffer: Buffer, why: str, place: Any) -> NoReturn:
    raise CompileError(f"the rows of `{buffer.name}` are not permuted: {why}", place.span)
