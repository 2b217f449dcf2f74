"""The primitive `annotate`."""

from __future__ import annotations

from typing import Any

from ..instruction import BlockOrLoop, Value, primitive
from ..refusal import refuse
from ..state import ScheduleState


@primitive
def annotate(
    state: ScheduleState, block_or_loop: BlockOrLoop, ann_key: str, ann_val: Value
) -> None:
    """Writes a note on a block or loop, replacing one of the same key.

    for i in range(n)   ->   for i in range(n, annotations={"pragma_unroll": 16})
    """
    stmt = block_or_loop.stmt
    if stmt is None or not ann_key:
        refuse("the key of an annotation is empty", block_or_loop)
    state.replace(
        block_or_loop, stmt.replace(annotations={**stmt.annotations, ann_key: _plain(ann_val)})
    )


def _plain(value: Any) -> Any:
    """Lists as tuples, so that the IR stays immutable."""
    if isinstance(value, (list, tuple)):
        return tuple(_plain(v) for v in value)
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
