"""What a device says of its memory of special scopes, such as `local.acc`."""

from __future__ import annotations

from ..ffi import get_global_func
from ..ir.expr import PrimExpr
from ..ir.node import Node, node


@node("target.MemoryInfo")
class MemoryInfo(Node):
    """Memory that is accessed in units of `unit_bits`, by at most `max_simd_bits` at once.

    It has `max_num_bits` in all and begins at `head_address`; None: it has no address.
    """

    unit_bits: int
    max_num_bits: int
    max_simd_bits: int
    head_address: PrimExpr | None = None


def memory_info(scope: str) -> MemoryInfo | None:
    """What the global function `tvm.info.mem.<scope>` returns; None if there is none."""
    function = get_global_func(f"tvm.info.mem.{scope}", allow_missing=True)
    made: MemoryInfo | None = None if function is None else function()
    return made
