"""FastMathTransform: elementary functions become their fast kernels."""

from __future__ import annotations

from ... import topi
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..base import Expr
from ..expr import Call
from ._calls import CallRewriter
from ._pass import module_level
from .legalize_ops import is_known

FAST = {
    "relax.exp": topi.fast_exp,
    "relax.erf": topi.fast_erf,
    "relax.tanh": topi.fast_tanh,
    "relax.nn.softmax": topi.nn.fast_softmax,
}
"""The fast functions, by operator."""


class _Faster(CallRewriter):
    def rewrite(self, call: Call) -> Expr | None:
        """A call of a function that has a fast kernel."""
        fast = FAST.get(call.op.name)  # type: ignore[attr-defined]
        if fast is None or not is_known(call.struct_info):
            return None
        return self.builder_.call_te(fast, *call.args, *call.attrs.values())


def FastMathTransform() -> Pass:
    """`exp`, `erf`, `tanh` and `softmax`  ->  calls of the kernels `fast_exp` and so on."""

    def transform(mod: IRModule) -> IRModule:
        return _Faster(mod).transform()

    return module_level("FastMathTransform", transform)
