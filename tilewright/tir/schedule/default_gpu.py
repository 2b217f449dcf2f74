"""A schedule that runs on any GPU: every block's parallel loops over blocks of threads."""

from __future__ import annotations

import math
from typing import Any

from ...ir.expr import BaseFunc, GlobalVar, IntImm
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...target import Target
from ..expr import IterVarType
from ..function import PrimFunc
from ..stmt import ForKind
from .rv import BlockRV
from .schedule import Schedule

SCHEDULED = "tir.is_scheduled"
MAX_BLOCKS = 256


def thread_bind(sch: Schedule, block: BlockRV, max_threads: int) -> None:
    """for i, j: f   ->   for blockIdx.x, threadIdx.x: f, unless a loop of `block` is bound."""
    loops = sch.get_loops(block)
    if any(sch.get(loop).thread_binding is not None for loop in loops):
        return
    kinds = [axis.iter_type for axis in sch.get(block).iter_vars]
    parallel = []
    if len(kinds) == len(loops):
        spatial = IterVarType.DataPar
        parallel = [loop for loop, kind in zip(loops, kinds, strict=True) if kind == spatial]
        rest = [loop for loop, kind in zip(loops, kinds, strict=True) if kind != spatial]
        if parallel and rest:
            sch.reorder(*parallel, *rest)
    if not parallel:
        parallel = [sch.add_unit_loop(loops[0] if loops else block)]
    extents = [sch.get(loop).extent for loop in parallel]
    fused = sch.fuse(*parallel) if len(parallel) > 1 else parallel[0]
    _bind_one(sch, fused, extents, max_threads)


def _bind_one(sch: Schedule, loop: Any, extents: list[Any], max_threads: int) -> None:
    sizes = [e.value if isinstance(e, IntImm) else math.inf for e in extents]
    count = 0 if 0 in sizes else math.prod(sizes)
    if count > max_threads * MAX_BLOCKS:
        rest, block, thread = sch.split(loop, [None, MAX_BLOCKS, max_threads])
        sch.reorder(block, thread, rest)
    else:
        block, thread = sch.split(loop, [None, min(max(count, 1), max_threads)])
    sch.bind(block, "blockIdx.x")
    sch.bind(thread, "threadIdx.x")


def _target_of(func: PrimFunc) -> Target | None:
    given = func.attrs.get("target")
    return Target.current(allow_none=True) if given is None else Target(given)


def _scheduled(func: PrimFunc, max_threads: int) -> BaseFunc:
    sch = Schedule(func)
    root = sch.get_block("root")
    for block in sch.get_child_blocks(root):
        _each_leaf(sch, block, max_threads)
    made: BaseFunc = sch.mod["main"].with_attr(SCHEDULED, True)
    return made


def _each_leaf(sch: Schedule, block: BlockRV, max_threads: int) -> None:
    loops = sch.get_loops(block)
    serial = all(sch.get(loop).kind == ForKind.SERIAL for loop in loops)
    if serial or not loops:
        thread_bind(sch, block, max_threads)


def DefaultGPUSchedule() -> Pass:
    """for i, j: f   ->   for blockIdx.x, threadIdx.x: f, in every function for a GPU

    The parallel loops of each block are fused and split over at most 256 blocks of as many threads
    as the target runs at most; what is more, or of unknown size, runs in a loop. Functions that are
    scheduled already stay.
    """

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        out: dict[GlobalVar, BaseFunc] = {}
        for var, func in mod.items():
            out[var] = func
            if isinstance(func, PrimFunc) and not func.attrs.get(SCHEDULED):
                target = _target_of(func)
                if target is not None and "gpu" in target.keys:
                    out[var] = _scheduled(func, target.max_num_threads)
        return mod.with_functions(out)

    return ModulePass(transform, PassInfo(0, "tir.DefaultGPUSchedule"))
