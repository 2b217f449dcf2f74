"""DecomposeOpsForTraining: normalizations written as arithmetic that has gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ..base import Expr
from ..block_builder import BlockBuilder
from ..dims import Dims
from ..expr import Call, Tuple, const
from ..op import add, divide, mean, multiply, reshape, sqrt, subtract, variance
from ..struct_info import TensorStructInfo
from ._pass import module_level
from .canonicalize_bindings import Forwarder
from .decompose_ops import channel_shape


def _normal(builder: BlockBuilder, data: Expr, centre: Expr, spread: Expr, epsilon: float) -> Expr:
    """`(data - centre) / sqrt(spread + epsilon)`"""
    emit = builder.emit
    small = const(epsilon, data.struct_info.dtype)
    deviation = emit(sqrt(emit(add(spread, small))))
    return emit(divide(emit(subtract(data, centre)), deviation))


def _scaled(builder: BlockBuilder, value: Expr, gamma: Any, beta: Any, attrs: Any) -> Expr:
    if attrs.scale:
        value = builder.emit(multiply(value, gamma))
    if attrs.center:
        value = builder.emit(add(value, beta))
    return value


def _blend(builder: BlockBuilder, old: Expr, new: Expr, momentum: float) -> Expr:
    """`(1 - momentum) * old + momentum * new`"""
    dtype = old.struct_info.dtype
    kept = builder.emit(multiply(const(1 - momentum, dtype), old))
    return builder.emit(add(kept, builder.emit(multiply(const(momentum, dtype), new))))


def _batch_norm(builder: BlockBuilder, call: Call) -> Expr:
    data, gamma, beta, old_mean, old_var = call.args
    info = data.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None:
        return call
    attrs = call.attrs
    shape = channel_shape(info, attrs.axis)
    others = tuple(i for i in range(info.ndim) if i != attrs.axis % info.ndim)
    emit = builder.emit
    batch_mean, batch_var = emit(mean(data, others)), emit(variance(data, others))
    centre, spread, factor, shift = (
        emit(reshape(v, shape)) for v in (batch_mean, batch_var, gamma, beta)
    )
    normal = _normal(builder, data, centre, spread, attrs.epsilon)
    out = _scaled(builder, normal, factor, shift, attrs)
    new_mean = _blend(builder, old_mean, batch_mean, attrs.momentum)
    return Tuple((out, new_mean, _blend(builder, old_var, batch_var, attrs.momentum)))


def _layer_norm(builder: BlockBuilder, call: Call) -> Expr:
    data, gamma, beta = call.args
    info = data.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None:
        return call
    attrs = call.attrs
    axes = tuple(sorted(a % info.ndim for a in attrs.axes))
    emit = builder.emit
    centre, spread = emit(mean(data, axes, True)), emit(variance(data, axes, True))
    shape: Dims = tuple(d if i in axes else 1 for i, d in enumerate(info.dims))  # type: ignore[misc]
    factor, shift = (emit(reshape(v, shape)) for v in (gamma, beta))
    normal = _normal(builder, data, centre, spread, attrs.epsilon)
    return _scaled(builder, normal, factor, shift, attrs)


RULES: dict[str, Callable[[BlockBuilder, Call], Expr]] = {
    "relax.nn.batch_norm": _batch_norm,
    "relax.nn.layer_norm": _layer_norm,
}
"""How operators are written for training, by name."""


class _Decomposer(Forwarder):
    def visit_call_(self, op: Call) -> Expr:
        """A call: decomposed if there is a rule."""
        call = self.visit_expr_post_order(op)
        rule = None
        if isinstance(call, Call) and isinstance(call.op, Op):
            rule = RULES.get(call.op.name)
        if rule is None:
            return call
        with self.builder_.at(call.span):
            return rule(self.builder_, call)  # type: ignore[arg-type]


def DecomposeOpsForTraining(func_name: str | None = None) -> Pass:
    """Writes `batch_norm` (with the batch's own statistics, and the running ones updated) and
    `layer_norm` as arithmetic, in the function `func_name` or in all."""

    def transform(mod: IRModule) -> IRModule:
        if func_name is None:
            return _Decomposer(mod).transform()
        only = mod.with_functions({v: f for v, f in mod.items() if v.name_hint == func_name})
        made = _Decomposer(only).transform()
        return mod.with_functions({**mod.functions, **made.functions})

    return module_level("DecomposeOpsForTraining", transform)
