"""Whether somebody has scheduled a function already, so that it is compiled as it is written."""

from __future__ import annotations

from ..ir.expr import IntImm
from ..ir.functor import Visitor, on
from ..tir.expr import IterVarType, Var
from ..tir.function import PrimFunc
from ..tir.op import is_const_int
from ..tir.stmt import Block, BlockRealize, BufferStore, Evaluate, For, ForKind


def has_own_schedule(func: PrimFunc) -> bool:
    """True if the function is marked so (`tir.is_scheduled`), or its loops are not those of a
    function that nobody has scheduled, as `te.create_prim_func` and the lowering of models write
    them: around each block loops of its own, serial and without annotations, one for each axis in
    the axes' order; blocks that always run and hold no others; buffers in global memory. Only a
    loop over an axis that is neither spatial nor a reduction, such as the steps of `te.scan`, holds
    several blocks.

    for i0, i1: block(i0 * 8 + i1)   ->   True
    for i: block(i)                  ->   False, whatever the block does at its axes
    """
    if func.attrs.get("tir.is_scheduled"):
        return True
    finder = _Scheduled()
    finder.walk(func.body)
    return finder.found


class _Scheduled(Visitor):
    """Finds a loop, block or buffer that only a schedule makes."""

    def __init__(self) -> None:
        self.found = False
        self._loops: list[Var] = []
        """The loops around, up to the next block."""
        self._steps: set[Var] = set()
        """The loops over axes whose iterations must stay in order."""
        self._blocks = 0
        """How many blocks stand in the loops so far."""
        self._depth = 0
        """How many blocks are around."""

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop around one block, which runs one iteration after another. Loops around none are
        a part of what a block does."""
        before = self._blocks
        self._loops.append(loop.loop_var)
        self.visit(loop.body)
        self._loops.pop()
        blocks = self._blocks - before
        special = loop.kind != ForKind.SERIAL or bool(loop.annotations)
        shared = blocks > 1 and loop.loop_var not in self._steps
        self.found = self.found or shared or (special and blocks > 0)

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """A block at its loops."""
        self._blocks += 1
        axes = [
            (axis.iter_type, value)
            for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
            if not isinstance(value, IntImm)
        ]
        ordered = len(axes) == len(self._loops) and all(
            value is loop for (_, value), loop in zip(axes, self._loops, strict=True)
        )
        nested = self._depth > 1
        if nested or not ordered or not is_const_int(realize.predicate, 1):
            self.found = True
        if self.found:
            return
        free = (IterVarType.DataPar, IterVarType.CommReduce)
        self._steps.update(
            loop for (kind, _), loop in zip(axes, self._loops, strict=True) if kind not in free
        )
        around, blocks = self._loops, self._blocks
        self._loops = []
        self._depth += 1
        self.visit(realize.block)
        self._depth -= 1
        self._loops, self._blocks = around, blocks

    @on(Block)
    def block(self, block: Block) -> None:
        """What it allocates and does."""
        if any(buffer.scope() != "global" for buffer in block.alloc_buffers):
            self.found = True
        self.visit(block.body)

    @on(BufferStore, Evaluate)
    def leaf(self, stmt: BufferStore | Evaluate) -> None:
        """Holds no loop."""
