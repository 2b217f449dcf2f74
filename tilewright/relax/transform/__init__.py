"""Passes over Relax programs, one a file."""

from ._pass import dataflowblock_pass, function_pass
from .annotate_tir_op_pattern import AnnotateTIROpPattern, OpPatternKind, analyze_op_pattern
from .call_tir_rewrite import CallTIRRewrite
from .fuse_ops import FuseOps
from .fuse_tir import FuseTIR
from .legalize_ops import LegalizeOps, register_legalize
from .static_plan_block_memory import StaticPlanBlockMemory
from .to_non_dataflow import RemovePurityChecking, ToNonDataflow
