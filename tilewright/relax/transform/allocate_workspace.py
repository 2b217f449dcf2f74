"""AllocateWorkspace: external functions get the scratch memory that they ask for."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..base import Expr
from ..deduce import name_function
from ..expr import BindingBlock, Call, Function, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op.builtin import alloc_tensor
from ..struct_info import TensorStructInfo
from ._pass import module_level

SIZE = "WorkspaceSize"


class _Passer(PyExprMutator):
    def __init__(self, mod: IRModule, users: set[str], size: int) -> None:
        super().__init__(mod)
        self.users, self.size = users, size
        self.workspace: Var | None = None

    def function(self, func: Function) -> Function:
        """The function with one workspace at its beginning for all calls that need it."""
        self.workspace = None
        made: Function = self.visit_expr(func)
        if self.workspace is None:
            return func
        value = alloc_tensor((self.size,), "uint8", 0)
        first = BindingBlock((VarBinding(self.workspace, value),))
        return made.replace(body=made.body.replace(blocks=(first, *made.body.blocks)))

    def visit_call_(self, op: Call) -> Expr:
        """A call of a function that needs memory passes the workspace."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, GlobalVar):
            return call
        if call.op.name_hint not in self.users:
            return call
        if self.workspace is None:
            self.workspace = Var("workspace", TensorStructInfo((self.size,), "uint8"))  # type: ignore[arg-type]
        return call.replace(args=(*call.args, self.workspace))


def AllocateWorkspace() -> Pass:
    """Functions with the attribute `WorkspaceSize` take a further argument, a tensor of bytes; each
    caller allocates one that is large enough for all of them."""

    def transform(mod: IRModule) -> IRModule:
        users = {
            v.name_hint: int(f.attrs[SIZE])
            for v, f in mod.items()
            if isinstance(f, Function) and SIZE in f.attrs
        }
        if not users:
            return mod
        size = max(users.values())
        new = dict(mod.functions)
        for gvar, func in mod.items():
            if gvar.name_hint in users and isinstance(func, Function):
                param = Var("workspace", TensorStructInfo((size,), "uint8"))  # type: ignore[arg-type]
                taken = func.replace(params=(*func.params, param)).without_attr(SIZE)
                new[gvar] = taken
                name_function(gvar, taken)
        passer = _Passer(mod.with_functions(new), set(users), size)
        for gvar, func in passer.builder_.get().items():
            if isinstance(func, Function) and gvar.name_hint not in users:
                changed = passer.function(func)
                if changed is not func:
                    passer.builder_.update_func(gvar, changed)
        return passer.builder_.get()

    return module_level("AllocateWorkspace", transform)
