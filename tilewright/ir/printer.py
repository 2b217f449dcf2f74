"""How modules, types, ranges and constants print."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.ndarray import Tensor
from ..runtime.source_module import CSourceModule
from ..script.printer import (
    FIELDS,
    METADATA,
    Printer,
    Text,
    prints,
    prints_attribute,
    prints_lines,
    programs,
    script,
    show,
    word,
)
from ..support.dtypes import dtype_name, dtype_of
from . import type as ty
from .array_text import encode_array
from .base import EnvFunc
from .expr import FloatImm, GlobalVar, IntImm, Range
from .global_info import DummyGlobalInfo, VDevice
from .module import IRModule
from .node import PRINTERS, Node
from .op import Op
from .structural import structural_equal

ArrayOrTensor = np.ndarray[Any, Any] | Tensor

PRINTERS.update(script=script, show=show)
programs(IRModule)


@prints(IRModule)
def module(p: Printer, mod: IRModule) -> None:
    """Prints a module as a class with one method a function."""
    c = p.config
    p.line(f"@{c.ir_prefix}.ir_module")
    with p.indent(f"class {c.name or 'Module'}:"):
        p.facts["in_program"] = True
        names = p.facts["functions"] = _names(mod)
        given = {names[id(v)]: v.name_hint for v in mod.functions if names[id(v)] != v.name_hint}
        if given:
            p.line(f"{c.ir_prefix}.module_names({p(given)})")
        if mod.attrs:
            p.line(f"{c.ir_prefix}.module_attrs({p.attributes(mod.attrs)})")
        if mod.global_infos:
            infos = p.attributes(mod.global_infos)
            p.line(f"{c.ir_prefix}.module_global_infos({infos})")
            p.facts["global_infos"] = mod.global_infos
        for index, (var, func) in enumerate(mod.items()):
            if index:
                p.line()
            p.facts["function"] = names[id(var)]
            if prints_lines(func):
                p.statement(func)
            else:
                p.line(f"{names[id(var)]} = {p(func)}")


def _names(mod: IRModule) -> dict[int, str]:
    """What the functions are called in the text, by variable: their names, where they are words
    of Python."""
    own = {var.name_hint for var in mod.functions}
    made: dict[int, str] = {}
    for var in mod.functions:
        name = base = word(var.name_hint)
        count = 0
        while name != var.name_hint and (name in own or name in made.values()):
            count += 1
            name = f"{base}_{count}"
        made[id(var)] = name
    return made


@prints(VDevice)
def vdevice(p: Printer, value: VDevice) -> Text:
    """A virtual device, its target as a dict."""
    target = p(None if value.target is None else value.target.export())
    scope = p(value.memory_scope)
    return Text.of(f"{p.config.ir_prefix}.vdevice({target}, {value.vdevice_id}, {scope})")


@prints(DummyGlobalInfo)
def dummy_global_info(p: Printer, value: DummyGlobalInfo) -> Text:
    """`I.dummy_global_info()`."""
    return Text.of(f"{p.config.ir_prefix}.dummy_global_info()")


@prints(GlobalVar)
def global_var(p: Printer, var: GlobalVar) -> Text:
    """A function of the module, `cls.name`; of another one, `I.GlobalVar(name)`. The module
    is called by its own name where it has no alias."""
    name = p.facts.get("functions", {}).get(id(var))
    if name is None:
        return Text.of(f"{p.config.ir_prefix}.GlobalVar({p(var.name_hint)})")
    return Text.of(f"{p.config.module_alias or p.config.name or 'Module'}.{name}")


@prints(Op)
def op(p: Printer, value: Op) -> Text:
    """An operator by its name."""
    return Text.of(f'{p.config.ir_prefix}.Op.get("{value.name}")')


@prints(Range)
def range_(p: Printer, value: Range) -> Text:
    """A range by its two ends, or by its extent where these do not tell it."""
    prefix, end = p.config.ir_prefix, value.min + value.extent
    if value.min.dtype == value.extent.dtype and structural_equal(end - value.min, value.extent):
        return Text.of(f"{prefix}.Range({p(value.min)}, {p(end)})")
    return Text.of(f"{prefix}.range_of({p(value.min)}, {p(value.extent)})")


def number(p: Printer, value: int | float, dtype: str, *, bare: bool = True) -> Text:
    """A constant: where it may be, bare if the parser gives it the type, else `T.dtype(value)`."""
    t = p.config.tir_prefix
    info = dtype_of(dtype)
    if info.is_bool:
        return Text.of(f"{t}.bool({bool(value)})")
    if info.is_integral:
        bare = bare and dtype == p.config.int_dtype
        return Text.of(str(value) if bare else f"{t}.{dtype}({value})", 20 if value >= 0 else 11)
    if bare and dtype == p.config.float_dtype and np.isfinite(value):
        return Text.of(repr(float(value)), 20 if value >= 0 else 11)
    if info.is_custom:
        return Text.of(f'{t}.FloatImm("{dtype}", {float(value)!r})')
    shown = _shortest(float(value), dtype)
    return Text.of(f"{t}.{dtype}({shown})")


def _shortest(value: float, dtype: str) -> str:
    if not np.isfinite(value):
        return f'"{value}"'
    narrow = dtype_of(dtype).numpy
    with np.errstate(over="ignore"):
        short = str(narrow.type(value)) if narrow.itemsize <= 4 else repr(value)
    if float(short) != value:
        return repr(value)
    return f"{short}.0" if short.lstrip("-").isdigit() else short  # small types print "1"


@prints_attribute(IntImm, FloatImm)
def typed_number(p: Printer, value: IntImm | FloatImm) -> Text:
    """A constant that tells its type: a bare one is a number of Python."""
    return number(p, value.value, value.dtype, bare=False)


@prints(IntImm)
def int_imm(p: Printer, value: IntImm) -> Text:
    """An integer constant."""
    return number(p, value.value, value.dtype)


@prints(FloatImm)
def float_imm(p: Printer, value: FloatImm) -> Text:
    """A floating-point constant."""
    return number(p, value.value, value.dtype)


@prints(ty.PrimType)
def prim_type(p: Printer, value: ty.PrimType) -> Text:
    """A data type."""
    return Text.of(f"{p.config.tir_prefix}.{value.dtype}")


@prints(ty.PointerType)
def pointer_type(p: Printer, value: ty.PointerType) -> Text:
    """An address."""
    inner = value.element_type
    element = f'"{inner.dtype}"' if isinstance(inner, ty.PrimType) else str(p(inner))
    scope = f", {p(value.storage_scope)}" if value.storage_scope else ""
    return Text.of(f"{p.config.tir_prefix}.handle({element}{scope})")


@prints(ty.TupleType)
def tuple_type(p: Printer, value: ty.TupleType) -> Text:
    """Several values; `None` for none."""
    if not value.items:
        return Text.of("None")
    return Text.of(f"{p.config.tir_prefix}.Tuple({p.list(value.items)})")


@prints(ty.FuncType)
def func_type(p: Printer, value: ty.FuncType) -> Text:
    """A function."""
    return Text.of(f"{p.config.ir_prefix}.FuncType({p(value.arg_types)}, {p(value.ret_type)})")


@prints(np.ndarray)
def array(p: Printer, value: np.ndarray[Any, Any]) -> Text:
    """A short array as it is, a long one by its place in the metadata."""
    dtype = dtype_name(value.dtype)
    if value.size <= 8 and value.ndim == 1 and value.dtype.kind in "iub":
        return Text.of(f'{p.config.tir_prefix}.array({value.tolist()}, "{dtype}")')
    return metadata_entry(p, "numpy.ndarray", value, dtype)


@prints(Tensor)
def a_tensor(p: Printer, value: Tensor) -> Text:
    """A tensor by its place in the metadata."""
    return metadata_entry(p, "runtime.Tensor", value, str(value.dtype))


def metadata_entry(p: Printer, key: str, value: ArrayOrTensor, dtype: str) -> Text:
    """`metadata[key][n]`, the array remembered for the head of the text."""
    rows = p.metadata.setdefault(key, [])
    found = next((i for i, (other, _) in enumerate(rows) if other is value), None)
    if found is None:
        found = len(rows)
        rows.append((value, dtype))
    return Text.of(f'metadata["{key}"][{found}]')


def metadata_text(p: Printer) -> str:
    """The line that defines `metadata`."""
    tables = ", ".join(
        f'"{key}": [{", ".join(repr(encode_array(a, dtype)) for a, dtype in rows)}]'
        for key, rows in p.metadata.items()
    )
    return f"metadata = {p.config.ir_prefix}.metadata({{{tables}}})"


METADATA.append(metadata_text)


@prints(EnvFunc)
def env_func(p: Printer, value: EnvFunc) -> Text:
    """A global function by its name."""
    return Text.of(f'{p.config.ir_prefix}.make_node("ir.EnvFunc", name={p(value.name)})')


@prints(CSourceModule)
def c_source(p: Printer, value: CSourceModule) -> Text:
    """C source with the names of its functions."""
    source, names = p(value.source), p.attribute(value.function_names())
    key = '"runtime.CSourceModule"'
    return Text.of(f"{p.config.ir_prefix}.make_node({key}, source={source}, functions={names})")


@prints(Node)
def by_fields(p: Printer, value: Node) -> Text:
    """A node that script has no words for, made from its fields."""
    parts = [
        f", {field.name}={p.attribute(getattr(value, field.name))}" for field in type(value).fields
    ]
    return Text.of(f'{p.config.ir_prefix}.make_node("{type(value).type_key}"{"".join(parts)})')


FIELDS.append(by_fields)
