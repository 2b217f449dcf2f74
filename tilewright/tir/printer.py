"""How loop programs print: the dialect `T`."""

from __future__ import annotations

from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..ir.op import Op
from ..ir.type import PointerType
from ..script.printer import Printer, Text, prints
from ..support.dtypes import dtype_of
from . import expr as E
from .buffer import Buffer
from .stmt import BufferRegion

_INFIX: dict[type, tuple[str, int]] = {
    E.Add: ("+", 9), E.Sub: ("-", 9), E.Mul: ("*", 10), E.FloorDiv: ("//", 10),
    E.FloorMod: ("%", 10), E.EQ: ("==", 4), E.NE: ("!=", 4), E.LT: ("<", 4), E.LE: ("<=", 4),
    E.GT: (">", 4), E.GE: (">=", 4), E.And: ("and", 2), E.Or: ("or", 1),
}  # fmt: skip
_FUNCTION: dict[type, str] = {E.Min: "min", E.Max: "max", E.Div: "Div", E.Mod: "truncmod"}
_BITS = {"bitwise_and": ("&", 7), "bitwise_or": ("|", 5), "bitwise_xor": ("^", 6),
         "shift_left": ("<<", 8), "shift_right": (">>", 8)}  # fmt: skip

DTYPE_FIRST = frozenset({
    "reinterpret", "call_extern", "call_pure_extern", "call_llvm_intrin", "call_llvm_pure_intrin",
    "tvm_struct_get", "tvm_call_packed_lowered", "vectorlow", "vectorhigh", "vectorcombine",
    "tvm_stack_alloca", "type_annotation", "vscale", "undef", "get_active_lane_mask",
    "vector_reduce_add", "vector_reduce_max", "vector_reduce_min",
})  # fmt: skip
"""Intrinsics whose script names their result type first, since the arguments do not tell it."""


def t(p: Printer, name: str) -> str:
    """A name of the dialect's namespace."""
    return f"{p.config.tir_prefix}.{name}"


@prints(E.Var)
def var(p: Printer, v: E.Var) -> Text:
    """A variable by its name."""
    return Text.of(p.name(v, v.name))


@prints(E.BinaryOpExpr, E.CmpExpr, E.And, E.Or)
def binary(p: Printer, e: Any) -> Text:
    """Infix where Python's operator builds this very node, else a call of its name."""
    infix = _INFIX.get(type(e))
    both_constant = isinstance(e.a, (IntImm, E.FloatImm)) and isinstance(e.b, (IntImm, E.FloatImm))
    if type(e) is E.Div and dtype_of(e.dtype).is_float:
        infix = ("/", 10)
    if infix is None or both_constant:
        name = _FUNCTION.get(type(e), type(e).__name__)
        return Text.of(f"{t(p, name)}({p(e.a)}, {p(e.b)})")
    symbol, binds = infix
    terms: list[tuple[str, PrimExpr]] = []
    left: Any = e
    while type(left) is type(e) and binds not in (4,):
        terms.append((symbol, left.b))
        left = left.a
        if isinstance(left, (IntImm, E.FloatImm)):
            break
    if not terms:
        terms, left = [(symbol, e.b)], e.a
    text = p(left).within(binds + (binds == 4))
    for mark, right in reversed(terms):
        text += f" {mark} {p(right).within(binds + 1)}"
    return Text.of(text, binds)


@prints(E.Not)
def not_(p: Printer, e: E.Not) -> Text:
    """`not a`."""
    return Text.of(f"not {p(e.a).within(3)}", 3)


@prints(E.StringImm)
def string(p: Printer, e: E.StringImm) -> Text:
    """A quoted string."""
    return p(e.value)


@prints(E.Cast)
def cast(p: Printer, e: E.Cast) -> Text:
    """`T.Cast("dtype", value)`."""
    return Text.of(f'{t(p, "Cast")}("{e.dtype}", {p(e.value)})')


@prints(E.Select)
def select(p: Printer, e: E.Select) -> Text:
    """`T.Select(condition, yes, no)`."""
    return Text.of(f"{t(p, 'Select')}({p.list((e.condition, e.true_value, e.false_value))})")


@prints(E.Ramp)
def ramp(p: Printer, e: E.Ramp) -> Text:
    """`T.Ramp(base, stride, lanes)`."""
    return Text.of(f"{t(p, 'Ramp')}({p.list((e.base, e.stride, e.lanes))})")


@prints(E.Broadcast)
def broadcast(p: Printer, e: E.Broadcast) -> Text:
    """`T.Broadcast(value, lanes)`."""
    return Text.of(f"{t(p, 'Broadcast')}({p.list((e.value, e.lanes))})")


@prints(E.Shuffle)
def shuffle(p: Printer, e: E.Shuffle) -> Text:
    """`T.Shuffle([vectors], [indices])`."""
    return Text.of(f"{t(p, 'Shuffle')}([{p.list(e.vectors)}], [{p.list(e.indices)}])")


@prints(E.Let)
def let(p: Printer, e: E.Let) -> Text:
    """`T.Let(body, where={var: value})`."""
    value = p(e.value)
    return Text.of(f"{t(p, 'Let')}({p(e.body)}, where={{{p(e.var)}: {value}}})")


