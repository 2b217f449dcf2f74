"""What passes that rewrite calls by what their arguments are bound to have in common."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...tir.function import PrimFunc
from ..analysis.effects import remove_all_unused
from ..analysis.variables import all_global_vars
from ..base import Expr
from ..expr import Call, Function, Var
from ..expr_functor import PyExprMutator
from ._pass import function_level


def is_call_of(expr: object, *names: str) -> bool:
    """True for a call of one of these operators (named without `relax.`)."""
    return (
        isinstance(expr, Call)
        and isinstance(expr.op, Op)
        and expr.op.name.removeprefix("relax.") in names
    )


class CallRewriter(PyExprMutator):
    """Replaces calls by what `rewrite` gives for them, their arguments rewritten already."""

    def visit_call_(self, op: Call) -> Expr:
        """A call, or what replaces it."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Op):
            return call
        with self.builder_.at(call.span):
            made = self.rewrite(call)
        return call if made is None else made

    def rewrite(self, call: Call) -> Expr | None:
        """What replaces an operator's call; None to leave it."""
        return None

    def producer(self, expr: Expr, *names: str) -> Call | None:
        """The call of one of these operators that gives `expr`."""
        made = self.lookup_binding(expr) if isinstance(expr, Var) else expr
        return made if isinstance(made, Call) and is_call_of(made, *names) else None


def without_uncalled_kernels(mod: IRModule) -> IRModule:
    """`mod` without its private kernels that no graph function calls."""
    functions = [f for f in mod.functions.values() if isinstance(f, Function)]
    called = {g.name_hint for f in functions for g in all_global_vars(f)}
    kept = {
        var: func
        for var, func in mod.items()
        if not isinstance(func, PrimFunc)
        or var.name_hint in called
        or "global_symbol" in func.attrs
    }
    return mod.with_functions(kept)


def rewriting_pass(name: str, make: Callable[[Function], CallRewriter]) -> Pass:
    """The pass `name`: the rewriter made for each function, and what it leaves dead removed."""

    def transform(func: Function) -> Function:
        new: Function = make(func).visit_expr(func)
        return func if new is func else remove_all_unused(new)

    return function_level(name, transform)
