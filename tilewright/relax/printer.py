"""How graph programs print: the dialect `R`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.expr import IntImm, PrimExpr
from ..ir.functor import post_order_visit
from ..ir.global_info import global_info_name, vdevice_name
from ..ir.node import Node, children
from ..ir.op import Op
from ..ir.printer import by_fields, metadata_entry
from ..ir.structural import structural_equal
from ..script.printer import Printer, Text, prints, prints_attribute, programs, statements, word
from ..support.dtypes import dtype_of
from ..support.errors import TVMError
from ..tir.expr import Var as TirVar
from ..tir.printer import free_variable
from . import expr as E
from . import struct_info as S
from . import type as ty
from .base import ShapeExpr, StructInfo
from .distributed import DeviceMesh, DTensorStructInfo, Placement
from .script_ops import operator

statements(E.Binding, E.BindingBlock)
programs(E.Function)


def r(p: Printer, name: str) -> str:
    """A name of the dialect's namespace."""
    return f"{p.config.relax_prefix}.{name}"


def dim(p: Printer, value: PrimExpr) -> str:
    """A dimension: bare integers; in a signature, symbolic ones as strings."""
    if isinstance(value, IntImm):
        return str(value.value)
    return str(p(str(p(value))) if p.facts.get("signature") else p(value))


def scalar(p: Printer, value: PrimExpr) -> str:
    """A scalar: bare integers are of int64, others say their type."""
    if isinstance(value, IntImm) and value.dtype != "int64":
        shown = bool(value.value) if value.dtype == "bool" else value.value
        return f"{p.config.tir_prefix}.{value.dtype}({shown})"
    return dim(p, value)


def dims(p: Printer, values: tuple[PrimExpr, ...]) -> str:
    """Dimensions joined by commas."""
    parts = [dim(p, v) for v in values]
    return ", ".join(parts)


def dim_tuple(p: Printer, values: tuple[PrimExpr, ...]) -> str:
    """Dimensions as a tuple."""
    return f"({dims(p, values)},)" if len(values) == 1 else f"({dims(p, values)})"


@prints_attribute(ty.ObjectType, ty.PackedFuncType, ty.ShapeType, ty.TensorType)
def type_node(p: Printer, value: ty.Type) -> Text:
    """A type, whose short form stands for struct info in a program."""
    return by_fields(p, value)


@prints(ty.PackedFuncType)
def packed_type(p: Printer, value: ty.PackedFuncType) -> Text:
    """`R.PackedFunc`."""
    return Text.of(r(p, "PackedFunc"))


@prints(ty.ShapeType)
def shape_type(p: Printer, value: ty.ShapeType) -> Text:
    """`R.Shape(ndim=...)`."""
    return Text.of(f"{r(p, 'Shape')}(ndim={value.ndim})")


@prints(ty.TensorType)
def tensor_type(p: Printer, value: ty.TensorType) -> Text:
    """`R.Tensor(ndim=..., dtype=...)`."""
    return Text.of(f'{r(p, "Tensor")}(ndim={value.ndim}, dtype="{value.dtype}")')


@prints(S.ObjectStructInfo, ty.ObjectType)
def object_info(p: Printer, s: S.ObjectStructInfo | ty.ObjectType) -> Text:
    """`R.Object`."""
    return Text.of(r(p, "Object"))


@prints(S.PrimStructInfo)
def prim_info(p: Printer, s: S.PrimStructInfo) -> Text:
    """`R.Prim(dtype)` or `R.Prim(value=...)`."""
    inner = f'"{s.dtype}"' if s.value is None else f"value={scalar(p, s.value)}"
    return Text.of(f"{r(p, 'Prim')}({inner})")


@prints(S.ShapeStructInfo)
def shape_info(p: Printer, s: S.ShapeStructInfo) -> Text:
    """`R.Shape([values])` or `R.Shape(ndim=...)`."""
    if s.values is not None:
        return Text.of(f"{r(p, 'Shape')}([{dims(p, s.values)}])")
    return Text.of(f"{r(p, 'Shape')}(ndim={s.ndim})")


