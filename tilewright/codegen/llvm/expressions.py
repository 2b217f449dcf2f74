"""Arithmetic, comparisons, conversions and vectors: the handlers of expression nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tilewright.ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from tilewright.ir.node import children
from tilewright.ir.op import Op
from tilewright.support.dtypes import DType, dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir import expr as E
from tilewright.tir.expr import BinaryOpExpr, Call, CallEffectKind, CmpExpr

from .builder import CONTRACT, Value, constant, element_of, int_of, mangled, vector, wrapped
from .codegen import EXPRESSIONS, INTRINSICS, FunctionEmitter, lanes
from .narrow import round_narrow
from .types import is_narrow, value_type

Handler = Callable[..., Value]


def on(*classes: type) -> Callable[[Handler], Handler]:
    """Enters a handler for node classes into the table."""

    def enter(handler: Handler) -> Handler:
        for cls in classes:
            EXPRESSIONS[cls] = handler
        return handler

    return enter


# ---- leaves ------------------------------------------------------------------------------------


@on(E.Var, E.SizeVar)
def _var(e: FunctionEmitter, node: E.Var) -> Value:
    return e.lookup(node)


@on(IntImm)
def _int(e: FunctionEmitter, node: IntImm) -> Value:
    type = value_type(node.dtype)
    return constant("i1", node.value != 0) if type == "i1" else wrapped(type, node.value)


@on(FloatImm)
def _float(e: FunctionEmitter, node: FloatImm) -> Value:
    value: float = node.value
    if is_narrow(node.dtype):
        value = float(dtype_of(node.dtype).numpy.type(value))
    return constant(value_type(node.dtype), value)


@on(E.StringImm)
def _string(e: FunctionEmitter, node: E.StringImm) -> Value:
    return e.context.module.string(node.value)


# ---- arithmetic --------------------------------------------------------------------------------


def float_op(e: FunctionEmitter, dtype: str, opcode: str, a: Value, b: Value) -> Value:
    """A floating-point operation, rounded to `dtype`. Products and sums may fuse."""
    flags = "" if opcode in ("fdiv", "frem") or is_narrow(dtype) else CONTRACT
    return round_narrow(e.b, dtype, e.b.binary(f"{opcode} {flags}".rstrip(), a, b))


def _arithmetic(e: FunctionEmitter, node: BinaryOpExpr, opcode: str) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return float_op(e, node.dtype, "f" + opcode, a, b)
    if info.is_bool:
        return e.b.binary({"add": "or", "sub": "xor", "mul": "and"}[opcode], a, b)
    flags = e.wrap_flags if info.is_int else ""
    if info.lanes > 1:
        return e.b.binary(opcode + flags, a, b)
    fold = {"add": e.b.add, "sub": e.b.sub, "mul": e.b.mul}[opcode]
    return fold(a, b, flags)


for _class, _opcode in {E.Add: "add", E.Sub: "sub", E.Mul: "mul"}.items():
    EXPRESSIONS[_class] = partial(_arithmetic, opcode=_opcode)


@on(E.Div)
def _div(e: FunctionEmitter, node: E.Div) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return float_op(e, node.dtype, "fdiv", a, b)
    return _integer_division(e, node, info, a, b, remainder=False, floor=False)


@on(E.Mod)
def _mod(e: FunctionEmitter, node: E.Mod) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return float_op(e, node.dtype, "frem", a, b)
    return _integer_division(e, node, info, a, b, remainder=True, floor=False)


@on(E.FloorDiv)
def _floordiv(e: FunctionEmitter, node: E.FloorDiv) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        quotient = float_op(e, node.dtype, "fdiv", a, b)
        return round_narrow(e.b, node.dtype, e.b.overloaded("floor", [quotient]))
    return _integer_division(e, node, info, a, b, remainder=False, floor=True)


@on(E.FloorMod)
def _floormod(e: FunctionEmitter, node: E.FloorMod) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if not info.is_float:
        return _integer_division(e, node, info, a, b, remainder=True, floor=True)
    zero = constant(a.type, 0.0)
    rest = e.b.binary("frem", a, b)
    other_sign = e.b.fcompare("olt", e.b.binary("fmul", rest, b), zero)
    moved = e.b.select(other_sign, e.b.binary("fadd", rest, b), rest)
    exact = e.b.fcompare("oeq", rest, zero)
    return round_narrow(
        e.b, node.dtype, e.b.select(exact, e.b.overloaded("copysign", [zero, b]), moved)
    )


def _literal(node: PrimExpr) -> int | None:
    if isinstance(node, E.Broadcast):
        node = node.value
    return node.value if isinstance(node, IntImm) else None


def _integer_division(
    e: FunctionEmitter,
    node: BinaryOpExpr,
    info: DType,
    a: Value,
    b: Value,
    *,
    remainder: bool,
    floor: bool,
) -> Value:
    """Quotient or remainder; by zero it is 0, and the one overflow wraps around."""
    if info.is_bool:
        return constant(a.type, False) if remainder else a
    divisor = _literal(node.b)
    unsigned = not info.is_int or (
        divisor is not None and divisor > 0 and is_never_negative(e, node.a)
    )
    if divisor is not None:
        if divisor == 0:
            return constant(a.type, 0)
        if divisor == 1 or (divisor == -1 and remainder):
            return constant(a.type, 0) if remainder else a
        if divisor == -1:
            return e.b.binary("sub", constant(a.type, 0), a)
        return _divided(e, a, b, divisor, unsigned, remainder, floor)
    zero, one = constant(a.type, 0), constant(a.type, 1)
    by_zero = e.b.compare("eq", b, zero)
    trap = by_zero
    if not unsigned:
        lowest = constant(a.type, -(1 << (info.bits - 1)))
        minus = constant(a.type, -1)
        overflow = e.b.binary("and", e.b.compare("eq", a, lowest), e.b.compare("eq", b, minus))
        trap = e.b.binary("or", by_zero, overflow)
    safe = e.b.select(trap, one, b)
    out = _divided(e, a, safe, None, unsigned, remainder, floor)
    return out if remainder else e.b.select(by_zero, zero, out)


def _divided(
    e: FunctionEmitter,
    a: Value,
    b: Value,
    divisor: int | None,
    unsigned: bool,
    remainder: bool,
    floor: bool,
) -> Value:
    kind = "u" if unsigned else "s"
    x = int_of(a)
    if unsigned and divisor is not None and x is not None and x >= 0:
        return wrapped(a.type, x % divisor if remainder else x // divisor)
    if unsigned or not floor:
        return e.b.binary(f"{kind}{'rem' if remainder else 'div'}", a, b)
    bits = int(a.type.split("i")[1].rstrip(">"))
    if divisor is not None and divisor & (divisor - 1) == 0:
        if remainder:
            return e.b.binary("and", a, constant(a.type, divisor - 1))
        return e.b.binary("ashr", a, constant(a.type, divisor.bit_length() - 1))
    rest = e.b.binary("srem", a, b)
    zero, shift = constant(a.type, 0), constant(a.type, bits - 1)
    if divisor is not None and divisor > 0:
        below = e.b.binary("ashr", rest, shift)  # -1 where the remainder is negative
    else:
        signs = e.b.binary("ashr", e.b.binary("xor", rest, b), shift)
        inexact = e.b.compare("ne", rest, zero)
        below = e.b.select(inexact, signs, zero)
    if remainder:
        return e.b.binary("add", rest, e.b.binary("and", below, b))
    return e.b.binary("add", e.b.binary("sdiv", a, b), below)


def is_never_negative(e: FunctionEmitter, node: PrimExpr) -> bool:
    """Whether an integer is known to be at least zero, as indices mostly are."""
    if isinstance(node, IntImm):
        return node.value >= 0
    if isinstance(node, E.SizeVar):
        return True
    if isinstance(node, E.Var):
        return e.is_never_negative(node)
    if isinstance(node, (E.Add, E.Mul, E.Min, E.FloorDiv, E.Div)) and e.in_index:
        return is_never_negative(e, node.a) and is_never_negative(e, node.b)
    if isinstance(node, E.FloorMod):
        return is_never_negative(e, node.b)
    if isinstance(node, E.Ramp):
        return is_never_negative(e, node.base) and is_never_negative(e, node.stride)
    if isinstance(node, E.Broadcast):
        return is_never_negative(e, node.value)
    return False


def _min_max(e: FunctionEmitter, node: BinaryOpExpr, which: str) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_bool:
        return e.b.binary("or" if which == "max" else "and", a, b)
    if not info.is_float:
        return e.b.overloaded(f"{'s' if info.is_int else 'u'}{which}", [a, b])
    return float_min_max(e, which, a, b, _is_number(node.a), _is_number(node.b))


def _is_number(node: PrimExpr) -> bool:
    value = node.value if isinstance(node, E.Broadcast) else node
    return isinstance(value, FloatImm) and value.value == value.value


def float_min_max(
    e: FunctionEmitter,
    which: str,
    a: Value,
    b: Value,
    a_is_number: bool = False,
    b_is_number: bool = False,
) -> Value:
    """The smaller or larger float; NaN if either is. The compare and select are one instruction
    on x86, which yields its second operand if there is a NaN."""
    if b_is_number:
        a, b, a_is_number = b, a, True
    chosen = e.b.select(e.b.fcompare("ogt" if which == "max" else "olt", a, b), a, b)
    if a_is_number:
        return chosen
    return e.b.select(e.b.fcompare("uno", a, a), a, chosen)


for _class, _which in {E.Min: "min", E.Max: "max"}.items():
    EXPRESSIONS[_class] = partial(_min_max, which=_which)


# ---- conditions --------------------------------------------------------------------------------

_PREDICATES = {
    E.EQ: ("eq", "eq", "oeq"),
    E.NE: ("ne", "ne", "une"),
    E.LT: ("slt", "ult", "olt"),
    E.LE: ("sle", "ule", "ole"),
    E.GT: ("sgt", "ugt", "ogt"),
    E.GE: ("sge", "uge", "oge"),
}


def _compare(e: FunctionEmitter, node: CmpExpr, predicates: tuple[str, str, str]) -> Value:
    info = dtype_of(node.a.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return e.b.fcompare(predicates[2], a, b)
    return e.b.compare(predicates[0 if info.is_int else 1], a, b)


for _comparison, _three in _PREDICATES.items():
    EXPRESSIONS[_comparison] = partial(_compare, predicates=_three)


@on(E.And)
def _and(e: FunctionEmitter, node: E.And) -> Value:
    a = e.expr(node.a)
    if a.type == "i1" and touches_memory(node.b):
        return guarded(e, a, lambda: e.expr(node.b), lambda: constant("i1", False))
    return e.b.binary("and", a, e.expr(node.b))


@on(E.Or)
def _or(e: FunctionEmitter, node: E.Or) -> Value:
    a = e.expr(node.a)
    if a.type == "i1" and touches_memory(node.b):
        return guarded(e, a, lambda: constant("i1", True), lambda: e.expr(node.b))
    return e.b.binary("or", a, e.expr(node.b))


@on(E.Not)
def _not(e: FunctionEmitter, node: E.Not) -> Value:
    a = e.expr(node.a)
    return e.b.binary("xor", a, constant(a.type, True))


@on(E.Select)
def _select(e: FunctionEmitter, node: E.Select) -> Value:
    condition = e.expr(node.condition)
    return e.b.select(condition, e.expr(node.true_value), e.expr(node.false_value))


def touches_memory(node: PrimExpr) -> bool:
    """Whether computing `node` unasked could fault or have an effect."""
    pending: list[object] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, E.BufferLoad):
            return True
        if isinstance(item, Call):
            effect = item.op.get_attr("effect") if isinstance(item.op, Op) else None
            if effect is None or effect > CallEffectKind.Pure:
                return True
        if isinstance(item, PrimExpr):
            pending.extend(children(item))
    return False


def guarded(
    e: FunctionEmitter, condition: Value, yes: Callable[[], Value], no: Callable[[], Value]
) -> Value:
    """`yes()` if the scalar `condition`, else `no()`; only the one taken is computed."""
    then, other, done = e.b.label("then"), e.b.label("else"), e.b.label("join")
    e.b.branch(condition, then, other)
    incoming = []
    for label, arm in ((then, yes), (other, no)):
        e.b.start(label)
        with e.scope():
            value = arm()
        incoming.append((value, e.b.block))
        e.b.jump(done)
    e.b.start(done)
    e.effects += 1
    return e.b.phi(incoming[0][0].type, incoming)


# ---- conversions -------------------------------------------------------------------------------


@on(E.Cast)
def _cast(e: FunctionEmitter, node: E.Cast) -> Value:
    return convert(e, e.expr(node.value), node.value.dtype, node.dtype)


def convert(e: FunctionEmitter, value: Value, source: str, target: str) -> Value:
    """A value of dtype `source` as one of `target`."""
    a, b = dtype_of(source), dtype_of(target)
    type = value_type(target)
    if source == target:
        return value
    if b.is_bool:
        zero = constant(value.type, 0)
        if a.is_float:
            return e.b.fcompare("une", value, zero)
        return e.b.compare("ne", value, zero)
    if a.is_handle or b.is_handle:
        opcode = (
            "bitcast"
            if a.is_handle and b.is_handle
            else ("ptrtoint" if a.is_handle else "inttoptr")
        )
        return e.b.cast(opcode, value, type)
    if a.is_float and b.is_float:
        return _float_to_float(e, value, target, type)
    if a.is_float:
        return _float_to_int(e, value, b, type)
    if b.is_float:
        return _int_to_float(e, value, a, target, type)
    if int_of(value) is not None and b.lanes == 1 and (not a.is_uint or b.bits <= a.bits):
        return wrapped(type, int_of(value) or 0)
    if b.bits < a.bits and not a.is_bool:
        return e.b.cast("trunc", value, type)
    return e.b.cast("sext" if a.is_int else "zext", value, type)


_WIDTH = {"half": 16, "float": 32, "double": 64}


def _float_to_float(e: FunctionEmitter, value: Value, target: str, type: str) -> Value:
    have, want = (_WIDTH[t.split(" x ")[-1].rstrip(">")] for t in (value.type, type))
    if have > want == 32 and is_narrow(target):
        value = _to_odd(e, value, type)
    elif have != want:
        value = e.b.cast("fptrunc" if have > want else "fpext", value, type)
    return round_narrow(e.b, target, value)


def _to_odd(e: FunctionEmitter, value: Value, type: str) -> Value:
    """A double as a float rounded to odd, so that rounding it once more rounds only once."""
    n = int(type[1:].split(" x ")[0]) if type[0] == "<" else 1
    near = e.b.cast("fptrunc", value, type)
    back = e.b.cast("fpext", near, value.type)
    bits = e.b.cast("bitcast", near, vector("i32", n))
    inexact = e.b.fcompare("one", back, value)
    size, near_size = (e.b.overloaded("fabs", [v]) for v in (value, back))
    over = e.b.fcompare("ogt", near_size, size)
    down = e.b.binary("sub", bits, e.b.cast("zext", over, bits.type))
    odd = e.b.binary("or", down, constant(bits.type, 1))
    return e.b.cast("bitcast", e.b.select(inexact, odd, bits), type)


def _float_to_int(e: FunctionEmitter, value: Value, target: DType, type: str) -> Value:
    """Rounded towards zero, saturated, NaN as 0: never undefined.

    float16 goes through float32: LLVM 22 turns NaN into the lowest int16 with AVX512-FP16.
    """
    if element_of(value.type) == "half":
        value = e.b.cast("fpext", value, vector("float", target.lanes))
    name = "fptosi" if target.is_int else "fptoui"
    suffix = f"{mangled(type)}.{mangled(value.type)}"
    return e.b.intrinsic(f"llvm.{name}.sat.{suffix}", type, [value])


def _int_to_float(e: FunctionEmitter, value: Value, source: DType, target: str, type: str) -> Value:
    opcode = "sitofp" if source.is_int else "uitofp"
    if is_narrow(target) and source.bits > 16:
        double = vector("double", source.lanes)
        exact = e.b.cast(opcode, value, double)
        return round_narrow(e.b, target, _to_odd(e, exact, type))
    return round_narrow(e.b, target, e.b.cast(opcode, value, type))


# ---- vectors -----------------------------------------------------------------------------------


@on(E.Broadcast)
def _broadcast(e: FunctionEmitter, node: E.Broadcast) -> Value:
    value = e.expr(node.value)
    inner = lanes(node.value)
    if inner == 1:
        return e.b.splat(value, node.lanes)
    return e.b.shuffle(value, None, list(range(inner)) * node.lanes)


@on(E.Ramp)
def _ramp(e: FunctionEmitter, node: E.Ramp) -> Value:
    if lanes(node.base) != 1:
        raise CompileError("a ramp of vectors should have been lowered", node.span)
    base, stride = e.expr(node.base), e.expr(node.stride)
    steps = ", ".join(f"{base.type} {n}" for n in range(node.lanes))
    type = vector(base.type, node.lanes)
    offsets = Value(type, f"<{steps}>")
    if int_of(stride) != 1:
        offsets = e.b.binary("mul" + e.wrap_flags, e.b.splat(stride, node.lanes), offsets)
    if int_of(base) == 0:
        return offsets
    return e.b.binary("add" + e.wrap_flags, e.b.splat(base, node.lanes), offsets)


@on(E.Shuffle)
def _shuffle(e: FunctionEmitter, node: E.Shuffle) -> Value:
    wanted = []
    for index in node.indices:
        if not isinstance(index, IntImm):
            raise CompileError("a shuffle picks lanes by constants", node.span)
        wanted.append(index.value)
    vectors = [e.expr(v) for v in node.vectors]
    counts = [lanes(v) for v in node.vectors]
    if len(vectors) == 1 and counts[0] > 1:
        if len(wanted) == 1:
            return e.b.extract(vectors[0], wanted[0])
        return e.b.shuffle(vectors[0], None, wanted)
    if len(vectors) == 2 and counts[0] == counts[1] > 1 and len(wanted) > 1:
        return e.b.shuffle(vectors[0], vectors[1], wanted)
    items = []
    for value, count in zip(vectors, counts, strict=True):
        items += [e.b.extract(value, n) for n in range(count)] if count > 1 else [value]
    picked = [items[n] for n in wanted]
    return picked[0] if len(picked) == 1 else e.b.gather_lanes(picked)


# ---- the rest ----------------------------------------------------------------------------------


@on(E.Let)
def _let(e: FunctionEmitter, node: E.Let) -> Value:
    e.bind(node.var, e.expr(node.value))
    if is_never_negative(e, node.value):
        e.never_negative.add(id(node.var))
    return e.expr(node.body)


@on(Call)
def _call(e: FunctionEmitter, node: Call) -> Value:
    if isinstance(node.op, GlobalVar):
        return INTRINSICS["global"](e, node)
    handler = INTRINSICS.get(node.op.name)
    if handler is None:
        raise CompileError(f"the LLVM back end does not know {node.op.name}", node.span)
    value = handler(e, node)
    effect = node.op.get_attr("effect")
    if effect is None or effect > CallEffectKind.ReadState:
        e.effect()
    elif effect == CallEffectKind.ReadState:
        e.effects += 1
    return value
