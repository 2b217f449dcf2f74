"""The primitive `sample_perfect_tile`."""

from __future__ import annotations

import random
from typing import Any

from ..instruction import Expr, Loop, primitive
from ..refusal import refuse
from ..sampling import constant_extent, decided_tile, open_tile, perfect_tile
from ..state import ScheduleState

NO_LIMIT = -1


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

    A limit of -1 is none. The decision is the list of factors; its outermost is computed anew for
    another extent.
    """
    if n < 1:
        refuse(f"`n` must be at least 1, got {n}", loop)
    if max_innermost_factor < 1 and max_innermost_factor != NO_LIMIT:
        refuse(
            f"`max_innermost_factor` must be at least 1, got {max_innermost_factor}", loop,
            hint=f"{NO_LIMIT} sets no limit",
        )  # fmt: skip
    if decision is not None:
        made = decided_tile(decision, n, loop)
        return made, made  # type: ignore[return-value]
    extent = constant_extent(loop)
    if extent is None:
        return open_tile(loop, n), None  # type: ignore[return-value]
    most = extent if max_innermost_factor == NO_LIMIT else max_innermost_factor
    made = perfect_tile(rand, extent, n, most)
    return made, made  # type: ignore[return-value]
