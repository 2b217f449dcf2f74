"""The primitive `annotate`."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from ....ir.node import Node
from ....target import Target
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
    value = _plain(ann_key, ann_val, block_or_loop)
    state.replace(block_or_loop, stmt.replace(annotations={**stmt.annotations, ann_key: value}))


def _plain(key: str, value: Any, place: BlockOrLoop) -> Any:
    """Lists as tuples, so that the IR stays immutable; what script cannot show is refused."""
    if value is None or isinstance(value, (bool, int, float, str, Node, Target)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_plain(key, v, place) for v in value)
    if isinstance(value, dict):
        return {_plain(key, k, place): _plain(key, v, place) for k, v in value.items()}
    if isinstance(value, Real):  # numpy's
        return int(value) if isinstance(value, Integral) else float(value)
    refuse(
        f"the annotation `{key}` holds a value of type {type(value).__name__}", place,
        hint="allowed are numbers, strings, expressions and other IR, None, and lists and "
        "dictionaries of them",
    )  # fmt: skip
