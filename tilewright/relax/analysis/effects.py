"""Side effects and what follows from them: purity, dead code, recursion."""

from __future__ import annotations

from typing import Any, TypeVar

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.op import Op
from ..base import Expr
from ..dims import symbolic_vars
from ..expr import (
    Binding,
    Call,
    DataflowBlock,
    Function,
    If,
    MatchCast,
    SeqExpr,
    Var,
    VarBinding,
    name_of,
)
from ..struct_info import FuncStructInfo
from .relations import definable_tir_vars_in_struct_info
from .variables import all_global_vars, bindings_of, definable, uses_of


def is_impure_call(call: Call) -> bool:
    """True if the call may do more than compute its result."""
    if isinstance(call.op, Op):
        if call.op.name == "relax.call_pure_packed":
            return False
        return not call.op.get_attr("FPurity")
    info = call.op.struct_info
    return not (isinstance(info, FuncStructInfo) and info.purity)


def contains_impure_call(expr: Expr, own_name: Var | GlobalVar | None = None) -> bool:
    """True if evaluating `expr` (or calling it) may have side effects; `own_name` is assumed
    to be pure, for recursive functions."""
    if isinstance(expr, Function):
        return contains_impure_call(expr.body, own_name)
    if isinstance(expr, SeqExpr):
        values = [b.value for block in expr.blocks for b in block.bindings]
        inner = [v for v in values if not isinstance(v, Function)]
        return any(contains_impure_call(v, own_name) for v in (*inner, expr.body))
    if isinstance(expr, If):
        return any(
            contains_impure_call(part, own_name) for part in (expr.true_branch, expr.false_branch)
        )
    if not isinstance(expr, Call):
        return False
    if own_name is not None and (
        expr.op is own_name or (isinstance(own_name, GlobalVar) and _is_named(expr.op, own_name))
    ):
        return False
    return is_impure_call(expr)


def _is_named(op: Any, gvar: GlobalVar) -> bool:
    return isinstance(op, GlobalVar) and name_of(op) == gvar.name_hint


E = TypeVar("E", Function, SeqExpr, Expr)


def remove_all_unused(expr: E) -> E:
    """A function, sequence or conditional without the bindings whose variables nobody uses and
    whose values have no effects."""
    walker = RemoveUnused()
    if isinstance(expr, SeqExpr):
        return walker.sequence(expr)
    return walker.value(expr)  # type: ignore[return-value]


class RemoveUnused:
    """Walks blocks backwards, keeping what is used later or has effects."""

    def __init__(self) -> None:
        self.used: set[Var] = set()

    def function(self, func: Function) -> Function:
        """The function without dead bindings."""
        body = self.sequence(func.body)
        return func if body is func.body else func.replace(body=body)

    def sequence(self, seq: SeqExpr) -> SeqExpr:
        """The sequence without dead bindings; `used` then holds all that it uses."""
        self.used.update(uses_of(seq.body))
        blocks = []
        changed = False
        for block in reversed(seq.blocks):
            kept = [new for b in reversed(block.bindings) if (new := self.binding(b)) is not None]
            kept.reverse()
            same = len(kept) == len(block.bindings) and all(
                a is b for a, b in zip(kept, block.bindings, strict=True)
            )
            changed = changed or not same
            if kept:
                blocks.append(block if same else block.replace(bindings=tuple(kept)))
        if not changed:
            return seq
        return seq.replace(blocks=tuple(reversed(blocks)))

    def binding(self, binding: Binding) -> Binding | None:
        """The binding as it stays, or None."""
        if isinstance(binding, MatchCast):
            self.used.update(uses_of(binding.value))
            return binding
        assert isinstance(binding, VarBinding)
        value = binding.value
        if binding.var not in self.used and not contains_impure_call(value):
            return None
        new = self.value(value)
        self.used.update(uses_of(new))
        return binding if new is value else binding.replace(value=new)

    def value(self, value: Expr) -> Expr:
        """A bound value with its inner sequences cleaned."""
        if isinstance(value, Function):
            return self.function(value)
        if isinstance(value, If):
            yes, no = self.sequence(value.true_branch), self.sequence(value.false_branch)
            return value.replace(true_branch=yes, false_branch=no)
        return value


def detect_recursion(mod: IRModule) -> list[list[GlobalVar]]:
    """Groups of functions that call each other in a circle (or themselves)."""
    calls = {
        var: [v for v in all_global_vars(f) if v in mod] if isinstance(f, Function) else []
        for var, f in mod.items()
    }
    graph = {var.name_hint: [v.name_hint for v in found] for var, found in calls.items()}
    by_name = {var.name_hint: var for var in calls}
    reach = {name: _reachable(graph, name) for name in graph}
    groups: list[list[GlobalVar]] = []
    seen: set[str] = set()
    for name in graph:
        if name in seen or name not in reach[name]:
            continue
        circle = sorted(other for other in graph if other in reach[name] and name in reach[other])
        seen.update(circle)
        groups.append([by_name[n] for n in circle])
    return groups


def _reachable(graph: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    stack = list(graph[start])
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack.extend(graph.get(name, ()))
    return seen


def computable_at_compile_time(func: Function, through_casts: bool = True) -> list[Var]:
    """The variables that depend on nothing but weights: the parameters after `num_input`.

    Neither do they depend on symbolic dimensions that only the other parameters bind. What a
    checked cast of a weight gives, and dimensions that it binds, count with `through_casts`.
    """
    if "num_input" not in func.attrs:
        return []
    found = list(func.params[int(func.attrs["num_input"]) :])
    known = set(found)
    dims = {v for param in found for v in definable(param)}
    for binding in bindings_of(func):
        cast = binding.struct_info if isinstance(binding, MatchCast) else None
        if contains_impure_call(binding.value) or (cast is not None and not through_casts):
            continue
        new = [] if cast is None else definable_tir_vars_in_struct_info(cast)
        told = symbolic_vars(binding.value if cast is None else cast)
        is_known = all(v in known for v in uses_of(binding.value))
        if is_known and all(v in dims or v in new for v in told):
            dims.update(new)
            known.add(binding.var)
            found.append(binding.var)
    return found


def dataflow_blocks(func: Function) -> list[DataflowBlock]:
    """The function's own dataflow blocks."""
    return [b for b in func.body.blocks if isinstance(b, DataflowBlock)]
