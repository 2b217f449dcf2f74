"""Accesses that certainly, or possibly, lie outside of their buffers."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Visitor, on
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...support.errors import ScheduleError
from .. import op as O
from ..arith import Analyzer
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, Ramp
from ..function import PrimFunc
from ..stmt import AttrStmt, Block, BlockRealize, BufferStore, For, IfThenElse
from .arguments import looks_at


class _OutOfBounds(Visitor):
    """Compares the interval of every index with its dimension."""

    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.found: list[str] = []

    @on(For)
    def loop(self, loop: For) -> None:
        """The range of a loop; one that never runs is not looked at."""
        if isinstance(loop.extent, IntImm) and loop.extent.value <= 0:
            return
        self.analyzer.bind(loop.loop_var, Range(loop.min, loop.extent), override=True)
        self.visit(loop.body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The extent of a thread axis is the range of its variable."""
        if node.attr_key == "thread_extent" and isinstance(node.node, IterVar):
            self.analyzer.bind(node.node.var, Range.from_min_extent(0, node.value), override=True)
        self.visit(node.body)

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> None:
        """Within a branch its condition holds."""
        self.visit(branch.condition)
        with self.analyzer.constraint_scope(branch.condition):
            self.visit(branch.then_case)
        with self.analyzer.constraint_scope(O.logical_not(branch.condition)):
            self.visit(branch.else_case)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """The axes of a block have the values that they are realized with."""
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
            self.analyzer.bind(axis.var, value, override=True)
        with self.analyzer.constraint_scope(realize.predicate):
            self.visit(realize.block)

    @on(Block)
    def block(self, block: Block) -> None:
        """Only what runs counts, not the regions declared."""
        self.visit((block.init, block.body))

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> None:
        """A buffer itself is no access."""

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """Each index."""
        self.visit_children(access)
        if len(access.indices) != access.buffer.ndim:
            return
        for axis, index in enumerate(access.indices):
            self._check(access.buffer, axis, index)

    def _check(self, buffer: Buffer, axis: int, index: PrimExpr) -> None:
        extent = buffer.shape[axis]
        low, high = index, index
        if isinstance(index, Ramp):
            low, high = index.base, index.base + index.stride * (index.lanes - 1)
        if low.dtype not in ("int32", "int64"):
            return
        interval = self.analyzer.engine.interval
        least, top = interval(low)[0], interval(high)[1]
        excess = interval(self.analyzer.simplify(high - extent))[1]
        is_above = top < 2**31 - 1 and 0 <= excess < 2**31 - 1
        if -(2**31) < least < 0 or is_above:
            self.found.append(
                f"index {axis} of buffer {buffer.name}, {index}, may lie outside of [0, {extent})"
            )


@looks_at(PrimFunc)
def out_of_bounds(func: PrimFunc) -> list[str]:
    """Where `func` accesses a buffer outside of its shape, by what is known of its indices."""
    finder = _OutOfBounds()
    finder.walk(func.body)
    return finder.found


def OOBChecker() -> Pass:
    """A pass that changes nothing and raises `ScheduleError` where an access lies outside."""

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        problems = [
            f"in `{var.name_hint}`: {text}"
            for var, func in mod.items()
            if isinstance(func, PrimFunc)
            for text in out_of_bounds(func)
        ]
        if problems:
            raise ScheduleError("out of bounds memory access: " + "; ".join(problems))
        return mod

    return ModulePass(transform, PassInfo(0, "tir.analysis.OOBChecker"))
