"""Arithmetic, comparisons, conversions and vectors: the handlers of expression nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

from tilewright.ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from tilewright.ir.node import children
from tilewright.ir.op import Op
from tilewright.support.dtypes import ScalableLanes, dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir import expr as E
from tilewright.tir.expr import BinaryOpExpr, Call, CallEffectKind, CmpExpr

from .builder import (
    CONTRACT,
    Value,
    constant,
    constants,
    int_of,
    lane_numbers,
    lanes_of,
    mangled,
    vector,
    wrapped,
)
from .conversions import convert
from .division import integer_division, is_never_negative
from .emitter import EXPRESSIONS, INTRINSICS, FunctionEmitter, lanes
from .narrow import round_narrow
from .remainder import remainder
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
    flags = "" if opcode == "fdiv" or is_narrow(dtype) else CONTRACT
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
    return integer_division(e, node, info, a, b, remainder=False, floor=False)


@on(E.Mod)
def _mod(e: FunctionEmitter, node: E.Mod) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return remainder(e, a, b)
    return integer_division(e, node, info, a, b, remainder=True, floor=False)


@on(E.FloorDiv)
def _floordiv(e: FunctionEmitter, node: E.FloorDiv) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        quotient = float_op(e, node.dtype, "fdiv", a, b)
        return round_narrow(e.b, node.dtype, e.b.overloaded("floor", [quotient]))
    return integer_division(e, node, info, a, b, remainder=False, floor=True)


@on(E.FloorMod)
def _floormod(e: FunctionEmitter, node: E.FloorMod) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if not info.is_float:
        return integer_division(e, node, info, a, b, remainder=True, floor=True)
    zero = constant(a.type, 0.0)
    rest = remainder(e, a, b)
    other_sign = e.b.binary("xor", *(e.b.fcompare("olt", v, zero) for v in (rest, b)))
    moved = e.b.select(other_sign, e.b.binary("fadd", rest, b), rest)
    exact = e.b.fcompare("oeq", rest, zero)
    return round_narrow(
        e.b, node.dtype, e.b.select(exact, e.b.overloaded("copysign", [zero, b]), moved)
    )


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
    """The smaller or larger float; NaN if either is; of zeros, either.

    Where one is known to be a number, the compare and select are one instruction on x86, which
    yields its second operand if there is a NaN. Else LLVM knows how the machine does it best.
    """
    if not (a_is_number or b_is_number):
        return e.b.overloaded(f"{which}imum", [a, b], "nsz ")
    if b_is_number:
        a, b = b, a
    return e.b.select(e.b.fcompare("ogt" if which == "max" else "olt", a, b), a, b)


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


# ---- vectors -----------------------------------------------------------------------------------


def picked(e: FunctionEmitter, node: PrimExpr, picks: Sequence[int], first: int) -> Value:
    """The value of `node`, whose lanes have the numbers from `first` on in `picks`: under a mask
    those are loaded that a wanted lane takes."""
    mask, count = e.mask, lanes(node)
    if mask is None or lanes_of(mask.type) != len(picks) or not touches_memory(node):
        with e.masked_by(None if mask is not None and count != len(picks) else mask):
            return e.expr(node)
    wanted = [constant("i1", False)] * count
    for lane, source in enumerate(picks):
        if first <= source < first + count:
            bit = e.b.extract(mask, lane)
            have = wanted[source - first]
            wanted[source - first] = bit if have.ref == "false" else e.b.binary("or", have, bit)
    with e.masked_by(e.b.gather_lanes(wanted) if count > 1 else None):
        return e.expr(node)


@on(E.Broadcast)
def _broadcast(e: FunctionEmitter, node: E.Broadcast) -> Value:
    count = e.lanes(node.dtype, node.span)
    inner = lanes(node.value)
    if inner == 1:
        with e.masked_by(None):
            return e.b.splat(e.expr(node.value), count)
    lane_numbers(count)
    picks = list(range(inner)) * (count // inner)
    return e.b.shuffle(picked(e, node.value, picks, 0), None, picks)


@on(E.Ramp)
def _ramp(e: FunctionEmitter, node: E.Ramp) -> Value:
    if lanes(node.base) != 1:
        raise CompileError("a ramp of vectors should have been lowered", node.span)
    count = e.lanes(node.dtype, node.span)
    base, stride = e.expr(node.base), e.expr(node.stride)
    offsets = _steps(e, base.type, count)
    if int_of(stride) != 1:
        offsets = e.b.binary("mul" + e.wrap_flags, e.b.splat(stride, count), offsets)
    if int_of(base) == 0:
        return offsets
    return e.b.binary("add" + e.wrap_flags, e.b.splat(base, count), offsets)


def _steps(e: FunctionEmitter, element: str, count: int) -> Value:
    """0, 1, 2, ... in lanes of type `element`."""
    type = vector(element, count)
    if isinstance(count, ScalableLanes):
        return e.b.intrinsic(f"llvm.stepvector.{mangled(type)}", type, [])
    return constants(element, range(count))


@on(E.Shuffle)
def _shuffle(e: FunctionEmitter, node: E.Shuffle) -> Value:
    wanted = []
    for index in node.indices:
        if not isinstance(index, IntImm):
            raise CompileError("a shuffle picks lanes by constants", node.span)
        wanted.append(index.value)
    counts = [len(lane_numbers(lanes(v))) for v in node.vectors]
    starts = accumulate(counts, initial=0)
    vectors = [picked(e, v, wanted, first) for v, first in zip(node.vectors, starts, strict=False)]
    if len(vectors) == 1 and counts[0] > 1:
        if len(wanted) == 1:
            return e.b.extract(vectors[0], wanted[0])
        return e.b.shuffle(vectors[0], None, wanted)
    if len(vectors) == 2 and counts[0] == counts[1] > 1 and len(wanted) > 1:
        return e.b.shuffle(vectors[0], vectors[1], wanted)
    items = []
    for value, count in zip(vectors, counts, strict=True):
        items += [e.b.extract(value, n) for n in range(count)] if count > 1 else [value]
    chosen = [items[n] for n in wanted]
    return chosen[0] if len(chosen) == 1 else e.b.gather_lanes(chosen)


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
