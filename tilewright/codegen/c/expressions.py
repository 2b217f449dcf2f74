"""Arithmetic, comparisons, conversions and vectors: the handlers of expression nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tilewright.ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir import expr as E
from tilewright.tir.expr import BinaryOpExpr, Call, CmpExpr

from .conversions import convert, rounded
from .emitter import EXPRESSIONS, INTRINSICS, LANE, FunctionEmitter, Value
from .types import float_literal, int_literal, is_narrow, value_type

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
    return Value(int_literal(node.value, node.dtype), node.dtype)


@on(FloatImm)
def _float(e: FunctionEmitter, node: FloatImm) -> Value:
    value: float = node.value
    if is_narrow(node.dtype):
        value = float(dtype_of(node.dtype).numpy.type(value))
    return Value(float_literal(value, node.dtype), node.dtype)


@on(E.StringImm)
def _string(e: FunctionEmitter, node: E.StringImm) -> Value:
    return Value(f"((void *){quoted(node.value)})", "handle")


def quoted(text: str) -> str:
    """A C string literal; octal escapes for what is not plain, and no trigraphs."""
    made = []
    for byte in text.encode():
        plain = 32 <= byte < 127 and byte not in b'"\\?'
        made.append(chr(byte) if plain else f"\\{byte:03o}")
    return f'"{"".join(made)}"'


# ---- arithmetic --------------------------------------------------------------------------------

_SIGNS = {"add": "+", "sub": "-", "mul": "*"}
_BOOLS = {"add": "|", "sub": "^", "mul": "&"}


def binary(e: FunctionEmitter, kind: str, dtype: str, a: str, b: str) -> str:
    """The text of `add`, `sub` or `mul` of two lanes; integers wrap around."""
    info = dtype_of(dtype)
    if info.is_float:
        return rounded(e, dtype, f"({a} {_SIGNS[kind]} {b})")
    if info.is_bool:
        return f"({a} {_BOOLS[kind]} {b})"
    plain = info.bits >= 32 and (info.is_uint or e.in_index)
    if plain:
        return f"({a} {_SIGNS[kind]} {b})"
    return f"{e.context.helper(kind, dtype)}({a}, {b})"


def _arithmetic(e: FunctionEmitter, node: BinaryOpExpr, kind: str) -> Value:
    a, b = e.expr(node.a), e.expr(node.b)
    return Value(binary(e, kind, node.dtype, a.text, b.text), node.dtype)


for _class, _kind in {E.Add: "add", E.Sub: "sub", E.Mul: "mul"}.items():
    EXPRESSIONS[_class] = partial(_arithmetic, kind=_kind)


def _division(e: FunctionEmitter, node: BinaryOpExpr, kind: str) -> Value:
    info = dtype_of(node.dtype)
    a, b = e.expr(node.a), e.expr(node.b)
    if info.is_float:
        return Value(rounded(e, node.dtype, _float_division(e, kind, info.element, a, b)),
                     node.dtype)  # fmt: skip
    if info.is_bool:
        return Value("false" if kind.endswith("mod") else a.text, node.dtype)
    if info.is_uint:
        kind = kind.removeprefix("floor")
    return Value(f"{e.context.helper(kind, node.dtype)}({a.text}, {b.text})", node.dtype)


def _float_division(e: FunctionEmitter, kind: str, dtype: str, a: Value, b: Value) -> str:
    suffix = "f" if value_type(dtype) == "float" else ""
    if kind == "mod":
        return f"fmod{suffix}({a.text}, {b.text})"
    if kind == "floormod":
        wide = "float32" if suffix else "float64"
        return f"{e.context.helper(kind, wide)}({a.text}, {b.text})"
    quotient = f"({a.text} / {b.text})"
    return f"floor{suffix}({rounded(e, dtype, quotient)})" if kind == "floordiv" else quotient


for _class, _kind in {
    E.Div: "div", E.Mod: "mod", E.FloorDiv: "floordiv", E.FloorMod: "floormod"
}.items():  # fmt: skip
    EXPRESSIONS[_class] = partial(_division, kind=_kind)


def _min_max(e: FunctionEmitter, node: BinaryOpExpr, kind: str) -> Value:
    a, b = e.expr(node.a), e.expr(node.b)
    return Value(min_max(e, kind, node.dtype, a.text, b.text), node.dtype)


def min_max(e: FunctionEmitter, kind: str, dtype: str, a: str, b: str) -> str:
    """The text of the smaller or larger of two lanes; NaN if either is."""
    info = dtype_of(dtype)
    if info.is_bool:
        return f"({a} {'|' if kind == 'max' else '&'} {b})"
    element = "float32" if is_narrow(dtype) else info.element
    return f"{e.context.helper(kind, element)}({a}, {b})"


for _class, _kind in {E.Min: "min", E.Max: "max"}.items():
    EXPRESSIONS[_class] = partial(_min_max, kind=_kind)


# ---- conditions --------------------------------------------------------------------------------


def _compare(e: FunctionEmitter, node: CmpExpr, sign: str) -> Value:
    a, b = e.expr(node.a), e.expr(node.b)
    return Value(f"({a.text} {sign} {b.text})", node.dtype)


for _comparison, _sign in {
    E.EQ: "==", E.NE: "!=", E.LT: "<", E.LE: "<=", E.GT: ">", E.GE: ">="
}.items():  # fmt: skip
    EXPRESSIONS[_comparison] = partial(_compare, sign=_sign)


def _logical(e: FunctionEmitter, node: BinaryOpExpr, sign: str, decided: str) -> Value:
    """The right side is computed only if the left one does not decide."""
    a = e.expr(node.a)
    if a.lanes > 1:
        return Value(f"({a.text} {sign} {e.expr(node.b).text})", node.dtype)
    b, lines = e.arm(node.b)
    if not lines:
        return Value(f"({a.text} {sign} {b.text})", node.dtype)
    return choose(
        e, node.dtype, a,
        (b, lines) if decided == "false" else (Value(decided, "bool"), []),
        (b, lines) if decided == "true" else (Value(decided, "bool"), []),
    )  # fmt: skip


EXPRESSIONS[E.And] = partial(_logical, sign="&&", decided="false")
EXPRESSIONS[E.Or] = partial(_logical, sign="||", decided="true")


@on(E.Not)
def _not(e: FunctionEmitter, node: E.Not) -> Value:
    return Value(f"(!{e.expr(node.a).text})", node.dtype)


@on(E.Select)
def _select(e: FunctionEmitter, node: E.Select) -> Value:
    test, yes, no = (e.expr(n) for n in (node.condition, node.true_value, node.false_value))
    return Value(f"({test.text} ? {yes.text} : {no.text})", node.dtype)


Arm = tuple[Value, list[str]]


def choose(e: FunctionEmitter, dtype: str, test: Value, yes: Arm, no: Arm) -> Value:
    """One of two arms, each with the lines that compute it; only the one taken runs."""
    if not yes[1] and not no[1]:
        return Value(f"({test.text} ? {yes[0].text} : {no[0].text})", dtype)
    chosen = e.declare("t", dtype)
    e.line(f"if ({test.text}) {{")
    for (value, lines), last in ((yes, "} else {"), (no, "}")):
        e.lines += ["  " + line for line in lines]
        e.depth += 1
        e.assign(chosen, value)
        e.depth -= 1
        e.line(last)
    return chosen


def masked_choice(
    e: FunctionEmitter, dtype: str, test: Value, yes: PrimExpr, no: PrimExpr
) -> Value:
    """Each lane from the arm that its condition picks; an arm is computed for those lanes."""
    with e.captured() as lines:
        pair = [] if e.mask else [e.expr(yes), e.expr(no)]
    if pair and not lines:
        return Value(f"({test.text} ? {pair[0].text} : {pair[1].text})", dtype)
    tests = e.array(test, "mask")
    chosen, lanes = e.declare("t", dtype), dtype_of(dtype).lanes
    outer = e.mask
    for sign, arm in (("", yes), ("!", no)):
        wanted, some = e.names.new("mask"), e.names.new("some")
        e.line(f"bool {wanted}[{lanes}], {some} = false;")
        also = f" && {outer}[{LANE}]" if outer else ""
        e.each_lane(lanes, f"{some} |= {wanted}[{LANE}] = {sign}{tests}[{LANE}]{also};")
        with e.block(f"if ({some})"), e.masked_by(wanted):
            e.assign(chosen, e.expr(arm))
    return chosen


@contextmanager
def picked(e: FunctionEmitter, picks: Sequence[int], first: int, count: int) -> Iterator[None]:
    """The `count` lanes from `first` on, of which `picks` takes some, are computed: those that
    the current mask then wants."""
    if e.mask is None:
        yield
        return
    wanted: list[list[str]] = [[] for _ in range(count)]
    for lane, source in enumerate(picks):
        if first <= source < first + count:
            wanted[source - first].append(f"{e.mask}[{lane}]")
    name = e.names.new("mask")
    items = ", ".join(" | ".join(parts) or "false" for parts in wanted)
    e.line(f"const bool {name}[{count}] = {{{items}}};")
    with e.masked_by(name):
        yield


# ---- conversions -------------------------------------------------------------------------------


@on(E.Cast)
def _cast(e: FunctionEmitter, node: E.Cast) -> Value:
    return convert(e, e.expr(node.value), node.dtype)


# ---- vectors -----------------------------------------------------------------------------------


@on(E.Broadcast)
def _broadcast(e: FunctionEmitter, node: E.Broadcast) -> Value:
    inner = dtype_of(node.value.dtype).lanes
    if inner == 1:
        with e.masked_by(None):
            return Value(e.expr(node.value).text, node.dtype)
    with picked(e, list(range(inner)) * node.lanes, 0, inner):
        name = e.array(e.expr(node.value))
    return Value(f"{name}[{LANE} % {inner}]", node.dtype)


@on(E.Ramp)
def _ramp(e: FunctionEmitter, node: E.Ramp) -> Value:
    base, stride = e.expr(node.base), e.expr(node.stride)
    if base.lanes != 1:
        raise CompileError("a ramp of vectors should have been lowered", node.span)
    element = base.dtype
    steps = LANE if element == "int32" else f"({value_type(element)}){LANE}"
    if not (isinstance(node.stride, IntImm) and node.stride.value == 1):
        steps = binary(e, "mul", element, stride.text, steps)
    if isinstance(node.base, IntImm) and node.base.value == 0:
        return Value(steps if steps.isidentifier() else f"({steps})", node.dtype)
    return Value(binary(e, "add", element, base.text, steps), node.dtype)


@on(E.Shuffle)
def _shuffle(e: FunctionEmitter, node: E.Shuffle) -> Value:
    wanted = []
    for index in node.indices:
        if not isinstance(index, IntImm):
            raise CompileError("a shuffle picks lanes by constants", node.span)
        wanted.append(index.value)
    element = dtype_of(node.dtype).element
    items: list[str] = []
    for vector in node.vectors:
        count = dtype_of(vector.dtype).lanes
        if count == 1:
            with e.masked_by(None):
                items.append(e.expr(vector).text)
            continue
        with picked(e, wanted, len(items), count):
            name = e.array(e.expr(vector))
        items += [f"{name}[{n}]" for n in range(count)]
    chosen = [items[n] for n in wanted]
    if len(chosen) == 1:
        return Value(chosen[0], element)
    name = e.names.new("t")
    e.line(f"const {value_type(element)} {name}[{len(chosen)}] = {{{', '.join(chosen)}}};")
    return Value(f"{name}[{LANE}]", node.dtype)


# ---- the rest ----------------------------------------------------------------------------------


@on(E.Let)
def _let(e: FunctionEmitter, node: E.Let) -> Value:
    scalar = dtype_of(node.value.dtype).lanes == 1
    with e.masked_by(None if scalar else e.mask):
        value = e.temp(e.expr(node.value), node.var.name)
    e.bind(node.var, value)
    return e.expr(node.body)


@on(Call)
def _call(e: FunctionEmitter, node: Call) -> Value:
    if isinstance(node.op, GlobalVar):
        return INTRINSICS["global"](e, node)
    handler = INTRINSICS.get(node.op.name)
    if handler is None:
        raise CompileError(f"the C back end does not know {node.op.name}", node.span)
    return handler(e, node)
