"""Replacing what patterns match."""

from __future__ import annotations

from collections.abc import Callable

from ..analysis.effects import remove_all_unused
from ..base import Expr
from ..expr import Constant, Function, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from .pattern import DFPattern, Matches, match, require_pattern

Rewrite = Callable[[Expr, Matches], Expr]


class _Rewriter(PyExprMutator):
    def __init__(self, pattern: DFPattern, callback: Rewrite) -> None:
        super().__init__()
        self.pattern = pattern
        self.callback = callback
        self.changed = False

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A value that the pattern matches becomes what the callback returns."""
        value = self.builder_.normalize(self.visit_expr(binding.value))
        if not isinstance(value, (Var, Constant, Tuple, Function)):
            found = match(self.pattern, value, self.builder_.lookup_binding)
            if found is not None:
                new = self.callback(value, found)
                if new is not value:
                    self.changed = True
                    value = self.builder_.normalize(new)
        if value is binding.value:
            self.builder_.emit_normalized(binding)
        else:
            self.reemit_binding(binding, value)


def rewrite_call(pattern: DFPattern, rewriter: Rewrite, func: Function) -> Function:
    """`func` with every value that `pattern` matches replaced by `rewriter(value, matches)`.

    `matches` maps each part of the pattern to what it matched; the callback returns the value
    itself to leave it. Bindings that are no longer used go away. Runs until nothing changes, at
    most ten times.
    """
    require_pattern(pattern)
    for _ in range(10):
        mutator = _Rewriter(pattern, rewriter)
        made: Function = mutator.visit_expr(func)
        if not mutator.changed:
            return func
        func = remove_all_unused(made)
    return func
