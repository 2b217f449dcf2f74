"""What each instruction of the virtual machine becomes: one function an instruction."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckedDim,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
    Dim,
    DimOp,
    GetItem,
    Goto,
    If,
    Imm,
    KillReg,
    MakeClosure,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Operand,
    Reg,
    Ret,
    SetSlot,
    Slot,
    VMFunction,
)
from tilewright.runtime.vm.dims import describe
from tilewright.support.errors import CompileError

from .vm_builtins import BUILTINS, NATIVE_READERS
from .vm_emitter import Emitters, FunctionEmitter, dtype_bits, element_alignment
from .vm_registers import is_alias, same_size


def _where(f: FunctionEmitter, context: str) -> str:
    """What messages start with, as in `main: x`."""
    return f.module.string(f"{f.function.name}: {context}" if context else f.function.name)


def _check_tensor(f: FunctionEmitter, ins: CheckTensor) -> None:
    _host_only(ins.device_index, ins.span or ins.context)
    source = f.any(ins.src)
    found = f"%d{ins.src.index}" if isinstance(ins.src, Reg) else "%result"
    first, rest = _phases(ins.dims)
    for phase in filter(None, (first, rest)):
        spec = _tensor_spec(f, ins, phase)
        _fill_dims(f, ins.dims, phase)
        f.call("check_tensor", f"ptr {source}, ptr {spec}, ptr %dims, ptr {found}")
        _bind_dims(f, ins.dims, phase)
    if isinstance(ins.src, Reg):
        f.knows(ins.src.index)


def _check_shape(f: FunctionEmitter, ins: CheckShape) -> None:
    source = f.any(ins.src)
    first, rest = _phases(ins.dims)
    expected = f"a shape {_shape_text(ins.dims, f.function)}"
    for phase in filter(None, (first, rest)):
        spec = _spec(f, ins.context, expected, -1, len(ins.dims), 1, phase[: len(ins.dims)])
        _fill_dims(f, ins.dims, phase)
        f.call("check_shape", f"ptr {source}, ptr {spec}, ptr %dims")
        _bind_dims(f, ins.dims, phase)


def _phases(dims: Sequence[CheckedDim]) -> tuple[str, str]:
    """A letter a dimension: `_` free, `=` compared, `b` bound; what depends on a dimension bound
    here is compared in the second phase."""
    bound: set[int] = set()
    kinds = ["_"] * len(dims)
    later = ["_"] * len(dims)
    for i, dim in enumerate(dims):
        if isinstance(dim, BindDim):
            if dim.slot.index in bound:
                later[i] = "="
            else:
                kinds[i] = "b"
                bound.add(dim.slot.index)
    for i, dim in enumerate(dims):
        if dim is not None and not isinstance(dim, BindDim):
            (later if bound & _slots(dim) else kinds)[i] = "="
    return "".join(kinds) or " ", "".join(later) if "=" in later else ""


def _slots(dim: CheckedDim) -> set[int]:
    if isinstance(dim, DimOp):
        return _slots(dim.a) | _slots(dim.b)
    return {dim.index} if isinstance(dim, Slot) else set()


def _fill_dims(f: FunctionEmitter, dims: Sequence[CheckedDim], phase: str) -> None:
    f.max_dims = max(f.max_dims, len(dims))
    values = {}
    for i, (dim, kind) in enumerate(zip(dims, phase, strict=False)):
        if kind == "=":
            values[i] = f.dim(dim.slot if isinstance(dim, BindDim) else dim)  # type: ignore[arg-type]
    for i, value in values.items():
        f.emit(f"store i64 {value}, ptr {f.at('%dims', 'i64', i)}")


def _bind_dims(f: FunctionEmitter, dims: Sequence[CheckedDim], phase: str) -> None:
    for i, (dim, kind) in enumerate(zip(dims, phase, strict=False)):
        if kind == "b" and isinstance(dim, BindDim):
            found = f.value(f"load i64, ptr {f.at('%dims', 'i64', i)}")
            f.emit(f"store i64 {found}, ptr %s{dim.slot.index}")


def _tensor_spec(f: FunctionEmitter, ins: CheckTensor, phase: str) -> str:
    rank = len(ins.dims) if ins.dims and ins.ndim < 0 else ins.ndim
    dtype = f"{ins.dtype} " if ins.dtype else ""
    expected = f"a {dtype}tensor"
    if ins.dims or ins.ndim == 0:
        expected += f" of shape {_shape_text(ins.dims, f.function)}"
    elif ins.ndim > 0:
        expected += f" of rank {ins.ndim}"
    bits = dtype_bits(ins.dtype) if ins.dtype else -1
    align = element_alignment(ins.dtype) if ins.dtype else 1
    return _spec(f, ins.context, expected, bits, rank, align, phase[: len(ins.dims)])


def _spec(
    f: FunctionEmitter, context: str, expected: str, dtype: int, ndim: int, align: int, phase: str
) -> str:
    """The constant that describes a check; its layout is `%tw.spec` in `vm_support`."""
    kinds = "".join(f"\\{'_=b'.index(kind):02X}" for kind in phase)
    kinds_name = f.module.constant(f'[{len(phase)} x i8] c"{kinds}"') if phase else "null"
    return f.module.constant(
        "{ ptr, ptr, i32, i32, i64, i32, ptr } "
        f"{{ ptr {_where(f, context)}, ptr {f.module.string(expected)}, i32 {dtype}, "
        f"i32 {ndim}, i64 {align}, i32 {len(phase)}, ptr {kinds_name} }}"
    )


def _shape_text(dims: Sequence[CheckedDim], function: VMFunction) -> str:
    inner = ", ".join(_dim_text(d, function) for d in dims)
    return f"({inner},)" if len(dims) == 1 else f"({inner})"


def _dim_text(dim: CheckedDim, function: VMFunction) -> str:
    if dim is None:
        return "any"
    return describe(dim.slot if isinstance(dim, BindDim) else dim, function)


def _host_only(device_index: int, where: str) -> None:
    if device_index != 0:
        raise CompileError(
            f"{where or 'an instruction'}: native functions run on the host, "
            f"found device {device_index}",
            hint="use the interpreter for executables that span devices",
        )


def _check_tuple(f: FunctionEmitter, ins: CheckTuple) -> None:
    source = f.any(ins.src)
    f.call("check_tuple", f"ptr {source}, i64 {ins.size}, ptr {_where(f, ins.context)}")


def _bind_scalar(f: FunctionEmitter, ins: BindScalar) -> None:
    source = f.any(ins.src)
    context = _where(f, ins.context)
    f.call("as_int", f"ptr {source}, ptr %s{ins.slot.index}, ptr {context}")


def _set_slot(f: FunctionEmitter, ins: SetSlot) -> None:
    f.emit(f"store i64 {f.dim(ins.dim)}, ptr %s{ins.slot.index}")


def _make_shape(f: FunctionEmitter, ins: MakeShape) -> None:
    dims = f.dims(ins.dims)
    count = len(ins.dims)
    f.define(ins.dst, lambda at: f.call("make_shape", f"ptr {dims}, i32 {count}, ptr {at}"))


def _alloc_storage(f: FunctionEmitter, ins: AllocStorage) -> None:
    _host_only(ins.device_index, ins.span)
    index = ins.dst.index
    if index not in f.registers.arena:
        dims = f.dims((ins.size,))
        kind = dtype_bits("uint8")
        arguments = f"i32 1, ptr {dims}, i32 {kind}, ptr %d{index}"
        f.define(ins.dst, lambda at: f.call("new_tensor", f"ptr {at}, {arguments}"))
        return
    place = f.places[f.index] = _place(f, ins)
    f.emit(f"store ptr {place}, ptr %d{index}")


def _place(f: FunctionEmitter, ins: AllocStorage) -> str:
    """The address of storage in the arena."""
    earlier = f.plan.reused.get(f.index)
    if earlier is not None:
        return f.places[earlier]
    arena = f.value("load ptr, ptr %arena")
    if f.index in f.plan.offsets:
        return f.value(f"getelementptr i8, ptr {arena}, i64 {f.plan.offsets[f.index]}")
    f.dynamic = True
    capacity = f.value("load i64, ptr %capacity")
    place = f.value(
        f"call ptr @tilewright_arena_storage(ptr {arena}, i64 {capacity}, ptr %used, ptr %chain, "
        f"i64 {f.dim(ins.size)})"
    )
    f.require(f.value(f"icmp ne ptr {place}, null"))
    return place


def _alloc_tensor(f: FunctionEmitter, ins: AllocTensor) -> None:
    index, storage = ins.dst.index, ins.storage.index
    offset = f.dim(ins.offset)
    if index in f.registers.local:
        base = f.value(f"load ptr, ptr %d{storage}")
        place = f.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        f.emit(f"store ptr {place}, ptr %d{index}")
        return
    dims = f.dims(ins.dims)
    shape = f"i32 {len(ins.dims)}, ptr {dims}, i32 {dtype_bits(ins.dtype)}, ptr %d{index}"
    f.define(
        ins.dst, lambda at: f.call("view", f"ptr %r{storage}, i64 {offset}, ptr {at}, {shape}")
    )
    f.knows(index)


def _new_tensor(f: FunctionEmitter, ins: NewTensor) -> None:
    _host_only(ins.device_index, ins.span)
    index = ins.dst.index
    dims = f.dims(ins.dims)
    shape = f"i32 {len(ins.dims)}, ptr {dims}, i32 {dtype_bits(ins.dtype)}, ptr %d{index}"
    f.define(ins.dst, lambda at: f.call("new_tensor", f"ptr {at}, {shape}"))
    f.knows(index)


def _kill(f: FunctionEmitter, ins: KillReg) -> None:
    index = ins.reg.index
    if index in f.registers.lenders:
        return  # tensors may still lie in this storage: it is given back when the function ends
    if f.registers.owned(index, len(f.function.params)):
        f.emit(f"call void @tilewright_release(ptr %r{index})")
    f.known.discard(index)


def _call_kernel(f: FunctionEmitter, ins: CallKernel) -> None:
    context = ins.span or ins.symbol
    pointers = [f"ptr {f.data(t, context)}" for t in ins.tensors]
    kinds = ins.scalar_dtypes or ("",) * len(ins.scalars)
    scalars = [_scalar(f, s, k, context) for s, k in zip(ins.scalars, kinds, strict=True)]
    arguments = [*pointers, *scalars]
    types = ", ".join(a.split(" ", 1)[0] for a in arguments)
    if ins.symbol in f.module.failing:
        symbol = f.module.declare(ins.symbol, "i32", types)
        f.check(f.value(f"call i32 {symbol}({', '.join(arguments)})"))
    else:
        symbol = f.module.declare(ins.symbol, "void", types)
        f.emit(f"call void {symbol}({', '.join(arguments)})")


_SCALAR_TYPES = {
    "": "i64", "int64": "i64", "uint64": "i64", "int32": "i32", "uint32": "i32", "int16": "i16",
    "uint16": "i16", "int8": "i8", "uint8": "i8", "bool": "i1", "float64": "double",
    "float32": "float", "float16": "half", "bfloat16": "bfloat",
}  # fmt: skip
_FLOATS = ("double", "float", "half", "bfloat")


def _scalar(f: FunctionEmitter, operand: Operand | int, dtype: str, context: str) -> str:
    """The operand as a C value of that type (default: int64, or float64 for a float)."""
    if not dtype and isinstance(operand, Imm) and isinstance(operand.value, float):
        dtype = "float64"
    kind = _SCALAR_TYPES.get(dtype)
    if kind is None:
        raise CompileError(f"{context}: a kernel cannot take a scalar of type {dtype!r}")
    if kind in _FLOATS:
        return _float_scalar(f, operand, kind, context)
    if isinstance(operand, Imm) and isinstance(operand.value, (bool, int, float)):
        value = str(int(operand.value))
    elif isinstance(operand, Reg):
        where = f.module.string(context)
        f.call("as_int", f"ptr %r{operand.index}, ptr %scratch, ptr {where}")
        value = f.value("load i64, ptr %scratch")
    elif isinstance(operand, (Slot, DimOp, int)):
        value = f.dim(operand)
    else:
        raise CompileError(f"{context}: {operand} is no scalar")
    if kind == "i64":
        return f"i64 {value}"
    return f"{kind} {f.value(f'trunc i64 {value} to {kind}')}"


def _float_scalar(f: FunctionEmitter, operand: Operand | int, kind: str, context: str) -> str:
    if isinstance(operand, Imm) and isinstance(operand.value, (bool, int, float)):
        value = f"0x{struct.unpack('<Q', struct.pack('<d', float(operand.value)))[0]:016X}"
    elif isinstance(operand, Reg):
        where = f.module.string(context)
        f.call("as_float", f"ptr %r{operand.index}, ptr %scratch, ptr {where}")
        value = f.value("load double, ptr %scratch")
    elif isinstance(operand, (Slot, DimOp, int)):
        value = f.value(f"sitofp i64 {f.dim(operand)} to double")
    else:
        raise CompileError(f"{context}: {operand} is no scalar")
    if kind == "double":
        return f"double {value}"
    if kind == "bfloat":  # by way of float32, as NumPy's type does
        value = f.value(f"fptrunc double {value} to float")
        return f"bfloat {f.value(f'fptrunc float {value} to bfloat')}"
    return f"{kind} {f.value(f'fptrunc double {value} to {kind}')}"


def _call_packed(f: FunctionEmitter, ins: CallPacked) -> None:
    if ins.name in f.module.executable.functions or ins.name in f.module.packed:
        return _direct_call(f, ins.name, ins.args, ins.dst)
    if is_alias(ins) and ins.dst is not None and ins.dst.index in f.registers.local:
        return _alias(f, ins, ins.dst.index)
    copied = ins.name not in NATIVE_READERS
    builtin = BUILTINS.get(ins.name)
    if ins.name == "vm.builtin.to_device" and ins.args[1:] == (Imm(0),):
        builtin = "tilewright_first_value"
    if builtin is not None:
        arguments = f.arguments(ins.args, copied=copied)
        symbol = builtin.removeprefix("tilewright_")
        f.module.declare(builtin, "i32", "ptr, i32, ptr")
        return f.define(ins.dst, lambda at: f.call(symbol, f"{arguments}, ptr {at}"))
    name = f.module.name_bytes(ins.name)
    arguments = f.arguments(ins.args, copied=copied)
    return f.define(
        ins.dst, lambda at: f.call("call_global", f"ptr null, ptr {name}, {arguments}, ptr {at}")
    )


def _alias(f: FunctionEmitter, ins: CallPacked, index: int) -> None:
    """Memory under another shape: the same pointer, the number of elements checked."""
    old, new = (_known_shape(f, operand) for operand in ins.args)
    if not same_size(old, new):
        sizes = [_elements(f, dims) for dims in (old, new)]
        texts = [_shape_text(dims, f.function) for dims in (old, new)]
        f.promise(
            f.value(f"icmp eq i64 {sizes[0]}, {sizes[1]}"),
            f"reshape: cannot view a tensor of shape {texts[0]} as {texts[1]}",
        )
    f.emit(f"store ptr {f.data(ins.args[0], ins.span or ins.name)}, ptr %d{index}")


def _known_shape(f: FunctionEmitter, operand: Operand) -> tuple[Dim, ...]:
    if isinstance(operand, Const):
        return tuple(int(d) for d in f.module.executable.constants[operand.index].shape)
    assert isinstance(operand, Reg)
    return f.registers.shapes[operand.index]


def _elements(f: FunctionEmitter, dims: Sequence[Dim]) -> str:
    total: Dim = 1
    for dim in dims:
        total = DimOp("mul", total, dim)
    return f.dim(total)


def _call_function(f: FunctionEmitter, ins: CallFunction) -> None:
    _direct_call(f, ins.name, ins.args, ins.dst)


def _direct_call(f: FunctionEmitter, name: str, args: Sequence[Operand], dst: Reg | None) -> None:
    arguments = f.arguments(args)
    symbol = f.module.declare(f"__tvm_ffi_{name}", "i32", "ptr, ptr, i32, ptr")
    f.define(
        dst, lambda at: f.check(f.value(f"call i32 {symbol}(ptr null, {arguments}, ptr {at})"))
    )


def _make_closure(f: FunctionEmitter, ins: MakeClosure) -> None:
    arguments = f.arguments(ins.captured)
    symbol = f.module.declare(f"__tvm_ffi_{ins.function}", "i32", "ptr, ptr, i32, ptr")
    owner = f.value("load ptr, ptr @tilewright_module_owner")
    f.define(
        ins.dst,
        lambda at: f.call("make_closure", f"ptr {symbol}, ptr {owner}, {arguments}, ptr {at}"),
    )


def _call_closure(f: FunctionEmitter, ins: CallClosure) -> None:
    arguments = f.arguments(ins.args)
    closure = f.any(ins.closure)
    f.define(ins.dst, lambda at: f.call("call_value", f"ptr {closure}, {arguments}, ptr {at}"))


def _make_tuple(f: FunctionEmitter, ins: MakeTuple) -> None:
    arguments = f.arguments(ins.items)
    f.define(ins.dst, lambda at: f.call("make_tuple", f"{arguments}, ptr {at}"))


def _get_item(f: FunctionEmitter, ins: GetItem) -> None:
    source = f.any(ins.tuple)
    f.define(ins.dst, lambda at: f.call("get_item", f"ptr {source}, i64 {ins.index}, ptr {at}"))


def _move(f: FunctionEmitter, ins: Move) -> None:
    index = ins.dst.index
    if index in f.registers.local:
        f.emit(f"store ptr {f.data(ins.src, ins.span or 'a copy')}, ptr %d{index}")
        return
    source = f.any(ins.src)
    f.define(ins.dst, lambda at: f.call("own", f"ptr {source}, ptr {at}"))


def _if(f: FunctionEmitter, ins: If) -> None:
    if isinstance(ins.condition, (Slot, DimOp)):
        holds = f.value(f"icmp ne i64 {f.dim(ins.condition)}, 0")
    elif isinstance(ins.condition, Reg) and ins.condition.index in f.registers.local:
        content = f.value(f"load i8, ptr {f.data(ins.condition, 'a condition')}")
        holds = f.value(f"icmp ne i8 {content}, 0")
    else:
        truth = f.value(f"call i32 @tilewright_truth(ptr {f.any(ins.condition)})")
        f.require(f.value(f"icmp sge i32 {truth}, 0"))
        holds = f.value(f"icmp ne i32 {truth}, 0")
    follow = f.fresh()
    f.emit(f"br i1 {holds}, label %{follow}, label %i{ins.else_target}")
    f.block(follow)


def _goto(f: FunctionEmitter, ins: Goto) -> None:
    f.emit(f"br label %i{ins.target}")
    f.block(f.fresh())


def _ret(f: FunctionEmitter, ins: Ret) -> None:
    source = ins.src
    if isinstance(source, Reg) and f.registers.owned(source.index, len(f.function.params)):
        f.copy(f"%r{source.index}", "%ret")
        f.emit(f"store i64 0, ptr %r{source.index}")
    else:
        f.call("own", f"ptr {f.any(source)}, ptr %ret")
    f.emit("br label %cleanup")
    f.block(f.fresh())


EMITTERS: Emitters = {
    CheckTensor: _check_tensor,
    CheckShape: _check_shape,
    CheckTuple: _check_tuple,
    BindScalar: _bind_scalar,
    SetSlot: _set_slot,
    MakeShape: _make_shape,
    AllocStorage: _alloc_storage,
    AllocTensor: _alloc_tensor,
    NewTensor: _new_tensor,
    KillReg: _kill,
    CallKernel: _call_kernel,
    CallPacked: _call_packed,
    CallFunction: _call_function,
    MakeClosure: _make_closure,
    CallClosure: _call_closure,
    MakeTuple: _make_tuple,
    GetItem: _get_item,
    Move: _move,
    If: _if,
    Goto: _goto,
    Ret: _ret,
}
