"""Passes of TVM's build pipeline whose work the lowering to instructions does by itself.

`vm_build` computes symbolic dimensions in slots, checks arguments and calls built-ins directly, so
these passes have nothing to rewrite. They exist so that pipelines written out pass by pass run.
"""

from __future__ import annotations

from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ..base import Expr
from ..dims import simplify
from ..expr import Call, Var
from ..expr_functor import PyExprMutator
from ..op.memory import alloc_storage, alloc_tensor, size_in_bytes
from ..struct_info import TensorStructInfo
from ._pass import module_level


def _same(mod: IRModule) -> IRModule:
    return mod


def VMShapeLower(*, emit_err_ctx: bool = True) -> Pass:
    """Nothing: `vm_build` turns shapes into slots and checks, always with their context."""
    return module_level("VMShapeLower", _same)


def LowerRuntimeBuiltin() -> Pass:
    """Nothing: `vm_build` lowers each operator of the virtual machine to its instruction."""
    return module_level("LowerRuntimeBuiltin", _same)


def VMBuiltinLower() -> Pass:
    """Nothing: the older name of `LowerRuntimeBuiltin`."""
    return module_level("VMBuiltinLower", _same)


def ComputePrimValue() -> Pass:
    """Nothing: instructions compute scalars in place."""
    return module_level("ComputePrimValue", _same)


class _LowerAlloc(PyExprMutator):
    def visit_call_(self, op: Call) -> Expr:
        """`builtin.alloc_tensor`  ->  a storage of its own and a tensor in it."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or call.op is not Op.get("relax.builtin.alloc_tensor"):
            return call
        info = call.struct_info
        if not isinstance(info, TensorStructInfo) or info.dims is None:
            return call
        shape, dtype, device, scope = call.args
        size = simplify(size_in_bytes(info))
        storage: Var = self.builder_.emit(alloc_storage(size, device, scope), "storage")  # type: ignore[arg-type]
        return alloc_tensor(storage, 0, shape, dtype).replace(span=call.span)  # type: ignore[arg-type]


def LowerAllocTensor() -> Pass:
    """Gives each `builtin.alloc_tensor` that planning left a storage of its own."""

    def transform(mod: IRModule) -> IRModule:
        return _LowerAlloc(mod).transform()

    return module_level("LowerAllocTensor", transform)
