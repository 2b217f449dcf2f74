"""Loops whose iterations overlap: the loads of the next while this one computes.

A loop is annotated with `software_pipeline_stage` and `software_pipeline_order`, one number for
each statement of its body: how many iterations later it runs, and its place in the new order.
`software_pipeline_async_stages` lists the stages that run asynchronously.
"""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on
from ...support.errors import ArgumentError
from ..analysis.access_region import get_block_read_write_region
from ..buffer import Buffer
from ..expr import Var
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, SeqStmt, Stmt, stmt_seq
from .base import factory
from .pipeline_emit import Emitter, Step, as_block, realized, versions_of, with_versions

STAGE = "software_pipeline_stage"
ORDER = "software_pipeline_order"
ASYNC = "software_pipeline_async_stages"
DOUBLE = "double_buffer_scope"


class _Inject(Rewriter):
    def __init__(self, buffers: dict[Var, Buffer]) -> None:
        self.buffers = buffers
        self.doubled: set[Buffer] = set()

    @on(Block)
    def block(self, block: Block) -> Block:
        """The block's buffers are known within; which of those written have two versions at least
        is known around."""
        for buffer in block.alloc_buffers:
            self.buffers[buffer.data] = buffer
        new: Block = self.rewrite_children(block)
        place = new.annotations.get(DOUBLE)
        if place is not None:
            self.doubled.add(_written_at(new, int(getattr(place, "value", place))))
        return new

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i: produce(i); consume(i)   ->   produce(0); for i: produce(i + 1); consume(i)"""
        new: For = self.rewrite_children(loop)
        if STAGE not in new.annotations and ORDER not in new.annotations:
            return new
        return self._pipeline(new)

    def _pipeline(self, loop: For) -> Stmt:
        owned: list[Buffer] = []
        parts = self._parts(loop, owned)
        steps = _steps(loop, [as_block(part, self.buffers) for part in parts])
        _check_dependences(loop, steps)
        made: dict[Buffer, Buffer] = {}
        for buffer in owned:
            count = versions_of(buffer, steps, 2 if buffer in self.doubled else 1)
            if count > 1:
                made[buffer] = with_versions(buffer, count)
        kept = {k: v for k, v in loop.annotations.items() if k not in (STAGE, ORDER, ASYNC)}
        emitter = Emitter(loop, steps, self.buffers, made, kept)
        body = stmt_seq(*emitter.run())
        allocated = tuple(made.get(buffer, buffer) for buffer in owned)
        block = Block((), (), (), "", body, alloc_buffers=allocated)
        reads, writes = get_block_read_write_region(block, emitter.buffers)
        return realized(block.replace(reads=reads, writes=writes))

    def _parts(self, loop: For, owned: list[Buffer]) -> list[Stmt]:
        """The statements of the body; `owned` gets the buffers of the blocks around them."""
        body = _opened(loop.body, owned)
        if not isinstance(body, SeqStmt):
            raise ArgumentError(
                f"the body of the pipelined loop `{loop.loop_var.name}` is one statement",
                loop.span, hint="a software pipeline needs two at least",
            )  # fmt: skip
        parts: list[Stmt] = []
        for part in body.seq:
            inner = _opened(part, owned, only_sequences=True)
            parts += inner.seq if isinstance(inner, SeqStmt) else [inner]
        self.buffers.update({buffer.data: buffer for buffer in owned})
        return parts


def _opened(stmt: Stmt, owned: list[Buffer], only_sequences: bool = False) -> Stmt:
    """The body of a block without axes, whose buffers are added to `owned`."""
    if not isinstance(stmt, BlockRealize) or stmt.block.iter_vars:
        return stmt
    if only_sequences and not isinstance(stmt.block.body, SeqStmt):
        return stmt
    if not (isinstance(stmt.predicate, IntImm) and stmt.predicate.value):
        return stmt
    owned.extend(stmt.block.alloc_buffers)
    return stmt.block.body


def _numbers(loop: For, key: str, count: int | None = None) -> list[int]:
    given = loop.annotations.get(key)
    if given is None and count is None:
        return []
    values = [int(value) for value in given] if given is not None else []
    if count is not None and len(values) != count:
        raise ArgumentError(
            f"loop `{loop.loop_var.name}` has {count} statements and {len(values)} numbers in "
            f"`{key}`", loop.span, hint="give one for each statement",
        )  # fmt: skip
    return values


def _written_at(block: Block, place: int) -> Buffer:
    """The buffer at a place among those that a block writes."""
    if not 0 <= place < len(block.writes):
        raise ArgumentError(
            f"`{DOUBLE}` of block `{block.name_hint}` is {place}, but the block writes "
            f"{len(block.writes)} buffers", block.span,
        )  # fmt: skip
    return block.writes[place].buffer


def _steps(loop: For, blocks: list[Block]) -> list[Step]:
    stages = _numbers(loop, STAGE, len(blocks))
    orders = _numbers(loop, ORDER, len(blocks))
    is_async = set(_numbers(loop, ASYNC))
    if len(set(orders)) != len(orders):
        raise ArgumentError(
            f"`{ORDER}` of loop `{loop.loop_var.name}` has a place twice", loop.span
        )
    return [
        Step(block, stage, order, stage in is_async)
        for block, stage, order in zip(blocks, stages, orders, strict=True)
    ]


def _check_dependences(loop: For, steps: list[Step]) -> None:
    """What is read must have been written: in an earlier stage, or earlier in the same one."""
    for position, first in enumerate(steps):
        for second in steps[position + 1 :]:
            shared = _conflicts(first.block, second.block)
            if shared is None:
                continue
            late = first.stage > second.stage
            swapped = first.stage == second.stage and first.order > second.order
            if late or swapped:
                what = "stage" if late else "order"
                raise ArgumentError(
                    f"the pipeline of loop `{loop.loop_var.name}` moves the use of "
                    f"`{shared.name}` before its definition",
                    loop.span, hint=f"give the later statement a later {what}",
                )  # fmt: skip


def _conflicts(first: Block, second: Block) -> Any:
    """A buffer that the first writes and the second touches."""
    touched = {r.buffer.data for r in (*second.reads, *second.writes)}
    return next((r.buffer for r in first.writes if r.buffer.data in touched), None)


@factory
def InjectSoftwarePipeline(func: PrimFunc) -> PrimFunc:
    """for i: B = f(i); g(B)   ->   B0 = f(0); for i: B1 = f(i + 1); g(B0); ...; g(B1)

    Where a value is needed in a later iteration than the one that computes it, its buffer gets a
    version for each: B[i % 2]. The annotation `double_buffer_scope` of a block, a place among what
    it writes, asks for two versions at least.
    """
    buffers = {buffer.data: buffer for buffer in func.buffers()}
    return func.replace(body=_Inject(buffers).run(func.body))
