"""The passes of TensorIR, one a file: each a factory of a `Pass`, with its work as `apply`."""

from typing import TYPE_CHECKING

from ...support import public as _public
from .assumptions import ReduceBranchingThroughOvercompute, UseAssumeToReduceBranches
from .base import prim_func_pass
from .bind_target import BindTarget
from .combine_context_call import CombineContextCall
from .common_subexpr import CommonSubexprElimTIR
from .compact_buffer import CompactBufferAllocation
from .compute_legalize import BF16ComputeLegalize, FP8ComputeLegalize, FP16ComputeLegalize
from .convert_blocks_to_opaque import ConvertBlocksToOpaque
from .convert_for_loops_to_serial import ConvertForLoopsToSerial
from .convert_ssa import ConvertSSA
from .device_regions import AnnotateDeviceRegions, DecorateDeviceScope
from .extract_constants import ExtractPrimFuncConstants
from .flatten_buffer import FlattenBuffer
from .force_narrow import ForceNarrowIndexToInt32
from .hoist import HoistedConditionals, HoistedLetBindings, HoistExpression, HoistIfThenElse
from .infer_fragment import InferFragment
from .inject_double_buffer import InjectDoubleBuffer
from .inject_permuted_layout import InjectPermutedLayout
from .inject_ptx_async_copy import InjectPTXAsyncCopy
from .inject_ptx_ldg32 import InjectPTXLDG32
from .inject_rolling_buffer import InjectRollingBuffer
from .inject_software_pipeline import InjectSoftwarePipeline
from .inject_virtual_thread import InjectVirtualThread
from .inline_private_functions import InlinePrivateFunctions
from .instrument_bounds import InstrumentBoundCheckers
from .instrument_profile import InstrumentProfileIntrinsics
from .lift_thread_binding import LiftThreadBinding
from .loop_partition import LoopPartition
from .lower_async_dma import LowerAsyncDMA
from .lower_auto_copy import LowerAutoCopy
from .lower_cross_thread_reduction import LowerCrossThreadReduction
from .lower_custom_datatypes import LowerCustomDatatypes
from .lower_device_kernel_launch import LowerDeviceKernelLaunch
from .lower_init_block import LowerInitBlock
from .lower_intrin import LowerIntrin
from .lower_match_buffer import LowerMatchBuffer
from .lower_opaque_block import LowerOpaqueBlock
from .lower_storage_access import LowerDeviceStorageAccessInfo
from .lower_thread_allreduce import LowerThreadAllreduce
from .lower_tvm_builtin import LowerTVMBuiltin
from .lower_warp_memory import LowerWarpMemory
from .make_packed_api import MakePackedAPI
from .make_unpacked_api import BareKernel, MakeUnpackedAPI
from .manifest_local_stage import ManifestSharedMemoryLocalStage
from .merge_shared_memory import MergeSharedMemoryAllocations
from .narrow_data_type import NarrowDataType
from .plan_allocation import PlanAndUpdateBufferAllocationLocation
from .pointer_value_type import PointerValueTypeRewrite
from .prefetch_ahead import PrefetchAhead
from .remove_layout_blocks import RemoveWeightLayoutRewriteBlock
from .remove_no_op import RemoveNoOp
from .remove_store_undef import RemoveStoreUndef
from .renormalize_split import RenormalizeSplitPattern
from .rewrite_unsafe_select import RewriteUnsafeSelect
from .share_indices import ShareIndices
from .simplify import Simplify
from .small import (
    AnnotateEntryFunc,
    AnnotateIrregularLoop,
    Apply,
    DisableAssert,
    Filter,
    RemoveAssume,
    SkipAssert,
    VerifyMemory,
)  # fmt: skip
from .split_host_device import SplitHostDevice
from .storage_legalize import BF16StorageLegalize, FP8StorageLegalize
from .storage_rewrite import StorageRewrite
from .thread_sync import ThreadSync
from .transform_mma_layout import TransformMmaBufferLayout
from .turn_tiles import TurnTiles
from .unify_thread_binding import UnifyThreadBinding
from .unroll_loop import UnrollLoop
from .vectorize_loop import VectorizeLoop
from .vtcm import LowerVtcmAlloc, VerifyVTCMLimit

if not TYPE_CHECKING:  # passes that stand on schedules
    __getattr__, __dir__ = _public.lazy_attributes(__name__)

_PASSES = [name for name in globals() if name[0].isupper() and not name.isupper()]
__all__ = [*_PASSES, "prim_func_pass"]
