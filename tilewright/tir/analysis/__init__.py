"""What can be told of loop programs without running them."""

from typing import TYPE_CHECKING

from ...support import public as _public
from .access_lca import detect_buffer_access_lca
from .access_region import get_block_access_region, get_block_read_write_region
from .anchor_block import find_anchor_block
from .bounds import OOBChecker, out_of_bounds
from .expr_equal import expr_deep_equal
from .gpu_code import gpu_usage, verify_gpu_code
from .memcpy import identify_memcpy
from .memory_size import (
    calculate_allocated_bytes,
    calculate_constant_bytes,
    calculate_workspace_bytes,
    estimate_tir_flops,
)
from .purity import assert_pure_function, is_pure_function
from .undefined_vars import undefined_vars
from .verify import verify_memory, verify_ssa, verify_well_formed
from .work import Work, work_of

__all__ = [
    "OOBChecker", "Work", "assert_pure_function", "calculate_allocated_bytes",
    "calculate_constant_bytes", "calculate_workspace_bytes", "detect_buffer_access_lca",
    "estimate_tir_flops", "expr_deep_equal", "find_anchor_block", "get_block_access_region",
    "get_block_read_write_region", "gpu_usage", "identify_memcpy", "is_pure_function",
    "out_of_bounds",
    "undefined_vars",
    "verify_gpu_code", "verify_memory", "verify_ssa", "verify_well_formed", "work_of",
]  # fmt: skip

if not TYPE_CHECKING:  # names that transformations define
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
