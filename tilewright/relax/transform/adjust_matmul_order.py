"""AdjustMatmulOrder: products of three matrices in the order that takes less work."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...ir.transform import Pass
from ...tir.arith import Analyzer, ConstIntBound
from ...tir.expr import Var as TirVar
from ..analysis.effects import computable_at_compile_time
from ..base import Expr
from ..dims import Dims, product, symbolic_vars
from ..expr import Call, Constant, Function
from ..op import matmul
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of, rewriting_pass


def _dims(expr: Expr) -> Dims | None:
    info = expr.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None or info.ndim < 2:
        return None
    return info.dims


def _work(rows: Dims, inner: PrimExpr, columns: PrimExpr) -> PrimExpr:
    return product((*rows, inner, columns))


class _Reorderer(CallRewriter):
    def __init__(self, func: Function) -> None:
        super().__init__()
        self.known = set(computable_at_compile_time(func))
        self.analyzer = Analyzer()
        upper = {str(k): int(v) for k, v in func.attrs.get("tir_var_upper_bound", {}).items()}
        for var in symbolic_vars(tuple(p.struct_info for p in func.params)):
            self._bound(var, upper.get(var.name))

    def _bound(self, var: TirVar, upper: int | None) -> None:
        top = ConstIntBound.POS_INF if upper is None else upper
        self.analyzer.update(var, ConstIntBound(1, top))

    def is_known(self, expr: Expr) -> bool:
        """True for weights and what is computed from them alone."""
        return isinstance(expr, Constant) or expr in self.known

    def rewrite(self, call: Call) -> Expr | None:
        """`(a b) c` or `a (b c)`, whichever is proved to take less work."""
        if not is_call_of(call, "matmul"):
            return None
        left, right = self.producer(call.args[0], "matmul"), self.producer(call.args[1], "matmul")
        dtype = call.attrs.out_dtype
        if right is not None and right.attrs.out_dtype == dtype:
            a, (b, c) = call.args[0], right.args
            if not (self.is_known(b) and self.is_known(c)) and self._is_less(a, b, c, True):
                return matmul(matmul(a, b, dtype), c, dtype)
        if left is not None and left.attrs.out_dtype == dtype:
            (a, b), c = left.args, call.args[1]
            if not (self.is_known(a) and self.is_known(b)) and self._is_less(a, b, c, False):
                return matmul(a, matmul(b, c, dtype), dtype)
        return None

    def _is_less(self, a: Expr, b: Expr, c: Expr, left_first: bool) -> bool:
        dims = [_dims(e) for e in (a, b, c)]
        if any(d is None for d in dims):
            return False
        x, y, z = dims
        assert x is not None and y is not None and z is not None
        if len(y) > 2 or len(z) > 2:
            return False
        rows = x[:-1]
        first = _work(rows, x[-1], y[-1]) + _work(rows, y[-1], z[-1])
        second = _work(y[:-1], y[-1], z[-1]) + _work(rows, x[-1], z[-1])
        return self.analyzer.can_prove(first < second if left_first else second < first)


def AdjustMatmulOrder() -> Pass:
    """`x @ (a @ b)`  <->  `(x @ a) @ b`, whichever takes fewer multiplications for all sizes.

    The bounds in `tir_var_upper_bound` are used. Products of weights alone stay: they are computed
    ahead.
    """
    return rewriting_pass("AdjustMatmulOrder", _Reorderer)
