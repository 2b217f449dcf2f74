"""The primitive `unsafe_set_dtype`."""

from __future__ import annotations

from ....support.dtypes import dtype_name
from ..buffer_args import WriteBuffer
from ..instruction import Block, primitive
from ..retype import retyped
from ..state import ScheduleState
from .set_scope import allocation_site


@primitive(name="UnsafeSetDType")
def unsafe_set_dtype(
    state: ScheduleState, block: Block, buffer_index: WriteBuffer, dtype: str
) -> None:
    """Keeps a buffer in another data type: casts where it is stored and loaded. May lose precision.

    B[i] = x; y = B[i]   ->   B[i] = float16(x); y = float32(B[i])
    """
    old = block.block.writes[buffer_index].buffer
    wanted = dtype_name(dtype)
    if wanted == old.dtype:
        return
    home = allocation_site(block, old)
    made, reuse = retyped(home.block, old, wanted)
    state.replace(home, made, {**reuse, home.block: made})
