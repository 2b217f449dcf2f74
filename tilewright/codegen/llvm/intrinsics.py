"""Intrinsics that compute: elementary functions, rounding, bits, vectors, control."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.target.codegen import llvm_get_intrinsic_name
from tilewright.tir.expr import BufferLoad, Call, StringImm
from tilewright.tir.transform.lower_intrin import IN_OTHER_WORDS

from ..math import FUNCTIONS
from .builder import (
    FunctionBuilder,
    Value,
    constant,
    element_of,
    int_of,
    lane_numbers,
    lanes_of,
    mangled,
    vector,
    wrapped,
)
from .conversions import convert
from .emitter import (
    INTRINSICS,
    FunctionEmitter,
    IntrinsicHandler,
    function_attributes,
    parameter_type,
)
from .expressions import float_min_max, guarded, picked, touches_memory
from .memory import address_of
from .narrow import from_memory, round_narrow, to_memory
from .remainder import remainder
from .types import is_narrow, memory_type, value_type
from .vector_math import LlvmMath


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


# ---- elementary functions ----------------------------------------------------------------------


def math_function(e: FunctionEmitter, name: str, args: list[Value]) -> Value:
    """A call of the module's own copy of an elementary function for the type of `args`."""
    type = args[0].type
    symbol = e.context.math.get((name, type))
    if symbol is None:
        symbol = e.context.math[name, type] = _define(e, name, type)
    return e.b.emit(type, f"call {type} @{symbol}({', '.join(map(str, args))})")


def _define(e: FunctionEmitter, name: str, type: str) -> str:
    function, features = FUNCTIONS[name], e.context.features
    b = FunctionBuilder(e.context.module)
    m = LlvmMath(b, type, has_fma=features.has_fma, has_scalef=features.has_scalef)
    refs = [f"%x{n}" for n in range(function.arity)]
    out = function.expand(m, *[m.wrap(Value(type, ref)) for ref in refs])
    b.do(f"ret {out.value}")
    symbol = f"math.{name}.{mangled(type)}"
    inline = "alwaysinline " if function.inline else ""
    group = e.context.module.attribute_group(inline + function_attributes(features))
    params = ", ".join(f"{type} {ref}" for ref in refs)
    e.context.module.functions[symbol] = b.finish(
        f"define internal {type} @{symbol}({params}) {group}"
    )
    return symbol


def in_float(
    e: FunctionEmitter, dtype: str, args: list[Value], f: Callable[[list[Value]], Value]
) -> Value:
    """`f(args)` computed in float32 if `dtype` is narrower, and rounded back."""
    if element_of(args[0].type) == "half":
        wide = vector("float", lanes_of(args[0].type))
        out = f([e.b.cast("fpext", a, wide) for a in args])
        return e.b.cast("fptrunc", out, args[0].type)
    return round_narrow(e.b, dtype, f(args))


def _math(e: FunctionEmitter, node: Call, name: str) -> Value:
    args = arguments(e, node)
    if not dtype_of(node.dtype).is_float:
        raise CompileError(f"{name} needs a floating-point argument, found {node.dtype}", node.span)
    return in_float(e, node.dtype, args, lambda wide: math_function(e, name, wide))


for _name in FUNCTIONS:
    INTRINSICS[f"tir.{_name}"] = partial(_math, name=_name)


def _overloaded(e: FunctionEmitter, node: Call, name: str) -> Value:
    return round_narrow(e.b, node.dtype, e.b.overloaded(name, arguments(e, node)))


for _name, _llvm in {
    "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "roundeven",
    "nearbyint": "roundeven", "copysign": "copysign", "fma": "fma",
}.items():  # fmt: skip
    INTRINSICS[f"tir.{_name}"] = partial(_overloaded, name=_llvm)


