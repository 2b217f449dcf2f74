"""Questions about Relax programs."""

from .effects import (
    computable_at_compile_time,
    contains_impure_call,
    detect_recursion,
    is_impure_call,
    remove_all_unused,
)
from .layout_transforms import suggest_layout_transforms
from .memory_usage import estimate_memory_usage
from .relations import (
    BaseCheckResult,
    collect_non_negative_expressions,
    definable_tir_vars_in_struct_info,
    derive_call_ret_struct_info,
    erase_to_well_defined,
    struct_info_base_check,
    struct_info_lca,
    tir_vars_in_struct_info,
)
from .reshape_pattern import has_reshape_pattern
from .static_type import get_static_type
from .variables import *
from .well_formed import check_well_formed, problems, well_formed
