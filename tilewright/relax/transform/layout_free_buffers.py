"""AttachAttrLayoutFreeBuffers: kernels know which of their arrays are weights."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...tir.function import PrimFunc
from ..base import Expr
from ..expr import Call, Constant, Function, Tuple, Var
from ._calls import CallRewriter, is_call_of, without_uncalled_kernels
from ._pass import module_level

ATTRIBUTE = "layout_free_buffers"


class _Marker(CallRewriter):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.mod = mod
        self.weights: set[Var] = set()

    def function(self, func: Function) -> Function:
        """The function with its calls of marked kernels."""
        count = int(func.attrs.get("num_input", len(func.params)))
        self.weights = set(func.params[count:])
        made: Function = self.visit_expr(func)
        return made

    def rewrite(self, call: Call) -> Expr | None:
        """A call of a kernel that takes weights: of a kernel that says so."""
        gvar = call.args[0] if is_call_of(call, "call_tir") else None
        kernel = self.mod.functions.get(gvar) if isinstance(gvar, GlobalVar) else None
        if not isinstance(kernel, PrimFunc) or not isinstance(call.args[1], Tuple):
            return None
        free = [
            i
            for i, arg in enumerate(call.args[1].items)
            if isinstance(arg, Constant) or arg in self.weights
        ]
        if not free:
            return None
        marked = kernel.with_attr(ATTRIBUTE, free)
        new = self.builder_.add_func(marked, str(getattr(gvar, "name_hint", "kernel")))
        return call.replace(args=(new, *call.args[1:]))


def AttachAttrLayoutFreeBuffers() -> Pass:
    """Kernels called with weights (constants, parameters after `num_input`) get the attribute
    `layout_free_buffers`: the places of these arguments, whose layout may be chosen freely."""

    def transform(mod: IRModule) -> IRModule:
        marker = _Marker(mod)
        for gvar, func in mod.items():
            if isinstance(func, Function):
                new = marker.function(func)
                if new is not func:
                    marker.builder_.update_func(gvar, new)
        return without_uncalled_kernels(marker.builder_.get())

    return module_level("AttachAttrLayoutFreeBuffers", transform)