@prints(S.TensorStructInfo)
def tensor_info(p: Printer, s: S.TensorStructInfo) -> Text:
    """`R.Tensor(shape, dtype=..., ndim=...)`."""
    parts = []
    if isinstance(s.shape, ShapeExpr):
        parts.append(dim_tuple(p, s.shape.values))
    elif s.shape is not None:
        parts.append(str(p(s.shape)))
    if s.dtype:
        parts.append(f'dtype="{s.dtype}"')
    if s.shape is None and s.ndim >= 0:
        parts.append(f"ndim={s.ndim}")
    if s.vdevice is not None:
        name = vdevice_name(s.vdevice, p.facts.get("global_infos", {}))
        parts.append(f"vdevice={p(name or s.vdevice)}")
    return Text.of(f"{r(p, 'Tensor')}({', '.join(parts)})" if parts else r(p, "Tensor"))


@prints(DTensorStructInfo)
def dtensor_info(p: Printer, s: DTensorStructInfo) -> Text:
    """`R.DTensor(shape, dtype, mesh, placement)`."""
    whole = s.tensor_sinfo
    parts = []
    if whole.shape is not None:
        parts.append(
            dim_tuple(p, whole.shape.values)
            if isinstance(whole.shape, ShapeExpr)
            else str(p(whole.shape))
        )
    if whole.dtype:
        parts.append(f'dtype="{whole.dtype}"')
    parts += [f"device_mesh={p(s.device_mesh)}", f"placement={p(s.placement)}"]
    if whole.shape is None and whole.ndim >= 0:
        parts.append(f"ndim={whole.ndim}")
    return Text.of(f"{r(p, 'DTensor')}({', '.join(parts)})")


@prints(DeviceMesh)
def device_mesh(p: Printer, mesh: DeviceMesh) -> Text:
    """`"mesh[0]"`, its name in the module, else `R.device_mesh(shape, devices)`."""
    name = global_info_name(mesh, p.facts.get("global_infos", {}))
    if name:
        return Text.of(str(p(name)))
    ids = p(mesh.device_range) if mesh.device_range is not None else f"[{p.list(mesh.device_ids)}]"
    return Text.of(f"{r(p, 'device_mesh')}({p.tuple(mesh.shape)}, {ids})")


@prints(Placement)
def placement(p: Printer, value: Placement) -> Text:
    """A placement by its text."""
    return Text.of(str(p(value.text)))


@prints(S.TupleStructInfo)
def tuple_info(p: Printer, s: S.TupleStructInfo) -> Text:
    """`R.Tuple(fields)`."""
    return Text.of(f"{r(p, 'Tuple')}({p.list(s.items)})" if s.items else r(p, "Tuple"))


@prints(S.FuncStructInfo)
def func_info(p: Printer, s: S.FuncStructInfo) -> Text:
    """`R.Callable((params), ret, purity)`; of an opaque function what is not the default."""
    if s.params is None:
        told = [] if isinstance(s.ret, S.ObjectStructInfo) else [f"ret={p(s.ret)}"]
        told += ["purity=True"] if s.purity else []
        return Text.of(r(p, "Callable") + (f"({', '.join(told)})" if told else ""))
    return Text.of(f"{r(p, 'Callable')}({p.tuple(s.params)}, {p(s.ret)}, {s.purity})")


@prints(E.Var)
def var(p: Printer, v: E.Var) -> Text:
    """A variable by its name."""
    return Text.of(p.name(v, v.name_hint or "v"))


def _has_payload(scalar: np.ndarray[Any, Any]) -> bool:
    """Whether a scalar is a NaN of other bits than the one that is written `nan`."""
    is_nan = bool(scalar != scalar)
    return is_nan and np.array(float("nan")).astype(scalar.dtype).tobytes() != scalar.tobytes()


@prints(E.Constant)
def constant(p: Printer, c: E.Constant) -> Text:
    """`R.const(value, dtype)`; long ones by number in the module's metadata."""
    if c.array.ndim == 0 and not _has_payload(c.array):
        value = c.array.astype("float64") if dtype_of(c.dtype).is_float else c.array
        shown = p(value.item())
        return Text.of(f'{r(p, "const")}({shown}, "{c.dtype}")')
    return metadata_entry(p, "relax.expr.Constant", c.array, c.dtype)


@prints_attribute(E.Constant)
def constant_node(p: Printer, c: E.Constant) -> Text:
    """A constant that tells its type: an array alone is one of NumPy."""
    text = p(c)
    return (
        text
        if not text.startswith("metadata")
        else Text.of(f'{r(p, "const")}({text}, "{c.dtype}")')
    )


