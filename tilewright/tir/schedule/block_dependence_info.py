"""`tir.BlockDependenceInfo`: which blocks of a program depend on which, without a schedule."""

from __future__ import annotations

from ...ir.module import IRModule
from ..function import PrimFunc
from ..stmt import Block
from .scope import BlockScope
from .sref import StmtSRef
from .state import ScheduleState


class BlockDependenceInfo:
    """The dependencies between the blocks of each scope of a module."""

    def __init__(self, mod: IRModule | PrimFunc) -> None:
        self._state = ScheduleState(mod)

    @property
    def mod(self) -> IRModule:
        """The module, each function's body in a root block."""
        return self._state.mod

    def get_sref(self, block: Block) -> StmtSRef | None:
        """The handle on a block; None if it is not in the module."""
        return self._state.get_sref(block)

    def get_block_scope(self, block_sref: StmtSRef) -> BlockScope:
        """The blocks directly in a block and the dependencies between them; of a loop (what a
        block's `parent` is), those of the block around it."""
        inside = block_sref.is_block
        return self._state.get_block_scope(
            block_sref if inside else self._state.scope_root(block_sref)
        )
