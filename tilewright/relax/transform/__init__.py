"""Passes over Relax programs, one a file."""

from ._pass import dataflowblock_pass, function_pass
from .adjust_matmul_order import AdjustMatmulOrder
from .allocate_workspace import AllocateWorkspace
from .alter_op_impl import AlterOpImpl
from .annotate_tir_op_pattern import AnnotateTIROpPattern, OpPatternKind, analyze_op_pattern
from .bind_params import BindParams, BindSymbolicVars
from .blocked_layout import BlockChannels
from .call_tir_rewrite import CallTIRRewrite
from .canonicalize_bindings import CanonicalizeBindings
from .combine_parallel_matmul import CombineParallelMatmul
from .convert_layout import ConvertLayout
from .convert_to_dataflow import ConvertToDataflow
from .dataflow_inplace import DataflowUseInplaceCalls
from .dead_code_elimination import DeadCodeElimination
from .decompose_for_training import DecomposeOpsForTraining
from .decompose_ops import DecomposeOpsForInference
from .drop_broadcasts import DropBroadcasts
from .eliminate_common_subexpr import EliminateCommonSubexpr
from .expand_matmul_of_sum import ExpandMatmulOfSum
from .fast_math import FastMathTransform
from .fold_batchnorm import FoldBatchnormToConv2D
from .fold_constant import FOLD_HOOKS, FoldConstant
from .fuse_ops import FuseOps
from .fuse_ops_by_pattern import FuseOpsByPattern, FusionPattern, PatternCheckContext
from .fuse_tir import FuseTIR
from .fuse_transpose_matmul import FuseTransposeMatmul
from .gradient import Gradient
from .kill_after_last_use import KillAfterLastUse
from .lambda_lift import LambdaLift
from .layout_free_buffers import AttachAttrLayoutFreeBuffers
from .lazy_params import LazyGetInput, LazySetOutput
from .lazy_transform_params import LazyTransformParams
from .legalize_ops import LegalizeOps, register_legalize
from .lift_transform_params import BundleModelParams, LiftTransformParams
from .machine_compat import (
    ComputePrimValue,
    LowerAllocTensor,
    LowerRuntimeBuiltin,
    VMBuiltinLower,
    VMShapeLower,
)
from .merge_composite_functions import MergeCompositeFunctions
from .name_extents import NameExtents
from .normalize import AttachGlobalSymbol, Normalize, NormalizeGlobalVar
from .optimize_layout_transform import OptimizeLayoutTransform
from .pack_weights import PackWeights
from .private_functions import (
    InlinePrivateFunctions,
    RemoveUnusedParameters,
    UpdateParamStructInfo,
)
from .private_signatures import ExpandTupleArguments, RemoveUnusedOutputs
from .recognize_norms import RecognizeNorms
from .remove_redundant_reshape import RemoveRedundantReshape
from .reorder_permute_dims_after_concat import ReorderPermuteDimsAfterConcat
from .reorder_take_after_matmul import ReorderTakeAfterMatmul
from .rewrite_dataflow_reshape import RewriteDataflowReshape
from .sink_reshapes import SinkReshapes
from .split_layout_rewrite import SplitLayoutRewritePreproc
from .static_plan_block_memory import StaticPlanBlockMemory
from .to_mixed_precision import ToMixedPrecision
from .to_non_dataflow import RemovePurityChecking, ToNonDataflow
from .topological_sort import TopologicalSort
from .transposed_phases import TransposedConvPhases
from .virtual_devices import RealizeVDevice, UpdateVDevice
