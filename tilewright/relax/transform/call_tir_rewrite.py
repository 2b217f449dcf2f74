"""CallTIRRewrite: kernels called in destination-passing style, their results allocated before."""

from __future__ import annotations

from typing import Any

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from ...support.errors import CompileError
from ..base import Expr, ShapeExpr, StructInfo
from ..expr import Call, Constant, PrimValue, Tuple, Var, VarBinding, name_of
from ..expr_functor import PyExprMutator
from ..op.builtin import alloc_tensor
from ..struct_info import ShapeStructInfo, TensorStructInfo, TupleStructInfo
from ._pass import module_level

DESTINATION_PASSING = frozenset(
    f"relax.{n}" for n in ("call_tir", "call_tir_with_grad", "call_tir_inplace", "call_dps_packed")
)


class _Rewriter(PyExprMutator):
    def visit_call_(self, op: Call) -> Expr:
        """`y = call_tir(f, (a,), out)`  ->  `alloc = alloc_tensor(...); f(a, alloc); y = alloc`"""
        call = self.visit_expr_post_order(op)
        if not isinstance(call.op, Op) or call.op.name not in DESTINATION_PASSING:  # type: ignore[attr-defined]
            return call
        assert isinstance(call, Call)
        inputs = list(call.args[1].items) if isinstance(call.args[1], Tuple) else [call.args[1]]
        info = call.sinfo_args[0]
        places = call.attrs.get("inplace_indices")
        single = not isinstance(info, TupleStructInfo)
        infos = info.items if isinstance(info, TupleStructInfo) else (info,)
        results: list[Expr] = []
        fresh: list[Expr] = []
        for index, item in enumerate(infos):
            if places is not None and places[index] >= 0:
                results.append(_written_over(inputs[places[index]], call))
            else:
                made = self._allocate(item, call)
                results.append(made)
                fresh.append(made)
        self._emit_call(call, (*inputs, *fresh, *_scalars(call)))
        return results[0] if single else Tuple(tuple(results))

    def _allocate(self, info: StructInfo, call: Call) -> Var:
        if not isinstance(info, TensorStructInfo) or info.shape is None or not info.dtype:
            raise CompileError(
                f"the result of a kernel is `{info}`: its size is unknown", call.span
            )
        index = getattr(info.vdevice, "vdevice_id", 0) if info.vdevice is not None else 0
        scope = getattr(info.vdevice, "memory_scope", None) or "global"
        value = alloc_tensor(info.shape, info.dtype, index, scope)
        return self.builder_.emit(value.replace(span=call.span), "alloc")

    def _emit_call(self, call: Call, args: tuple[Expr, ...]) -> None:
        made = Call(call.args[0], args, span=call.span)
        made._struct_info = TupleStructInfo(())
        var = Var("_", TupleStructInfo(()))
        self.builder_.emit_normalized(VarBinding(var, made, span=call.span))


def _written_over(value: Expr, call: Call) -> Expr:
    """An argument taken in place. Raises `CompileError` for a constant, which all calls share."""
    if isinstance(value, Constant):
        raise CompileError(
            f"`{name_of(call.args[0])}` would write over a constant", call.span,
            hint="give it a copy, as of a kernel that copies",
        )  # fmt: skip
    return value


def _scalars(call: Call) -> list[Expr]:
    if len(call.args) < 3:
        return []
    shape = call.args[2]
    values: Any = shape.values if isinstance(shape, ShapeExpr) else None
    if values is None and isinstance(shape.struct_info, ShapeStructInfo):
        values = shape.struct_info.values
    if values is None:
        raise CompileError("the scalars of a kernel call are not known", call.span)
    return [PrimValue(v) for v in values]


def CallTIRRewrite() -> Pass:
    """Replaces `call_tir` and its kin by allocations and direct calls of the kernel."""

    def transform(mod: IRModule) -> IRModule:
        return _Rewriter(mod).transform()

    return module_level("CallTIRRewrite", transform)


def is_kernel_call(value: Any) -> bool:
    """True for a direct call of a function of the module."""
    return isinstance(value, Call) and isinstance(value.op, GlobalVar)
