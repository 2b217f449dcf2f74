"""Calls out of and between compiled functions: C symbols, packed functions, tensors' structs.

Layouts are those of tvm-ffi and DLPack, declared in the source's head as `tw_any` and `tw_tensor`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.ir.type import PointerType, PrimType
from tilewright.support.dtypes import DType, dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir.expr import BufferLoad, Call, StringImm
from tilewright.tir.function import PrimFunc
from tilewright.tir.transform.make_packed_api import CODES
from tilewright.tir.transform.make_unpacked_api import check_number_of_arguments

from .conversions import convert, from_memory, to_memory
from .emitter import INTRINSICS, FunctionEmitter, Value, has_effect
from .expressions import quoted
from .intrinsics import arguments, nothing, on
from .memory import address_of
from .names import function_name, is_identifier, standard_names
from .types import is_narrow, memory_type, value_type

INT, BOOL, FLOAT, POINTER, TENSOR, STRING = 1, 2, 3, 4, 7, 8
# The fields of tvm_struct_get and tvm_struct_set: in a tensor...
TENSOR_FIELDS = {
    1: "data", 2: "shape", 3: "strides", 4: "ndim", 5: "code", 6: "bits", 7: "lanes",
    8: "byte_offset", 9: "device_id", 10: "device_type",
}  # fmt: skip
TENSOR_ADDRESS = 0
# ... and in an array of packed values.
ANY_TYPE, ANY_VALUE, ANY_ZERO = 13, 14, 15


def return_type(func: PrimFunc) -> str:
    """The C type that a function that cannot fail returns."""
    if isinstance(func.ret_type, PrimType):
        return value_type(func.ret_type.dtype)
    return "void *" if isinstance(func.ret_type, PointerType) else "void"


# ---- C functions and functions of the module ---------------------------------------------------


def _text_of(node: object, what: str) -> str:
    if not isinstance(node, StringImm):
        raise CompileError(f"{what} needs the function's name as text")
    return node.value


@on("call_extern", "call_pure_extern")
def _extern(e: FunctionEmitter, node: Call) -> Value:
    name = _text_of(node.args[0], "call_extern")
    if name in e.context.functions:
        return _call_own(e, node, name, node.args[1:])  # type: ignore[arg-type]
    if not is_identifier(name):
        raise CompileError(f"{name!r} is no name of a C function", node.span)
    args = [_passed(e, a) for a in node.args[1:]]  # type: ignore[arg-type]
    info = dtype_of(node.dtype)
    if info.lanes > 1 or any(lanes > 1 for _, _, lanes in args):
        raise CompileError(f"the C back end passes no vectors to `{name}`", node.span)
    result = "void" if info.code == "void" else _passed_type(node.dtype)
    text = f"{_declared(e, name, result, tuple(k for _, k, _ in args))}({_commas(args)})"
    if not has_effect(node):
        return Value(from_memory(e, node.dtype, text), node.dtype)
    return _run(e, node, text)


def _commas(args: Sequence[tuple[str, str, int]]) -> str:
    return ", ".join(text for text, _, _ in args)


def _passed(e: FunctionEmitter, node: PrimExpr) -> tuple[str, str, int]:
    """An argument's text, C type and lanes. Narrow floats cross a call as their bits."""
    value = e.expr(node)
    text = to_memory(e, value) if is_narrow(value.dtype) else value.text
    return text, _passed_type(value.dtype), value.lanes


def _passed_type(dtype: str) -> str:
    return memory_type(dtype) if is_narrow(dtype) else value_type(dtype)


def _declared(e: FunctionEmitter, name: str, result: str, kinds: tuple[str, ...]) -> str:
    """What to call: the function, cast where it is declared with other types."""
    signature = (result, kinds)
    if name in standard_names():
        return name
    if e.context.externs.setdefault(name, signature) == signature:
        return name
    return f"(({result} (*)({', '.join(kinds) or 'void'})){name})"


def _run(e: FunctionEmitter, node: Call, text: str) -> Value:
    """A call with effects, made here."""
    if dtype_of(node.dtype).code == "void":
        e.line(f"{text};")
        return nothing()
    return e.temp(Value(from_memory(e, node.dtype, text), node.dtype), "result")


def _global(e: FunctionEmitter, node: Call) -> Value:
    return _call_own(e, node, node.op.name_hint, node.args)  # type: ignore[arg-type]


INTRINSICS["global"] = _global


