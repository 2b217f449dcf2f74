"""The primitive `unannotate`."""

from __future__ import annotations

from ..instruction import BlockOrLoop, primitive
from ..refusal import refuse
from ..state import ScheduleState


@primitive
def unannotate(state: ScheduleState, block_or_loop: BlockOrLoop, ann_key: str) -> None:
    """Takes a note off a block or loop.

    for i in range(n, annotations={"pragma_unroll": 16})   ->   for i in range(n)
    """
    stmt = block_or_loop.stmt
    if stmt is None or ann_key not in stmt.annotations:
        refuse(f"there is no annotation {ann_key!r}", block_or_loop)
    left = {k: v for k, v in stmt.annotations.items() if k != ann_key}
    state.replace(block_or_loop, stmt.replace(annotations=left))
