"""Intrinsics that compute: elementary functions, rounding, bits, vectors, control."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir.expr import Call
from tilewright.tir.transform.lower_intrin import IN_OTHER_WORDS

from .conversions import reinterpreted, rounded
from .emitter import INTRINSICS, LANE, FunctionEmitter, IntrinsicHandler, Value
from .expressions import binary, choose, masked_choice, min_max, picked
from .types import int_literal, is_narrow, value_type


def on(*names: str) -> Callable[[IntrinsicHandler], IntrinsicHandler]:
    """Enters a handler for intrinsics into the table."""

    def enter(handler: IntrinsicHandler) -> IntrinsicHandler:
        for name in names:
            INTRINSICS[f"tir.{name}"] = handler
        return handler

    return enter


def arguments(e: FunctionEmitter, node: Call) -> list[Value]:
    """The values of the arguments."""
    return [e.expr(a) for a in node.args]  # type: ignore[arg-type]


def nothing() -> Value:
    """The value of a call that only has an effect."""
    return Value("0", "int32")


# ---- elementary functions ----------------------------------------------------------------------

_C_FUNCTIONS = {
    **{name: name for name in (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh",
        "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2", "erf", "pow",
        "sqrt", "floor", "ceil", "trunc", "copysign", "fma", "fmod", "hypot", "ldexp",
    )},
    "round": "nearbyint",  # halves to even, in the default rounding mode
    "nearbyint": "nearbyint",
}  # fmt: skip


def _math(e: FunctionEmitter, node: Call, name: str) -> Value:
    args = [a.text for a in arguments(e, node)]
    if not dtype_of(node.dtype).is_float:
        raise CompileError(f"{name} needs a floating-point argument, found {node.dtype}", node.span)
    suffix = "f" if value_type(node.dtype) == "float" else ""
    return Value(rounded(e, node.dtype, f"{name}{suffix}({', '.join(args)})"), node.dtype)


for _name, _function in _C_FUNCTIONS.items():
    INTRINSICS[f"tir.{_name}"] = partial(_math, name=_function)


@on("rsqrt")
def _rsqrt(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    suffix = "f" if value_type(node.dtype) == "float" else ""
    return Value(rounded(e, node.dtype, f"(1 / sqrt{suffix}({x.text}))"), node.dtype)


@on("exp10")
def _exp10(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    made = f"pow(10.0, {x.text})"
    wide = value_type(node.dtype) == "double"
    return Value(made if wide else rounded(e, node.dtype, f"((float){made})"), node.dtype)


@on("sigmoid")
def _sigmoid(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    function = e.context.helper("sigmoid", _wide(node.dtype))
    return Value(rounded(e, node.dtype, f"{function}({x.text})"), node.dtype)


def _wide(dtype: str) -> str:
    """The type in which a float is computed."""
    return "float32" if is_narrow(dtype) else dtype_of(dtype).element


@on("fabs")
def _abs(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    if dtype_of(node.dtype).is_float:
        suffix = "f" if value_type(node.dtype) == "float" else ""
        return Value(f"fabs{suffix}({x.text})", node.dtype)
    if not dtype_of(node.dtype).is_int:
        return x
    return Value(f"{e.context.helper('abs', node.dtype)}({x.text})", node.dtype)


def _test(e: FunctionEmitter, node: Call, name: str) -> Value:
    (x,) = arguments(e, node)
    return Value(f"({name}({x.text}) != 0)", node.dtype)


for _name in ("isnan", "isinf", "isfinite"):
    INTRINSICS[f"tir.{_name}"] = partial(_test, name=_name)


@on("nextafter")
def _nextafter(e: FunctionEmitter, node: Call) -> Value:
    x, y = arguments(e, node)
    if is_narrow(node.dtype):
        name = e.context.helper("narrow_next", node.dtype)
    else:
        name = "nextafterf" if value_type(node.dtype) == "float" else "nextafter"
    return Value(f"{name}({x.text}, {y.text})", node.dtype)


# ---- bits --------------------------------------------------------------------------------------


def _bitwise(e: FunctionEmitter, node: Call, sign: str) -> Value:
    a, b = arguments(e, node)
    return Value(f"({a.text} {sign} {b.text})", node.dtype)


for _name, _sign in {"and": "&", "or": "|", "xor": "^"}.items():
    INTRINSICS[f"tir.bitwise_{_name}"] = partial(_bitwise, sign=_sign)


@on("bitwise_not")
def _not(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    if dtype_of(node.dtype).is_bool:
        return Value(f"(!{x.text})", node.dtype)
    return Value(f"(({value_type(node.dtype)})~{x.text})", node.dtype)


def _shift(e: FunctionEmitter, node: Call, kind: str) -> Value:
    a, b = arguments(e, node)
    return Value(f"{e.context.helper(kind, node.dtype)}({a.text}, {b.text})", node.dtype)


INTRINSICS["tir.shift_left"] = partial(_shift, kind="shl")
INTRINSICS["tir.shift_right"] = partial(_shift, kind="shr")


def _count(e: FunctionEmitter, node: Call, kind: str) -> Value:
    (x,) = arguments(e, node)
    info = dtype_of(x.dtype)
    text = f"{e.context.helper(kind, info.element)}((uint{info.bits}_t){x.text})"
    return Value(f"(({value_type(node.dtype)}){text})", node.dtype)


for _name in ("popcount", "clz"):
    INTRINSICS[f"tir.{_name}"] = partial(_count, kind=_name)


@on("reinterpret")
def _reinterpret(e: FunctionEmitter, node: Call) -> Value:
    x = node.args[0]
    same = dtype_of(x.dtype).lanes == dtype_of(node.dtype).lanes  # type: ignore[attr-defined]
    with e.masked_by(e.mask if same else None):
        return reinterpreted(e, e.expr(x), node.dtype)  # type: ignore[arg-type]


@on("large_uint_imm")
def _large_uint(e: FunctionEmitter, node: Call) -> Value:
    low, high = (int(a.value) for a in node.args)  # type: ignore[attr-defined]
    return Value(int_literal((high << 32) | low, node.dtype), node.dtype)


@on("q_multiply_shift")
def _q_multiply_shift(e: FunctionEmitter, node: Call) -> Value:
    """`x * y * 2**(s - q)` in fixed point, rounded to nearest, halves up."""
    texts = ", ".join(a.text for a in arguments(e, node))
    return Value(f"{e.context.helper('multiply_shift', 'int32')}({texts})", node.dtype)


@on("q_multiply_shift_per_axis")
def _q_multiply_shift_per_axis(e: FunctionEmitter, node: Call) -> Value:
    return e.expr(IN_OTHER_WORDS[node.op.name](*node.args))


# ---- vectors -----------------------------------------------------------------------------------


@on("vector_reduce_add", "vector_reduce_max", "vector_reduce_min")
def _vector_reduce(e: FunctionEmitter, node: Call) -> Value:
    kind, dtype = node.op.name.rsplit("_", 1)[1], node.dtype
    with e.masked_by(None):
        x = e.expr(node.args[-1])  # type: ignore[arg-type]
        items = e.array(x)
    total = e.names.new("total")
    e.line(f"{value_type(dtype)} {total} = {items}[0];")
    wide = _wide(dtype) if dtype_of(dtype).is_float else dtype
    item = f"{items}[{LANE}]"
    if kind == "add":
        step = binary(e, "add", wide, total, item)
    else:
        step = min_max(e, kind, dtype, total, item)
    e.line(f"for (int {LANE} = 1; {LANE} < {x.lanes}; ++{LANE}) {total} = {step};")
    return Value(rounded(e, dtype, total) if kind == "add" else total, dtype)


@on("vectorlow", "vectorhigh")
def _half(e: FunctionEmitter, node: Call) -> Value:
    x = node.args[-1]
    lanes = dtype_of(x.dtype).lanes  # type: ignore[attr-defined]
    count = lanes // 2
    first = count if node.op.name.endswith("high") else 0
    with picked(e, range(first, first + count), 0, lanes):
        name = e.array(e.expr(x))  # type: ignore[arg-type]
    return Value(f"{name}[{LANE if count > 1 else '0'} + {first}]", node.dtype)


@on("vectorcombine")
def _combine(e: FunctionEmitter, node: Call) -> Value:
    a, b = arguments(e, node)[-2:]
    left, right = e.array(a), e.array(b)
    return Value(f"({LANE} < {a.lanes} ? {left}[{LANE}] : {right}[{LANE} - {a.lanes}])", node.dtype)


@on("get_active_lane_mask")
def _lane_mask(e: FunctionEmitter, node: Call) -> Value:
    """`(begin, end)`: the lanes `begin + lane` below `end`."""
    begin, end = arguments(e, node)
    name = e.context.helper("active", "int64")
    return Value(f"{name}({begin.text}, {end.text}, {LANE})", node.dtype)


@on("vscale")
def _vscale(e: FunctionEmitter, node: Call) -> Value:
    """One: the vectors of C are loops, of the least length that a scalable vector has."""
    return Value("1", node.dtype)


# ---- control and hints -------------------------------------------------------------------------


@on("if_then_else")
def _if_then_else(e: FunctionEmitter, node: Call) -> Value:
    condition, yes, no = node.args
    test = e.expr(condition)  # type: ignore[arg-type]
    if test.lanes > 1:
        return masked_choice(e, node.dtype, test, yes, no)  # type: ignore[arg-type]
    return choose(e, node.dtype, test, e.arm(yes), e.arm(no))  # type: ignore[arg-type]


@on("likely", "assume")
def _likely(e: FunctionEmitter, node: Call) -> Value:
    return e.expr(node.args[0])  # type: ignore[arg-type]


@on("tvm_storage_sync", "start_profile_intrinsic", "end_profile_intrinsic", "prefetch")
def _nothing(e: FunctionEmitter, node: Call) -> Value:
    return nothing()


@on("undef")
def _undef(e: FunctionEmitter, node: Call) -> Value:
    return Value("NULL" if dtype_of(node.dtype).is_handle else "0", node.dtype)


@on("thread_return")
def _thread_return(e: FunctionEmitter, node: Call) -> Value:
    e.leave("" if e.returns == "void" else "0")
    return nothing()


@on("ret")
def _ret(e: FunctionEmitter, node: Call) -> Value:
    value = e.expr(node.args[0])  # type: ignore[arg-type]
    if e.returns != "void" and e.cleanups:
        value = e.temp(value)
    e.leave("" if e.returns == "void" else f"({e.returns}){value.text}")
    return nothing()


@on("break_loop", "continue_loop")
def _jump(e: FunctionEmitter, node: Call) -> Value:
    e.jump_out(node.op.name.removeprefix("tir.").removesuffix("_loop"), node.span)
    return nothing()
