"""The primitive `bind`."""

from __future__ import annotations

from ...expr import IterVar, IterVarType, Var
from ...stmt import ForKind
from ..instruction import Loop, primitive
from ..loop_checks import require_parallelizable
from ..refusal import refuse
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

    The iterations must be independent; on `threadIdx` they may also be parts of a reduction.
    """
    if thread_axis not in TAGS:
        refuse(f"{thread_axis!r} is no thread axis", loop, hint=f"use one of {', '.join(TAGS)}")
    require_parallelizable(state, loop, thread_axis)
    thread = IterVar(None, Var(thread_axis, loop.loop.loop_var.dtype), IterVarType.ThreadIndex,
                     thread_axis)  # fmt: skip
    made = loop.loop.replace(kind=ForKind.THREAD_BINDING, thread_binding=thread)
    state.replace(loop, made)
