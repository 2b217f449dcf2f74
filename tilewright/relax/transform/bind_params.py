"""BindParams and BindSymbolicVars: parameters and dimensions get their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...support.errors import ArgumentError, listing
from ...tir.expr import Var as TirVar
from ..analysis.relations import Unifier
from ..base import HOOKS, Expr
from ..dims import as_dim, substitute, symbolic_vars
from ..expr import Function, Var, as_expr
from ..expr_functor import PyExprMutator
from ._pass import function_level, module_level


def _parameter(func: Function, key: Var | str) -> Var:
    if isinstance(key, Var):
        if key not in func.params:
            raise ArgumentError(f"`{key.name_hint}` is no parameter of the function")
        return key
    found = [p for p in func.params if p.name_hint == key]
    if len(found) != 1:
        known = listing([p.name_hint for p in func.params])
        problem = "no parameter" if not found else f"{len(found)} parameters"
        raise ArgumentError(f"the function has {problem} called {key!r}", note=f"it has {known}")
    return found[0]


def bind_params(func: Function, binding_map: Mapping[Any, Any]) -> Function:
    """`func` with parameters (or their names) replaced by constants or expressions."""
    values: dict[Var, Expr] = {}
    unifier = Unifier()
    for key, value in binding_map.items():
        param = _parameter(func, key)
        expr = values[param] = as_expr(value)
        problem = unifier.match(param.struct_info, expr.struct_info)  # type: ignore[arg-type]
        if problem:
            raise ArgumentError(f"parameter `{param.name_hint}`: {problem}")
    mutator = PyExprMutator()
    mutator.var_remap.update(values)
    body = mutator.visit_with_new_scope(func.body)
    params = tuple(p for p in func.params if p not in values)
    attrs = dict(func.attrs)
    if "num_input" in attrs:
        count = int(attrs["num_input"])
        attrs["num_input"] = sum(p not in values for p in func.params[:count])
    made = func.replace(params=params, body=body, attrs=attrs)
    known = {v: d for v, d in unifier.env.items() if v is not d}
    bound: Function = substitute(made, known)
    return bound


def BindParams(func_name: str, params: Mapping[Any, Any]) -> Pass:
    """Binds parameters of the function `func_name` to arrays, tensors or constants."""

    def transform(mod: IRModule) -> IRModule:
        func = mod[func_name]
        return mod.with_functions(
            {v: bind_params(f, params) if f is func else f for v, f in mod.items()}
        )

    return module_level("BindParams", transform)


def bind_symbolic_vars(
    func: Function, binding_map: Mapping[Any, Any], strict: bool = True
) -> Function:
    """`func` with symbolic dimensions (variables or names) replaced; unknown ones are errors."""
    by_name: dict[str, list[TirVar]] = {}
    for var in symbolic_vars(func):
        by_name.setdefault(var.name, []).append(var)
    env: dict[TirVar, PrimExpr] = {}
    for key, value in binding_map.items():
        found = [key] if isinstance(key, TirVar) else by_name.get(key, [])
        if isinstance(key, TirVar) and key not in by_name.get(key.name, ()):
            found = []
        if not found and strict:
            raise ArgumentError(
                f"the function has no symbolic dimension {key!s}",
                note=f"it has {listing(list(by_name)) or 'none'}",
            )
        env.update(dict.fromkeys(found, as_dim(value)))
    bound: Function = substitute(func, env)
    return bound


def BindSymbolicVars(binding_map: Mapping[Any, Any], func_name: str | None = None) -> Pass:
    """Replaces symbolic dimensions, in the function `func_name` or in all that have them."""
    if func_name is None:
        return function_level(
            "BindSymbolicVars", lambda func: bind_symbolic_vars(func, binding_map, False)
        )

    def transform(mod: IRModule) -> IRModule:
        func = mod[func_name]
        return mod.with_functions(
            {v: bind_symbolic_vars(f, binding_map) if f is func else f for v, f in mod.items()}
        )

    return module_level("BindSymbolicVars", transform)


HOOKS["bind_params"] = bind_params
HOOKS["bind_symbolic_vars"] = bind_symbolic_vars
