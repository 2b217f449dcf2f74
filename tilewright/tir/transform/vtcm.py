"""Tightly coupled memory of Hexagon: its limit, and how it is allocated."""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.module import IRModule
from ...ir.op import register_op
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...support.errors import CompileError
from ..analysis.memory_size import calculate_allocated_bytes
from ..expr import Call, CallEffectKind, StringImm
from ..function import PrimFunc
from ..stmt import Allocate, LetStmt, Stmt
from .base import factory
from .compact_buffer import CompactBufferAllocation
from .config import VTCM_CAPACITY
from .convert_blocks_to_opaque import ConvertBlocksToOpaque
from .flatten_buffer import FlattenBuffer
from .inject_software_pipeline import InjectSoftwarePipeline
from .lower_init_block import LowerInitBlock
from .lower_match_buffer import LowerMatchBuffer
from .lower_opaque_block import LowerOpaqueBlock
from .plan_allocation import PlanAndUpdateBufferAllocationLocation
from .shared_lives import scope_of
from .simplify import Simplify
from .storage_rewrite import StorageRewrite
from .vectorize_loop import VectorizeLoop

SCOPE = "global.vtcm"
ALLOCATE = register_op("tir.nd_mem_alloc_with_scope", effect=CallEffectKind.UpdateState)
"""`nd_mem_alloc_with_scope(scope, rank, extents...)`: memory of a scope of the device."""


def get_vtcm_compaction_passes() -> list[Pass]:
    """What lowers blocks and places memory, after which the use of `global.vtcm` can be counted."""
    return [
        LowerInitBlock(),
        PlanAndUpdateBufferAllocationLocation(),
        ConvertBlocksToOpaque(),
        CompactBufferAllocation(),
        LowerMatchBuffer(),
        InjectSoftwarePipeline(),
        LowerOpaqueBlock(),
        FlattenBuffer(),
        Simplify(),
        VectorizeLoop(),
        StorageRewrite(moves=False),
    ]


def VerifyVTCMLimit(default_target: Any = None) -> Pass:
    """A pass that changes nothing and raises `CompileError` where a function allocates more
    `global.vtcm` memory than there is: the option `tir.vtcm_capacity`, else the target's
    `vtcm-capacity`; 0 is no limit."""

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        for var, func in mod.items():
            if isinstance(func, PrimFunc):
                limit = _limit(func, default_target, ctx)
                used = calculate_allocated_bytes(func)
                size = next(iter(used.values()), {}).get(SCOPE, 0)
                if limit and size > limit:
                    raise CompileError(
                        f"`{var.name_hint}` allocates {size} bytes of {SCOPE}, there are {limit}"
                    )
        return mod

    return ModulePass(transform, PassInfo(0, "tir.VerifyVTCMLimit"))


def _limit(func: PrimFunc, default_target: Any, ctx: PassContext) -> int:
    given = ctx.config.get(VTCM_CAPACITY)
    if given is not None:
        return int(given)
    target = func.attrs.get("target", default_target)
    return int(getattr(target, "attrs", {}).get("vtcm-capacity", 0))


class _Lower(Rewriter):
    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """allocate(m, n)   ->   let data = nd_mem_alloc_with_scope(scope, 2, m, n)"""
        body: Stmt = self.rewrite(node.body)
        if scope_of(node.buffer_var) != SCOPE:
            return node.replace(body=body)
        rank = IntImm("int64", len(node.extents))
        args: tuple[PrimExpr, ...] = (StringImm(SCOPE), rank, *node.extents)
        return LetStmt(node.buffer_var, Call("handle", ALLOCATE, args), body)


@factory
def LowerVtcmAlloc(func: PrimFunc) -> PrimFunc:
    """allocate(n, scope="global.vtcm")   ->   let data = nd_mem_alloc_with_scope(scope, 1, n)"""
    return func.replace(body=_Lower().run(func.body))
