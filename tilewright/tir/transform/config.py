"""The options of passes: `PassContext(config={"tir.UnrollLoop": {"auto_max_step": 16}})`.

An option of one value is declared with `register_config`; a group is a dataclass, given as a dict
of its fields or as an instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from ...ir.transform import PassContext, register_config

C = TypeVar("C")
_NAMES: dict[type, str] = {}


def declare_group(name: str, kind: type[C], doc: str) -> type[C]:
    """Declares the option `name`, a group of the fields of `kind`."""
    register_config(name, kind, doc)
    _NAMES[kind] = name
    return kind


def group_of(context: PassContext, kind: type[C]) -> C:
    """The options of a group in force: those given, else the defaults."""
    return cast(C, context.config.get(_NAMES[kind]) or kind())


def is_given(context: PassContext, kind: type[C]) -> bool:
    """True if the context says anything about the group."""
    return _NAMES[kind] in context.config


@dataclass(frozen=True)
class LoopPartitionConfig:
    """`partition_const_loop`: cut loops of constant length too (the default pipeline does so where
    the context says nothing). `no_unroll_loop_with_extent_one`: a part of one iteration stays a
    loop. `unroll_loop_with_partition_hint_no_interval`: unroll a hinted loop that cannot be cut."""

    partition_const_loop: bool = False
    no_unroll_loop_with_extent_one: bool = False
    unroll_loop_with_partition_hint_no_interval: bool = False


@dataclass(frozen=True)
class UnrollLoopConfig:
    """Serial loops are unrolled up to `auto_max_step` statements, `auto_max_depth` loops deep, or
    if they have at most `auto_max_extent` iterations. `explicit_unroll`: write the iterations
    out, else mark the loop. `unroll_local_access`: unroll loops whose variable indexes local
    memory."""

    auto_max_step: int = 0
    auto_max_depth: int = 8
    auto_max_extent: int = 0
    explicit_unroll: bool = True
    unroll_local_access: bool = False


@dataclass(frozen=True)
class HoistIfThenElseConfig:
    """`support_block_scope_hoisting`: conditions on the index of a thread block move too."""

    support_block_scope_hoisting: bool = False


@dataclass(frozen=True)
class HoistExpressionConfig:
    """Flags of `HoistedConditionals` and `HoistedLetBindings`."""

    hoisted_conditionals: int = 7
    hoisted_let_bindings: int = 7


@dataclass(frozen=True)
class InjectDoubleBufferConfig:
    """`split_loop`: how many iterations each step of the loop holds, 1 or an even number; the last
    iteration, with nothing to fill, stands after it. 0: one loop, in which a condition tells."""

    split_loop: int = 1


@dataclass(frozen=True)
class RemoveNoOpConfig:
    """`use_dataflow_analysis`: stores that are overwritten unread go too."""

    use_dataflow_analysis: bool = False
    max_simplification_steps: int = 0


@dataclass(frozen=True)
class SimplifyConfig:
    """`convert_boolean_to_and_of_ors`: conditions become an `and` of `or`s.
    `apply_constraints_to_boolean_branches`: each part of a condition is simplified with the others
    known. `propagate_knowns_to_prove_conditional`: what buffers are known to hold, by stores and by
    `T.assume`, decides branches. `propagate_knowns_to_simplify_expressions`: it also takes the
    place of loads in what is stored. `transitively_prove_inequalities` is always on."""

    transitively_prove_inequalities: bool = False
    propagate_knowns_to_prove_conditional: bool = False
    propagate_knowns_to_simplify_expressions: bool = False
    convert_boolean_to_and_of_ors: bool = False
    apply_constraints_to_boolean_branches: bool = False

    @property
    def uses_contents(self) -> bool:
        """True if it has to be known what buffers hold."""
        return (
            self.propagate_knowns_to_prove_conditional
            or self.propagate_knowns_to_simplify_expressions
        )


@dataclass(frozen=True)
class ReduceBranchingThroughOvercomputeConfig:
    """`use_dataflow_analysis`: what is computed in excess may be proved harmless by what is known
    of the memory."""

    use_dataflow_analysis: bool = False


declare_group("tir.LoopPartition", LoopPartitionConfig, "how loops are cut at conditions")
declare_group("tir.UnrollLoop", UnrollLoopConfig, "which loops are written out")
declare_group("tir.HoistIfThenElse", HoistIfThenElseConfig, "what moves out of loops")
declare_group("tir.HoistExpression", HoistExpressionConfig, "what moves out of loops")
declare_group("tir.InjectDoubleBuffer", InjectDoubleBufferConfig, "how buffers are doubled")
declare_group("tir.RemoveNoOp", RemoveNoOpConfig, "which statements have no effect")
declare_group("tir.Simplify", SimplifyConfig, "which proofs are tried")
declare_group(
    "tir.ReduceBranchingThroughOvercompute",
    ReduceBranchingThroughOvercomputeConfig,
    "what may be computed in excess",
)
ADD_LOWER_PASS = register_config(
    "tir.add_lower_pass", Sequence,
    "pairs (phase, pass) added to the default pipeline; phase 0: before its first pass, 1: after "
    "buffers are flat, 2: after loops are vectorized and unrolled, 3: before `MakePackedAPI`",
)  # fmt: skip
DISABLE_VECTORIZE = register_config(
    "tir.disable_vectorize", bool, "vectorized loops stay loops"
)  # fmt: skip
BUFFER_LEVEL_PREDICATION = register_config(
    "tir.enable_buffer_level_predication", bool,
    "conditions by lane become predicates (in the default pipeline unless False)",
)  # fmt: skip
DISABLE_STORAGE_REWRITE = register_config(
    "tir.disable_storage_rewrite", bool, "allocations share no memory"
)  # fmt: skip
DISABLE_CSE = register_config("tir.disable_cse_tir", bool, "equal expressions are not shared")
EQUIVALENT_TERMS = register_config(
    "tir.enable_equiv_terms_in_cse_tir", bool, "equal up to arithmetic counts as equal (always)"
)  # fmt: skip
DISABLE_ASSERT = register_config("tir.disable_assert", bool, "assertions are left out")
MERGE_STATIC_SMEM = register_config(
    "tir.merge_static_smem", bool, "static shared memory is merged as dynamic is"
)  # fmt: skip
USE_ASYNC_COPY = register_config(
    "tir.use_async_copy", bool, "copies to shared memory run asynchronously"
)  # fmt: skip
INSTRUMENT_BOUNDS = register_config(
    "tir.instrument_bound_checkers", bool, "accesses are checked when run"
)  # fmt: skip
INSTRUMENT_PROFILE = register_config("tir.instrument_lwp", bool, "loops are measured when run")
PROFILE_NO_FUNCTION = register_config(
    "tir.lwp_disable_func_prof", bool, "functions are not measured"
)  # fmt: skip
PROFILE_MAX_DEPTH = register_config(
    "tir.lwp_max_depth", int, "how deep loops are measured; 0: at any depth"
)  # fmt: skip
PROFILE_MIN_HEIGHT = register_config(
    "tir.lwp_min_height", int, "how many loops a measured one has within, at least"
)  # fmt: skip
PROFILE_SIBLINGS = register_config(
    "tir.instr_siblings", bool, "only loops with siblings are measured"
)  # fmt: skip
PROFILE_RESET_IDS = register_config(
    "tir.reset_start_id", bool, "numbers of measured loops begin anew"
)  # fmt: skip
VTCM_CAPACITY = register_config(
    "tir.vtcm_capacity", int, "bytes of tightly coupled memory; 0: no limit"
)  # fmt: skip
DMA_BYPASS_CACHE = register_config(
    "tir.experimental_dma_bypass_cache", bool, "copies by DMA go past the cache"
)  # fmt: skip
for name, without in (
    ("tir.noalias", "what a function says by its attribute `tir.noalias` counts"),
    ("tir.enable_debug", "places in the source are always kept"),
    ("tir.is_entry_func", "the entry is the function called `main`, or the only one"),
    ("tir.debug_keep_trivial_loop", "loops of one iteration go"),
    ("tir.detect_global_barrier", "blocks of threads never wait for each other"),
    ("tir.ptx_ldg32", "`InjectPTXLDG32` runs where a script calls it"),
):
    register_config(name, bool, f"no effect: {without}")
