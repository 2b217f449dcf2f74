"""FoldConstant: what depends on constants alone is computed now.

Operators are evaluated by the NumPy references of their declarations. Kernels (`call_tir`) are
compiled by `FOLD_HOOKS["kernel"]` where a code generator has put one, else small ones are
interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...ir.expr import GlobalVar, IntImm
from ...ir.functor import post_order_visit
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...support.dtypes import dtype_of
from ...tir import interpreter as tir_interpreter
from ...tir.function import PrimFunc
from ..analysis.overwriting import overwritten
from ..base import Expr, ShapeExpr
from ..expr import (
    Call,
    Constant,
    DataflowVar,
    DataTypeImm,
    Function,
    PrimValue,
    StringImm,
    Tuple,
    Var,
    VarBinding,
)
from ..interpreter import Frame, Interpreter
from ..op._declare import Declaration, is_null
from ..struct_info import StructInfo, TensorStructInfo, TupleStructInfo
from ._pass import module_level
from .canonicalize_bindings import Forwarder

FOLD_HOOKS: dict[str, Callable[[PrimFunc, list[np.ndarray[Any, Any]]], None]] = {}
"""`kernel`: runs a kernel on NumPy arrays, outputs included, at native speed."""

SMALL = 1 << 12  # elements that the interpreter may compute
GROWTH = 1 << 16  # elements that a result may have beyond those of its inputs
TIMES = 4  # how many times as many as its inputs a result may have
TIMES_BESIDES = 16  # the same where the module's other constants are far larger
SHARE = 8  # how many times as many elements those have then


def is_constant(expr: Expr) -> bool:
    """True for a leaf whose value is known."""
    if isinstance(expr, Tuple):
        return all(is_constant(item) for item in expr.items)
    if isinstance(expr, ShapeExpr):
        return all(isinstance(d, IntImm) for d in expr.values)
    if isinstance(expr, PrimValue):
        return hasattr(expr.value, "value")
    return isinstance(expr, (Constant, StringImm, DataTypeImm)) or is_null(expr)


def _count(info: StructInfo) -> int | None:
    """The elements of a result, None if they are not known."""
    if isinstance(info, TensorStructInfo) and info.static_shape is not None and info.dtype:
        return prod(info.static_shape)
    if isinstance(info, TupleStructInfo):
        counts = [_count(item) for item in info.items]
        return None if None in counts else sum(c for c in counts if c is not None)
    return None


def _elements(expr: Expr) -> int:
    if isinstance(expr, Constant):
        return int(expr.array.size)
    return sum(_elements(i) for i in expr.items) if isinstance(expr, Tuple) else 0


def _constant_elements(mod: IRModule) -> int:
    """The elements of all constants in the functions of the graph."""
    found: set[Constant] = set()

    def look(node: object) -> None:
        if isinstance(node, Constant):
            found.add(node)

    for func in mod.functions.values():
        if isinstance(func, Function):
            post_order_visit(func, look)
    return sum(_elements(c) for c in found)


def as_constant(value: Any, span: Any = None) -> Expr:
    """An array or a tuple of arrays as an expression."""
    if isinstance(value, tuple):
        return Tuple(tuple(as_constant(v, span) for v in value), span=span)
    return Constant(np.asarray(value), span=span)


class _Folder(Forwarder):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.mod = mod
        self.interpreter = Interpreter(mod)
        self.overwritten = overwritten(mod)
        self.budget = _constant_elements(mod) // SHARE

    def is_alias(self, value: Expr) -> bool:
        """Constants may stand wherever their variable does."""
        return isinstance(value, Var) or is_constant(value)

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A constant bound to a dataflow variable is written at its uses."""
        value = self.builder_.normalize(self._folded(binding))
        if is_constant(value) and isinstance(binding.var, DataflowVar):
            self.set_var_remap(binding.var, value)
        elif value is binding.value:
            self.builder_.emit_normalized(binding)
        else:
            self.reemit_binding(binding, value)

    def _folded(self, binding: VarBinding) -> Expr:
        """The value; a call stays whose result is written over: a constant is there for good."""
        if isinstance(binding.value, Call) and binding.var in self.overwritten:
            return self.visit_expr_post_order(binding.value)
        made: Expr = self.visit_expr(binding.value)
        return made

    def visit_call_(self, op: Call) -> Expr:
        """A call of known arguments becomes its result."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Op):
            return call
        if call.op.name == "relax.call_tir":
            return self._kernel(call)
        declared: Declaration | None = call.op.get_attr("declaration")
        if declared is None or declared.reference is None or not declared.pure:
            return call
        if not all(is_constant(a) for a in call.args) or not self._is_worth(call):
            return call
        return as_constant(self.interpreter.eval(call, Frame()), call.span)

    def _is_worth(self, call: Call) -> bool:
        count = _count(call.struct_info)
        given = sum(_elements(a) for a in call.args)
        beside = min(TIMES_BESIDES * given, self.budget)
        return count is not None and count <= max(GROWTH, TIMES * given, beside)

    def _kernel(self, call: Call) -> Expr:
        gvar = call.args[0]
        func = self.mod[gvar] if isinstance(gvar, GlobalVar) and gvar in self.mod else None
        known = isinstance(call.args[1], Tuple) and all(
            isinstance(a, Constant) for a in call.args[1].items
        )
        if not isinstance(func, PrimFunc) or not known or len(call.args) > 2:
            return call
        if not self._is_worth(call):
            return call
        infos = call.sinfo_args[0]
        parts: Any = infos.items if isinstance(infos, TupleStructInfo) else (infos,)
        inputs = [a.array for a in call.args[1].items]  # type: ignore[attr-defined]
        outputs = [np.zeros(i.static_shape, dtype_of(i.dtype).numpy) for i in parts]
        if not _run(func, [*inputs, *outputs]):
            return call
        single = not isinstance(infos, TupleStructInfo)
        return as_constant(outputs[0] if single else tuple(outputs), call.span)


def _run(func: PrimFunc, arrays: list[np.ndarray[Any, Any]]) -> bool:
    native = FOLD_HOOKS.get("kernel")
    if native is not None:
        native(func, arrays)
        return True
    if sum(a.size for a in arrays) > SMALL:
        return False
    tir_interpreter.run(func, *arrays)
    return True


def FoldConstant() -> Pass:
    """Evaluates calls whose arguments are all constants, but for those whose results are written
    over."""

    def transform(mod: IRModule) -> IRModule:
        return _Folder(mod).transform()

    return module_level("FoldConstant", transform)
