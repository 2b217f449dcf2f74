"""Passes over private functions: inlining, parameters and results that nobody needs."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.effects import detect_recursion
from ..analysis.relations import Unifier
from ..analysis.variables import all_global_vars, definable, uses_of
from ..base import Expr, StructInfo
from ..deduce import name_function
from ..dims import substitute, symbolic_vars
from ..expr import Call, Function, Var
from ..expr_functor import PyExprMutator
from ..utils import copy_with_new_vars
from ._pass import function_level, module_level


def is_private(func: object) -> bool:
    """True for Relax functions that only their module can call."""
    return (
        isinstance(func, Function)
        and "global_symbol" not in func.attrs
        and not any(k in func.attrs for k in ("Primitive", "Codegen", "Composite"))
    )


class _Inliner(PyExprMutator):
    def __init__(self, mod: IRModule, inlined: dict[str, Function]) -> None:
        super().__init__(mod)
        self.inlined = inlined

    def visit_call_(self, op: Call) -> Expr:
        """A call of a private function becomes its body."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, GlobalVar):
            return call
        func = self.inlined.get(call.op.name_hint)
        if func is None:
            return call
        unifier = Unifier()
        fresh = copy_with_new_vars(func)
        for param, arg in zip(fresh.params, call.args, strict=True):
            unifier.match(param.struct_info, arg.struct_info)  # type: ignore[arg-type]
        bound: Function = substitute(fresh, unifier.env)
        self.var_remap.update(zip(bound.params, call.args, strict=True))
        made: Expr = self.visit_expr(bound.body)
        return made


def InlinePrivateFunctions() -> Pass:
    """Replaces calls of private functions that are not recursive by their bodies."""

    def transform(mod: IRModule) -> IRModule:
        circles = {v.name_hint for group in detect_recursion(mod) for v in group}
        inlined = {
            v.name_hint: f
            for v, f in mod.items()
            if isinstance(f, Function) and is_private(f) and v.name_hint not in circles
        }
        if not inlined:
            return mod
        kept = _Inliner(mod, inlined).transform()
        used = {g.name_hint for f in kept.functions.values() for g in all_global_vars(f)}
        return kept.with_functions(
            {v: f for v, f in kept.items() if v.name_hint not in inlined or v.name_hint in used}
        )

    return module_level("InlinePrivateFunctions", transform)


class _DropArguments(PyExprMutator):
    def __init__(self, mod: IRModule, kept: dict[str, list[int]]) -> None:
        super().__init__(mod)
        self.kept = kept

    def visit_call_(self, op: Call) -> Expr:
        """A call loses the arguments whose parameters are gone."""
        call = self.visit_expr_post_order(op)
        places = None
        if isinstance(call, Call) and isinstance(call.op, GlobalVar):
            places = self.kept.get(call.op.name_hint)
        if places is None:
            return call
        return call.replace(args=tuple(call.args[i] for i in places))  # type: ignore[attr-defined]


def RemoveUnusedParameters() -> Pass:
    """Removes parameters of private functions that they do not use, and the arguments for them.

    A parameter that alone binds a symbolic dimension in use stays.
    """

    def transform(mod: IRModule) -> IRModule:
        kept: dict[str, list[int]] = {}
        new = dict(mod.functions)
        for gvar, func in mod.items():
            if not isinstance(func, Function) or not is_private(func):
                continue
            places = _needed(func)
            if len(places) < len(func.params):
                kept[gvar.name_hint] = places
                new[gvar] = func.replace(params=tuple(func.params[i] for i in places))
                name_function(gvar, new[gvar])
        if not kept:
            return mod
        return _DropArguments(mod.with_functions(new), kept).transform()

    return module_level("RemoveUnusedParameters", transform)


def _needed(func: Function) -> list[int]:
    used = set(uses_of(func.body))
    places = [i for i, p in enumerate(func.params) if p in used]
    bound = {v for i in places for v in definable(func.params[i])}
    missing = set(symbolic_vars(func.body)) - bound
    for index, param in enumerate(func.params):
        if index not in places and missing & set(definable(param)):
            places.append(index)
            missing -= set(definable(param))
    return sorted(places)


def UpdateParamStructInfo(sinfo_func: Callable[[Var], StructInfo | None]) -> Pass:
    """Gives each parameter for which `sinfo_func` returns struct info that one, and deduces the
    rest anew."""

    class Updater(PyExprMutator):
        """Replaces parameters."""

        def visit_function_(self, op: Function) -> Function:
            """A function with new parameters."""
            for param in op.params:
                info = sinfo_func(param)
                if info is not None and info != param.struct_info:
                    self.set_var_remap(param, Var(param.name_hint, info, span=param.span))
            params = tuple(self.get_var_remap(p) for p in op.params)
            body = self.visit_with_new_scope(op.body, params)  # type: ignore[arg-type]
            return op.replace(params=params, body=body, ret_struct_info=None)

    return function_level("UpdateParamStructInfo", lambda func: Updater().visit_expr(func))
