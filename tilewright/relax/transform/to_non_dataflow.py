"""ToNonDataflow and RemovePurityChecking: programs on their way to the virtual machine."""

from __future__ import annotations

from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ..base import Expr
from ..expr import Call, DataflowBlock, DataflowVar, Function, Var
from ..expr_functor import PyExprMutator
from ._pass import function_level, module_level


class _NonDataflow(PyExprMutator):
    def visit_var_def(self, var: Var) -> Var:
        """Dataflow variables become ordinary ones."""
        if not isinstance(var, DataflowVar):
            return var
        new = Var(var.name_hint, var.struct_info, span=var.span)
        self.set_var_remap(var, new)
        return new

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """Dataflow blocks become ordinary ones."""
        self.visit_binding_block_(block)


def ToNonDataflow() -> Pass:
    """Turns dataflow blocks and their variables into ordinary ones."""

    def transform(mod: IRModule) -> IRModule:
        return _NonDataflow(mod).transform()

    return module_level("ToNonDataflow", transform)


class _Impure(PyExprMutator):
    def visit_call_(self, op: Call) -> Expr:
        """`call_pure_packed(f, x)`  ->  `f(x)`"""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Op):
            return call
        name = call.op.name
        if name in ("relax.call_pure_packed", "relax.call_inplace_packed"):
            return Call(call.args[0], call.args[1:], {}, call.sinfo_args, span=call.span)  # type: ignore[arg-type]
        if name == "relax.invoke_pure_closure":
            return call.replace(op=Op.get("relax.invoke_closure"))
        return call


def RemovePurityChecking() -> Pass:
    """Marks pure functions as `relax.force_pure` and writes promises of purity as plain calls."""

    def rewrite(func: Function) -> Function:
        new: Function = _Impure().visit_expr(func)
        return new.with_attr("relax.force_pure", True) if func.is_pure else new

    return function_level("RemovePurityChecking", rewrite)
