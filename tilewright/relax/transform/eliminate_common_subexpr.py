"""EliminateCommonSubexpr: a value computed twice is computed once."""

from __future__ import annotations

from typing import Any

from ...ir.structural import structural_equal, structural_hash
from ...ir.transform import Pass
from ..analysis.effects import contains_impure_call
from ..analysis.overwriting import overwritten
from ..base import Expr
from ..expr import (
    Call,
    DataflowVar,
    Function,
    SeqExpr,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
    name_of,
)
from ..expr_functor import PyExprMutator
from ._pass import function_level

KEPT = ("alloc", "storage", "random", "multinomial", "null_value", "dropout", "make_closure")
"""Parts of the names of operators whose calls are not interchangeable."""


class _Eliminator(PyExprMutator):
    def __init__(self, call_only: bool, overwritten: set[Var]) -> None:
        super().__init__()
        self.call_only = call_only
        self.known: list[dict[int, list[tuple[Expr, Var]]]] = [{}]
        self.overwritten = overwritten

    def visit_with_new_scope(self, expr: Expr, params: Any = ()) -> SeqExpr:
        """A branch knows what was computed before it; what it computes is not known after it."""
        self.known.append({})
        made = super().visit_with_new_scope(expr, params)
        self.known.pop()
        return made

    def _is_shareable(self, value: Expr) -> bool:
        if isinstance(value, Call):
            name = name_of(value.op)
            return not any(k in name for k in KEPT) and not contains_impure_call(value)
        return isinstance(value, (Tuple, TupleGetItem)) and not self.call_only

    def _find(self, key: int, value: Expr) -> Var | None:
        for scope in reversed(self.known):
            for other, var in scope.get(key, ()):
                if structural_equal(other, value):
                    return var
        return None

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A value seen before: later uses get the first variable."""
        value = self.builder_.normalize(self.visit_expr(binding.value))
        if binding.var in self.overwritten or not self._is_shareable(value):
            self._emit(binding, value)
            return
        key = structural_hash(value)
        first = self._find(key, value)
        if first is None:
            self._emit(binding, value)
            var = self.get_var_remap(binding.var)
            self.known[-1].setdefault(key, []).append((value, var))  # type: ignore[arg-type]
        elif isinstance(binding.var, DataflowVar) or not isinstance(first, DataflowVar):
            self.set_var_remap(binding.var, first)
        else:
            self._emit(binding, first)

    def _emit(self, binding: VarBinding, value: Expr) -> None:
        if value is binding.value:
            self.builder_.emit_normalized(binding)
        else:
            self.reemit_binding(binding, value)

    def visit_dataflow_block_(self, block: Any) -> None:
        """Dataflow variables are not seen after their block: neither is what they hold."""
        self.known.append({})
        super().visit_dataflow_block_(block)
        inner = self.known.pop()
        for key, entries in inner.items():
            for value, var in entries:
                if not isinstance(var, DataflowVar):
                    self.known[-1].setdefault(key, []).append((value, var))


def EliminateCommonSubexpr(call_only: bool = False) -> Pass:
    """Replaces repeated pure values (calls alone if `call_only`) by their first computation; not
    those that are written over."""

    def rewrite(func: Function) -> Function:
        made: Function = _Eliminator(call_only, overwritten(func)).visit_expr(func)
        return made

    return function_level("EliminateCommonSubexpr", rewrite, 1)
