"""From scheduled TensorIR to what code generators take: one list of passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.expr import BaseFunc, GlobalVar
from ..ir.module import IRModule
from ..ir.transform import Pass, PassContext, Sequential
from ..script.parser.arguments import explained
from ..support.errors import ArgumentError, ArgumentTypeError
from . import transform as T
from .function import PrimFunc
from .transform.config import ADD_LOWER_PASS

PHASES = 4
"""Places for a user's passes: as scheduled, flat, loops transformed, at the end."""


def default_passes(packed: bool = True) -> list[Pass]:
    """The passes of the default pipeline, in order, with those that the context in force adds."""
    added = _added(PassContext.current().config.get(ADD_LOWER_PASS, ()))
    return [
        *added[0],
        T.LowerInitBlock(),
        T.PlanAndUpdateBufferAllocationLocation(),
        T.ConvertBlocksToOpaque(),
        T.CompactBufferAllocation(),
        T.LowerMatchBuffer(),
        T.InjectSoftwarePipeline(),
        T.LowerOpaqueBlock(),
        T.RewriteUnsafeSelect(),
        T.FlattenBuffer(),
        T.Simplify(),
        *added[1],
        T.LoopPartition(cuts_constant=True),
        T.Simplify(),
        T.VectorizeLoop(masks=True),
        T.TurnTiles(),
        T.StorageRewrite(moves=False),
        T.UnrollLoop(),
        *added[2],
        T.PrefetchAhead(),
        T.ShareIndices(),
        T.ConvertSSA(),
        T.DisableAssert(),
        *added[3],
        *([T.MakePackedAPI()] if packed else []),
        T.BareKernel(),
    ]


def _added(entries: Sequence[Any]) -> list[list[Pass]]:
    """The user's passes by phase; those of later phases than the last belong to the last."""
    added: list[list[Pass]] = [[] for _ in range(PHASES)]
    for entry in entries:
        match entry:
            case [int(phase), Pass() as one] if phase >= 0:
                added[min(phase, PHASES - 1)].append(one)
            case _:
                raise ArgumentTypeError(
                    f"an entry of {ADD_LOWER_PASS!r} is (phase, pass), found {entry!r}",
                    hint="write [(1, a_pass)]; phases are 0, 1, 2 and 3",
                )
    return added


@explained("tir.get_tir_pipeline")
def get_tir_pipeline(name: str = "default", **options: Any) -> Pass:
    """The pipeline called `name`: `default`, which lowers all the way."""
    if name not in ("default", "tir"):
        raise ArgumentError(f"unknown pipeline {name!r}", hint="there is `default`")
    return Sequential(default_passes(**options), name="tir.pipeline.default")


@explained("tir.get_default_tir_pipeline")
def get_default_tir_pipeline(target: Any = None) -> Pass:
    """The pipeline for `target`; all share one."""
    del target
    return get_tir_pipeline()


def lower(func_or_mod: PrimFunc | IRModule, *, packed: bool = True) -> IRModule:
    """The module of flat functions that code generators take.

    Of each function `k` remains the bare kernel (see `kernel_params` for its parameters) and,
    with `packed`, for each public one a checked entry `__tvm_ffi_k`. A function alone, and all
    functions of a module in which none has a `global_symbol`, are public.
    """
    mod = func_or_mod
    if isinstance(mod, PrimFunc):
        symbol = str(mod.attrs.get("global_symbol", "main"))
        mod = IRModule({GlobalVar(symbol): mod.with_attr("global_symbol", symbol)})
    kernels = [f for f in mod.functions.values() if isinstance(f, PrimFunc)]
    if packed and not any("global_symbol" in f.attrs for f in kernels):
        functions: dict[GlobalVar, BaseFunc] = {}
        for var, func in mod.items():
            named = isinstance(func, PrimFunc)
            functions[var] = func.with_attr("global_symbol", var.name_hint) if named else func
        mod = mod.with_functions(functions)
    return get_tir_pipeline("default", packed=packed)(mod)
