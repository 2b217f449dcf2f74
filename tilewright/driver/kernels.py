"""From loop programs to object code: schedule, lower, generate, compile; equal kernels once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..codegen.llvm.compile import Compilation, Machine, host_machine
from ..codegen.llvm.modules import call_groups, emit_modules
from ..codegen.llvm.processors import check_processor
from ..dlight.base import ApplyDefaultSchedule
from ..dlight.cpu import default_rules
from ..ir.expr import BaseFunc, GlobalVar
from ..ir.instrument import knob_instruments
from ..ir.module import IRModule
from ..ir.transform import Pass, PassContext
from ..support.progress import stage
from ..target import Target
from ..target.machine import MachineModel
from ..tir.function import PrimFunc
from ..tir.pipeline import get_tir_pipeline

TirPipeline = Callable[[IRModule], IRModule] | Pass | str
AT_A_TIME = 4


def machine_of(target: Target) -> Machine:
    """What LLVM is to generate code for, with the optimisation of `-opt-level` (0 to 3; the
    default is 3). Raises `ArgumentError` if it knows no such processor."""
    model = MachineModel.of(target)
    made = Machine(model.triple or host_machine().triple, model.cpu, model.llvm_features)
    level = target.attrs.get("opt-level")
    if isinstance(level, int):
        most = max(0, min(level, made.codegen))
        made = replace(made, passes=min(most, made.passes), codegen=most)
    check_processor(made.triple, made.cpu, made.features)
    return made


def scheduled(mod: IRModule, target: Target) -> IRModule:
    """The module with a schedule for every loop program that has none."""
    with target:
        rules: Any = ApplyDefaultSchedule(*default_rules())
        made: IRModule = rules(mod)
        return made


def lowered(mod: IRModule, target: Target, pipeline: TirPipeline) -> IRModule:
    """Loop programs as flat code, ready for code generation."""
    passes: Any = get_tir_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    with target:
        result: IRModule = passes(mod)
        return result


def built(mod: IRModule, target: Target, pipeline: TirPipeline) -> tuple[IRModule, list[bytes]]:
    """The lowered module, and the objects of its functions.

    A few kernels are scheduled, lowered and written at a time, while LLVM compiles, in threads of
    its own, those that came before. All go together where somebody looks at the passes, or where
    the pipeline is the user's and may relate functions to each other.
    """
    together = PassContext.current().instruments or knob_instruments() or callable(pipeline)
    parts = [mod] if together else list(_parts(mod))
    functions: dict[GlobalVar, BaseFunc] = {}
    count = sum(isinstance(func, PrimFunc) for _, func in mod.items())
    with stage("Compile kernels", count) as step, Compilation(machine_of(target)) as compilation:
        for part in parts:
            flat = lowered(scheduled(part, target), target, pipeline)
            functions.update(flat.functions)
            loops = {v.name_hint: f for v, f in flat.items() if isinstance(f, PrimFunc)}
            for text in emit_modules(loops, target):
                compilation.add(text)
            for var, func in part.items():
                if isinstance(func, PrimFunc):
                    step(var.name_hint)
        return mod.with_functions(functions), compilation.objects()


def _parts(mod: IRModule) -> Iterator[IRModule]:
    """The module cut into modules of a few functions; those that call each other stay together."""
    named = {var.name_hint: (var, func) for var, func in mod.items()}
    loops = {name: func for name, (_, func) in named.items() if isinstance(func, PrimFunc)}
    rest = {var: func for var, func in mod.items() if not isinstance(func, PrimFunc)}
    part: dict[GlobalVar, BaseFunc] = dict(rest)
    for group in call_groups(loops):
        part.update(named[name] for name in group)
        if len(part) >= AT_A_TIME:
            yield mod.with_functions(part)
            part = {}
    yield mod.with_functions(part)
