"""Operands of elementwise operators whose symbolic dimensions are not known to be equal.

A model is only valid if they turn out equal (or 1), so the exporter's longer spelling is cast to
the shorter one; the program checks it when it runs.
"""

from __future__ import annotations

from typing import Any

from ... import relax
from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import post_order_visit
from ...relax.dims import is_equal
from .node import NodeContext
from .values import tensor_info


def aligned(n: NodeContext, *operands: relax.Expr) -> list[relax.Expr]:
    """The operands, with dimensions that must be equal written alike."""
    shapes = [_dims(operand) for operand in operands]
    if any(shape is None for shape in shapes):
        return list(operands)
    rank = max(len(shape) for shape in shapes if shape is not None)
    chosen: list[Any] = [None] * rank
    for shape in shapes:
        assert shape is not None
        for place, dim in enumerate(shape, rank - len(shape)):
            chosen[place] = _simpler(chosen[place], dim)
    return [_cast(n, o, s, chosen) for o, s in zip(operands, shapes, strict=True)]


def _dims(operand: relax.Expr) -> tuple[PrimExpr, ...] | None:
    info = operand.struct_info
    return info.dims if isinstance(info, relax.TensorStructInfo) else None


def _is_one(dim: PrimExpr) -> bool:
    return isinstance(dim, IntImm) and dim.value == 1


def _weight(dim: PrimExpr) -> int:
    nodes: list[object] = []
    post_order_visit(dim, nodes.append)
    return len(nodes)


def _simpler(a: PrimExpr | None, b: PrimExpr) -> PrimExpr:
    """Of two dimensions that must be equal, the one to write: a number before a name before an
    expression; 1 gives way to anything."""
    if a is None or _is_one(a):
        return b
    if _is_one(b) or isinstance(a, IntImm):
        return a
    return b if isinstance(b, IntImm) or _weight(b) < _weight(a) else a


def _cast(n: NodeContext, operand: relax.Expr, shape: Any, chosen: list[Any]) -> relax.Expr:
    wanted = [
        dim if _is_one(dim) or is_equal(dim, target) or _both_constant(dim, target) else target
        for dim, target in zip(shape, chosen[len(chosen) - len(shape) :], strict=True)
    ]
    if all(a is b for a, b in zip(wanted, shape, strict=True)):
        return operand
    info = tensor_info(wanted, operand.struct_info.dtype)
    return n.cast(operand, info)


def _both_constant(a: PrimExpr, b: PrimExpr) -> bool:
    return isinstance(a, IntImm) and isinstance(b, IntImm)
