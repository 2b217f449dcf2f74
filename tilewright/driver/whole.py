"""The whole way from a module to an executable, with everything that it takes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .. import relax
from ..codegen.llvm.codegen import failing_functions
from ..codegen.llvm.native_vm import FAILING_KERNELS
from ..ir.expr import BaseFunc
from ..ir.module import IRModule
from ..relax.pipeline import get_pipeline
from ..relax.vm_build import lower_to_executable
from ..runtime.executable import Executable
from ..runtime.vm.kernels import SCALAR_TYPES
from ..support.progress import stage
from ..target import Target
from ..tir.function import PrimFunc
from .executable import CompiledExecutable, code_of
from .facts import KERNELS, facts_of
from .kernels import TirPipeline, built, lowered, machine_of, scheduled
from .source import SourceExecutable, source_module


def compile_whole(
    mod: IRModule, target: Target, relax_pipeline: Any, tir_pipeline: Any
) -> CompiledExecutable:
    """The executable of `mod`; the cache is not asked. None instead of a pipeline does nothing."""
    has_graph = any(isinstance(f, relax.Function) for _, f in mod.items())
    own = {v.name_hint for v, f in mod.items() if isinstance(f, PrimFunc)}
    if has_graph and relax_pipeline is not None:
        name = "default_build" if relax_pipeline == "default" else relax_pipeline
        passes = get_pipeline(name) if isinstance(name, str) else name
        with target, stage("Optimize the graph"):
            mod = passes(mod)
    return build_module(mod, target, tir_pipeline or (lambda m: m), own)


def with_symbols(mod: IRModule) -> IRModule:
    """Loop programs of which none has a `global_symbol` are all public, under their own names."""
    if any("global_symbol" in f.attrs for _, f in mod.items()):
        return mod
    return mod.with_functions(
        {v: f.with_attr("global_symbol", v.name_hint) for v, f in mod.items()}
    )


def build_module(
    whole: IRModule, target: Target, tir_pipeline: TirPipeline, own: Collection[str]
) -> CompiledExecutable:
    """An executable from a module whose graph functions call kernels only; see `private_rest`."""
    if any(isinstance(f, relax.Function) for _, f in whole.items()):
        executable, kernels = lower_to_executable(whole)
        kernels = private_rest(kernels, own)
    else:
        executable, kernels = Executable({}), with_symbols(whole)
    if target.kind.name == "c":
        return _as_source(executable, kernels, target, tir_pipeline)
    flat, objects = built(kernels, target, tir_pipeline)
    executable.attrs[KERNELS] = facts_of(kernels, flat)
    executable.attrs[FAILING_KERNELS] = sorted(failing_functions(code_of(flat)))
    return CompiledExecutable(executable, objects, machine_of(target), flat, target)


def _as_source(
    executable: Executable, kernels: IRModule, target: Target, tir_pipeline: TirPipeline
) -> SourceExecutable:
    """Kernels of a graph get schedules; loop programs given as such stay as they were written."""
    made = scheduled(kernels, target) if executable.functions else kernels
    with stage("Write C"):
        flat = lowered(made, target, tir_pipeline)
        code = code_of(flat)
        executable.attrs[KERNELS] = facts_of(kernels, flat)
        executable.attrs[FAILING_KERNELS] = sorted(failing_functions(code))
        return SourceExecutable(executable, source_module(code), flat)


def private_rest(kernels: IRModule, own: Collection[str]) -> IRModule:
    """The kernels, without checked entry points for those that only the virtual machine calls.

    It calls the bare symbols. An entry with its messages is a third of a small kernel's code; the
    kernels of the user's (`own`) keep theirs, and those whose scalars only an entry can take.
    """
    return kernels.with_functions({
        var: func if var.name_hint in own or not _is_bare(func)
        else func.without_attr("global_symbol")
        for var, func in kernels.items()
    })  # fmt: skip


def _is_bare(func: BaseFunc) -> bool:
    return isinstance(func, PrimFunc) and all(
        param.dtype == "handle" or param.dtype in SCALAR_TYPES for param in func.params
    )
