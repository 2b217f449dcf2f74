"""How leaves and calls of operators become operands and instructions, as two tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..ffi import dtype as ffi_dtype
from ..ir.expr import GlobalVar
from ..runtime.executable import (
    AllocStorage,
    AllocTensor,
    CallClosure,
    Imm,
    KillReg,
    MakeClosure,
    NewTensor,
    Operand,
    Reg,
)
from . import expr as rx
from .base import Expr, ShapeExpr
from .expr import Call, Constant, Tuple, Var
from .struct_info import TensorStructInfo

if TYPE_CHECKING:
    from .vm_build import FunctionBuilder

Rule: TypeAlias = "Callable[[FunctionBuilder, Any], Operand]"

OPERANDS: dict[type[Any], Rule] = {
    Var: lambda b, v: b.registers[v],
    rx.DataflowVar: lambda b, v: b.registers[v],
    Constant: lambda b, v: b.module.pool.add(v.array),
    ShapeExpr: lambda b, v: b.shape(v),
    Tuple: lambda b, v: b.tuple(v),
    rx.PrimValue: lambda b, v: b.scalar(v.value),
    rx.StringImm: lambda b, v: Imm(v.value),
    rx.DataTypeImm: lambda b, v: Imm(ffi_dtype(v.value)),
    GlobalVar: lambda b, v: _closure(b, v, ()),
    rx.ExternFunc: lambda b, v: b.packed("vm.builtin.get_global_func", Imm(v.global_symbol)),
}
"""What holds each kind of leaf."""


def _closure(builder: FunctionBuilder, gvar: GlobalVar, captured: tuple[Operand, ...]) -> Reg:
    register = builder.new_register()
    builder.emit(MakeClosure(register, gvar.name_hint, captured, span=builder.span))
    return register


def _items(value: Expr) -> tuple[Expr, ...]:
    return value.items if isinstance(value, Tuple) else (value,)


def _alloc_tensor(builder: FunctionBuilder, call: Call) -> Operand:
    register = builder.new_register()
    device = int(call.args[2].value)  # type: ignore[attr-defined]
    dims = builder.dims(call.args[0])
    dtype = call.args[1].value  # type: ignore[attr-defined]
    builder.emit(NewTensor(register, dims, dtype, device, span=builder.span))
    return register


def _alloc_storage(builder: FunctionBuilder, call: Call) -> Operand:
    register = builder.new_register()
    (size,) = builder.dims(call.args[0])
    device = int(call.args[1].value)  # type: ignore[attr-defined]
    builder.emit(AllocStorage(register, size, device, span=builder.span))
    return register


def _tensor_in_storage(builder: FunctionBuilder, call: Call) -> Operand:
    register = builder.new_register()
    storage = builder.operand(call.args[0])
    offset = builder.kept(builder.slots.dim(call.args[1].value))  # type: ignore[attr-defined]
    dims = builder.dims(call.args[2])
    dtype = call.args[3].value  # type: ignore[attr-defined]
    builder.emit(AllocTensor(register, storage, offset, dims, dtype, span=builder.span))  # type: ignore[arg-type]
    builder.places[register] = (storage, offset)
    return register


def _kill(builder: FunctionBuilder, call: Call) -> Operand:
    register = builder.operand(call.args[0])
    if isinstance(register, Reg):
        builder.emit(KillReg(register, span=builder.span))
    return Imm(None)


def _packed(builder: FunctionBuilder, call: Call) -> Operand:
    func, *args = call.args
    if not isinstance(func, rx.ExternFunc):
        return builder.call(Call(func, tuple(args), span=call.span))
    return builder.packed(func.global_symbol, *(builder.operand(a) for a in args))


def _builtin(builder: FunctionBuilder, call: Call) -> Operand:
    name = call.args[0].global_symbol  # type: ignore[attr-defined]
    return builder.packed(name, *(builder.operand(a) for a in _items(call.args[1])))


def _shape_of(builder: FunctionBuilder, call: Call) -> Operand:
    info = call.args[0].struct_info
    if isinstance(info, TensorStructInfo) and info.dims is not None:
        return builder.shape(ShapeExpr(info.dims))
    return builder.packed("vm.builtin.shape_of", builder.operand(call.args[0]))


def _invoke(builder: FunctionBuilder, call: Call) -> Operand:
    args = tuple(builder.operand(a) for a in _items(call.args[1]))
    register = builder.new_register()
    closure = builder.operand(call.args[0])
    builder.emit(CallClosure(register, closure, args, span=builder.span))
    return register


def _make_closure(builder: FunctionBuilder, call: Call) -> Operand:
    captured = tuple(builder.operand(a) for a in _items(call.args[1]))
    return _closure(builder, call.args[0], captured)  # type: ignore[arg-type]


def _report(name: str) -> Rule:
    def lower(builder: FunctionBuilder, call: Call) -> Operand:
        args = [builder.operand(a) for a in call.args]
        text = Imm(str(call.attrs.get("format", "")))
        if name.endswith("assert_op"):
            return builder.packed(name, args[0], text, *args[1:])
        return builder.packed(name, text, *args)

    return lower


def _packed_rule(name: str) -> Rule:
    return lambda builder, call: builder.packed(name, *(builder.operand(a) for a in call.args))


def _to_device(builder: FunctionBuilder, call: Call) -> Operand:
    device = call.attrs.get("dst_vdevice")
    index = getattr(device, "vdevice_id", 0) or 0
    return builder.packed("vm.builtin.to_device", builder.operand(call.args[0]), Imm(int(index)))


def _view(builder: FunctionBuilder, call: Call) -> Operand:
    info = call.struct_info
    source = builder.operand(call.args[0])
    place = builder.places.get(source) if isinstance(source, Reg) else None
    if place is None or info.dims is None or info.dtype != call.args[0].struct_info.dtype:
        return builder.packed("vm.builtin.reshape", source, builder.operand(info.shape))
    register = builder.new_register()
    dims = tuple(builder.slots.dim(d) for d in info.dims)
    builder.emit(AllocTensor(register, *place, dims, info.dtype, span=builder.span))
    builder.places[register] = place
    return register


CALLS: dict[str, Rule] = {
    "relax.builtin.alloc_tensor": _alloc_tensor,
    "relax.memory.alloc_storage": _alloc_storage,
    "relax.memory.alloc_tensor": _tensor_in_storage,
    "relax.vm.alloc_storage": _alloc_storage,
    "relax.vm.alloc_tensor": _tensor_in_storage,
    "relax.memory.kill_tensor": _kill,
    "relax.memory.kill_storage": _kill,
    "relax.vm.kill_object": _kill,
    "relax.call_pure_packed": _packed,
    "relax.call_inplace_packed": _packed,
    "relax.call_builtin_with_ctx": _builtin,
    "relax.invoke_closure": _invoke,
    "relax.invoke_pure_closure": _invoke,
    "relax.make_closure": _make_closure,
    "relax.null_value": lambda builder, call: Imm(None),
    "relax.builtin.stop_lift_params": lambda builder, call: builder.operand(call.args[0]),
    "relax.shape_of": _shape_of,
    "relax.tensor_to_shape": _packed_rule("vm.builtin.tensor_to_shape"),
    "relax.shape_to_tensor": _packed_rule("relax.run.shape_to_tensor"),
    "relax.reshape": _view,
    "relax.memory.view": _view,
    "relax.memory.ensure_zero_offset": lambda builder, call: builder.operand(call.args[0]),
    "relax.hint_on_device": lambda builder, call: builder.operand(call.args[0]),
    "relax.to_vdevice": _to_device,
    "relax.print": _report("relax.run.print"),
    "relax.assert_op": _report("relax.run.assert_op"),
}
"""How the calls of operators that the virtual machine knows are lowered."""
