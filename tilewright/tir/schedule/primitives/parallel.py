"""The primitive `parallel`."""

from __future__ import annotations

from ...stmt import ForKind
from ..instruction import Loop, primitive
from ..loop_checks import require_parallelizable, set_kind
from ..state import ScheduleState


@primitive
def parallel(state: ScheduleState, loop: Loop) -> None:
    """Runs the iterations of a loop on several threads.

    for i in serial(n)   ->   for i in parallel(n)

    The iterations must be independent: every block within is complete or a reduction, has affine
    bindings, and only its data-parallel axes depend on the loop.
    """
    require_parallelizable(state, loop)
    set_kind(state, loop, ForKind.PARALLEL)
