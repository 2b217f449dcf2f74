"""The primitive `unroll`."""

from __future__ import annotations

from ...stmt import ForKind
from ..instruction import Loop, primitive
from ..loop_checks import set_kind
from ..state import ScheduleState


@primitive
def unroll(state: ScheduleState, loop: Loop) -> None:
    """Writes the iterations of a loop one after another.

    for i in serial(4)   ->   for i in unroll(4)
    """
    set_kind(state, loop, ForKind.UNROLLED)
