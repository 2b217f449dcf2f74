"""`compile`: an IRModule (or one function) to an executable."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Mapping
from typing import Any

from .. import relax
from ..ir.module import IRModule
from ..ir.transform import Pass
from ..relax.transform.bind_params import BindParams
from ..support.errors import ArgumentError
from ..support.garbage import rare_collections
from ..support.stack import deep_recursion
from ..target import Target
from ..tir.function import PrimFunc
from . import cache
from .executable import CompiledExecutable

RelaxPipeline = Callable[[IRModule], IRModule] | Pass | str
TirPipeline = RelaxPipeline

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

    What was compiled before comes from the cache on disk (`TILEWRIGHT_CACHE=off` does without).
    Raises `CompileError` for a program that cannot be compiled, with the model's node.
    """
    del exec_mode
    whole = as_module(mod)
    chosen = as_target(target)
    if params:
        whole = BindParams("main", dict(params))(whole)
    pipelines = {"relax": relax_pipeline, "tir": tir_pipeline}
    kept = chosen.kind.name == "llvm"  # source is written as fast as it is read
    key = cache.key_of(whole, chosen, pipelines) if kept else None
    found = None if key is None else cache.load(key)

    def make() -> CompiledExecutable:
        from .whole import compile_whole  # the whole compiler: not loaded for what the cache holds

        with rare_collections(), deep_recursion():
            return compile_whole(whole, chosen, relax_pipeline, tir_pipeline)

    if found is not None:
        if all(isinstance(func, PrimFunc) for _, func in whole.items()):  # small, without weights
            found.remake = functools.partial(contextvars.copy_context().run, make)
        return found
    made = make()
    if key is not None:
        cache.store(key, made)
    return made


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
    if chosen.kind.name not in CPU_KINDS:
        raise ArgumentError(
            f"there is no code generator for targets of kind {chosen.kind.name!r}",
            hint="use a target of kind 'llvm', such as \"llvm -mcpu=x86-64-v3\", or 'c'",
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