@prints_attribute(E.Tuple)
def tuple_node(p: Printer, value: E.Tuple) -> Text:
    """A tuple that is an expression."""
    return Text.of(f"{r(p, 'tuple')}({', '.join([p.attribute(item) for item in value.items])})")


@prints_attribute(StructInfo)
def info_node(p: Printer, s: StructInfo) -> Text:
    """Struct info, which a name such as `R.Object` stands for in annotations only."""
    text = p(s)
    return text if text.endswith((")", '"')) else Text.of(f"{text}()")


@prints(ShapeExpr)
def shape_expr(p: Printer, s: ShapeExpr) -> Text:
    """`R.shape([dims])`."""
    return Text.of(f"{r(p, 'shape')}([{dims(p, s.values)}])")


@prints(E.Tuple)
def tuple_(p: Printer, value: E.Tuple) -> Text:
    """A Python tuple; `R.tuple()` for none."""
    return Text.of(p.tuple(value.items) if value.items else f"{r(p, 'tuple')}()")


@prints(E.TupleGetItem)
def get_item(p: Printer, value: E.TupleGetItem) -> Text:
    """`tuple[index]`."""
    return Text.of(f"{p(value.tuple_value)}[{value.index}]")


@prints(E.PrimValue)
def prim_value(p: Printer, value: E.PrimValue) -> Text:
    """`R.prim_value(value)`."""
    return Text.of(f"{r(p, 'prim_value')}({scalar(p, value.value)})")


@prints(E.StringImm)
def string(p: Printer, value: E.StringImm) -> Text:
    """`R.str(text)`."""
    return Text.of(f"{r(p, 'str')}({p(value.value)})")


@prints(E.DataTypeImm)
def data_type(p: Printer, value: E.DataTypeImm) -> Text:
    """`R.dtype(name)`."""
    return Text.of(f'{r(p, "dtype")}("{value.value}")')


@prints(E.ExternFunc)
def extern(p: Printer, value: E.ExternFunc) -> Text:
    """`R.ExternFunc(name)`: a function of the runtime."""
    info = f", {p.attribute(value.annotation)}" if value.annotation is not None else ""
    attrs = f", attrs={p.attributes(value.attrs)}" if value.attrs else ""
    return Text.of(f"{r(p, 'ExternFunc')}({p(value.global_symbol)}{info}{attrs})")


_DPS = frozenset({"relax.call_tir", "relax.call_tir_inplace", "relax.call_dps_packed",
                  "relax.call_tir_with_grad", "relax.dist.call_tir_local_view"})  # fmt: skip
_BY_NAME = _DPS | {"relax.call_pure_packed", "relax.call_inplace_packed",
                   "relax.call_builtin_with_ctx"}  # fmt: skip


@prints(E.Call)
def call(p: Printer, c: E.Call) -> Text:
    """`R.name(args, attr=value)`; `R.call_op` where that would build another call."""
    if isinstance(c.op, E.ExternFunc) and c.op.annotation is None:
        parts = [p(c.op.global_symbol), *_call_parts(p, c)]
        return Text.of(f"{r(p, 'call_packed')}({', '.join(parts)})")
    if not isinstance(c.op, Op):
        plain = not c.attrs and not c.sinfo_args and c.args
        return Text.of(f"{p(c.op)}({p.list(c.args)})") if plain else _raw(p, c, str(p(c.op)))
    name = c.op.name
    if not is_short(c):
        return _raw(p, c, p(name))
    head = r(p, _spread_name(c) or name.removeprefix("relax."))
    parts = _dps_parts(p, c) if name in _DPS else _call_parts(p, c)
    return Text.of(f"{head}({', '.join(parts)})")


def _spread_name(c: E.Call) -> str:
    """`dist.call_tir` of a call of a kernel whose result is spread over a mesh."""
    info = c.sinfo_args[0] if c.op.name == "relax.call_tir" and c.sinfo_args else None  # type: ignore[attr-defined]
    items = info.items if isinstance(info, S.TupleStructInfo) else (info,)
    return "dist.call_tir" if any(isinstance(i, DTensorStructInfo) for i in items) else ""


