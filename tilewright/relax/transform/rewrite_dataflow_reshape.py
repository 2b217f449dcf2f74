"""RewriteDataflowReshape: kernels that only reshape become views."""

from __future__ import annotations

from ...ir.expr import GlobalVar, IntImm, PrimExpr
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...tir.arith import Analyzer
from ...tir.buffer import Buffer, flat_indices
from ...tir.expr import BufferLoad
from ...tir.function import PrimFunc
from ...tir.stmt import BlockRealize, BufferStore, For, Stmt
from ..base import Expr
from ..expr import Call, DataflowVar, Tuple, VarBinding
from ..expr_functor import PyExprMutator
from ..struct_info import TensorStructInfo
from ._pass import module_level

VIEW = "relax.is_view"
"""Attribute of kernels made of operators that keep the elements in row-major order."""


def _only_block(body: Stmt) -> BlockRealize | None:
    while True:
        if isinstance(body, For):
            body = body.body
        elif isinstance(body, BlockRealize):
            if body.block.iter_vars or not isinstance(body.block.body, (For, BlockRealize)):
                return body
            body = body.block.body
        else:
            return None


def has_reshape_pattern(func: PrimFunc) -> bool:
    """True if the kernel copies its one input to its one output in row-major order."""
    arrays = func.buffers()
    realize = _only_block(func.body)
    if len(arrays) != 2 or realize is None:
        return False
    block = realize.block
    store = block.body
    if not isinstance(store, BufferStore) or not isinstance(store.value, BufferLoad):
        return False
    if store.buffer is not arrays[1] or store.value.buffer is not arrays[0] or block.init:
        return False
    analyzer = Analyzer()
    if not analyzer.can_prove_equal(_size(arrays[0]), _size(arrays[1])):
        return False
    for axis in block.iter_vars:
        if axis.dom is not None:
            analyzer.bind(axis.var, axis.dom)
    read = flat_indices(store.value.buffer, store.value.indices)[0]
    written = flat_indices(store.buffer, store.indices)[0]
    return bool(analyzer.can_prove_equal(read, _as(written, read.dtype)))


def _size(buffer: Buffer) -> PrimExpr:
    total: PrimExpr = IntImm("int64", 1)
    for extent in buffer.shape:
        total = total * _as(extent, "int64")
    return total


def _as(value: PrimExpr, dtype: str) -> PrimExpr:
    return value if value.dtype == dtype else value.astype(dtype)


def is_view(func: PrimFunc) -> bool:
    """True if the kernel is known to be a reshape."""
    return bool(func.attrs.get(VIEW)) or has_reshape_pattern(func)


class _Rewriter(PyExprMutator):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.mod = mod
        self.views: dict[str, bool] = {}

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """`lv = call_tir(reshape, (x,))`  ->  `lv = reshape(x)`, a view; outputs stay copies."""
        value = self._view(binding.value) if isinstance(binding.var, DataflowVar) else None
        if value is None:
            super().visit_var_binding_(binding)
        else:
            made = self.visit_expr(value)
            made._struct_info = binding.var.struct_info
            self.reemit_binding(binding, made)

    def _view(self, call: Expr) -> Call | None:
        if not isinstance(call, Call) or call.op is not Op.get("relax.call_tir"):
            return None
        gvar, inputs = call.args[0], call.args[1]
        info = call.sinfo_args[0]
        single = isinstance(inputs, Tuple) and len(inputs.items) == 1
        if not single or not isinstance(info, TensorStructInfo) or info.shape is None:
            return None
        if not isinstance(gvar, GlobalVar) or not self._is_view(gvar):
            return None
        return Call(Op.get("relax.reshape"), (inputs.items[0], info.shape), span=call.span)  # type: ignore[attr-defined]

    def _is_view(self, gvar: GlobalVar) -> bool:
        known = self.views.get(gvar.name_hint)
        if known is None:
            func = self.mod[gvar] if gvar in self.mod else None
            known = self.views[gvar.name_hint] = isinstance(func, PrimFunc) and is_view(func)
        return known


def RewriteDataflowReshape() -> Pass:
    """Replaces calls of reshaping kernels in dataflow blocks by views, which cost nothing."""

    def transform(mod: IRModule) -> IRModule:
        return _Rewriter(mod).transform()

    return module_level("RewriteDataflowReshape", transform)
