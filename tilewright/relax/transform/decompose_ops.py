"""DecomposeOpsForInference: operators of training become what they are at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.expr import IntImm
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from ..analysis.overwriting import overwritten
from ..base import Expr
from ..block_builder import BlockBuilder
from ..dims import Dims
from ..expr import Call, Constant, Function, Tuple, Var, VarBinding, const
from ..op import add, divide, multiply, ones_like, reshape, sqrt, subtract
from ..struct_info import TensorStructInfo
from ._pass import module_level
from .canonicalize_bindings import Forwarder


def channel_shape(info: TensorStructInfo, axis: int) -> Dims:
    """`(1, ..., channels, ..., 1)`: the shape in which a vector of channels meets the data."""
    if info.dims is None:
        raise CompileError("the data's shape is not known")
    axis = axis % info.ndim
    return tuple(d if i == axis else IntImm("int64", 1) for i, d in enumerate(info.dims))


def scale_and_shift(call: Call) -> tuple[Expr, Expr]:
    """The two vectors with which an inference `batch_norm` is `x * scale + shift`."""
    _, gamma, beta, mean, variance = call.args
    attrs = call.attrs
    parts = (gamma, beta, mean, variance)
    if all(isinstance(p, Constant) for p in parts):
        return _computed(call, [p.array for p in parts if isinstance(p, Constant)])
    dtype = mean.struct_info.dtype
    deviation = sqrt(add(variance, const(attrs.epsilon, dtype)))
    scale = divide(gamma, deviation) if attrs.scale else divide(const(1.0, dtype), deviation)
    moved = multiply(mean, scale)
    shift = subtract(beta, moved) if attrs.center else subtract(const(0.0, dtype), moved)
    return scale, shift


def _computed(call: Call, arrays: list[Any]) -> tuple[Expr, Expr]:
    """In double precision, rounded once."""
    attrs = call.attrs
    kind = dtype_of(call.args[3].struct_info.dtype).numpy
    wide = [v.astype(np.float64) for v in arrays]  # gamma, beta, mean, variance
    scale = 1.0 / np.sqrt(wide[3] + attrs.epsilon)
    if attrs.scale:
        scale = scale * wide[0]
    shift = -wide[2] * scale
    if attrs.center:
        shift = shift + wide[1]
    return Constant(scale.astype(kind)), Constant(shift.astype(kind))


def _batch_norm(builder: BlockBuilder, call: Call) -> Expr:
    if call.attrs.training:
        return call
    data, mean, variance = call.args[0], call.args[3], call.args[4]
    info = data.struct_info
    if not isinstance(info, TensorStructInfo) or info.dims is None:
        return call
    shape = channel_shape(info, call.attrs.axis)
    scale, shift = (
        reshape(builder.emit(v) if isinstance(v, Call) else v, shape) for v in scale_and_shift(call)
    )
    out = builder.emit(add(builder.emit(multiply(data, scale)), shift))
    return Tuple((out, mean, variance))


def _dropout(builder: BlockBuilder, call: Call) -> Expr:
    return Tuple((call.args[0], builder.emit(ones_like(call.args[0]))))


RULES: dict[str, Callable[[BlockBuilder, Call], Expr]] = {
    "relax.nn.batch_norm": _batch_norm,
    "relax.nn.dropout": _dropout,
}
"""How operators are written at inference, by name."""


class _Decomposer(Forwarder):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        functions = (f for f in mod.functions.values() if isinstance(f, Function))
        self.overwritten = set[Var]().union(*map(overwritten, functions))
        self.needs_memory = False

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A result that is written over stays one of its own: its rule may give an argument."""
        self.needs_memory = binding.var in self.overwritten
        super().visit_var_binding_(binding)

    def visit_call_(self, op: Call) -> Expr:
        """A call: decomposed if there is a rule."""
        call = self.visit_expr_post_order(op)
        rule = None
        if not self.needs_memory and isinstance(call, Call) and isinstance(call.op, Op):
            rule = RULES.get(call.op.name)
        if rule is None:
            return call
        with self.builder_.at(call.span):
            return rule(self.builder_, call)  # type: ignore[arg-type]


def DecomposeOpsForInference(func_name: str | None = None) -> Pass:
    """Writes `batch_norm` as `x * scale + shift` and `dropout` as the data itself, in the function
    `func_name` or in all."""

    def transform(mod: IRModule) -> IRModule:
        if func_name is None:
            return _Decomposer(mod).transform()
        only = mod.with_functions({v: f for v, f in mod.items() if v.name_hint == func_name})
        made = _Decomposer(only).transform()
        return mod.with_functions({**mod.functions, **made.functions})

    return module_level("DecomposeOpsForInference", transform)
