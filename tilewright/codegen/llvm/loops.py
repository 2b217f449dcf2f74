"""Loops that run in the function they stand in."""

from __future__ import annotations

from tilewright.tir.expr import Ramp
from tilewright.tir.stmt import BufferStore, For, ForKind

from .builder import Value, int_of
from .emitter import FunctionEmitter


def no_unroll(e: FunctionEmitter) -> str:
    """The metadata of a loop that LLVM leaves alone: unrolling is the schedule's."""
    module = e.context.module
    if not module.metadata:
        module.node('!{!"llvm.loop.unroll.disable"}')
        module.node("distinct !{$, !0}")
    return ", !llvm.loop !1"


def run_loop(e: FunctionEmitter, node: For, begin: Value, end: Value, at_least_once: bool) -> None:
    """The serial loop over `begin..end`."""

    latch, done = e.b.label("next"), e.b.label("done")
    if e.loops and int_of(end) is None and _stores_vectors(node):
        e.copies_rows = True

    def body(index: Value) -> None:
        e.bind(node.loop_var, index)
        e.loops.append((latch, "" if node.kind == ForKind.PARALLEL else done, len(e.cleanups)))
        e.stmt(node.body)
        e.loops.pop()

    e.effect()
    with e.scope():
        e.b.loop(
            begin,
            end,
            body,
            metadata=no_unroll(e),
            at_least_once=at_least_once,
            latch=latch,
            done=done,
        )


def _stores_vectors(node: For) -> bool:
    """True for a loop that does nothing but store vectors side by side."""
    return isinstance(node.body, BufferStore) and isinstance(node.body.indices[-1], Ramp)


def as_int64(e: FunctionEmitter, value: Value) -> Value:
    """A signed integer as an `i64`."""
    literal = int_of(value)
    if literal is not None:
        return Value("i64", str(literal))
    return value if value.type == "i64" else e.b.cast("sext", value, "i64")
