"""Small constant subexpressions, evaluated while importing by the operators' references."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import relax
from ...ir.expr import IntImm
from ...relax.op import declaration
from ...support.dtypes import dtype_of
from .values import LIMIT

_MISSING = object()


def folded_call(expr: relax.Expr) -> relax.Constant | None:
    """The value of a call of an operator on constants, None if it is not small or not constant."""
    if not isinstance(expr, relax.Call):
        return None
    declared = declaration(expr.op)
    if declared is None or declared.reference is None or not declared.pure:
        return None
    args = [_constant(arg) for arg in expr.args]
    if any(arg is _MISSING for arg in args):
        return None
    info = expr.struct_info
    if not isinstance(info, relax.TensorStructInfo) or info.static_shape is None:
        return None
    if np.prod(info.static_shape, initial=1) > LIMIT:
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(declared.evaluate(expr, args))
    wanted = dtype_of(info.dtype).numpy
    if value.shape != info.static_shape or value.dtype != wanted:
        return None
    return relax.const(value, info.dtype)


def _constant(arg: relax.Expr) -> Any:
    if isinstance(arg, relax.Constant):
        return arg.array if arg.array.size <= LIMIT else _MISSING
    if isinstance(arg, relax.ShapeExpr):
        dims = [d.value if isinstance(d, IntImm) else _MISSING for d in arg.values]
        return _MISSING if _MISSING in dims else tuple(dims)
    if isinstance(arg, relax.Tuple):
        items = [_constant(item) for item in arg.items]
        return _MISSING if any(i is _MISSING for i in items) else tuple(items)
    if isinstance(arg, relax.PrimValue) and isinstance(arg.value, IntImm):
        return arg.value.value
    return _MISSING
