"""How loop programs print: the dialect `T`."""

from __future__ import annotations

from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..ir.op import Op
from ..ir.printer import by_fields
from ..ir.structural import structural_equal
from ..ir.type import FuncType, PointerType, PrimType, TupleType
from ..script.printer import Printer, Text, prints, prints_attribute
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..target import Target
from . import expr as E
from . import op as tir_op
from .buffer import Buffer
from .index_map import IndexMap
from .op.calls import result_dtype
from .op.declare import SCRIPT_NAMES
from .script_rules import arguments_of, extent_between, is_plain_ramp, named_call, rebuilds
from .stmt import BufferRegion

_INFIX: dict[type, tuple[str, int]] = {
    E.Add: ("+", 9), E.Sub: ("-", 9), E.Mul: ("*", 10), E.FloorDiv: ("//", 10),
    E.FloorMod: ("%", 10), E.EQ: ("==", 4), E.NE: ("!=", 4), E.LT: ("<", 4), E.LE: ("<=", 4),
    E.GT: (">", 4), E.GE: (">=", 4), E.And: ("and", 2), E.Or: ("or", 1),
}  # fmt: skip
_FUNCTION: dict[type, str] = {E.Min: "min", E.Max: "max", E.Mod: "truncmod"}
_BUILD: dict[type, Any] = {
    E.Add: tir_op.add, E.Sub: tir_op.subtract, E.Mul: tir_op.multiply, E.Div: tir_op.truediv,
    E.FloorDiv: tir_op.floordiv, E.FloorMod: tir_op.floormod, E.EQ: tir_op.equal,
    E.NE: tir_op.not_equal, E.LT: tir_op.less, E.LE: tir_op.less_equal, E.GT: tir_op.greater,
    E.GE: tir_op.greater_equal, E.And: tir_op.logical_and, E.Or: tir_op.logical_or,
    E.Min: tir_op.min, E.Max: tir_op.max, E.Mod: tir_op.truncmod,
}  # fmt: skip


def t(p: Printer, name: str) -> str:
    """A name of the dialect's namespace."""
    return f"{p.config.tir_prefix}.{name}"


@prints(E.Var)
def var(p: Printer, v: E.Var) -> Text:
    """A variable by its name."""
    return Text.of(p.name(v, v.name))


def _is_plain(e: Any) -> bool:
    """Whether Python's operator on the operands builds `e` again, and does not fold."""
    if isinstance(e.a, (IntImm, E.FloatImm)) and isinstance(e.b, (IntImm, E.FloatImm)):
        return False
    if type(e) is E.Div and not dtype_of(e.dtype).is_float:
        return False
    if type(e) in (E.And, E.Or) and dtype_of(e.dtype).lanes != 1:
        return False  # Python's words for vectors are `bitwise_and` and `bitwise_or`
    try:
        made = _BUILD[type(e)](e.a, e.b)
    except ArgumentError:  # the operator refuses what the node holds, such as a division by 0
        return False
    return type(made) is type(e) and made.a is e.a and made.b is e.b


@prints(E.BinaryOpExpr, E.CmpExpr, E.And, E.Or)
def binary(p: Printer, e: Any) -> Text:
    """Infix where Python's operator builds this very node, else a call of its name."""
    infix = ("/", 10) if type(e) is E.Div else _INFIX.get(type(e))
    if infix is None or not _is_plain(e):
        name = _FUNCTION.get(type(e), "") if _is_plain(e) else ""
        return Text.of(f"{t(p, name or type(e).__name__)}({p(e.a)}, {p(e.b)})")
    symbol, binds = infix
    terms: list[tuple[str, PrimExpr]] = [(symbol, e.b)]
    left: Any = e.a
    while binds != 4 and type(left) is type(e) and _is_plain(left) and not p.is_marked(left):
        terms.append((symbol, left.b))
        left = left.a
    text = p(left).within(binds + (binds == 4))
    for mark, right in reversed(terms):
        text += f" {mark} {p(right).within(binds + 1)}"
    return Text.of(text, binds)


@prints(E.Not)
def not_(p: Printer, e: E.Not) -> Text:
    """`not a`."""
    if isinstance(e.a, IntImm):
        return Text.of(f"{t(p, 'Not')}({p(e.a)})")
    return Text.of(f"not {p(e.a).within(3)}", 3)


@prints(E.StringImm)
def string(p: Printer, e: E.StringImm) -> Text:
    """A quoted string."""
    return p(e.value)


