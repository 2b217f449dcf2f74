"""The meaning of calls by which the threads of a block exchange values."""

from __future__ import annotations

from typing import Any

from ...support.errors import CompileError
from ..expr import BufferLoad, CommReducer, Var
from .machine import Interpreter, calls
from .threads import Thread

ALL_LANES = 0xFFFFFFFF


def _thread(self: Interpreter, expr: Any) -> Thread:
    if self.thread is None:
        raise CompileError(f"{expr.op.name} is called outside of the threads of a block")
    return self.thread


@calls("tvm_thread_allreduce")
def _allreduce(self: Interpreter, expr: Any) -> Any:
    thread, reducer = _thread(self, expr), self.env.get("reduce_scope")
    if not isinstance(reducer, CommReducer):
        raise CompileError("tvm_thread_allreduce is called outside of a `reduce_scope`")
    count = int(self.eval(expr.args[0]))
    values, condition = expr.args[1 : 1 + count], expr.args[1 + count]
    results, axes = expr.args[2 + count : 2 + 2 * count], expr.args[2 + 2 * count :]
    tags = {thread.tags[axis] for axis in axes if isinstance(axis, Var)}
    own = _others(thread.coordinates, tags)
    given = [self.eval(value) for value in values] if self.eval(condition) else None
    total = [self.eval(value) for value in reducer.identity_element]
    exchanged = thread.group.exchange(thread.rank, (own, given))
    for where, their in (exchanged[rank] for rank in sorted(exchanged)):
        if where == own and their is not None:
            self.env.update(zip(reducer.lhs, total, strict=True))
            self.env.update(zip(reducer.rhs, their, strict=True))
            total = [self.eval(result) for result in reducer.result]
    for result, value in zip(results, total, strict=True):
        if not isinstance(result, BufferLoad):
            raise CompileError(f"tvm_thread_allreduce stores to an element, found {result}")
        memory, at = self.places(result)
        memory[at] = value
    return 0


def _others(coordinates: dict[str, int], tags: set[str]) -> dict[str, int]:
    return {tag: place for tag, place in coordinates.items() if tag not in tags}


def _shuffled(self: Interpreter, expr: Any, lane: int, step: int) -> Any:
    """The value of the thread at `lane` (plus `step` times the own one) of this one's part."""
    thread = _thread(self, expr)
    values = thread.group.exchange(thread.rank, self.eval(expr.args[1]))
    width = int(self.eval(expr.args[3]))
    own = thread.rank % width
    chosen = lane + step * own
    if step and not 0 <= chosen < width:
        chosen = own
    return values.get(thread.rank - own + chosen % width, values[thread.rank])


@calls("tvm_warp_shuffle")
def _shuffle(self: Interpreter, expr: Any) -> Any:
    return _shuffled(self, expr, int(self.eval(expr.args[2])), 0)


@calls("tvm_warp_shuffle_up")
def _shuffle_up(self: Interpreter, expr: Any) -> Any:
    return _shuffled(self, expr, -int(self.eval(expr.args[2])), 1)


@calls("tvm_warp_shuffle_down")
def _shuffle_down(self: Interpreter, expr: Any) -> Any:
    return _shuffled(self, expr, int(self.eval(expr.args[2])), 1)


@calls("tvm_warp_activemask")
def _active_lanes(self: Interpreter, expr: Any) -> int:
    return ALL_LANES
