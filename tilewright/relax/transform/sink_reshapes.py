"""SinkReshapes: what follows a matrix product element by element is computed before a reshape.

    y = reshape(matmul(x, w), shape);  z = relu(y)
->  z = reshape(relu(matmul(x, w)), shape)

Exporters write a linear layer as a product of matrices between two reshapes. Only next to the
product can its activation and residual sum be part of the product's kernel.
"""

from __future__ import annotations

from ...ir.op import Op
from ...ir.transform import Pass
from ..analysis.overwriting import overwritten
from ..base import Expr
from ..dims import Dims, all_equal, is_equal
from ..expr import Call, ShapeExpr, Var, VarBinding, name_of
from ..expr_functor import PyExprMutator
from ..op._declare import Declaration
from ..op._infer import is_one
from ..op.manipulate import reshape
from ..struct_info import TensorStructInfo
from ._pass import function_level

VIEWS = frozenset(f"relax.{name}" for name in ("reshape", "expand_dims", "squeeze", "flatten"))
SOURCES = frozenset(("relax.matmul", "relax.linear"))


class _Sinker(PyExprMutator):
    def __init__(self, overwritten: set[Var]) -> None:
        super().__init__()
        self.overwritten = overwritten
        self.carried: set[Var] = set()
        """Results of products, and what was computed of them element by element."""

    def visit_call_(self, op: Call) -> Expr:
        """An elementwise operator's call moves before the reshapes of its operands."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Op):
            return call
        if call.op.name in VIEWS:
            return self._view_of_view(call)
        return self._sunk(call) or call if _is_elementwise(call.op) else call

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A binding; products are remembered. What is written over stays a value of its own."""
        if binding.var in self.overwritten and isinstance(binding.value, Call):
            value = self.visit_expr_post_order(binding.value)
            self.reemit_binding(binding, self.builder_.normalize(value))
        else:
            super().visit_var_binding_(binding)
        var = self.get_var_remap(binding.var)
        if isinstance(var, Var) and self._is_carried(self.lookup_binding(var)):
            self.carried.add(var)

    def _is_carried(self, value: Expr | None) -> bool:
        if not isinstance(value, Call) or not isinstance(value.op, Op):
            return False
        if value.op.name in SOURCES:
            return True
        return _is_elementwise(value.op) and any(a in self.carried for a in value.args)

    def _source(self, value: Expr) -> Expr | None:
        """What `value` is a reshape of, if that has a known shape."""
        bound = self.lookup_binding(value) if isinstance(value, Var) else None
        if not isinstance(bound, Call) or name_of(bound.op) not in VIEWS:
            return None
        source = bound.args[0]
        return source if _dims(source) is not None else None

    def _view_of_view(self, call: Expr) -> Expr:
        """`reshape(reshape(x, a), b)`  ->  `reshape(x, b)`, or `x` itself."""
        source = self._source(call.args[0]) if isinstance(call, Call) else None
        dims = _dims(call)
        if source is None or dims is None:
            return call
        if all_equal(_dims(source) or (), dims):
            return source
        return reshape(source, ShapeExpr(dims)).replace(span=call.span)

    def _sunk(self, call: Call) -> Expr | None:
        dims = _dims(call)
        sources = [self._source(a) for a in call.args if isinstance(a, Var)]
        inner = next((s for s in sources if s in self.carried), None)
        if dims is None or inner is None:
            return None
        inside = _dims(inner)
        if not dims or not inside or not is_equal(dims[-1], inside[-1]):
            return None
        args = [self._operand(a, dims, inside) for a in call.args]
        if any(a is None for a in args):
            return None
        made = self.builder_.emit(call.replace(args=tuple(args)))
        if not all_equal(_dims(made) or (), inside):
            return None
        if self._is_carried(self.lookup_binding(made)):
            self.carried.add(made)
        return reshape(made, ShapeExpr(dims)).replace(span=call.span)

    def _operand(self, arg: Expr, dims: Dims, inside: Dims) -> Expr | None:
        """`arg`, an operand of a result of shape `dims`, for one of shape `inside`; None if there
        is no such view of it."""
        have = _dims(arg)
        if have is None:
            return None
        if all(map(is_one, have)):
            return arg if len(have) <= len(inside) else None
        if all_equal(have, dims):
            return self._viewed(arg, inside)
        if all(map(is_one, have[:-1])) and is_equal(have[-1], dims[-1]):
            return arg if len(have) == 1 else self._viewed(arg, have[-1:])
        return None

    def _viewed(self, arg: Expr, dims: Dims) -> Expr:
        view = self._view_of_view(self.builder_.normalize(reshape(arg, ShapeExpr(dims))))
        return self.builder_.emit(view) if isinstance(view, Call) else view


def _is_elementwise(op: Op) -> bool:
    declared: Declaration | None = op.get_attr("declaration")
    return declared is not None and declared.elementwise


def _dims(value: Expr) -> Dims | None:
    info = value.struct_info
    return info.dims if isinstance(info, TensorStructInfo) else None


def SinkReshapes() -> Pass:
    """Computes what follows matrix products element by element before results are reshaped."""
    return function_level("SinkReshapes", lambda func: _Sinker(overwritten(func)).visit_expr(func))
