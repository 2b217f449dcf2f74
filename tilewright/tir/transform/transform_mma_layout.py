"""Buffers of the memory of matrix units as the registers of each thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import on
from ...support.errors import CompileError
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, Var
from ..function import PrimFunc
from ..stmt import Block, BufferRegion, BufferStore, full_region
from .base import factory
from .scoped import ScopedRewriter

Shape = Callable[[int, int], tuple[int, ...]]
LAYOUTS: dict[str, tuple[tuple[int, int], Shape]] = {
    "m16n8k8.matrixA": ((32, 8), lambda m, k: (m // 32, k // 8, 4, 2)),
    "m16n8k8.matrixB": ((8, 32), lambda k, n: (k // 8, n // 32, 1, 8)),
    "m16n8k8.matrixC": ((16, 8), lambda m, n: (m // 16, n // 8, 2, 2)),
}
"""For each memory: what the two extents are multiples of, and the registers of one thread."""


@factory
def TransformMmaBufferLayout(func: PrimFunc) -> PrimFunc:
    """C in "m16n8k8.matrixC": C[i, j]   ->   C in "local": C[i // 16, j // 8, i % 16 // 8, j % 2]

    A (`m16n8k8.matrixA`) and B become registers too; only intrinsics access these, by address.
    Raises `CompileError` for extents that are no multiples of the unit's, for buffers that are
    not of two dimensions, and for loads and stores of A or B.
    """
    return func.replace(body=_Transform().run(func.body))


class _Transform(ScopedRewriter):
    def __init__(self) -> None:
        super().__init__()
        self.made: dict[Buffer, Buffer] = {}
        self.memory: dict[Var, Var] = {}

    @on(Block)
    def block(self, block: Block) -> Block:
        """The buffers that a block allocates, before what it does with them."""
        for buffer in block.alloc_buffers:
            if buffer.scope() in LAYOUTS:
                new = _registers(buffer)
                self.made[buffer] = new
                self.memory[buffer.data] = new.data
        made: Block = super().block(block)
        return made.replace(alloc_buffers=tuple(self.made.get(b, b) for b in block.alloc_buffers))

    @on(Var)
    def variable(self, var: Var) -> Any:
        """An address."""
        return self.memory.get(var, var)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Any:
        """A buffer that stays may lie in memory that does not."""
        return self.made.get(buffer) or self.rewrite_variable(buffer)

    @on(BufferRegion)
    def region(self, region: BufferRegion) -> Any:
        """What a block says it accesses: all registers."""
        new = self.made.get(region.buffer)
        return self.rewrite_children(region) if new is None else full_region(new)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """An element of C."""
        new = self.made.get(access.buffer)
        if new is None:
            return self.rewrite_children(access)
        if access.buffer.scope() != "m16n8k8.matrixC":
            raise CompileError(
                f"`{access.buffer.name}` in {access.buffer.scope()} is accessed by element",
                access.span, note="only intrinsics access it, by its address",
            )  # fmt: skip
        i, j = self.rewrite(access.indices)
        places: tuple[PrimExpr, ...] = (i // 16, j // 8, i % 16 // 8, j % 2)
        indices = tuple(self.analyzer.simplify(place) for place in places)
        if isinstance(access, BufferLoad):
            return access.replace(buffer=new, indices=indices)
        return access.replace(buffer=new, indices=indices, value=self.rewrite(access.value))


def _registers(buffer: Buffer) -> Buffer:
    (rows, columns), shape_of = LAYOUTS[buffer.scope()]
    extents = [dim.value for dim in buffer.shape if isinstance(dim, IntImm)]
    if buffer.ndim != 2 or len(extents) != 2:
        raise CompileError(
            f"`{buffer.name}` in {buffer.scope()} is no matrix of known extents: {buffer.shape}",
            buffer.span,
        )
    if extents[0] % rows or extents[1] % columns:
        raise CompileError(
            f"`{buffer.name}` in {buffer.scope()} is of {extents[0]} x {extents[1]}, "
            f"not of multiples of {rows} x {columns}",
            buffer.span,
        )
    return decl_buffer(shape_of(*extents), buffer.dtype, buffer.name, scope="local")
