"""Small helpers over Relax programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.functor import Rewriter, on
from ..tir.expr import Var as TirVar
from .args_converter import args_converter as args_converter
from .base import Expr
from .expr import Function, MatchCast, Var, VarBinding, as_expr


class _Fresh(Rewriter):
    """Gives what a function binds new variables: its own, and its symbolic dimensions."""

    def __init__(self, dims: dict[TirVar, TirVar]) -> None:
        self.dims = dims
        self.vars: dict[Var, Var] = {}

    def define(self, var: Var) -> Var:
        """The copy of a variable that is bound here."""
        made = self.vars[var] = type(var)(
            var.name_hint, self.rewrite(var.struct_info), span=var.span
        )
        return made

    @on(TirVar)
    def dim(self, var: TirVar) -> TirVar:
        return self.dims.get(var, var)

    @on(Var)
    def var(self, var: Var) -> Var:
        return self.vars.get(var, var)

    @on(VarBinding, MatchCast)
    def binding(self, binding: Any) -> Any:
        if isinstance(binding.value, Function):
            var = self.define(binding.var)
            return binding.replace(var=var, value=self.rewrite(binding.value))
        value = self.rewrite(binding.value)
        changes: dict[str, Any] = {"value": value, "var": self.define(binding.var)}
        if isinstance(binding, MatchCast):
            changes["struct_info"] = self.rewrite(binding.struct_info)
        return binding.replace(**changes)

    @on(Function)
    def function(self, func: Function) -> Function:
        params = tuple(self.define(p) for p in func.params)
        body = self.rewrite(func.body)
        return func.replace(
            params=params, body=body, ret_struct_info=self.rewrite(func.ret_struct_info)
        )


def copy_with_new_vars(func: Function) -> Function:
    """A copy of `func` that shares no variable with it: parameters, bindings, dimensions."""
    from .analysis.variables import defined_symbolic_vars

    dims = {v: v.copy_with_name(v.name) for v in defined_symbolic_vars(func)}
    made: Function = _Fresh(dims).run(func)
    return made


def convert_to_expr(value: Any) -> Expr:
    """`value`, a number, string, tuple, shape or expression, as an expression."""
    return as_expr(value)


class _Replace(Rewriter):
    """Replaces uses of variables, and where one is bound anew its definition too."""

    def __init__(self, env: Mapping[Var, Expr]) -> None:
        self.env = env

    @on(Var)
    def var(self, var: Var) -> Expr:
        return self.env.get(var, var)


def replace_vars(value: Any, env: Mapping[Var, Expr]) -> Any:
    """`value` with variables replaced by expressions."""
    return _Replace(env).run(value) if env else value
