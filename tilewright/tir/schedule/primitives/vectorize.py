"""The primitive `vectorize`."""

from __future__ import annotations

from ...stmt import ForKind
from ..instruction import Loop, primitive
from ..loop_checks import require_parallelizable, set_kind
from ..state import ScheduleState


@primitive
def vectorize(state: ScheduleState, loop: Loop) -> None:
    """Runs the iterations of a loop as the lanes of vectors.

    for i in serial(16)   ->   for i in vectorized(16)

    The iterations must be independent: every block within is complete or a reduction, has affine
    bindings, and only its data-parallel axes depend on the loop.
    """
    require_parallelizable(state, loop)
    set_kind(state, loop, ForKind.VECTORIZED)
