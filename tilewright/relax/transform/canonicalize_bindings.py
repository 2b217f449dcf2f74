"""CanonicalizeBindings: bindings that only give a value another name go away."""

from __future__ import annotations

from typing import Any

from ...ir.transform import Pass
from ..analysis.effects import remove_all_unused
from ..base import Expr
from ..expr import (
    Binding,
    BindingBlock,
    DataflowBlock,
    DataflowVar,
    Function,
    MatchCast,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
)
from ..expr_functor import PyExprMutator
from ._pass import function_level


class Forwarder(PyExprMutator):
    """Uses of `y` after `y = x` become uses of `x`; items of known tuples are taken at once."""

    def visit_tuple_getitem_(self, op: TupleGetItem) -> Expr:
        """`(a, b)[0]`  ->  `a`"""
        value = self.visit_expr(op.tuple_value)
        known = value if isinstance(value, Tuple) else None
        if isinstance(value, Var):
            bound = self.lookup_binding(value)
            known = bound if isinstance(bound, Tuple) else None
        if known is not None and 0 <= op.index < len(known.items):
            return known.items[op.index]
        return op.replace(tuple_value=value)

    def is_alias(self, value: Expr) -> bool:
        """True for values that may stand wherever their variable does."""
        return isinstance(value, Var)

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """`y = x` is dropped, unless `x` is not seen where `y` is, or `y` says more."""
        value = self.builder_.normalize(self.visit_expr(binding.value))
        seen = isinstance(binding.var, DataflowVar) or not isinstance(value, DataflowVar)
        if self.is_alias(value) and seen and binding.var.struct_info == value.struct_info:
            self.set_var_remap(binding.var, value)
            return
        if value is binding.value:
            self.builder_.emit_normalized(binding)
        else:
            self.reemit_binding(binding, value)

    def visit_match_cast_(self, binding: MatchCast) -> None:
        """A cast to what the value is known to be is dropped."""
        value = self.visit_expr(binding.value)
        seen = isinstance(binding.var, DataflowVar) or not isinstance(value, DataflowVar)
        if isinstance(value, Var) and seen and value.struct_info == binding.struct_info:
            self.set_var_remap(binding.var, value)
            return
        super().visit_match_cast_(binding)


def _merged_outputs(func: Function) -> Function:
    """`lv = f(x); gv = lv`  ->  `gv = f(x)` where the block uses `lv` nowhere else after."""
    blocks = tuple(_merge(b) if isinstance(b, DataflowBlock) else b for b in func.body.blocks)
    same = all(a is b for a, b in zip(blocks, func.body.blocks, strict=True))
    return func if same else func.replace(body=func.body.replace(blocks=blocks))


def _merge(block: DataflowBlock) -> BindingBlock:
    renamed: dict[Var, Var] = {}
    for binding in block.bindings:
        is_copy = isinstance(binding, VarBinding) and isinstance(binding.value, DataflowVar)
        if is_copy and not isinstance(binding.var, DataflowVar):
            source: Any = binding.value
            if source not in renamed and source.struct_info == binding.var.struct_info:
                renamed[source] = binding.var
    if not renamed:
        return block
    mutator = PyExprMutator()
    mutator.var_remap.update(renamed)
    out: list[Binding] = []
    for binding in block.bindings:
        var: Var = binding.var
        value: Expr = binding.value
        if renamed.get(value) is var:  # type: ignore[call-overload]
            continue
        new = mutator.visit_expr(value)
        out.append(binding.replace(var=renamed.get(var, var), value=new))
    return block.replace(bindings=tuple(out))


def canonicalize(func: Function) -> Function:
    """The function without aliases, dead bindings and copies of outputs."""
    forwarded: Function = Forwarder().visit_expr(func)
    return remove_all_unused(_merged_outputs(forwarded))


def CanonicalizeBindings() -> Pass:
    """Removes bindings that only rename, casts that check nothing, and what they leave dead."""
    return function_level("CanonicalizeBindings", canonicalize)