@prints(E.Call)
def call(p: Printer, e: E.Call) -> Text:
    """`T.name(args)`; the result's type comes first where the arguments do not tell it."""
    if not isinstance(e.op, Op):
        return Text.of(f"{p(e.op)}({p.list(e.args)})")
    name = e.op.name.removeprefix("tir.")
    if name in _BITS:
        symbol, binds = _BITS[name]
        left, right = p(e.args[0]).within(binds), p(e.args[1]).within(binds + 1)
        return Text.of(f"{left} {symbol} {right}", binds)
    if name == "bitwise_not":
        return Text.of(f"~{p(e.args[0]).within(11)}", 11)
    args = p.list(e.args)
    if name in DTYPE_FIRST:
        args = f'"{e.dtype}", {args}' if args else f'"{e.dtype}"'
    if "." in name or not e.op.name.startswith("tir."):
        return Text.of(f'{t(p, "call_intrin")}("{e.dtype}", "{e.op.name}", {args})')
    return Text.of(f"{t(p, name)}({args})")


def index_text(p: Printer, indices: tuple[PrimExpr, ...]) -> str:
    """Indices between brackets; a ramp with a constant stride is a slice."""
    parts = []
    for index in indices:
        if (
            isinstance(index, E.Ramp)
            and isinstance(index.stride, IntImm)
            and index.stride.value > 0
        ):
            end = index.base + index.stride * index.lanes
            step = f":{index.stride.value}"
            parts.append(f"{p(index.base)}:{p(end)}{step}")
        else:
            parts.append(p(index))
    return ", ".join(parts) if parts else "()"


@prints(Buffer)
def buffer(p: Printer, b: Buffer) -> Text:
    """A buffer by its name."""
    return Text.of(p.name(b, b.name))


@prints(E.BufferLoad)
def load(p: Printer, e: E.BufferLoad) -> Text:
    """`A[i, j]`."""
    if e.predicate is not None:
        return Text.of(f"{p(e.buffer)}.vload([{p.list(e.indices)}], predicate={p(e.predicate)})")
    return Text.of(f"{p(e.buffer)}[{index_text(p, e.indices)}]")


@prints(E.ProducerLoad)
def producer_load(p: Printer, e: E.ProducerLoad) -> Text:
    """`tensor[i, j]`."""
    return Text.of(f"{getattr(e.producer, 'name', 'tensor')}[{p.list(e.indices)}]")


@prints(BufferRegion)
def region(p: Printer, r: BufferRegion) -> Text:
    """`A[i, 0:16]`."""
    parts = []
    for dim in r.region:
        if isinstance(dim.extent, IntImm) and dim.extent.value == 1:
            parts.append(str(p(dim.min)))
        else:
            parts.append(f"{p(dim.min)}:{p(dim.min + dim.extent)}")
    return Text.of(f"{p(r.buffer)}[{', '.join(parts) if parts else '()'}]")


@prints(E.IterVar)
def iter_var(p: Printer, v: E.IterVar) -> Text:
    """`T.iter_var(var, dom, kind, tag)`."""
    dom = f"{p(v.dom)}" if v.dom is not None else "None"
    args = f'{p(v.var)}, {dom}, "{v.iter_type.name}", "{v.thread_tag}"'
    return Text.of(f"{t(p, 'iter_var')}({args})")


@prints(E.CommReducer)
def reducer(p: Printer, r: E.CommReducer) -> Text:
    """`T.comm_reducer(lambda x, y: result, [identity])`."""
    with p.scope():
        args = p.list((*r.lhs, *r.rhs))
        body = p(r.result[0]) if len(r.result) == 1 else p(r.result)
        return Text.of(
            f"{t(p, 'comm_reducer')}(lambda {args}: {body}, [{p.list(r.identity_element)}])"
        )


@prints(E.Reduce)
def reduce(p: Printer, e: E.Reduce) -> Text:
    """`T.reduce(combiner, source, init, axis, condition, value_index)`."""
    args = (e.combiner, list(e.source), list(e.init), list(e.axis), e.condition, e.value_index)
    return Text.of(f"{t(p, 'reduce')}({p.list(args)})")


def buffer_arguments(p: Printer, b: Buffer, *, with_data: bool) -> str:
    """The arguments that declare a buffer: shape, dtype, and what is not the default."""
    parts = [p.tuple(b.shape), f'"{b.dtype}"']
    if with_data:
        parts.append(f"data={p(b.data)}")
    if b.strides:
        parts.append(f"strides={p.tuple(b.strides)}")
    offset = b.elem_offset
    if not (isinstance(offset, IntImm) and offset.value == 0):
        parts.append(f"elem_offset={p(offset)}")
    if b.scope() != "global":
        parts.append(f'scope="{b.scope()}"')
    if b.data_alignment != 64:
        parts.append(f"align={b.data_alignment}")
    if b.offset_factor != 1:
        parts.append(f"offset_factor={b.offset_factor}")
    if b.buffer_type:
        parts.append(f'buffer_type="{b.buffer_type}"')
    if b.axis_separators:
        parts.append(f"axis_separators={list(b.axis_separators)}")
    return ", ".join(parts)


def declare_buffer(p: Printer, b: Buffer) -> str:
    """Names a buffer that is being declared, and its memory after it."""
    name = p.name(b, b.name)
    if not p.is_named(b.data):
        p.rename(b.data, f"{name}.data")
    return name


def typed_var(p: Printer, v: E.Var) -> str:
    """`name: T.dtype`, as a parameter or a binding."""
    kind = v.type_annotation
    if isinstance(kind, PointerType):
        return f"{p(v)}: {p(kind)}"
    return f"{p(v)}: {t(p, v.dtype)}"


def free_variable(p: Printer, v: E.Var) -> str:
    """The expression that makes a variable, such as `T.int64()`; a size says so."""
    sized = ", is_size_var=True" if isinstance(v, E.SizeVar) else ""
    return f"{t(p, v.dtype)}({sized.removeprefix(', ')})"
