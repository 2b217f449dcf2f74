"""The mark between what is searched and what follows from it."""

from __future__ import annotations

from ..instruction import primitive
from ..state import ScheduleState


@primitive
def enter_postproc(state: ScheduleState) -> None:
    """Marks the trace: what comes after is post-processing. The program stays as it is."""
