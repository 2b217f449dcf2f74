"""DropBroadcasts: what an operator broadcasts by itself is not broadcast before.

    y = broadcast_to(b, shape);  z = add(x, y)   ->   z = add(x, b)

where `x` has the shape of `z` already. Exporters write masks and empty biases out in full; so no
kernel fills memory with them, and none reads it.
"""

from __future__ import annotations

from ...ir.op import Op
from ...ir.transform import Pass
from ..analysis.overwriting import overwritten
from ..base import Expr
from ..dims import Dims, all_equal
from ..expr import Call, Var, VarBinding, name_of
from ..expr_functor import PyExprMutator
from ..op._declare import Declaration
from ..struct_info import TensorStructInfo
from ._pass import function_level


class _Dropper(PyExprMutator):
    def __init__(self, overwritten: set[Var]) -> None:
        super().__init__()
        self.overwritten = overwritten
        self.kept: set[Expr] = set(overwritten)
        """What is written over, by its variables in the old and the new function."""

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A binding; what is written over stays a value of its own."""
        super().visit_var_binding_(binding)
        var = self.get_var_remap(binding.var)
        if binding.var in self.overwritten:
            self.kept.add(var)

    def visit_call_(self, op: Call) -> Expr:
        """A call of two operands, one of the result's shape, reads the other as it is."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not _broadcasts(call.op) or len(call.args) != 2:
            return call
        dims = _dims(op)
        args = list(call.args)
        for k, other in ((0, args[1]), (1, args[0])):
            source = self._source(args[k])
            have = _dims(other)
            if source is not None and dims is not None and have and all_equal(have, dims):
                args[k] = source
                break
        return call.replace(args=tuple(args)) if args != list(call.args) else call

    def _source(self, value: Expr) -> Expr | None:
        """What `value` is a broadcast of."""
        if not isinstance(value, Var) or value in self.kept:
            return None
        bound = self.lookup_binding(value)
        if not isinstance(bound, Call) or name_of(bound.op) != "relax.broadcast_to":
            return None
        source: Expr = bound.args[0]
        return None if source in self.kept else source


def _broadcasts(op: Expr) -> bool:
    declared: Declaration | None = op.get_attr("declaration") if isinstance(op, Op) else None
    return declared is not None and declared.elementwise


def _dims(value: Expr) -> Dims | None:
    info = value.struct_info
    return info.dims if isinstance(info, TensorStructInfo) else None


def DropBroadcasts() -> Pass:
    """Lets operators of two operands broadcast what was broadcast before them."""
    return function_level(
        "DropBroadcasts", lambda func: _Dropper(overwritten(func)).visit_expr(func)
    )
