"""Normalize: A-normal form with struct info; NormalizeGlobalVar: names as the symbols say."""

from __future__ import annotations

from ...ir.expr import BaseFunc, GlobalVar
from ...ir.module import IRModule
from ...ir.rename import RenameGlobals
from ...ir.transform import Pass
from .. import normalizer
from ..analysis.variables import all_global_vars
from ..block_builder import BlockBuilder
from ..deduce import name_function
from ..expr import Function
from ._pass import module_level


def Normalize() -> Pass:
    """Binds every nested argument to a variable and gives every value its struct info."""

    def transform(mod: IRModule) -> IRModule:
        _name_functions(mod)
        builder = BlockBuilder(mod)
        new = {
            var: normalizer.function(builder, func) if isinstance(func, Function) else func
            for var, func in mod.items()
        }
        same = all(new[var] is func for var, func in mod.items())
        return mod if same else mod.with_functions(new)

    return module_level("Normalize", transform)


def _name_functions(mod: IRModule) -> None:
    """Tells every mention of a function what that function is."""
    mentioned = [v for f in mod.functions.values() for v in _mentions(f)]
    for gvar in (*mod.functions, *mentioned):
        if gvar.struct_info_ is None and gvar in mod:
            name_function(gvar, mod[gvar])


def _mentions(func: BaseFunc) -> list[GlobalVar]:
    return all_global_vars(func) if isinstance(func, Function) else []


def NormalizeGlobalVar() -> Pass:
    """Names every public function as its `global_symbol` says; private ones give way."""

    def transform(mod: IRModule) -> IRModule:
        public = {
            var.name_hint: str(func.attrs["global_symbol"])
            for var, func in mod.items()
            if func.attrs.get("global_symbol", var.name_hint) != var.name_hint
        }
        if not public:
            return mod
        taken = set(public.values()) | {v.name_hint for v in mod if v.name_hint not in public}
        names: dict[str, GlobalVar] = {}
        for var, func in mod.items():
            wanted = public.get(var.name_hint, var.name_hint)
            if var.name_hint not in public and wanted in public.values():
                wanted = _fresh(wanted, taken)
            if wanted != var.name_hint:
                names[var.name_hint] = name_function(GlobalVar(wanted), func)
        rename = RenameGlobals(names)
        return mod.with_functions(
            {names.get(v.name_hint, v): rename.run(f) for v, f in mod.items()}
        )

    return module_level("NormalizeGlobalVar", transform)


def AttachGlobalSymbol() -> Pass:
    """Gives every function without a symbol the name it has in the module."""

    def transform(mod: IRModule) -> IRModule:
        return mod.with_functions({
            v: f if "global_symbol" in f.attrs else f.with_attr("global_symbol", v.name_hint)
            for v, f in mod.items()
        })  # fmt: skip

    return module_level("AttachGlobalSymbol", transform)


def _fresh(name: str, taken: set[str]) -> str:
    count = 1
    while f"{name}_{count}" in taken:
        count += 1
    taken.add(f"{name}_{count}")
    return f"{name}_{count}"
