"""The primitive `add_unit_loop`."""

from __future__ import annotations

from ....ir.expr import IntImm
from ...expr import Var
from ...stmt import For, ForKind
from ..instruction import BlockOrLoop, Loop, primitive
from ..state import ScheduleState


@primitive
def add_unit_loop(state: ScheduleState, block_or_loop: BlockOrLoop) -> Loop:
    """Puts a loop of one iteration around a block or loop.

    with block("B"): ...   ->   for u in range(1): with block("B"): ...
    """
    made = For(Var("u", "int32"), IntImm("int32", 0), IntImm("int32", 1), ForKind.SERIAL,
               block_or_loop.node)  # fmt: skip
    state.replace(block_or_loop, made)
    return state.srefs[id(made)]
