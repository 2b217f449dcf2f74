"""The primitive `annotate_buffer_access`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from ....ir.expr import IntImm, Range
from ....support.errors import ArgumentError
from ... import op as T
from ...index_map import IndexMap
from ...stmt import BufferRegion
from ..buffer_args import BufferSide
from ..instruction import Block, Role, primitive
from ..refusal import refuse
from ..state import ScheduleState

if TYPE_CHECKING:
    from ..schedule import Schedule


def _accept(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    """`lambda i, j: ((low, high), j)` as a map to low, high, low, high...; a flat list of the two
    ends of every dimension, as traces write it, is taken as such."""
    if isinstance(value, IndexMap):
        return value
    if not isinstance(value, Callable):  # type: ignore[arg-type]
        raise ArgumentError("expected a function from the block's axes to ranges")
    axes = schedule.get(given["block"]).iter_vars
    _require_arity(value, len(axes))
    dtype = axes[0].var.dtype if axes else "int32"

    def flat(*indices: Any) -> list[Any]:
        made = value(*indices)
        if not isinstance(made, (list, tuple)):
            raise ArgumentError(f"the function gives {type(made).__name__}, not a list of ranges")
        parts = list(made)
        if len(parts) == 2 * _rank(schedule, given):
            return parts
        out = []
        for part in parts:
            low, high = part if isinstance(part, (tuple, list)) else (part, part + 1)
            out += [low, high]
        return out

    return IndexMap.from_func(flat, len(axes), index_dtype=dtype)


def _require_arity(function: Callable[..., Any], count: int) -> None:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        raise ArgumentError(f"the function does not take the block's {count} axes") from None


def _rank(schedule: Schedule, given: dict[str, Any]) -> int:
    """How many dimensions the buffer has; 0 if the arguments before name none."""
    regions = getattr(schedule.get(given["block"]), f"{given['buf_type']}s", ())
    place = given["buffer_index"]
    return int(regions[place].buffer.ndim) if 0 <= place < len(regions) else 0


Ranges = Annotated[IndexMap, Role("a function of the block's axes", False, _accept)]


@primitive(inputs=("buffer_index", "buf_type", "gen_new_ranges"))
def annotate_buffer_access(
    state: ScheduleState,
    block: Block,
    buffer_index: int,
    buf_type: BufferSide,
    gen_new_ranges: Ranges,
) -> None:
    """Declares what a block reads or writes of one buffer, in place of what was found out.

    reads(A[v_i])   ->   reads(A[v_i - 1 : v_i + 2])    # lambda i: [(i - 1, i + 2)]

    Passes that compute the regions anew keep the declared one.
    """
    stmt = block.block
    regions = list(getattr(stmt, f"{buf_type}s"))
    if not 0 <= buffer_index < len(regions):
        refuse(f"the block has {len(regions)} {buf_type} buffers, {buffer_index} is not one", block)
    buffer = regions[buffer_index].buffer
    ends = gen_new_ranges.map_indices([axis.var for axis in stmt.iter_vars])
    if len(ends) != 2 * buffer.ndim:
        refuse(f"{len(ends) // 2} ranges for `{buffer.name}` of {buffer.ndim} dimensions", block)
    ranges = tuple(
        Range(low, T.simplified(T.subtract(high, low)))
        for low, high in zip(ends[::2], ends[1::2], strict=True)
    )
    regions[buffer_index] = BufferRegion(buffer, ranges)
    key = f"explicit_{buf_type}_region"
    marks = list(stmt.annotations.get(key, ()))
    if buffer_index not in [int(k) for k in marks]:
        marks.append(IntImm("int32", buffer_index))
    state.replace(
        block,
        stmt.replace(
            **{f"{buf_type}s": tuple(regions)}, annotations={**stmt.annotations, key: marks}
        ),
    )