def _call_own(e: FunctionEmitter, node: Call, name: str, parts: Sequence[PrimExpr]) -> Value:
    known = e.context.functions.get(name)
    if known is None:
        raise CompileError(f"`{e.name}` calls `{name}`, which is not in the module", node.span)
    check_number_of_arguments(node, name, len(known.params), len(parts))
    args = ", ".join(e.expr(a).text for a in parts)
    text = f"{function_name(name)}({args})"
    if name in e.context.failing:
        if e.can_fail:
            e.fail_if(f"{text} != 0")
            return nothing()
        return e.temp(Value(text, "int32"), "status")
    if return_type(known) == "void" or dtype_of(node.dtype).code == "void":
        e.line(f"{text};")
        return nothing()
    return e.temp(Value(text, node.dtype), "result")


@on("address_of")
def _address_of(e: FunctionEmitter, node: Call) -> Value:
    load = node.args[0]
    if not isinstance(load, BufferLoad):
        raise CompileError("address_of needs an element of a buffer", node.span)
    return Value(address_of(e, load), "handle")


@on("tvm_access_ptr")
def _access_ptr(e: FunctionEmitter, node: Call) -> Value:
    kind, data, offset = node.args[:3]
    dtype = kind.dtype  # type: ignore[attr-defined]
    info = dtype_of(dtype if dtype_of(dtype).code != "void" else "uint8")
    size = f"sizeof({memory_type(info.element).strip()}) * {info.lanes}"
    base, steps = e.expr(data), e.index(offset)  # type: ignore[arg-type]
    return Value(f"((char *){base.text} + {steps.text} * (int64_t)({size}))", "handle")


@on("handle_add_byte_offset")
def _add_bytes(e: FunctionEmitter, node: Call) -> Value:
    pointer, offset = arguments(e, node)
    return Value(f"((char *){pointer.text} + {offset.text})", "handle")


@on("isnullptr")
def _is_null(e: FunctionEmitter, node: Call) -> Value:
    (pointer,) = arguments(e, node)
    return Value(f"({pointer.text} == NULL)", "bool")


# ---- tensors and packed values -----------------------------------------------------------------


def _int(node: object) -> int:
    if not isinstance(node, IntImm):
        raise CompileError("a struct access needs a constant index and field")
    return node.value


@on("tvm_struct_get")
def _struct_get(e: FunctionEmitter, node: Call) -> Value:
    base = e.expr(node.args[0]).text  # type: ignore[arg-type]
    index, kind = _int(node.args[1]), _int(node.args[2])
    info = dtype_of(node.dtype)
    if kind == TENSOR_ADDRESS:
        return Value(f"(&((tw_tensor *){base})[{index}])", "handle")
    if kind in TENSOR_FIELDS:
        text = f"((tw_tensor *){base})[{index}].{TENSOR_FIELDS[kind]}"
        return _fixed(e, text if info.is_handle else f"(({value_type(node.dtype)}){text})", node)
    slot = f"((tw_any *){base})[{index}]"
    if kind == ANY_VALUE:
        value = convert(e, Value(f"{slot}.value.{_member(info)}", _payload(info)), node.dtype)
        return _fixed(e, value.text, node)
    if kind in (ANY_TYPE, ANY_ZERO):
        field = "type" if kind == ANY_TYPE else "zero"
        return _fixed(e, f"(({value_type(node.dtype)}){slot}.{field})", node)
    raise CompileError(f"tvm_struct_get does not know field {kind}", node.span)


def _fixed(e: FunctionEmitter, text: str, node: Call) -> Value:
    value = Value(text, node.dtype)
    return e.temp(value) if e.strict else value


def _member(info: DType) -> str:
    return "p" if info.is_handle else "d" if info.is_float else "i"


def _payload(info: DType) -> str:
    return "handle" if info.is_handle else "float64" if info.is_float else "int64"


@on("tvm_struct_set")
def _struct_set(e: FunctionEmitter, node: Call) -> Value:
    base = e.expr(node.args[0]).text  # type: ignore[arg-type]
    index, kind = _int(node.args[1]), _int(node.args[2])
    given = node.args[3]
    value = e.expr(given)  # type: ignore[arg-type]
    if kind in TENSOR_FIELDS:
        field = TENSOR_FIELDS[kind]
        text = value.text
        if field in ("data", "shape", "strides"):
            cast = "void *" if field == "data" else "int64_t *"
            text = "NULL" if isinstance(given, IntImm) else f"({cast}){text}"
        e.line(f"((tw_tensor *){base})[{index}].{field} = {text};")
    elif kind == ANY_VALUE:
        _set_payload(e, f"((tw_any *){base})[{index}]", value)
    elif kind in (ANY_TYPE, ANY_ZERO):
        field = "type" if kind == ANY_TYPE else "zero"
        e.line(f"((tw_any *){base})[{index}].{field} = {value.text};")
    else:
        raise CompileError(f"tvm_struct_set does not know field {kind}", node.span)
    return nothing()