def is_short(c: E.Call) -> bool:
    """Whether the operator's constructor, called as the short form says, builds this call."""
    build = operator(c.op.name.removeprefix("relax."))  # type: ignore[attr-defined]
    if build is None or not c.op.name.startswith("relax."):  # type: ignore[attr-defined]
        return False
    named: dict[str, Any] = dict(c.attrs)
    args = c.args
    if c.op.name in _DPS:  # type: ignore[attr-defined]
        named["out_sinfo"] = c.sinfo_args[0] if c.sinfo_args else None
        if len(args) > 2:
            named["tir_vars"], args = args[2], args[:2]
    elif c.sinfo_args:
        named["sinfo_args"] = c.sinfo_args
    try:
        made = build(*args, **named)
    except Exception:  # any refusal means that the short form cannot be read
        return False
    return (
        type(made) is E.Call
        and made.op is c.op
        and len(made.args) == len(c.args)
        and all(a is b or structural_equal(a, b) for a, b in zip(made.args, c.args, strict=True))
        and structural_equal(dict(made.attrs), dict(c.attrs))
        and structural_equal(made.sinfo_args, c.sinfo_args)
    )


def _raw(p: Printer, c: E.Call, head: str) -> Text:
    rows = ", ".join(f"{p(key)}: {p.attributes(value)}" for key, value in c.attrs.items())
    infos = f", {p.tuple(c.sinfo_args)}" if c.sinfo_args else ""
    return Text.of(f"{r(p, 'call_op')}({head}, {p.tuple(c.args)}, {{{rows}}}{infos})")


def _args(p: Printer, c: E.Call) -> list[str]:
    parts = [str(p(arg)) for arg in c.args]
    first = c.args[0] if isinstance(c.op, Op) and c.op.name in _BY_NAME else None
    if isinstance(first, E.ExternFunc) and first.annotation is None:
        parts[0] = str(p(first.global_symbol))
    return parts


def _call_parts(p: Printer, c: E.Call) -> list[str]:
    texts = _args(p, c)
    texts += [f"{key}={p.attributes(value)}" for key, value in c.attrs.items()]
    if c.sinfo_args:
        texts.append(f"sinfo_args={p.tuple(c.sinfo_args)}")
    return texts


def _dps_parts(p: Printer, c: E.Call) -> list[str]:
    info = c.sinfo_args[0]
    several = isinstance(info, S.TupleStructInfo) and len(info.items) > 1
    out = f"[{p.list(info.items)}]" if several else str(p(info))  # type: ignore[attr-defined]
    parts = [*_args(p, c)[:2], f"out_sinfo={out}"]
    parts += [f"{key}={p.attributes(value)}" for key, value in c.attrs.items()]
    if len(c.args) > 2:
        parts.append(f"tir_vars={p(c.args[2])}")
    return parts


# ---- bindings -------------------------------------------------------------------------------


def _bind(p: Printer, v: E.Var, text: str, known: Any, told: bool = False) -> None:
    """`v = text`; with what is told of `v`, if all is asked for (and `text` does not tell it), or
    it is not what is `known`."""
    info = v.struct_info_
    hidden = told or not p.config.show_all_struct_info
    is_known = hidden and (known is None or structural_equal(info, known))
    shown = info is not None and not is_known
    p.line(f"{p(v)}: {p(info)} = {text}" if shown else f"{p(v)} = {text}")


@prints(E.VarBinding)
def var_binding(p: Printer, b: E.VarBinding) -> None:
    """`x: info = value`; a conditional and an inner function take several lines."""
    if isinstance(b.value, E.If):
        _if(p, b)
    elif isinstance(b.value, E.Function):
        p.facts["function"] = p(b.var)
        p.statement(b.value)
    elif p.config.syntax_sugar and _acts_only(p, b):
        p.line(p(b.value))
    else:
        told = isinstance(b.value, E.Call) and getattr(b.value.op, "name", "") in _TELLS
        _bind(p, b.var, p(b.value), _given(b.value), told)


_TELLS = frozenset({"relax.call_tir", "relax.call_dps_packed"})
"""Operators whose calls say what they give."""


def _given(value: Any) -> StructInfo | None:
    """What is known of a value, None if it is ill-typed."""
    try:
        known: StructInfo | None = value.struct_info
    except TVMError:
        return None
    return known


def _acts_only(p: Printer, b: E.VarBinding) -> bool:
    """Whether a call has no result and nobody names the variable that it is bound to."""
    infos = (b.var.struct_info_, _given(b.value))
    return (
        isinstance(b.value, E.Call)
        and all(isinstance(info, S.TupleStructInfo) and not info.items for info in infos)
        and id(b.var) not in p.facts.get("used", ())
    )


