"""Many kernels as several modules, so that they compile side by side and are cached one by one."""

from __future__ import annotations

from collections.abc import Mapping

from tilewright.ir.module import IRModule
from tilewright.target.target import Target
from tilewright.tir.function import PrimFunc

from .codegen import Features, callees, emit_module


def emit_modules(
    functions: Mapping[str, PrimFunc], target: Target | Features | None = None
) -> list[str]:
    """The LLVM IR of `functions` by symbol, those that call each other in one module.

    The texts are in the order of their first functions and do not depend on one another.
    """
    return [
        emit_module({name: functions[name] for name in group}, target)
        for group in call_groups(functions)
    ]


def functions_of(module: IRModule) -> dict[str, PrimFunc]:
    """The loop functions of a module by their symbols."""
    found = {}
    for var, func in module.functions.items():
        if isinstance(func, PrimFunc):
            found[str(func.attrs.get("global_symbol") or var.name_hint)] = func
    return found


def call_groups(functions: Mapping[str, PrimFunc]) -> list[list[str]]:
    """The names of `functions` in groups that do not call into one another."""
    leader = {name: name for name in functions}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for name, func in functions.items():
        for callee in callees(func):
            if callee in leader:
                leader[find(callee)] = find(name)
    groups: dict[str, list[str]] = {}
    for name in functions:
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())
