"""RewriteDataflowReshape: kernels that only reshape become views."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...tir.function import PrimFunc
from ..analysis.overwriting import overwritten
from ..analysis.reshape_pattern import has_reshape_pattern
from ..analysis.variables import uses_of
from ..base import Expr
from ..expr import Call, DataflowBlock, DataflowVar, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..struct_info import TensorStructInfo
from ._pass import module_level

VIEW = "relax.is_view"
"""Attribute of kernels made of operators that keep the elements in row-major order."""


def is_view(func: PrimFunc) -> bool:
    """True if the kernel is known to be a reshape."""
    return bool(func.attrs.get(VIEW)) or has_reshape_pattern(func)


class _Rewriter(PyExprMutator):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.mod = mod
        self.views: dict[str, bool] = {}
        self.own: set[Var] = set()

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A block: what it puts into tuples may leave it, and what is written over is lost: both
        must have memory of their own."""
        self.own = {
            var for b in block.bindings if not isinstance(b.value, Call) for var in uses_of(b.value)
        }
        self.own |= overwritten(block)
        super().visit_dataflow_block_(block)

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """`lv = call_tir(reshape, (x,))`  ->  `lv = reshape(x)`, a view; outputs stay copies."""
        inner = isinstance(binding.var, DataflowVar) and binding.var not in self.own
        value = self._view(binding.value) if inner else None
        if value is None:
            super().visit_var_binding_(binding)
        else:
            made = self.visit_expr(value)
            made._struct_info = binding.var.struct_info
            self.reemit_binding(binding, made)

    def _view(self, call: Expr) -> Call | None:
        if not isinstance(call, Call) or call.op is not Op.get("relax.call_tir"):
            return None
        gvar, inputs = call.args[0], call.args[1]
        info = call.sinfo_args[0]
        single = isinstance(inputs, Tuple) and len(inputs.items) == 1
        if not single or not isinstance(info, TensorStructInfo) or info.shape is None:
            return None
        if not isinstance(gvar, GlobalVar) or not self._is_view(gvar):
            return None
        return Call(Op.get("relax.reshape"), (inputs.items[0], info.shape), span=call.span)  # type: ignore[attr-defined]

    def _is_view(self, gvar: GlobalVar) -> bool:
        known = self.views.get(gvar.name_hint)
        if known is None:
            func = self.mod[gvar] if gvar in self.mod else None  # noqa: SIM401
            known = self.views[gvar.name_hint] = isinstance(func, PrimFunc) and is_view(func)
        return known


def RewriteDataflowReshape() -> Pass:
    """Replaces calls of reshaping kernels in dataflow blocks by views, which cost nothing; not of
    those whose results are written over."""

    def transform(mod: IRModule) -> IRModule:
        return _Rewriter(mod).transform()

    return module_level("RewriteDataflowReshape", transform)
