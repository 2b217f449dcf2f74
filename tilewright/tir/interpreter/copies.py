"""The meaning of calls that copy memory; what runs meanwhile has been done at once."""

from __future__ import annotations

from typing import Any

from .machine import Interpreter, calls


@calls("dma_copy")
def _copy(self: Interpreter, expr: Any) -> Any:
    target, source, size = (self.eval(arg) for arg in expr.args[1:4])
    memory = source.memory.bytes[source.offset : source.offset + size].copy()
    target.memory.bytes[target.offset : target.offset + size] = memory
    return 0


@calls("dma_wait", "dma_start_group", "dma_end_group")
def _nothing(self: Interpreter, expr: Any) -> Any:
    return 0


@calls("ptx_ldg32")
def _load(self: Interpreter, expr: Any) -> Any:
    pointer, condition, source, offset = expr.args
    if self.eval(condition):
        target = self.eval(pointer)
        memory = target.memory.view(expr.dtype)
        first = target.offset // memory.dtype.itemsize
        memory[first + int(self.eval(offset))] = self.eval(source)
    return 0
