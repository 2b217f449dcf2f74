"""Copies to shared memory that go through registers."""

from __future__ import annotations

from typing import NoReturn

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on
from ...support.errors import CompileError
from .. import op as O
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad
from ..function import PrimFunc
from ..stmt import (
    Block,
    BlockRealize,
    BufferStore,
    For,
    ForKind,
    SeqStmt,
    Stmt,
    element_region,
    stmt_seq,
)  # fmt: skip
from ..stmt_functor import renew_defs
from .base import factory

MARK = "tir.manifest_shared_memory_local_stage"


def _refuse(block: Block, why: str, hint: str = "") -> NoReturn:
    message = f"block `{block.name_hint}` gets no local stage: {why}"
    raise CompileError(message, block.span, hint=hint)


class _Stage(Rewriter):
    @on(Block)
    def block(self, block: Block) -> Block:
        """Marked blocks are directly in the block that allocates what they store to."""
        if block.annotations.get(MARK):
            _refuse(block, "it is not the only thing in loops of the block around it")
        parts = block.body.seq if isinstance(block.body, SeqStmt) else (block.body,)
        staged: list[Buffer] = []
        made = [self._part(part, block, staged) for part in parts]
        if all(new is old for new, old in zip(made, parts, strict=True)):
            return block
        allocated = (*block.alloc_buffers, *staged)
        return block.replace(body=stmt_seq(*made), alloc_buffers=allocated)

    def _part(self, part: Stmt, block: Block, staged: list[Buffer]) -> Stmt:
        loops: list[For] = []
        inner = part
        while isinstance(inner, For):
            loops.append(inner)
            inner = inner.body
        if not isinstance(inner, BlockRealize) or not inner.block.annotations.get(MARK):
            made: Stmt = self.rewrite(part)
            return made
        store = _checked(inner.block, loops, block)
        shape = tuple(loop.extent for loop in loops) or (IntImm("int32", 1),)
        indices = tuple(O.subtract(loop.loop_var, loop.min) for loop in loops)
        indices = indices or (IntImm("int32", 0),)
        stage = decl_buffer(shape, store.buffer.dtype, f"{store.buffer.name}_local", scope="local")
        staged.append(stage)
        fetch = Block(
            (), inner.block.reads, (element_region(stage, indices),), "",
            BufferStore(stage, store.value, indices),
        )  # fmt: skip
        kept = {key: value for key, value in inner.block.annotations.items() if key != MARK}
        body = store.replace(value=BufferLoad(stage, indices))
        settled = inner.block.replace(annotations=kept, body=body)
        first = _nested(loops, inner.replace(block=fetch))
        return stmt_seq(renew_defs(first), _nested(loops, inner.replace(block=settled)))


def _checked(block: Block, loops: list[For], around: Block) -> BufferStore:
    """The store that the marked block is; raises `CompileError` if it is none that can go."""
    store = block.body
    if block.iter_vars:
        _refuse(block, "it has axes", "run `ConvertBlocksToOpaque` before")
    if not isinstance(store, BufferStore) or not store.buffer.scope().startswith("shared"):
        _refuse(block, "its body is no store to shared memory")
    if store.buffer not in around.alloc_buffers:
        _refuse(block, f"`{store.buffer.name}` is not allocated in the block around it")
    for loop in loops:
        if loop.kind not in (ForKind.SERIAL, ForKind.VECTORIZED):
            _refuse(block, f"loop `{loop.loop_var.name}` is neither serial nor vectorized")
    return store


def _nested(loops: list[For], body: Stmt) -> Stmt:
    for loop in reversed(loops):
        body = loop.replace(body=body)
    return body


@factory
def ManifestSharedMemoryLocalStage(func: PrimFunc) -> PrimFunc:
    """for i: S[i] = f(i)   ->   for i: L[i] = f(i); for i: S[i] = L[i]

    For opaque blocks with the annotation `tir.manifest_shared_memory_local_stage`: all loads are
    on their way before the first value is stored. Raises `CompileError` for one that is no store
    to shared memory allocated in the block around it, alone in serial or vectorized loops.
    """
    return func.replace(body=_Stage().run(func.body))
