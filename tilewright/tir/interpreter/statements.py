"""The meaning of statements, blocks included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.expr import PrimExpr
from ...support.errors import CompileError, RuntimeFailure
from ..expr import IterVarType, StringImm, Var
from ..stmt import (
    Allocate,
    AllocateConst,
    AssertStmt,
    AttrStmt,
    Block,
    BlockRealize,
    BufferRealize,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    IfThenElse,
    LetStmt,
    SeqStmt,
    While,
)
from .machine import Interpreter, LoopLeft, runs
from .memory import Memory, Pointer, new_memory
from .threads import axis_of, run_axis


@runs(BufferStore)
def _store(self: Interpreter, stmt: Any) -> None:
    value = self.eval(stmt.value)
    memory, at = self.places(stmt)
    if not isinstance(at, np.ndarray):
        self.check_inside(stmt.buffer, memory, at)
        memory[at] = value
        return
    values = np.broadcast_to(value, at.shape)
    chosen = at >= 0
    memory[at[chosen]] = values[chosen]


@runs(For)
def _for(self: Interpreter, stmt: Any) -> None:
    first = int(self.eval(stmt.min))
    if stmt.thread_binding is not None and first == 0:
        tag, extent = stmt.thread_binding.thread_tag, int(self.eval(stmt.extent))
        run_axis(self, tag, stmt.loop_var, extent, stmt.body)
        return
    for value in range(first, first + int(self.eval(stmt.extent))):
        self.env[stmt.loop_var] = value
        try:
            self.run(stmt.body)
        except LoopLeft as leave:
            if leave.leaves:
                break


@runs(While)
def _while(self: Interpreter, stmt: Any) -> None:
    while self.eval(stmt.condition):
        try:
            self.run(stmt.body)
        except LoopLeft as leave:
            if leave.leaves:
                break


@runs(IfThenElse)
def _if(self: Interpreter, stmt: Any) -> None:
    if self.eval(stmt.condition):
        self.run(stmt.then_case)
    elif stmt.else_case is not None:
        self.run(stmt.else_case)


@runs(SeqStmt)
def _sequence(self: Interpreter, stmt: Any) -> None:
    for each in stmt.seq:
        self.run(each)


@runs(Evaluate)
def _evaluate(self: Interpreter, stmt: Any) -> None:
    if not isinstance(stmt.value, StringImm):
        self.eval(stmt.value)


@runs(LetStmt)
def _let_stmt(self: Interpreter, stmt: Any) -> None:
    self.env[stmt.var] = self.eval(stmt.value)
    self.run(stmt.body)


@runs(AttrStmt)
def _attribute(self: Interpreter, stmt: Any) -> None:
    axis, extent = axis_of(stmt)
    if axis is not None:
        run_axis(
            self, axis.thread_tag or stmt.attr_key, axis.var, int(self.eval(extent)), stmt.body
        )
        return
    before = self.env.get(stmt.attr_key)
    self.env[stmt.attr_key] = stmt.node
    self.run(stmt.body)
    self.env[stmt.attr_key] = before


@runs(AssertStmt)
def _assert(self: Interpreter, stmt: Any) -> None:
    if not self.eval(stmt.condition):
        message = stmt.message
        text = message.value if isinstance(message, StringImm) else str(message)
        raise RuntimeFailure(f"assertion failed: {text}")
    self.run(stmt.body)


@runs(Allocate)
def _allocate(self: Interpreter, stmt: Any) -> None:
    count = math.prod(int(self.eval(e)) for e in stmt.extents)
    self.env[stmt.buffer_var] = _memory(self, stmt.buffer_var, count, stmt.dtype)
    self.run(stmt.body)


def _memory(self: Interpreter, var: Any, count: int, dtype: str) -> Pointer:
    """New memory; for threads that run together one of all, if it is shared."""
    kind = var.type_annotation
    if self.thread is None or not getattr(kind, "storage_scope", "").startswith("shared"):
        return Pointer(Memory(new_memory(count, dtype)))
    made: Pointer = self.thread.group.once(var, lambda: Pointer(Memory(new_memory(count, dtype))))
    return made


@runs(AllocateConst)
def _allocate_const(self: Interpreter, stmt: Any) -> None:
    self.env[stmt.buffer_var] = Pointer(Memory(np.ascontiguousarray(stmt.array)))
    self.run(stmt.body)


@runs(DeclBuffer)
def _declare(self: Interpreter, stmt: Any) -> None:
    self.run(stmt.body)


@runs(BufferRealize)
def _realize_buffer(self: Interpreter, stmt: Any) -> None:
    buffer = stmt.buffer
    count = math.prod(int(self.eval(e)) for e in buffer.shape)
    self.env[buffer.data] = _memory(self, buffer.data, count, buffer.dtype)
    self.run(stmt.body)


@runs(BlockRealize)
def _realize(self: Interpreter, stmt: Any) -> None:
    values = [self.eval(value) for value in stmt.iter_values]
    if not self.eval(stmt.predicate):
        return
    for axis, value in zip(stmt.block.iter_vars, values, strict=True):
        self.env[axis.var] = value
    self.run(stmt.block)


@runs(Block)
def _block(self: Interpreter, block: Any) -> None:
    for buffer in block.alloc_buffers:
        shape = self.layout(buffer)[0]
        count = math.prod(shape)
        if buffer.strides:
            count = 1 + sum(
                (d - 1) * int(self.eval(s)) for d, s in zip(shape, buffer.strides, strict=True)
            )
        count += int(self.eval(buffer.elem_offset))
        self.env[buffer.data] = _memory(self, buffer.data, count, buffer.dtype)
    for match in block.match_buffers:
        _match(self, match)
    if block.init is not None and _is_first(self, block):
        self.run(block.init)
    self.run(block.body)


def _is_first(self: Interpreter, block: Block) -> bool:
    return all(
        axis.dom is None or self.env[axis.var] == self.eval(axis.dom.min)
        for axis in block.iter_vars
        if axis.iter_type == IterVarType.CommReduce
    )


def _match(self: Interpreter, match: Any) -> None:
    source, view = match.source, match.buffer
    begin = [int(self.eval(r.min)) for r in source.region]
    extents = [int(self.eval(r.extent)) for r in source.region]
    shape, strides, _ = self.layouts.get(source.buffer) or self.layout(source.buffer)
    if strides is None:
        strides = tuple(math.prod(shape[a + 1 :]) for a in range(len(shape)))
    kept = len(view.shape)
    if any(e != 1 for e in extents[: len(extents) - kept]):
        raise CompileError(f"the region matched by `{view.name}` has too many dimensions")
    offset = self.place(source.buffer, begin) if 0 not in extents else 0
    self.env[view.data] = self.env[source.buffer.data]
    view_strides = strides[len(strides) - kept :]
    _bind_parts(self, view.shape, extents[len(extents) - kept :])
    _bind_parts(self, view.strides, view_strides)
    _bind_parts(self, [view.elem_offset], [offset])
    view_shape = tuple(int(self.eval(d)) for d in view.shape)
    self.layouts[view] = (view_shape, view_strides, offset)


def _bind_parts(self: Interpreter, parts: Sequence[PrimExpr], values: Sequence[int]) -> None:
    for part, value in zip(parts, values, strict=False):
        if isinstance(part, Var):
            self.env[part] = value
