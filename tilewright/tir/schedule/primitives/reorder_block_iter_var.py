"""The primitive `reorder_block_iter_var`."""

from __future__ import annotations

from ..instruction import Block, primitive
from ..refusal import refuse
from ..state import ScheduleState


@primitive(inputs=("new_order",))
def reorder_block_iter_var(state: ScheduleState, block: Block, new_order: list[int]) -> None:
    """Lists the axes of a block in another order; the loops stay.

    with block("B"): v_i, v_j = remap("SS", [i, j])   ->   v_j, v_i = remap("SS", [j, i])
    """
    stmt, realize = block.block, block.realize
    count = len(stmt.iter_vars)
    if sorted(new_order) != list(range(count)) or realize is None:
        refuse(f"{list(new_order)} is not an order of the block's {count} axes", block)
    made = stmt.replace(iter_vars=tuple(stmt.iter_vars[k] for k in new_order))
    values = tuple(realize.iter_values[k] for k in new_order)
    # all at once: neither the old values with the new axes nor the other way round is a program
    fresh = type(realize)(values, realize.predicate, made, span=realize.span)
    state.replace(block, fresh, {stmt: made})
