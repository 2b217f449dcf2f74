"""ExpandMatmulOfSum: `x @ (a + b)` becomes `x @ a + x @ b`."""

from __future__ import annotations

from ...ir.transform import Pass
from ..analysis.effects import computable_at_compile_time
from ..base import Expr
from ..expr import Call, Constant, Function
from ..op import add, matmul, permute_dims
from ._calls import CallRewriter, is_call_of, rewriting_pass


class _Expander(CallRewriter):
    def __init__(self, func: Function) -> None:
        super().__init__()
        self.known = set(computable_at_compile_time(func))

    def is_known(self, expr: Expr) -> bool:
        """True for weights and what is computed from them alone."""
        return isinstance(expr, Constant) or expr in self.known

    def rewrite(self, call: Call) -> Expr | None:
        """A product whose right side is a sum, given transposed or not."""
        if not is_call_of(call, "matmul"):
            return None
        left, right = call.args
        turned = self.producer(right, "permute_dims")
        total = self.producer(turned.args[0] if turned else right, "add")
        if total is None or all(map(self.is_known, total.args)):
            return None
        axes = turned.attrs.axes if turned else None
        info = total.struct_info
        if any(a.struct_info.ndim != info.ndim for a in total.args):
            return None
        parts = [permute_dims(a, axes) if turned else a for a in total.args]
        return add(*(matmul(left, part, call.attrs.out_dtype) for part in parts))


def ExpandMatmulOfSum() -> Pass:
    """`matmul(x, a + b)`  ->  `matmul(x, a) + matmul(x, b)`, also where the sum is transposed.

    Left alone where the sum depends on weights only and can be computed ahead.
    """
    return rewriting_pass("ExpandMatmulOfSum", _Expander)