@on("fabs")
def _abs(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    if dtype_of(node.dtype).is_float:
        return e.b.overloaded("fabs", [x])
    return e.b.overloaded("abs", [x, Value("i1", "false")])


@on("isnan")
def _isnan(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    return e.b.fcompare("uno", x, x)


@on("isinf")
def _isinf(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    return e.b.fcompare("oeq", e.b.overloaded("fabs", [x]), constant(x.type, math.inf))


@on("isfinite")
def _isfinite(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    return e.b.fcompare("olt", e.b.overloaded("fabs", [x]), constant(x.type, math.inf))


@on("fmod")
def _fmod(e: FunctionEmitter, node: Call) -> Value:
    a, b = arguments(e, node)
    return remainder(e, a, b)


@on("ldexp")
def _ldexp(e: FunctionEmitter, node: Call) -> Value:
    x, n = arguments(e, node)
    name = f"llvm.ldexp.{mangled(x.type)}.{mangled(n.type)}"
    return round_narrow(e.b, node.dtype, e.b.intrinsic(name, x.type, [x, n]))


@on("hypot")
def _hypot(e: FunctionEmitter, node: Call) -> Value:
    return in_float(e, node.dtype, arguments(e, node), lambda args: _hypot_wide(e, *args))


def _hypot_wide(e: FunctionEmitter, x: Value, y: Value) -> Value:
    """Scaled by the larger of the two, so that no square overflows."""
    b = e.b
    x, y = b.overloaded("fabs", [x]), b.overloaded("fabs", [y])
    large, small = float_min_max(e, "max", x, y), float_min_max(e, "min", x, y)
    ratio = b.binary("fdiv", small, large)
    one, zero, infinity = (constant(x.type, v) for v in (1.0, 0.0, math.inf))
    root = b.overloaded("sqrt", [b.binary("fadd", b.binary("fmul", ratio, ratio), one)])
    out = b.select(b.fcompare("oeq", large, zero), zero, b.binary("fmul", large, root))
    either = b.binary("or", b.fcompare("oeq", x, infinity), b.fcompare("oeq", y, infinity))
    return b.select(either, infinity, out)


@on("nextafter")
def _nextafter(e: FunctionEmitter, node: Call) -> Value:
    x, y = arguments(e, node)
    if is_narrow(node.dtype):
        raise CompileError(f"nextafter of {node.dtype} is not supported", node.span)
    b = e.b
    integer = vector(f"i{dtype_of(node.dtype).bits}", lanes_of(x.type))
    bits = b.cast("bitcast", x, integer)
    zero, one = constant(integer, 0), constant(integer, 1)
    away = b.binary("xor", b.fcompare("olt", x, y), b.compare("slt", bits, zero))
    step = b.select(away, one, constant(integer, -1))
    moved = b.cast("bitcast", b.binary("add", bits, step), x.type)
    least = b.overloaded("copysign", [b.cast("bitcast", one, x.type), y])
    moved = b.select(b.fcompare("oeq", x, constant(x.type, 0.0)), least, moved)
    out = b.select(b.fcompare("oeq", x, y), y, moved)
    return b.select(b.fcompare("uno", x, y), b.binary("fadd", x, y), out)


# ---- bits --------------------------------------------------------------------------------------


def _bitwise(e: FunctionEmitter, node: Call, opcode: str) -> Value:
    a, b = arguments(e, node)
    return e.b.binary(opcode, a, b)


for _name in ("and", "or", "xor"):
    INTRINSICS[f"tir.bitwise_{_name}"] = partial(_bitwise, opcode=_name)


@on("bitwise_not")
def _not(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    return e.b.binary("xor", x, constant(x.type, True if element_of(x.type) == "i1" else -1))


@on("shift_left")
def _shift_left(e: FunctionEmitter, node: Call) -> Value:
    return _shifted(e, node, "shl")


@on("shift_right")
def _shift_right(e: FunctionEmitter, node: Call) -> Value:
    return _shifted(e, node, "ashr" if dtype_of(node.dtype).is_int else "lshr")


def _shifted(e: FunctionEmitter, node: Call, opcode: str) -> Value:
    """A shift by at least the width gives 0, or the sign."""
    a, b = arguments(e, node)
    bits = dtype_of(node.dtype).bits
    amount = node.args[1]
    amount = getattr(amount, "value", amount) if not isinstance(amount, IntImm) else amount
    if isinstance(amount, IntImm) and 0 <= amount.value < bits:
        return e.b.binary(opcode, a, b)
    if opcode == "ashr":
        return e.b.binary(opcode, a, e.b.overloaded("umin", [b, constant(b.type, bits - 1)]))
    inside = e.b.compare("ult", b, constant(b.type, bits))
    safe = e.b.select(inside, b, constant(b.type, 0))
    return e.b.select(inside, e.b.binary(opcode, a, safe), constant(a.type, 0))


@on("popcount")
def _popcount(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    return convert(e, e.b.overloaded("ctpop", [x]), node.args[0].dtype, node.dtype)  # type: ignore[attr-defined]


@on("clz")
def _clz(e: FunctionEmitter, node: Call) -> Value:
    (x,) = arguments(e, node)
    count = e.b.overloaded("ctlz", [x, Value("i1", "false")])
    source = node.args[0].dtype.removeprefix("u")  # type: ignore[attr-defined]
    return convert(e, count, f"u{source}", node.dtype)


@on("reinterpret")
def _reinterpret(e: FunctionEmitter, node: Call) -> Value:
    source, target = node.args[0].dtype, node.dtype  # type: ignore[attr-defined]
    same = dtype_of(source).lanes == dtype_of(target).lanes
    with e.masked_by(e.mask if same else None):
        (x,) = arguments(e, node)
    if is_narrow(source):
        x = to_memory(e.b, source, x)
    if is_narrow(target):
        return from_memory(e.b, target, x)
    type = value_type(target)
    pointers = (element_of(x.type) == "ptr", element_of(type) == "ptr")
    opcode = {(True, False): "ptrtoint", (False, True): "inttoptr"}.get(pointers, "bitcast")
    return e.b.cast(opcode, x, type)


@on("large_uint_imm")
def _large_uint(e: FunctionEmitter, node: Call) -> Value:
    low, high = (int(a.value) for a in node.args)  # type: ignore[attr-defined]
    return wrapped(value_type(node.dtype), (high << 32) | low)


@on("q_multiply_shift")
def _q_multiply_shift(e: FunctionEmitter, node: Call) -> Value:
    """`x * y * 2**(s - q)` in fixed point, rounded to nearest, halves up."""
    b = e.b
    x, y, q, s = arguments(e, node)
    wide = vector("i64", lanes_of(x.type))
    x, y, q, s = (b.cast("sext", v, wide) for v in (x, y, q, s))
    zero, one = constant(wide, 0), constant(wide, 1)
    left = b.overloaded("smax", [s, zero])
    right = b.binary("add", q, b.overloaded("smax", [b.binary("sub", zero, s), zero]))
    product = b.binary("mul", b.binary("shl", x, left), y)
    half = b.binary("shl", one, b.binary("sub", right, one))
    moved = b.binary("ashr", b.binary("add", product, half), right)
    return b.cast("trunc", moved, value_type(node.dtype))


@on("q_multiply_shift_per_axis")
def _q_multiply_shift_per_axis(e: FunctionEmitter, node: Call) -> Value:
    return e.expr(IN_OTHER_WORDS[node.op.name](*node.args))


# ---- vectors -----------------------------------------------------------------------------------


@on("vector_reduce_add", "vector_reduce_max", "vector_reduce_min")
def _vector_reduce(e: FunctionEmitter, node: Call) -> Value:
    with e.masked_by(None):
        (x,) = arguments(e, node)
    info = dtype_of(node.dtype)
    which = node.op.name.rsplit("_", 1)[1]
    element = element_of(x.type)
    if info.is_bool:
        which = {"add": "or", "max": "or", "min": "and"}[which]
    elif info.is_float and which == "add":
        start = constant(element, -0.0)
        name = f"llvm.vector.reduce.fadd.{mangled(x.type)}"
        total = e.b.intrinsic(name, element, [start, x], "reassoc ")
        return round_narrow(e.b, node.dtype, total)
    elif info.is_float:
        which = {"max": "fmaximum", "min": "fminimum"}[which]
    elif which != "add":
        which = ("s" if info.is_int else "u") + which
    flags = "nsz " if info.is_float else ""
    return e.b.intrinsic(f"llvm.vector.reduce.{which}.{mangled(x.type)}", element, [x], flags)


@on("vectorlow", "vectorhigh")
def _half(e: FunctionEmitter, node: Call) -> Value:
    whole = node.args[-1]
    count = len(lane_numbers(dtype_of(node.dtype).lanes))
    chosen = range(count, 2 * count) if node.op.name.endswith("high") else range(count)
    x = picked(e, whole, chosen, 0)  # type: ignore[arg-type]
    return e.b.shuffle(x, None, chosen)


@on("vectorcombine")
def _combine(e: FunctionEmitter, node: Call) -> Value:
    count = len(lane_numbers(dtype_of(node.dtype).lanes))
    a, b = (
        picked(e, part, range(count), first)  # type: ignore[arg-type]
        for part, first in zip(node.args[-2:], (0, count // 2), strict=True)
    )
    return e.b.shuffle(a, b, range(count))


# ---- control and hints -------------------------------------------------------------------------


@on("if_then_else")
def _if_then_else(e: FunctionEmitter, node: Call) -> Value:
    condition, yes, no = node.args
    test = e.expr(condition)  # type: ignore[arg-type]
    lazy = touches_memory(yes) or touches_memory(no)  # type: ignore[arg-type]
    if test.type == "i1" and lazy:
        return guarded(e, test, lambda: e.expr(yes), lambda: e.expr(no))  # type: ignore[arg-type]
    if not lazy:
        return e.b.select(test, e.expr(yes), e.expr(no))  # type: ignore[arg-type]
    opposite = e.b.binary("xor", test, constant(test.type, True))
    arms = [_masked_arm(e, mask, arm) for mask, arm in ((test, yes), (opposite, no))]  # type: ignore[arg-type]
    return e.b.select(test, *arms)


def _masked_arm(e: FunctionEmitter, mask: Value, arm: Call) -> Value:
    """An arm of a vector condition: skipped if no lane wants it, its loads masked."""
    if not touches_memory(arm):
        return e.expr(arm)
    if e.mask is not None and e.mask.type == mask.type:
        mask = e.b.binary("and", e.mask, mask)
    some = e.b.intrinsic(f"llvm.vector.reduce.or.{mangled(mask.type)}", "i1", [mask])
    type = value_type(arm.dtype)

    def inside() -> Value:
        with e.masked_by(mask):
            return e.expr(arm)

    return guarded(e, some, inside, lambda: constant(type, 0))


@on("likely", "assume")
def _likely(e: FunctionEmitter, node: Call) -> Value:
    return e.expr(node.args[0])  # type: ignore[arg-type]


@on("tvm_storage_sync", "start_profile_intrinsic", "end_profile_intrinsic")
def _nothing(e: FunctionEmitter, node: Call) -> Value:
    return Value("i32", "0")


@on("undef")
def _undef(e: FunctionEmitter, node: Call) -> Value:
    return Value(value_type(node.dtype), "zeroinitializer")


@on("get_active_lane_mask")
def _lane_mask(e: FunctionEmitter, node: Call) -> Value:
    """`(begin, end)`: the lanes `begin + lane` below `end`."""
    begin, end = arguments(e, node)
    type = vector("i1", e.lanes(node.dtype, node.span))
    name = f"llvm.get.active.lane.mask.{mangled(type)}.{mangled(begin.type)}"
    return e.b.intrinsic(name, type, [begin, end])


@on("vscale")
def _vscale(e: FunctionEmitter, node: Call) -> Value:
    """How many times 128 bits a vector register holds."""
    e.lanes("int32xvscalex4", node.span)
    return e.b.intrinsic("llvm.vscale.i32", "i32", [])


@on("thread_return")
def _thread_return(e: FunctionEmitter, node: Call) -> Value:
    e.leave(None if e.returns == "void" else Value(e.returns, "zeroinitializer"))
    return Value("i32", "0")


@on("ret")
def _ret(e: FunctionEmitter, node: Call) -> Value:
    if e.returns == "void":
        e.leave()
    else:
        value = e.expr(node.args[0])  # type: ignore[arg-type]
        literal = int_of(value)
        e.leave(Value(e.returns, str(literal)) if literal is not None else value)
    return Value("i32", "0")


@on("break_loop", "continue_loop")
def _jump(e: FunctionEmitter, node: Call) -> Value:
    e.jump_out(1 if node.op.name.endswith("break_loop") else 0, node.span)
    return Value("i32", "0")


@on("prefetch")
def _prefetch(e: FunctionEmitter, node: Call) -> Value:
    """`prefetch(address or element, rw, locality, cache_type)`."""
    target, *rest = node.args
    pointer = address_of(e, target) if isinstance(target, BufferLoad) else e.expr(target)  # type: ignore[arg-type]
    hints = [constant("i32", int(a.value)) for a in rest]  # type: ignore[attr-defined]
    hints += [constant("i32", v) for v in (0, 3, 1)[len(hints) :]]
    e.context.module.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
    e.b.do(f"call void @llvm.prefetch.p0({', '.join(map(str, [pointer, *hints]))})")
    return Value("i32", "0")


def passed(e: FunctionEmitter, node: PrimExpr) -> Value:
    """The value of an argument, in its `parameter_type`."""
    value, type = e.expr(node), parameter_type(node.dtype)
    if value.type == type:
        return value
    return e.b.cast("bitcast", to_memory(e.b, node.dtype, value), type)


def received(e: FunctionEmitter, dtype: str, value: Value) -> Value:
    """A value of `parameter_type(dtype)` as we hold it."""
    if value.type == value_type(dtype):
        return value
    return from_memory(e.b, dtype, e.b.cast("bitcast", value, memory_type(dtype)))


@on("call_llvm_intrin", "call_llvm_pure_intrin")
def _llvm_intrinsic(e: FunctionEmitter, node: Call) -> Value:
    """An intrinsic by name or by the number that stands for it; without a type in its name it is
    overloaded on its first argument."""
    head, *rest = node.args
    if isinstance(head, IntImm):
        full = llvm_get_intrinsic_name(head.value)
    elif isinstance(head, StringImm):
        full = head.value
    else:
        raise CompileError("call_llvm_intrin needs the intrinsic's name or number", node.span)
    args = [passed(e, a) for a in rest]  # type: ignore[arg-type]
    last = full.rsplit(".", 1)[1]
    typed = full.startswith("llvm.x86.") or (last[:1] in "vifp" and last[-1:].isdigit())
    name = full if typed or not args else f"{full}.{mangled(args[0].type)}"
    return received(e, node.dtype, e.b.intrinsic(name, parameter_type(node.dtype), args))
