"""The primitive `sample_perfect_tile`."""

from __future__ import annotations

import random
from typing import Any

from ..instruction import Expr, Loop, primitive
from ..sampling import constant_extent, decided_tile, open_tile, perfect_tile
from ..state import ScheduleState


@primitive(sampling=True)
def sample_perfect_tile(
    state: ScheduleState,
    loop: Loop,
    n: int,
    max_innermost_factor: int = 16,
    *,
    rand: random.Random,
    decision: Any = None,
) -> list[Expr]:
    """`n` factors of the loop's extent, outermost first, the innermost one limited.

    The decision is the list of factors; its outermost is computed anew for another extent.
    """
    if decision is not None:
        made = decided_tile(decision, n, loop)
        return made, made  # type: ignore[return-value]
    extent = constant_extent(loop)
    if extent is None:
        return open_tile(loop, n), None  # type: ignore[return-value]
    most = max_innermost_factor if max_innermost_factor > 0 else extent
    made = perfect_tile(rand, extent, n, most)
    return made, made  # type: ignore[return-value]
