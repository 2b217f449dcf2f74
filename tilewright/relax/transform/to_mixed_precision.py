"""ToMixedPrecision: heavy operations in 16 bits, everything delicate in 32.

Three kinds of operators: those of `ALWAYS` take 16-bit operands; those of `FOLLOW` are computed in
16 bits if all their tensors are at hand in it; all others stay in 32 bits. Conversions are made
once a value, where the first user needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.op import Op
from ...ir.transform import Pass
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ..base import Expr
from ..expr import Call, Constant, DataflowBlock, Function, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op import astype
from ..struct_info import TensorStructInfo
from ._pass import function_level

ALWAYS = frozenset(
    f"relax.{n}"
    for n in (
        "matmul", "nn.conv1d", "nn.conv2d", "nn.conv3d", "nn.conv1d_transpose",
        "nn.conv2d_transpose", "nn.conv3d_transpose",
    )
)  # fmt: skip
FOLLOW = frozenset(
    f"relax.{n}"
    for n in (
        "add", "subtract", "multiply", "maximum", "minimum", "negative", "abs", "clip", "where",
        "nn.relu", "nn.leakyrelu", "nn.max_pool2d", "nn.max_pool1d", "nn.max_pool3d", "nn.pad",
        "reshape", "permute_dims", "expand_dims", "squeeze", "flatten", "concat", "split", "tile",
        "repeat", "broadcast_to", "strided_slice", "take", "flip", "layout_transform",
    )
)  # fmt: skip


def _is_float32(expr: Expr) -> bool:
    info = expr.struct_info
    return isinstance(info, TensorStructInfo) and info.dtype == "float32"


class _Mixer(PyExprMutator):
    def __init__(self, out_dtype: str, narrow: str) -> None:
        super().__init__()
        self.out_dtype = out_dtype
        self.narrow = narrow
        self.low: dict[Expr, Expr] = {}
        self.inside = False

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """Only dataflow blocks change."""
        self.inside, before = True, self.inside
        self.low = {}
        super().visit_dataflow_block_(block)
        self.inside = before

    def to_low(self, expr: Expr) -> Expr:
        """The 16-bit version of a value, converted once."""
        if isinstance(expr, Tuple):
            return Tuple(tuple(self.to_low(i) for i in expr.items))
        if not _is_float32(expr):
            return expr
        known = self.low.get(expr)
        if known is None:
            known = self.low[expr] = self.builder_.emit(astype(expr, self.narrow))
        return known

    def has_low(self, expr: Expr) -> bool:
        """True if a value costs nothing in 16 bits: it is there, is constant, or is no float32."""
        if isinstance(expr, Tuple):
            return all(self.has_low(i) for i in expr.items)
        return expr in self.low or isinstance(expr, Constant) or not _is_float32(expr)

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A binding of an operator that may be computed in 16 bits."""
        value: Any = self.builder_.normalize(self.visit_expr(binding.value))
        name = value.op.name if isinstance(value, Call) and isinstance(value.op, Op) else ""
        if self.inside and name in ALWAYS and _is_float32(value):
            self._always(binding, value)
        elif self.inside and name in FOLLOW and _is_float32(value) and self._follows(value):
            args = tuple(self.to_low(a) for a in value.args)
            self._bind(binding, value.replace(args=args))
        elif value is binding.value:
            self.builder_.emit_normalized(binding)
        else:
            self.reemit_binding(binding, value)

    def _follows(self, call: Call) -> bool:
        some = any(a in self.low or isinstance(a, Tuple) for a in call.args)
        return some and all(self.has_low(a) for a in call.args)

    def _always(self, binding: VarBinding, call: Call) -> None:
        args = tuple(self.to_low(a) for a in call.args)
        attrs = {**call.attrs, "out_dtype": self.out_dtype}
        self._bind(binding, call.replace(args=args, attrs=attrs))

    def _bind(self, binding: VarBinding, call: Call) -> None:
        """Binds the variable to the result in 32 bits, and remembers it in 16."""
        if _is_float32(call):
            self.reemit_binding(binding, call)
            return
        low = self.builder_.emit(call, binding.var.name_hint)
        self.reemit_binding(binding, astype(low, "float32").replace(span=call.span))
        self.low[self.get_var_remap(binding.var)] = low


def ToMixedPrecision(
    out_dtype: str = "float32",
    fp16_input_names: Sequence[str] | None = None,
    dtype: str = "float16",
) -> Pass:
    """Computes matrix products and convolutions on `dtype` (float16 or bfloat16) operands.

    `out_dtype` is what they give: "float32", or `dtype` to go on in 16 bits where that is safe.
    Parameters called in `fp16_input_names` become parameters of `dtype`.
    """
    if dtype_of(dtype).bits != 16 or not dtype_of(dtype).is_float:
        raise ArgumentError(f"mixed precision is of a 16-bit float and float32, found {dtype}")
    if out_dtype not in ("float32", dtype):
        raise ArgumentError(f"out_dtype must be float32 or {dtype}, found {out_dtype}")
    narrow_inputs = set(fp16_input_names or ())

    def rewrite(func: Function) -> Function:
        mixer = _Mixer(out_dtype, dtype)
        made: Function = mixer.visit_expr(func)
        return _narrow_inputs(made, narrow_inputs, dtype) if narrow_inputs else made

    return function_level("ToMixedPrecision", rewrite)


def _narrow_inputs(func: Function, names: set[str], dtype: str) -> Function:
    """`func` with these parameters given in `dtype` and converted at the beginning."""
    mutator = PyExprMutator()
    params: list[Var] = []
    first: list[VarBinding] = []
    for param in func.params:
        info = param.struct_info
        if param.name_hint in names and isinstance(info, TensorStructInfo):
            narrow = TensorStructInfo(info.shape, dtype, info.vdevice, info.ndim)
            params.append(Var(param.name_hint, narrow))
            wide = Var(param.name_hint, info)
            first.append(VarBinding(wide, astype(params[-1], info.dtype)))
            mutator.set_var_remap(param, wide)
        else:
            params.append(param)
    body = mutator.visit_with_new_scope(func.body)
    blocks = (DataflowBlock(tuple(first)), *body.blocks) if first else body.blocks
    return func.replace(params=tuple(params), body=body.replace(blocks=blocks))