@prints_attribute(E.StringImm)
def string_node(p: Printer, e: E.StringImm) -> Text:
    """A string that is an expression: a bare one is a string of Python."""
    return Text.of(f"{t(p, 'StringImm')}({p(e.value)})")


prints_attribute(PrimType, PointerType, TupleType, FuncType)(by_fields)


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
    """`T.name(args)`; the result's type comes first where the arguments do not tell it.

    Where the short form would build another call, `T.call_intrin` says all of it.
    """
    if not isinstance(e.op, Op):
        if e.args and e.dtype == result_dtype(e.op):
            return Text.of(f"{p(e.op)}({p.list(e.args)})")
        return Text.of(f'{t(p, "CallNode")}("{e.dtype}", {p(e.op)}, {p.tuple(e.args)})')
    name = e.op.name.removeprefix("tir.")
    if not _is_short(e, name):
        more = f", annotations={p.attributes(e.annotations)}" if e.annotations else ""
        rest = ", ".join([f'"{e.dtype}"', f'"{e.op.name}"', *(p(arg) for arg in e.args)])
        return Text.of(f"{t(p, 'call_intrin')}({rest}{more})")
    args = arguments_of(e, name, p, Text.of(f'"{e.dtype}"'))
    return Text.of(f"{t(p, SCRIPT_NAMES.get(name, name))}({', '.join(args)})")


def _is_short(e: E.Call, name: str) -> bool:
    if "." in name or not e.op.name.startswith("tir."):
        return False
    build = named_call(name)
    if build is None:
        return False
    args = arguments_of(e, name, lambda a: a.value if isinstance(a, E.StringImm) else a, e.dtype)
    try:
        return rebuilds(build(*args), e)
    except Exception:  # any refusal means that the short form cannot be read
        return False


def index_text(p: Printer, indices: tuple[PrimExpr, ...]) -> str:
    """Indices between brackets; a ramp with a constant stride is a slice, which has no third part
    if the stride is 1."""
    parts = []
    for at, index in enumerate(indices):
        if at == len(indices) - 1 and isinstance(index, E.Ramp) and is_plain_ramp(index):
            end = index.base + index.stride * index.lanes
            one = isinstance(index.stride, IntImm) and index.stride.value == 1
            parts.append(f"{p(index.base)}:{p(end)}" + ("" if one else f":{p(index.stride)}"))
        else:
            parts.append(p(index))
    return ", ".join(parts) if parts else "()"


@prints(Buffer)
def buffer(p: Printer, b: Buffer) -> Text:
    """A buffer by its name."""
    return Text.of(_buffer_name(p, b))


def _buffer_name(p: Printer, b: Buffer) -> str:
    return p.name(b, b.name or "buffer")


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
    parts = [_range_text(p, dim) for dim in r.region]
    return Text.of(f"{p(r.buffer)}[{', '.join(parts) if parts else '()'}]")


def _is_one(dim: Any) -> bool:
    one = isinstance(dim.extent, IntImm) and dim.extent.value == 1
    return one and dim.extent.dtype == dim.min.dtype


def _range_text(p: Printer, dim: Any) -> str:
    if _is_one(dim):
        return str(p(dim.min))
    if has_ends(dim.min, dim.extent):
        return f"{p(dim.min)}:{p(dim.min + dim.extent)}"
    prefix = p.config.ir_prefix
    return f"{prefix}.range_of({p(dim.min)}, {p(dim.extent)})"


def has_ends(start: PrimExpr, extent: PrimExpr) -> bool:
    """Whether a range may be written by its two ends and read as the same."""
    if start.dtype != extent.dtype:
        return False
    return structural_equal(extent_between(start, start + extent), extent)


@prints(E.IterVar)
def iter_var(p: Printer, v: E.IterVar) -> Text:
    """`T.iter_var(var, dom, kind, tag)`."""
    dom = "None"
    if v.dom is not None:
        dom = str(p(v.dom)).replace(f"{p.config.ir_prefix}.Range(", f"{t(p, 'Range')}(", 1)
    args = f'{p(v.var)}, {dom}, "{v.iter_type.name}", {p(v.thread_tag)}'
    return Text.of(f"{t(p, 'iter_var')}({args})")


@prints(IndexMap)
def index_map(p: Printer, m: IndexMap) -> Text:
    """`T.index_map(lambda i, j: (j, i))`."""
    with p.scope():
        args = p.list(m.initial_indices)
        body = p.tuple(m.final_indices)
        dtype = m.initial_indices[0].dtype if m.initial_indices else "int64"
    more = "" if dtype == "int64" else f', index_dtype="{dtype}"'
    if m.inverse_index_map is not None:
        more += f", inverse_index_map={p(m.inverse_index_map)}"
    return Text.of(f"{t(p, 'index_map')}(lambda {args}: {body}{more})")


