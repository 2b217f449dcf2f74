"""FoldBatchnormToConv2D: `batch_norm(conv2d(x, w))` becomes `conv2d(x, w * scale) + shift`."""

from __future__ import annotations

import numpy as np

from ...ir.op import Op
from ...ir.transform import Pass
from ..analysis.variables import bindings_of, uses_of
from ..base import Expr
from ..expr import Call, Constant, Function, Tuple, Var
from ..op import add, reshape
from ..struct_info import TensorStructInfo
from ._pass import function_level
from .canonicalize_bindings import Forwarder
from .decompose_ops import channel_shape, scale_and_shift

CONVOLUTIONS = ("relax.nn.conv1d", "relax.nn.conv2d", "relax.nn.conv3d")


class _Folder(Forwarder):
    def __init__(self, func: Function) -> None:
        super().__init__()
        self.uses: dict[Var, int] = {}
        for binding in bindings_of(func):
            for var in uses_of(binding.value):
                self.uses[var] = self.uses.get(var, 0) + 1
        for var in uses_of(func.body.body):
            self.uses[var] = self.uses.get(var, 0) + 1
        self.origin: dict[Var, Var] = {}

    def visit_call_(self, op: Call) -> Expr:
        """A `batch_norm` of a convolution that nothing else uses is folded into its weight."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or call.op is not Op.get("relax.nn.batch_norm"):
            return call
        given = op.args[0]
        if not isinstance(given, Var) or self.uses.get(given, 0) != 1 or call.attrs.training:
            return call
        conv = self.lookup_binding(call.args[0])  # type: ignore[arg-type]
        return self._folded(call, conv) or call

    def _folded(self, call: Call, conv: Expr | None) -> Expr | None:
        if not isinstance(conv, Call) or getattr(conv.op, "name", "") not in CONVOLUTIONS:
            return None
        weight, info = conv.args[1], call.args[0].struct_info
        scale, shift = scale_and_shift(call)
        known = all(isinstance(v, Constant) for v in (weight, scale, shift))
        if not known or not isinstance(info, TensorStructInfo) or info.dims is None:
            return None
        layout = conv.attrs.get("out_layout") or conv.attrs.data_layout
        if layout.find("C") != call.attrs.axis % info.ndim or not layout.isalpha():
            return None
        out_axis = conv.attrs.kernel_layout.find("O")
        array = weight.array  # type: ignore[attr-defined]
        factors = scale.array.reshape([-1 if i == out_axis else 1 for i in range(array.ndim)])  # type: ignore[attr-defined]
        wide = np.float64 if array.dtype.itemsize > 4 else np.float32
        scaled = (array.astype(wide, copy=False) * factors.astype(wide)).astype(array.dtype)
        made = conv.replace(args=(conv.args[0], Constant(scaled), *conv.args[2:]))
        moved = reshape(shift, channel_shape(info, call.attrs.axis))
        with self.builder_.at(call.span):
            out = self.builder_.emit(add(self.builder_.emit(made), moved))
        return Tuple((out, call.args[3], call.args[4]))


def FoldBatchnormToConv2D() -> Pass:
    """Folds inference batch normalization into the constant weight of the convolution before it."""

    def rewrite(func: Function) -> Function:
        made: Function = _Folder(func).visit_expr(func)
        return made

    return function_level("FoldBatchnormToConv2D", rewrite)
