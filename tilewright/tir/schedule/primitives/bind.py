"""The primitive `bind`."""

from __future__ import annotations

from ...expr import IterVar, IterVarType, Var
from ...stmt import ForKind
from ..instruction import Loop, primitive
from ..loop_checks import require_parallelizable
from ..poly import variables_in
from ..refusal import refuse
from ..sref import StmtSRef
from ..state import ScheduleState

TAGS = (
    *(f"{kind}Idx.{axis}" for kind in ("block", "thread") for axis in "xyz"),
    *(f"vthread.{axis}" for axis in "xyz"),
    "vthread",
)


@primitive
def bind(state: ScheduleState, loop: Loop, thread_axis: str) -> None:
    """Gives each iteration of a loop to a thread of a device.

    for i in serial(n)   ->   for i in thread_binding(n, thread="threadIdx.x")

    The iterations must be independent; on `threadIdx` they may also be parts of a reduction. No
    block may depend on two loops of one thread, which has the same index in both.
    """
    if thread_axis not in TAGS:
        refuse(f"{thread_axis!r} is no thread axis", loop, hint=f"use one of {', '.join(TAGS)}")
    require_parallelizable(state, loop, thread_axis)
    for block in state.child_blocks(loop):
        _require_one_loop(state, block, loop, thread_axis)
    thread = IterVar(None, Var(thread_axis, loop.loop.loop_var.dtype), IterVarType.ThreadIndex,
                     thread_axis)  # fmt: skip
    made = loop.loop.replace(kind=ForKind.THREAD_BINDING, thread_binding=thread)
    state.replace(loop, made)


def _require_one_loop(
    state: ScheduleState, block: StmtSRef, loop: StmtSRef, thread_axis: str
) -> None:
    """Refuses if `block` depends on `loop` and on another loop of that thread."""
    values = () if block.realize is None else block.realize.iter_values
    used = {var for value in values for var in variables_in(value)}
    for other in state.loops_of(block):
        bound = other.loop.thread_binding
        if other is loop or bound is None or bound.thread_tag != thread_axis:
            continue
        if {loop.loop.loop_var, other.loop.loop_var} <= used:
            refuse(
                f"block `{block.block.name_hint}` depends on two loops of {thread_axis}: it would "
                "run only where both have the same index",
                loop, other, block,
            )  # fmt: skip
