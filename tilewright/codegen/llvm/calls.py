"""Calls out of and between compiled functions: C symbols, packed functions, tensors' structs.

Layouts are those of tvm-ffi and DLPack: `TVMFFIAny` is {i32 type, i32 zero, 8 bytes}; `DLTensor` is
{ptr data, i32 device type, i32 device id, i32 ndim, u8 code, u8 bits, u16 lanes, ptr shape,
ptr strides, u64 byte offset}.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import DType, dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir.expr import BufferLoad, Call, StringImm
from tilewright.tir.transform.make_unpacked_api import check_number_of_arguments

from .builder import Value
from .conversions import convert
from .emitter import INTRINSICS, FunctionEmitter, parameter_type, return_type
from .intrinsics import arguments, on, passed, received
from .memory import address_of
from .types import memory_type, value_type

ANY_SIZE, TENSOR_SIZE = 16, 48
INT, BOOL, FLOAT, POINTER, TENSOR, STRING, OBJECTS = 1, 2, 3, 4, 7, 8, 64
DTYPE_CODES = {
    "int": 0, "uint": 1, "float": 2, "handle": 3, "bfloat": 4, "bool": 6, "float8_e3m4": 7,
    "float8_e4m3": 8, "float8_e4m3b11fnuz": 9, "float8_e4m3fn": 10, "float8_e4m3fnuz": 11,
    "float8_e5m2": 12, "float8_e5m2fnuz": 13, "float8_e8m0fnu": 14, "float6_e2m3fn": 15,
    "float6_e3m2fn": 16, "float4_e2m1fn": 17,
}  # fmt: skip
# The fields of tvm_struct_get and tvm_struct_set: (offset, type) in a DLTensor...
TENSOR_FIELDS = {
    1: (0, "ptr"), 2: (24, "ptr"), 3: (32, "ptr"), 4: (16, "i32"), 5: (20, "i8"), 6: (21, "i8"),
    7: (22, "i16"), 8: (40, "i64"), 9: (12, "i32"), 10: (8, "i32"),
}  # fmt: skip
TENSOR_ADDRESS = 0
# ... and in an array of TVMFFIAny.
ANY_TYPE, ANY_VALUE, ANY_ZERO = 13, 14, 15


def _int(node: object) -> int:
    if not isinstance(node, IntImm):
        raise CompileError("a struct access needs a constant index and field")
    return node.value


def _field(e: FunctionEmitter, base: Value, offset: int) -> Value:
    return e.b.offset(base, Value("i64", str(offset)), "i8")


# ---- C functions and functions of the module ---------------------------------------------------


@on("call_extern", "call_pure_extern")
def _extern(e: FunctionEmitter, node: Call) -> Value:
    head = node.args[0]
    if not isinstance(head, StringImm):
        raise CompileError("call_extern needs the function's name as text", node.span)
    return _call_symbol(e, node, head.value, node.args[1:])  # type: ignore[arg-type]


def _global(e: FunctionEmitter, node: Call) -> Value:
    return _call_symbol(e, node, node.op.name_hint, node.args)  # type: ignore[arg-type]


INTRINSICS["global"] = _global


def _call_symbol(e: FunctionEmitter, node: Call, name: str, parts: Sequence[PrimExpr]) -> Value:
    known = e.context.functions.get(name)
    if known is not None:
        check_number_of_arguments(node, name, len(known.params), len(parts))
    args = [_argument(e, a) for a in parts]
    e.effect()
    if name in e.context.failing:
        status = e.b.call(name, "i32", args)
        if e.can_fail:
            e.fail_if(e.b.compare("ne", status, Value("i32", "0")), lambda: None)
        return status
    if known is not None and dtype_of(node.dtype).code != "void":
        result = return_type(known)
        value = e.b.call(name, result, args)
        return Value("i32", "0") if result == "void" else value
    return received(e, node.dtype, e.b.call(name, parameter_type(node.dtype), args))


def _argument(e: FunctionEmitter, node: PrimExpr) -> Value:
    if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.address_of":
        return _address_of(e, node)
    return passed(e, node)


@on("address_of")
def _address_of(e: FunctionEmitter, node: Call) -> Value:
    load = node.args[0]
    if not isinstance(load, BufferLoad):
        raise CompileError("address_of needs an element of a buffer", node.span)
    return address_of(e, load)


@on("tvm_access_ptr")
def _access_ptr(e: FunctionEmitter, node: Call) -> Value:
    kind, data, offset = node.args[:3]
    dtype = kind.dtype  # type: ignore[attr-defined]
    type = memory_type(dtype if dtype_of(dtype).code != "void" else "uint8")
    return e.b.offset(e.expr(data), e.index(offset), type)  # type: ignore[arg-type]


@on("handle_add_byte_offset")
def _add_bytes(e: FunctionEmitter, node: Call) -> Value:
    pointer, offset = arguments(e, node)
    return e.b.offset(pointer, offset, "i8")


@on("isnullptr")
def _is_null(e: FunctionEmitter, node: Call) -> Value:
    (pointer,) = arguments(e, node)
    return e.b.compare("eq", pointer, Value("ptr", "null"))


# ---- tensors and packed values -----------------------------------------------------------------


def _any_slot(e: FunctionEmitter, base: Value, index: int, offset: int) -> Value:
    return _field(e, base, index * ANY_SIZE + offset)


@on("tvm_struct_get")
def _struct_get(e: FunctionEmitter, node: Call) -> Value:
    base = e.expr(node.args[0])  # type: ignore[arg-type]
    index, kind = _int(node.args[1]), _int(node.args[2])
    type = value_type(node.dtype)
    if kind == TENSOR_ADDRESS:
        return _field(e, base, index * TENSOR_SIZE)
    if kind in TENSOR_FIELDS:
        offset, stored = TENSOR_FIELDS[kind]
        raw = e.b.load(stored, _field(e, base, index * TENSOR_SIZE + offset), 4)
        return _resized(e, raw, type)
    if kind == ANY_VALUE:
        return _load_payload(e, _any_slot(e, base, index, 8), dtype_of(node.dtype))
    if kind in (ANY_TYPE, ANY_ZERO):
        slot = _any_slot(e, base, index, 0 if kind == ANY_TYPE else 4)
        return _resized(e, e.b.load("i32", slot, 4), type)
    raise CompileError(f"tvm_struct_get does not know field {kind}", node.span)


def _resized(e: FunctionEmitter, value: Value, type: str) -> Value:
    """An unsigned field (sizes, codes) as an integer of another width."""
    if value.type == type:
        return value
    if "ptr" in (value.type, type):
        return e.b.cast("inttoptr" if type == "ptr" else "ptrtoint", value, type)
    opcode = "zext" if int(value.type[1:]) < int(type[1:]) else "trunc"
    return e.b.cast(opcode, value, type)


def _load_payload(e: FunctionEmitter, slot: Value, info: DType) -> Value:
    """The 8 bytes of a `TVMFFIAny`, as a value of a dtype."""
    if info.is_handle:
        return e.b.load("ptr", slot, 8)
    if info.is_float:
        return convert(e, e.b.load("double", slot, 8), "float64", info.name)
    return convert(e, e.b.load("i64", slot, 8), "int64", info.name)


@on("tvm_struct_set")
def _struct_set(e: FunctionEmitter, node: Call) -> Value:
    base = e.expr(node.args[0])  # type: ignore[arg-type]
    index, kind = _int(node.args[1]), _int(node.args[2])
    given = node.args[3]
    value = e.expr(given)  # type: ignore[arg-type]
    if kind in TENSOR_FIELDS:
        offset, stored = TENSOR_FIELDS[kind]
        target = _field(e, base, index * TENSOR_SIZE + offset)
        if stored == "ptr" and isinstance(given, IntImm):
            value = Value("ptr", "null")
        e.b.store(_resized(e, value, stored), target, 4)
    elif kind == ANY_VALUE:
        _store_payload(e, _any_slot(e, base, index, 8), value, dtype_of(given.dtype))  # type: ignore[attr-defined]
    elif kind in (ANY_TYPE, ANY_ZERO):
        slot = _any_slot(e, base, index, 0 if kind == ANY_TYPE else 4)
        e.b.store(_resized(e, value, "i32"), slot, 4)
    else:
        raise CompileError(f"tvm_struct_set does not know field {kind}", node.span)
    return Value("i32", "0")


def _store_payload(e: FunctionEmitter, slot: Value, value: Value, info: DType) -> None:
    if info.is_float:
        value = convert(e, value, info.name, "float64")
    elif not info.is_handle:
        value = convert(e, value, info.name, "int64")
    e.b.store(value, slot, 8)


@on("tvm_stack_alloca")
def _stack_alloca(e: FunctionEmitter, node: Call) -> Value:
    kind = getattr(node.args[0], "value", "")
    count = max(1, _int(node.args[1]))
    sizes = {"shape": 8, "array": TENSOR_SIZE, "tvm_ffi_any": ANY_SIZE, "arg_value": ANY_SIZE,
             "arg_tcode": 4}  # fmt: skip
    if kind not in sizes:
        raise CompileError(f"tvm_stack_alloca does not know {kind!r}", node.span)
    return e.b.alloca("i8", sizes[kind] * count, 16)


@on("tvm_stack_make_shape")
def _make_shape(e: FunctionEmitter, node: Call) -> Value:
    out = e.b.alloca("i64", max(1, len(node.args)), 16)
    for n, part in enumerate(node.args):
        value = convert(e, e.expr(part), part.dtype, "int64")  # type: ignore
        e.b.store(value, _field(e, out, 8 * n), 8)
    return out


@on("tvm_stack_make_array")
def _make_array(e: FunctionEmitter, node: Call) -> Value:
    """`(data, shape, strides or 0, ndim, a constant of the dtype, elem_offset)`."""
    data, shape, strides, ndim, sample, offset = node.args
    info = dtype_of(sample.dtype)  # type: ignore[attr-defined]
    out = e.b.alloca("i8", TENSOR_SIZE, 16)
    fields: list[tuple[int, Value]] = [
        (0, e.expr(data)),  # type: ignore[arg-type]
        (8, Value("i32", "1")),
        (12, Value("i32", "0")),
        (16, Value("i32", str(_int(ndim)))),
        (20, Value("i8", str(DTYPE_CODES[info.code]))),
        (21, Value("i8", str(info.bits if info.bits < 128 else info.bits - 256))),
        (22, Value("i16", str(info.lanes))),
        (24, e.expr(shape)),  # type: ignore[arg-type]
        (32, Value("ptr", "null") if isinstance(strides, IntImm) else e.expr(strides)),  # type: ignore[arg-type]
    ]
    place = convert(e, e.expr(offset), offset.dtype, "int64")  # type: ignore
    fields.append((40, e.b.mul(place, Value("i64", str(info.bytes)))))
    for at, value in fields:
        e.b.store(value, _field(e, out, at), 4)
    return out


# ---- packed functions --------------------------------------------------------------------------


def _type_index(node: PrimExpr) -> int:
    info = dtype_of(node.dtype)
    if isinstance(node, StringImm):
        return STRING
    if info.is_handle:
        made = isinstance(node, Call) and node.op.name == "tir.tvm_stack_make_array"
        return TENSOR if made else POINTER
    return FLOAT if info.is_float else BOOL if info.is_bool else INT


@on("tvm_call_packed", "tvm_call_cpacked")
def _call_packed(e: FunctionEmitter, node: Call) -> Value:
    head, *parts = node.args
    if not isinstance(head, StringImm):
        raise CompileError("a packed call needs the function's name as text", node.span)
    values = [e.expr(p) for p in parts]  # type: ignore[arg-type]
    stack = e.b.alloca("i8", ANY_SIZE * (len(parts) + 1), 16)
    for n, (part, value) in enumerate(zip(parts, values, strict=True)):
        index = _type_index(part)  # type: ignore[arg-type]
        e.b.store(Value("i64", str(index)), _any_slot(e, stack, n, 0), 8)
        _store_payload(e, _any_slot(e, stack, n, 8), value, dtype_of(part.dtype))  # type: ignore[attr-defined]
    return _invoke(e, node, head.value, stack, len(parts))


@on("tvm_call_packed_lowered")
def _call_packed_lowered(e: FunctionEmitter, node: Call) -> Value:
    """`(name, stack, begin, end)`: arguments in `stack[begin:end]`, the result at `end`."""
    head, stack, begin, end = node.args
    if not isinstance(head, StringImm):
        raise CompileError("a packed call needs the function's name as text", node.span)
    first = _any_slot(e, e.expr(stack), _int(begin), 0)  # type: ignore[arg-type]
    return _invoke(e, node, head.value, first, _int(end) - _int(begin))


def _invoke(e: FunctionEmitter, node: Call, name: str, args: Value, count: int) -> Value:
    """Looks the function up once per module and calls it; an error leaves the caller."""
    b = e.b
    function = _global_function(e, name)
    result = _any_slot(e, args, count, 0)
    b.store(Value("i64", "0"), result, 8)
    b.store(Value("i64", "0"), _field(e, result, 8), 8)
    e.effect()
    status = b.call("TVMFFIFunctionCall", "i32", [function, args, Value("i32", str(count)), result])
    e.fail_if(b.compare("ne", status, Value("i32", "0")), lambda: None)
    info = dtype_of(node.dtype)
    if info.code != "void":
        value = _load_payload(e, _field(e, result, 8), info)
        if info.is_handle:
            return value
    _release(e, result)
    return Value("i32", "0") if info.code == "void" else value


def _release(e: FunctionEmitter, result: Value) -> None:
    """Gives back an object that nobody asked for."""
    b = e.b
    drop, kept = b.label("drop"), b.label("kept")
    kind = b.load("i32", result, 8)
    b.branch(b.compare("sge", kind, Value("i32", str(OBJECTS))), drop, kept)
    b.start(drop)
    b.call("TVMFFIObjectDecRef", "i32", [b.load("ptr", _field(e, result, 8), 8)])
    b.jump(kept)
    b.start(kept)


def _global_function(e: FunctionEmitter, name: str) -> Value:
    """The function's handle, kept in a global of the module from the first call on."""
    b, module = e.b, e.context.module
    cache = module.global_(f"packed.{name}", "internal global ptr null, align 8")
    held = b.emit("ptr", f"load atomic ptr, {cache} acquire, align 8")
    find, found, before = b.label("find"), b.label("found"), b.block
    b.branch(b.compare("eq", held, Value("ptr", "null")), find, found)
    b.start(find)
    text = module.string(name)
    key, out = b.alloca("i8", 16, 8), b.alloca("ptr", 1, 8)
    b.store(text, key, 8)
    b.store(Value("i64", str(len(name.encode()))), _field(e, key, 8), 8)
    b.store(Value("ptr", "null"), out, 8)
    status = b.call("TVMFFIFunctionGetGlobal", "i32", [key, out])
    e.fail_if(b.compare("ne", status, Value("i32", "0")), lambda: None)
    made = b.load("ptr", out, 8)
    e.fail_if(b.compare("eq", made, Value("ptr", "null")), lambda: _unknown(e, name))
    b.do(f"store atomic {made}, {cache} release, align 8")
    after = b.block
    b.jump(found)
    b.start(found)
    return b.phi("ptr", [(held, before), (made, after)])


def _unknown(e: FunctionEmitter, name: str) -> None:
    module = e.context.module
    text = f"no global function is called {name!r}"
    e.b.call(
        "TVMFFIErrorSetRaisedFromCStr", "void", [module.string("ValueError"), module.string(text)]
    )


@on("tvm_throw_last_error")
def _throw(e: FunctionEmitter, node: Call) -> Value:
    e.leave(Value("i32", "-1"))
    return Value("i32", "0")
