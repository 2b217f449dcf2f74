"""The primitive `sample_partitioned_tile`."""

from __future__ import annotations

import random
from typing import Any

from ..instruction import Expr, Loop, primitive
from ..refusal import refuse
from ..sampling import constant_extent, decided_partition, open_tile, perfect_tile
from ..state import ScheduleState


@primitive(sampling=True)
def sample_partitioned_tile(
    state: ScheduleState,
    loop: Loop,
    n: int,
    partition_pos: int = 0,
    innerpart_factor: int = 1,
    *,
    rand: random.Random,
    decision: Any = None,
) -> list[Expr]:
    """`n` factors of the loop's extent; those from `partition_pos` on multiply to a multiple of
    `innerpart_factor` (they are all 1 but the first if the extent is no multiple of it)."""
    if not 0 <= partition_pos < n:
        refuse(f"the partition {partition_pos} is not one of {n} places", loop)
    if innerpart_factor < 1:
        refuse(f"`innerpart_factor` must be at least 1, got {innerpart_factor}", loop)
    if decision is not None:
        made = decided_partition(decision, n, loop, partition_pos, innerpart_factor)
        return made, made  # type: ignore[return-value]
    extent = constant_extent(loop)
    if extent is None:
        return open_tile(loop, n), None  # type: ignore[return-value]
    if extent % innerpart_factor:
        made = [extent] + [1] * (n - 1)
        return made, made  # type: ignore[return-value]
    rest = extent // innerpart_factor
    if partition_pos == 0:
        made = perfect_tile(rand, extent, n, extent)
        return made, made  # type: ignore[return-value]
    made = perfect_tile(rand, rest, n, rest)
    made[partition_pos] *= innerpart_factor
    return made, made  # type: ignore[return-value]
