"""The passes of TensorIR, one a file: each a factory of a `Pass`, with its work as `apply`."""

from .base import prim_func_pass
from .common_subexpr import CommonSubexprElimTIR
from .compact_buffer import CompactBufferAllocation
from .convert_blocks_to_opaque import ConvertBlocksToOpaque
from .convert_for_loops_to_serial import ConvertForLoopsToSerial
from .convert_ssa import ConvertSSA
from .flatten_buffer import FlattenBuffer
from .loop_partition import LoopPartition
from .lower_init_block import LowerInitBlock
from .lower_match_buffer import LowerMatchBuffer
from .lower_opaque_block import LowerOpaqueBlock
from .make_packed_api import MakePackedAPI
from .make_unpacked_api import MakeUnpackedAPI
from .plan_allocation import PlanAndUpdateBufferAllocationLocation
from .remove_no_op import RemoveNoOp
from .simplify import Simplify
from .unroll_loop import UnrollLoop
from .vectorize_loop import VectorizeLoop

__all__ = [
    "CommonSubexprElimTIR",
    "CompactBufferAllocation", "ConvertBlocksToOpaque", "ConvertForLoopsToSerial", "ConvertSSA",
    "FlattenBuffer", "LoopPartition", "LowerInitBlock", "LowerMatchBuffer", "LowerOpaqueBlock",
    "MakePackedAPI", "MakeUnpackedAPI", "PlanAndUpdateBufferAllocationLocation", "RemoveNoOp",
    "Simplify", "UnrollLoop", "VectorizeLoop", "prim_func_pass",
]  # fmt: skip
