"""Asynchronous copies by a DMA engine."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.transform import PassContext
from ...support.dtypes import dtype_of
from .. import op as O
from ..arith.linear import detect_linear_equation
from ..expr import BufferLoad
from ..function import PrimFunc
from ..stmt import AttrStmt, BufferStore, Evaluate, For, Stmt, stmt_seq
from ..stmt_functor import substitute
from .base import context_factory
from .config import DMA_BYPASS_CACHE
from .pipeline_emit import ASYNC_SCOPE, COMMIT_QUEUE, WAIT_COUNT, WAIT_QUEUE


class _Lower(Rewriter):
    def __init__(self, bypass: bool) -> None:
        self.bypass = bypass
        self.queue: PrimExpr | None = None
        self.copied = False
        self.queues: set[int] = set()

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Scopes of queues become calls where something in them is copied by the engine."""
        if node.attr_key == COMMIT_QUEUE:
            return self._committed(node)
        if node.attr_key == WAIT_QUEUE and O.const_value(node.value) in self.queues:
            return self._awaited(node)
        if node.attr_key == ASYNC_SCOPE and self.queue is not None:
            copy = self._copy(node.body, self.queue)
            if copy is not None:
                self.copied = True
                return node.replace(body=copy)
        return self.rewrite_children(node)

    def _committed(self, node: AttrStmt) -> Stmt:
        before = self.queue, self.copied
        self.queue, self.copied = node.value, False
        body: Stmt = self.rewrite(node.body)
        made = node.replace(body=body)
        if self.copied:
            self.queues.add(int(O.const_value(node.value) or 0))
            start = Evaluate(O.dma_start_group(node.value))
            result = stmt_seq(start, made, Evaluate(O.dma_end_group(node.value)))
        else:
            result = made
        self.queue, self.copied = before
        return result

    def _awaited(self, node: AttrStmt) -> Stmt:
        inner = node.body
        if not isinstance(inner, AttrStmt) or inner.attr_key != WAIT_COUNT:
            return self.rewrite_children(node)
        wait = Evaluate(O.dma_wait(node.value, inner.value))
        return stmt_seq(wait, self.rewrite(inner.body))

    def _copy(self, stmt: Stmt, queue: PrimExpr) -> Stmt | None:
        """The call that copies what the loops `stmt` copy; None if they do anything else."""
        loops: list[For] = []
        while isinstance(stmt, For):
            loops.append(stmt)
            stmt = stmt.body
        if not isinstance(stmt, BufferStore) or not isinstance(stmt.value, BufferLoad):
            return None
        load = stmt.value
        if (
            stmt.predicate is not None
            or load.predicate is not None
            or load.dtype != stmt.buffer.dtype
        ):
            return None
        size = _elements(loops, stmt)
        if size is None or size != _elements(loops, load):
            return None
        first = {loop.loop_var: loop.min for loop in loops}
        target = BufferLoad(stmt.buffer, _at(stmt.indices, first))
        source = BufferLoad(load.buffer, _at(load.indices, first))
        count = IntImm("int32", size * dtype_of(load.dtype).bytes)
        bypass = IntImm("int32", int(self.bypass))
        return Evaluate(
            O.dma_copy(queue, O.address_of(target), O.address_of(source), count, bypass)
        )


def _at(indices: tuple[PrimExpr, ...], env: dict[Any, PrimExpr]) -> tuple[PrimExpr, ...]:
    """Indices at given values of variables, in their simplest form."""
    return tuple(O.simplified(substitute(index, env)) for index in indices)


def _elements(loops: list[For], access: Any) -> int | None:
    """How many elements in a row the loops go through; None if they are not in a row."""
    flat = access.buffer.offset_of(access.indices)
    if len(flat) != 1:
        return None
    steps = detect_linear_equation(flat[0], [loop.loop_var for loop in loops])
    if not steps:
        return None
    pairs = []
    for loop, step in zip(loops, steps[:-1], strict=True):
        extent, factor = O.const_value(loop.extent), O.const_value(step)
        if not isinstance(extent, int) or not isinstance(factor, int):
            return None
        pairs.append((factor, extent))
    count = 1
    for factor, extent in sorted(pairs):
        if extent == 1:
            continue
        if factor != count:
            return None
        count *= extent
    return count


@context_factory
def LowerAsyncDMA(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """attr(async_commit_queue_scope, q): attr(async_scope): for i: B[i] = A[i]
    ->   dma_start_group(q); dma_copy(q, &B[0], &A[0], bytes); dma_end_group(q)

    Loops that copy elements in a row, from one array to another of the type; others stay. Scopes
    that wait for such a queue become `dma_wait`. Option `tir.experimental_dma_bypass_cache`: past
    the cache.
    """
    return func.replace(body=_Lower(bool(ctx.config.get(DMA_BYPASS_CACHE))).run(func.body))
