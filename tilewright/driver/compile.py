"""`compile`: an IRModule (or one function) to an executable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import relax
from ..codegen.llvm.codegen import failing_functions
from ..codegen.llvm.native_vm import FAILING_KERNELS
from ..ir.module import IRModule
from ..ir.transform import Pass
from ..relax.pipeline import get_pipeline
from ..relax.transform import BindParams
from ..relax.vm_build import lower_to_executable
from ..support.errors import ArgumentError
from ..support.progress import stage
from ..target import Target
from ..tir.function import PrimFunc
from .executable import CompiledExecutable
from .kernels import TirPipeline, lowered, machine_of, object_code, scheduled

RelaxPipeline = Callable[[IRModule], IRModule] | Pass | str

CPU_KINDS = ("llvm", "c")


def compile(
    mod: IRModule | PrimFunc | relax.Function,
    target: Target | str | dict[str, Any] | None = None,
    *,
    relax_pipeline: RelaxPipeline | None = "default",
    tir_pipeline: TirPipeline | None = "default",
    params: Mapping[str, Any] | None = None,
    exec_mode: str = "native",
) -> CompiledExecutable:
    """Compiles every function of `mod` for `target` (default: the current one, else this machine).

    relax_pipeline, tir_pipeline: the name of a pipeline, a pass, or a function of modules.
    params: values of parameters of `main` by name; they become constants.
    exec_mode: accepted for compatibility; both executors come from the one executable.

    Raises `CompileError` for a program that cannot be compiled, with the model's node.
    """
    del exec_mode
    whole = as_module(mod)
    chosen = as_target(target)
    if params:
        whole = BindParams("main", dict(params))(whole)
    has_graph = any(isinstance(f, relax.Function) for _, f in whole.items())
    if has_graph and relax_pipeline is not None:
        name = "default_build" if relax_pipeline == "default" else relax_pipeline
        passes = get_pipeline(name) if isinstance(name, str) else name
        with chosen, stage("Optimize the graph"):
            whole = passes(whole)
    return build_module(whole, chosen, tir_pipeline or (lambda m: m))


def build_module(whole: IRModule, target: Target, tir_pipeline: TirPipeline) -> CompiledExecutable:
    """An executable from a module whose graph functions call kernels only."""
    executable, kernels = lower_to_executable(whole)
    flat = lowered(scheduled(kernels, target), target, tir_pipeline)
    objects = object_code(flat, target)
    code = {v.name_hint: f for v, f in flat.items() if isinstance(f, PrimFunc)}
    executable.attrs[FAILING_KERNELS] = sorted(failing_functions(code))
    return CompiledExecutable(executable, objects, machine_of(target), flat)


def as_module(mod: Any) -> IRModule:
    """`mod` as a module. Raises `ArgumentError` for other things than functions and modules."""
    if isinstance(mod, IRModule):
        return mod
    if isinstance(mod, (PrimFunc, relax.Function)):
        return IRModule.from_expr(mod)
    raise ArgumentError(f"compile takes an IRModule or a function, found {type(mod).__name__}")


def as_target(target: Target | str | dict[str, Any] | None) -> Target:
    """The target asked for, else the current one, else this machine. Only CPUs compile today."""
    chosen = (
        target
        if isinstance(target, Target)
        else (
            Target.current(allow_none=True) or Target("llvm") if target is None else Target(target)
        )
    )
    if chosen.kind.name not in CPU_KINDS[:1]:
        raise ArgumentError(
            f"there is no code generator for targets of kind {chosen.kind.name!r}",
            hint="use a target of kind 'llvm', such as \"llvm -mcpu=x86-64-v3\"",
        )
    return chosen


def build(
    mod: Any, target: Any = None, pipeline: Any = "default", **options: Any
) -> CompiledExecutable:
    """`compile`, under TVM's older name; `pipeline` is the one of loop programs."""
    del options
    return compile(mod, target, tir_pipeline=pipeline)


def build_relax(
    mod: Any,
    target: Any = None,
    params: Mapping[str, Any] | None = None,
    relax_pipeline: RelaxPipeline | None = "default",
    tir_pipeline: TirPipeline | None = "default",
    exec_mode: str = "native",
    **options: Any,
) -> CompiledExecutable:
    """`compile` as `relax.build`."""
    del options
    return compile(
        mod, target, relax_pipeline=relax_pipeline, tir_pipeline=tir_pipeline, params=params,
        exec_mode=exec_mode,
    )  # fmt: skip


def build_tir(mod: Any, target: Any = None, pipeline: Any = "default") -> CompiledExecutable:
    """`compile` of loop programs, as `tir.build`."""
    return compile(mod, target, tir_pipeline=pipeline)
