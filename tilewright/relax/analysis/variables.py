"""Which variables a program uses, binds and leaves free, and what they are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.functor import Visitor, on, post_order_visit
from ...ir.module import IRModule
from ...support.errors import ArgumentError
from ...tir.expr import Var as TirVar
from ..base import Expr, StructInfo
from ..dims import symbolic_vars
from ..expr import (
    Binding,
    BindingBlock,
    Call,
    DataflowBlock,
    Function,
    If,
    MatchCast,
    SeqExpr,
    Var,
    VarBinding,
)
from .relations import definable_tir_vars_in_struct_info

__all__ = [
    "all_global_vars", "all_vars", "bindings_of", "bound_vars", "defined_symbolic_vars",
    "free_symbolic_vars", "free_vars", "get_var2val", "name_to_binding", "post_order_visit",
    "udchain", "uses_of",
]  # fmt: skip


class _Collect(Visitor):
    """Notes definitions and uses; what struct infos mention counts as no use."""

    def __init__(self) -> None:
        self.used: dict[Var, None] = {}
        self.bound: dict[Var, None] = {}
        self.globals: dict[GlobalVar, None] = {}

    @on(Var)
    def var(self, var: Var) -> None:
        self.used.setdefault(var)

    @on(GlobalVar)
    def global_var(self, var: GlobalVar) -> None:
        self.globals.setdefault(var)

    @on(StructInfo)
    def info(self, info: StructInfo) -> None:
        pass

    @on(Function)
    def function(self, func: Function) -> None:
        self.bound.update(dict.fromkeys(func.params))
        self.visit(func.body)

    @on(VarBinding, MatchCast)
    def binding(self, binding: Any) -> None:
        self.bound.setdefault(binding.var)
        self.visit(binding.value)

    @on(Call)
    def call(self, call: Call) -> None:
        self.visit(call.op)
        self.visit(call.args)


def _collect(expr: Any) -> _Collect:
    visitor = _Collect()
    visitor.walk(expr)
    return visitor


def uses_of(expr: Any) -> list[Var]:
    """The variables that an expression uses and does not bind, in order."""
    if isinstance(expr, Var):
        return [expr]
    found = _collect(expr)
    return [v for v in found.used if v not in found.bound]


def free_vars(expr: Expr) -> list[Var]:
    """The variables that are used but not bound in `expr`, in order of first use."""
    return uses_of(expr)


def bound_vars(expr: Expr) -> list[Var]:
    """The variables that `expr` binds: parameters and bindings, in order."""
    return list(_collect(expr).bound)


def all_vars(expr: Expr) -> list[Var]:
    """All variables bound or used in `expr`."""
    found = _collect(expr)
    return list({**found.bound, **found.used})


def all_global_vars(expr: Expr) -> list[GlobalVar]:
    """The global variables that `expr` uses, in order."""
    return list(_collect(expr).globals)


def bindings_of(value: Any) -> Iterator[Binding]:
    """All bindings in a function, sequence, block or module, inner ones after their outer one."""
    if isinstance(value, IRModule):
        for func in value.functions.values():
            if isinstance(func, Function):
                yield from bindings_of(func)
    elif isinstance(value, Function):
        yield from bindings_of(value.body)
    elif isinstance(value, SeqExpr):
        for block in value.blocks:
            yield from bindings_of(block)
        yield from bindings_of(value.body)
    elif isinstance(value, BindingBlock):
        for binding in value.bindings:
            yield binding
            yield from bindings_of(binding.value)
    elif isinstance(value, If):
        yield from bindings_of(value.true_branch)
        yield from bindings_of(value.false_branch)


def get_var2val(func: Function) -> dict[Var, Expr]:
    """What each variable is bound to."""
    return {b.var: b.value for b in bindings_of(func) if isinstance(b, VarBinding)}


def name_to_binding(func: Function) -> dict[str, list[Binding]]:
    """The bindings of each variable name."""
    found: dict[str, list[Binding]] = {}
    for binding in bindings_of(func):
        found.setdefault(binding.var.name_hint, []).append(binding)
    return found


def udchain(dfb: DataflowBlock) -> dict[Var, list[Var]]:
    """For each variable used or bound in the block, the variables whose bindings use it."""
    users: dict[Var, dict[Var, None]] = {}
    for binding in dfb.bindings:
        var: Var = binding.var
        users.setdefault(var, {})
        for used in uses_of(binding.value):
            users.setdefault(used, {})[var] = None
    return {var: list(found) for var, found in users.items()}


def defined_symbolic_vars(func: Function) -> list[TirVar]:
    """The symbolic dimensions that the function binds: by its parameters and its casts."""
    found: dict[TirVar, None] = {}
    for param in func.params:
        if param.struct_info is not None:
            found.update(dict.fromkeys(definable_tir_vars_in_struct_info(param.struct_info)))
    for binding in bindings_of(func):
        if isinstance(binding, MatchCast):
            found.update(dict.fromkeys(definable_tir_vars_in_struct_info(binding.struct_info)))
    return list(found)


def free_symbolic_vars(func: Function) -> list[TirVar]:
    """The symbolic dimensions that the function uses but does not bind."""
    defined = set(defined_symbolic_vars(func))
    return [v for v in symbolic_vars(func) if v not in defined]


def map_bindings(func: Function, change: Callable[[Binding], Binding | None]) -> Function:
    """`func` with each binding of its own blocks replaced, or dropped where the result is None."""
    blocks = []
    for block in func.body.blocks:
        new = tuple(n for b in block.bindings if (n := change(b)) is not None)
        same = len(new) == len(block.bindings) and all(
            a is b for a, b in zip(new, block.bindings, strict=True)
        )
        blocks.append(block if same else block.replace(bindings=new))
    kept = tuple(b for b in blocks if b.bindings)
    same = len(kept) == len(func.body.blocks) and all(
        a is b for a, b in zip(kept, func.body.blocks, strict=True)
    )
    return func if same else func.replace(body=func.body.replace(blocks=kept))


def binding_of_name(func: Function, name: str) -> Binding:
    """The one binding of a variable called `name`. Raises `ArgumentError` otherwise."""
    found = name_to_binding(func).get(name, [])
    if len(found) != 1:
        raise ArgumentError(f"{len(found)} variables are called {name!r}")
    return found[0]


def definable(param: Var) -> list[TirVar]:
    """The symbolic dimensions that a parameter binds."""
    info = param.struct_info
    return [] if info is None else definable_tir_vars_in_struct_info(info)