def _set_payload(e: FunctionEmitter, slot: str, value: Value) -> None:
    info = dtype_of(value.dtype)
    wide = value if info.is_handle else convert(e, value, _payload(info))
    e.line(f"{slot}.value.{_member(info)} = {wide.text};")


_STACKS = {
    "shape": "int64_t", "array": "tw_tensor", "tvm_ffi_any": "tw_any", "arg_value": "tw_any",
    "arg_tcode": "int32_t",
}  # fmt: skip


@on("tvm_stack_alloca")
def _stack_alloca(e: FunctionEmitter, node: Call) -> Value:
    kind = getattr(node.args[0], "value", "")
    if kind not in _STACKS:
        raise CompileError(f"tvm_stack_alloca does not know {kind!r}", node.span)
    name = e.names.new("stack")
    e.line(f"{_STACKS[kind]} {name}[{max(1, _int(node.args[1]))}];")
    return Value(f"((void *){name})", "handle")


@on("tvm_stack_make_shape")
def _make_shape(e: FunctionEmitter, node: Call) -> Value:
    values = [convert(e, value, "int64").text for value in arguments(e, node)]
    name = e.names.new("shape")
    e.line(f"int64_t {name}[{max(1, len(values))}] = {{{', '.join(values) or '0'}}};")
    return Value(f"((void *){name})", "handle")


@on("tvm_stack_make_array")
def _make_array(e: FunctionEmitter, node: Call) -> Value:
    """`(data, shape, strides or 0, ndim, a constant of the dtype, elem_offset)`."""
    data, shape, strides, ndim, sample, offset = node.args
    info = dtype_of(sample.dtype)  # type: ignore[attr-defined]
    steps = "NULL" if isinstance(strides, IntImm) else f"(int64_t *){e.expr(strides).text}"  # type: ignore[arg-type]
    where = convert(e, e.expr(offset), "int64").text  # type: ignore[arg-type]
    kind = f"{CODES[info.code]}, {info.bits}, {info.lanes}"
    memory, sizes = e.expr(data).text, e.expr(shape).text  # type: ignore[arg-type]
    name = e.names.new("tensor")
    e.line(
        f"tw_tensor {name} = {{(void *){memory}, 1, 0, {_int(ndim)}, {kind}, "
        f"(int64_t *){sizes}, {steps}, (uint64_t)({where} * {info.bytes})}};"
    )
    return Value(f"((void *)&{name})", "handle")


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
    name = _text_of(head, "a packed call")
    values = [e.expr(p) for p in parts]  # type: ignore[arg-type]
    stack = e.names.new("stack")
    e.line(f"tw_any {stack}[{len(parts) + 1}];")
    for n, (part, value) in enumerate(zip(parts, values, strict=True)):
        e.line(f"{stack}[{n}].type = {_type_index(part)};")  # type: ignore[arg-type]
        e.line(f"{stack}[{n}].zero = 0;")
        _set_payload(e, f"{stack}[{n}]", value)
    return _invoke(e, node, name, stack, len(parts))


@on("tvm_call_packed_lowered")
def _call_packed_lowered(e: FunctionEmitter, node: Call) -> Value:
    """`(name, stack, begin, end)`: arguments in `stack[begin:end]`, the result at `end`."""
    head, stack, begin, end = node.args
    base = e.expr(stack)  # type: ignore[arg-type]
    first = f"((tw_any *){base.text} + {_int(begin)})"
    return _invoke(e, node, _text_of(head, "a packed call"), first, _int(end) - _int(begin))


def _invoke(e: FunctionEmitter, node: Call, name: str, args: str, count: int) -> Value:
    """Calls a global function; an error leaves the caller."""
    for part in ("raise", "packed"):
        e.context.helper(part, "void")
    size = len(name.encode())
    e.fail_if(f"tw_call_packed({quoted(name)}, {size}, {args}, {count}) != 0")
    result, info = f"{args}[{count}]", dtype_of(node.dtype)
    if info.code == "void":
        e.line(f"tw_release(&{result});")
        return nothing()
    raw = Value(f"{result}.value.{_member(info)}", _payload(info))
    value = e.temp(convert(e, raw, node.dtype), "result")
    if not info.is_handle:
        e.line(f"tw_release(&{result});")
    return value


@on("tvm_throw_last_error")
def _throw(e: FunctionEmitter, node: Call) -> Value:
    e.leave("-1")
    return nothing()
