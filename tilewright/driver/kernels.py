"""From loop programs to object code: schedule, lower, generate, compile; equal kernels once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dlight
from ..codegen.llvm.codegen import emit_module
from ..codegen.llvm.compile import Machine, compile_modules, host_machine
from ..codegen.llvm.modules import call_groups
from ..codegen.llvm.processors import check_processor
from ..ir.module import IRModule
from ..ir.transform import Pass
from ..support.progress import stage
from ..target import Target
from ..target.machine import MachineModel
from ..tir.function import PrimFunc
from ..tir.pipeline import get_tir_pipeline

TirPipeline = Callable[[IRModule], IRModule] | Pass | str


def machine_of(target: Target) -> Machine:
    """What LLVM is to generate code for. Raises `ArgumentError` if it knows no such processor."""
    model = MachineModel.of(target)
    made = Machine(model.triple or host_machine().triple, model.cpu, model.llvm_features)
    check_processor(made.triple, made.cpu, made.features)
    return made


def scheduled(mod: IRModule, target: Target) -> IRModule:
    """The module with a schedule for every loop program that has none."""
    with target, stage("Schedule kernels"):
        rules: Any = dlight.ApplyDefaultSchedule(*dlight.cpu.default_rules())
        made: IRModule = rules(mod)
        return made


def lowered(mod: IRModule, target: Target, pipeline: TirPipeline) -> IRModule:
    """Loop programs as flat code, ready for code generation."""
    passes: Any = get_tir_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    with target, stage("Lower kernels"):
        result: IRModule = passes(mod)
        return result


def object_code(mod: IRModule, target: Target) -> list[bytes]:
    """The objects of a module's lowered functions, those that call each other in one."""
    functions = {v.name_hint: f for v, f in mod.items() if isinstance(f, PrimFunc)}
    groups = call_groups(functions)
    machine = machine_of(target)
    with stage("Generate code", len(groups)) as step:
        texts = []
        for group in groups:
            texts.append(emit_module({name: functions[name] for name in group}, target))
            step(group[0])
    with stage("Compile kernels"):
        return compile_modules(texts, machine)