@prints(Target)
def target(p: Printer, value: Target) -> Text:
    """`T.target({...})`."""
    return Text.of(f"{t(p, 'target')}({p(value.export())})")


@prints(E.CommReducer)
def reducer(p: Printer, r: E.CommReducer) -> Text:
    """`T.comm_reducer(lambda x, y: result, [identity])`."""
    with p.scope():
        args = p.list((*r.lhs, *r.rhs))
        body = p(r.result[0]) if len(r.result) == 1 else p.tuple(r.result)
        return Text.of(
            f"{t(p, 'comm_reducer')}(lambda {args}: {body}, [{p.list(r.identity_element)}])"
        )


@prints(E.Reduce)
def reduce(p: Printer, e: E.Reduce) -> Text:
    """`T.reduce(combiner, source=[...], ...)`."""
    lists = {"source": e.source, "init": e.init, "axis": e.axis}
    args = [f"{p(e.combiner)}", *(f"{name}=[{p.list(values)}]" for name, values in lists.items())]
    args += [f"condition={p(e.condition)}", f"value_index={e.value_index}"]
    return Text.of(f"{t(p, 'reduce')}({', '.join(args)})")


def buffer_arguments(p: Printer, b: Buffer, *, with_data: bool, all_dtypes: bool = False) -> str:
    """The arguments that declare a buffer: shape, dtype, and what is not the default."""
    parts = [_dims(p, b.shape)]
    if all_dtypes or b.dtype != p.config.buffer_dtype:
        parts.append(f'"{b.dtype}"')
    if with_data:
        parts.append(f"data={p(b.data)}")
    if b.strides:
        parts.append(f"strides={_dims(p, b.strides)}")
    offset = b.elem_offset
    index = b.shape[0].dtype if b.shape else "int32"
    is_zero = isinstance(offset, IntImm) and offset.value == 0 and offset.dtype == index
    if not is_zero or b.offset_factor != 1:
        parts.append(f"elem_offset={p.attribute(offset) if is_zero else p(offset)}")
    if b.scope() != "global":
        parts.append(f"scope={p(b.scope())}")
    if b.data_alignment != 64:
        parts.append(f"align={b.data_alignment}")
    if b.offset_factor != 1:
        parts.append(f"offset_factor={b.offset_factor}")
    if b.buffer_type:
        parts.append(f"buffer_type={p(b.buffer_type)}")
    if b.axis_separators:
        parts.append(f"axis_separators={list(b.axis_separators)}")
    return ", ".join(parts)


def _dims(p: Printer, dims: tuple[PrimExpr, ...]) -> str:
    """Dimensions; bare integers take the type of the first expression, so others say theirs."""
    first = next((d.dtype for d in dims if not _is_bare(p, d)), p.config.int_dtype)
    parts = [
        f"{t(p, d.dtype)}({d.value})" if isinstance(d, IntImm) and _is_bare(p, d)
        and first != d.dtype else str(p(d))
        for d in dims
    ]  # fmt: skip
    return f"({', '.join(parts)},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _is_bare(p: Printer, d: PrimExpr) -> bool:
    return isinstance(d, IntImm) and d.dtype == p.config.int_dtype


def declare_buffer(p: Printer, b: Buffer) -> str:
    """Names a buffer that is being declared, and its memory after it."""
    name = _buffer_name(p, b)
    if not p.is_named(b.data):
        p.rename(b.data, f"{name}.data")
    return p.defined(b, name)


def typed_var(p: Printer, v: E.Var) -> str:
    """`name: T.dtype`, as a parameter or a binding."""
    name, kind = p.defined(v, p.name(v, v.name)), v.type_annotation
    if isinstance(kind, PointerType):
        return f"{name}: {p(kind)}"
    if isinstance(v, E.SizeVar):
        return f"{name}: {free_variable(p, v)}"
    return f"{name}: {t(p, v.dtype)}"


def free_variable(p: Printer, v: E.Var) -> str:
    """The expression that makes a variable, such as `T.int64()`; a size says so."""
    kind = v.type_annotation
    if isinstance(kind, PointerType):
        return str(p(kind))
    sized = ", is_size_var=True" if isinstance(v, E.SizeVar) else ""
    return f"{t(p, v.dtype)}({sized.removeprefix(', ')})"
