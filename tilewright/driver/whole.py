"""The whole way from a module to an executable, with everything that it takes."""

from __future__ import annotations

from typing import Any

from .. import relax
from ..codegen.llvm.codegen import failing_functions
from ..codegen.llvm.native_vm import FAILING_KERNELS
from ..ir.module import IRModule
from ..relax.pipeline import get_pipeline
from ..relax.vm_build import lower_to_executable
from ..support.progress import stage
from ..target import Target
from ..tir.function import PrimFunc
from .executable import CompiledExecutable
from .kernels import TirPipeline, lowered, machine_of, object_code, scheduled


def compile_whole(
    mod: IRModule, target: Target, relax_pipeline: Any, tir_pipeline: Any
) -> CompiledExecutable:
    """The executable of `mod`; the cache is not asked. None instead of a pipeline does nothing."""
    has_graph = any(isinstance(f, relax.Function) for _, f in mod.items())
    if has_graph and relax_pipeline is not None:
        name = "default_build" if relax_pipeline == "default" else relax_pipeline
        passes = get_pipeline(name) if isinstance(name, str) else name
        with target, stage("Optimize the graph"):
            mod = passes(mod)
    return build_module(mod, target, tir_pipeline or (lambda m: m))


def build_module(whole: IRModule, target: Target, tir_pipeline: TirPipeline) -> CompiledExecutable:
    """An executable from a module whose graph functions call kernels only."""
    if any(isinstance(f, relax.Function) for _, f in whole.items()):
        executable, kernels = lower_to_executable(whole)
    else:
        executable, kernels = Executable({}), whole
    flat = lowered(scheduled(kernels, target), target, tir_pipeline)
    objects = object_code(flat, target)
    code = {v.name_hint: f for v, f in flat.items() if isinstance(f, PrimFunc)}
    executable.attrs[FAILING_KERNELS] = sorted(failing_functions(code))
    return CompiledExecutable(executable, objects, machine_of(target), flat)
