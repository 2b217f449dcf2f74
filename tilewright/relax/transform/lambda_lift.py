"""LambdaLift: functions within functions become functions of the module."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.variables import free_vars, uses_of
from ..base import Expr
from ..expr import Call, Function, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op.base import invoke_closure, invoke_pure_closure, make_closure
from ..struct_info import FuncStructInfo
from ._pass import module_level


class _Lifter(PyExprMutator):
    """A local function with free variables becomes a closure over them, which follow its own
    arguments; one without becomes a plain function of the module."""

    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.name = ""
        self.closures: set[Var] = set()

    def lift(self, gvar: GlobalVar, func: Function) -> Function:
        """`func` without local functions."""
        self.name = gvar.name_hint
        made: Function = self.visit_expr(func)
        return made

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """`f = function`: lifted under a name made of the outer one's and its own."""
        if not isinstance(binding.value, Function):
            super().visit_var_binding_(binding)
            return
        func = binding.value
        recursive = binding.var in uses_of(func)
        captured = [v for v in free_vars(func) if v is not binding.var]
        fresh = [Var(v.name_hint, v.struct_info) for v in captured]
        gvar = GlobalVar(self.builder_._fresh_global(f"{self.name}_{binding.var.name_hint}"))
        gvar._struct_info = func.struct_info
        self.builder_._global_names[gvar.name_hint] = gvar
        inner = _Lifter(self.builder_.get())
        inner.builder_ = self.builder_
        inner.name = gvar.name_hint
        inner.var_remap.update(zip(captured, fresh, strict=True))
        if recursive and not captured:
            inner.var_remap[binding.var] = gvar
        body = inner.visit_with_new_scope(
            _with_self(func, binding.var, gvar, fresh) if recursive and captured else func.body,
            (*func.params, *fresh),
        )
        attrs = {k: v for k, v in func.attrs.items() if k != "global_symbol"}
        lifted = func.replace(params=(*func.params, *fresh), body=body, attrs=attrs)
        gvar._struct_info = lifted.struct_info
        self.builder_.get().functions[gvar] = lifted
        args = tuple(self.visit_expr(v) for v in captured)
        if not captured:
            self.set_var_remap(binding.var, gvar)
            return
        closure = make_closure(gvar, args)
        closure._struct_info = binding.var.struct_info
        self.closures.add(binding.var)
        self.builder_.emit_normalized(VarBinding(binding.var, closure, span=binding.span))

    def visit_call_(self, op: Call) -> Expr:
        """A call of a closure becomes `invoke_closure`."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Var):
            return call
        info = call.op.struct_info
        pure = isinstance(info, FuncStructInfo) and info.purity
        invoke = invoke_pure_closure if pure else invoke_closure
        return invoke(call.op, Tuple(call.args), (op.struct_info,)).replace(span=call.span)


def _with_self(func: Function, var: Var, gvar: GlobalVar, captured: list[Var]) -> Expr:
    """The body of a recursive closure, which makes itself anew over what it captured."""
    from ..expr import BindingBlock, SeqExpr

    again = make_closure(gvar, tuple(captured))
    again._struct_info = var.struct_info
    first = BindingBlock((VarBinding(var, again),))
    return SeqExpr((first, *func.body.blocks), func.body.body)


def LambdaLift() -> Pass:
    """Moves local functions to the module; those with free variables become closures."""

    def transform(mod: IRModule) -> IRModule:
        lifter = _Lifter(mod)
        for gvar, func in mod.items():
            if isinstance(func, Function) and _has_local(func):
                lifter.builder_.update_func(gvar, lifter.lift(gvar, func))
        return lifter.builder_.get()

    return module_level("LambdaLift", transform)


def _has_local(func: Function) -> bool:
    from ..analysis.variables import bindings_of

    values = [b.value for b in bindings_of(func)]
    calls = [v for v in values if isinstance(v, Call) and isinstance(v.op, Var)]
    return bool(calls) or any(isinstance(v, Function) for v in values)