def _if(p: Printer, b: E.VarBinding) -> None:
    value = b.value
    assert isinstance(value, E.If)
    name = p(b.var)
    info = b.var.struct_info_
    for head, branch in (
        (f"if {p(value.cond)}:", value.true_branch),
        ("else:", value.false_branch),
    ):
        with p.indent(head):
            for block in branch.blocks:
                p.statement(block)
            told = f": {p(info)}" if info is not None and head.startswith("if") else ""
            p.line(f"{name}{told} = {p(branch.body)}")


@prints(E.MatchCast)
def match_cast(p: Printer, b: E.MatchCast) -> None:
    """`x = R.match_cast(value, info)`."""
    _declare_dims(p, b.struct_info)
    _bind(p, b.var, f"{r(p, 'match_cast')}({p(b.value)}, {p(b.struct_info)})", b.struct_info)


@prints(E.BindingBlock)
def binding_block(p: Printer, block: E.BindingBlock) -> None:
    """Bindings one after another."""
    for binding in block.bindings:
        p.statement(binding)


@prints(E.DataflowBlock)
def dataflow_block(p: Printer, block: E.DataflowBlock) -> None:
    """`with R.dataflow(): ... R.output(...)`."""
    with p.indent(f"with {r(p, 'dataflow')}():"):
        outputs = []
        for binding in block.bindings:
            p.statement(binding)
            if not isinstance(binding.var, E.DataflowVar):
                outputs.append(p(binding.var))
        p.line(f"{r(p, 'output')}({', '.join(outputs)})")


def _used(seq: E.SeqExpr) -> set[int]:
    """The variables that are read somewhere in a body, or that a dataflow block gives to others."""
    found: set[int] = set()
    todo: list[Node] = [seq]
    while todo:
        n = todo.pop()
        if isinstance(n, E.Binding):
            todo.append(n.value)
        elif isinstance(n, E.Var):
            found.add(id(n))
        else:
            if isinstance(n, E.DataflowBlock):
                found |= {id(b.var) for b in n.bindings if not isinstance(b.var, E.DataflowVar)}
            todo += children(n)
    return found


def _declare_dims(p: Printer, info: Any) -> None:
    for v in _symbols(info):
        if not p.is_named(v):
            p.line(f"{p(v)} = {free_variable(p, v)}")


def _symbols(value: Any) -> list[TirVar]:
    found: dict[int, TirVar] = {}

    def visit(n: Node) -> None:
        if isinstance(n, TirVar):
            found.setdefault(id(n), n)

    post_order_visit(value, visit)
    return list(found.values())


@prints(E.Function)
def function(p: Printer, f: E.Function) -> None:
    """A function with its parameters, attributes and bindings."""
    name = p.facts.pop("function", None) or word(f.attrs.get("global_symbol") or "main")
    top = "in_function" not in p.facts
    with p.scope():
        p.facts["in_function"] = p.facts["in_program"] = True
        p.facts["depth"] = p.facts.get("depth", 0) + 1
        public = "global_symbol" in f.attrs or not top
        options = [] if public else ["private=True"]
        if not f.is_pure:
            options.append("pure=False")
        p.facts["signature"] = True
        params = [f"{p(v)}: {p(v.struct_info)}" for v in f.params]
        ret = p(f.ret_struct_info)
        p.facts["signature"] = False
        p.line(f"@{r(p, 'function')}" + (f"({', '.join(options)})" if options else ""))
        with p.indent(f"def {name}({', '.join(params)}) -> {ret}:"):
            _function_inside(p, f, name)


def _function_inside(p: Printer, f: E.Function, name: str) -> None:
    for v in _symbols((tuple(v.struct_info for v in f.params), f.ret_struct_info)):
        p.line(f"{p(v)} = {free_variable(p, v)}")
    inner = p.facts["depth"] > 1
    p.facts["used"] = _used(f.body)
    attrs = {k: v for k, v in f.attrs.items() if inner or not (k == "global_symbol" and v == name)}
    if attrs:
        p.line(f"{r(p, 'func_attr')}({p.attributes(attrs)})")
    for block in f.body.blocks:
        p.statement(block)
    p.line(f"return {p(f.body.body)}")
