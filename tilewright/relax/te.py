"""From Relax values to tensors of `te`, and from `te` functions to kernels that Relax calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import te
from ..ir.expr import PrimExpr
from ..support.errors import ArgumentError, CompileError
from ..tir.expr import Var as TirVar
from ..tir.function import PrimFunc
from .base import Expr, ShapeExpr
from .dims import substitute, symbolic_vars
from .expr import Constant, DataTypeImm, ExternFunc, PrimValue, StringImm, Tuple, TupleGetItem
from .struct_info import (
    PrimStructInfo,
    ShapeStructInfo,
    StructInfo,
    TensorStructInfo,
    TupleStructInfo,
)


def placeholder_of(info: StructInfo, tir_var_map: dict[Any, PrimExpr], name: str) -> Any:
    """A `te` placeholder for a tensor of this struct info, symbolic variables mapped."""
    if not isinstance(info, TensorStructInfo) or info.dims is None:
        raise CompileError(f"a kernel needs tensors of known shape, found `{info}`")
    if not info.dtype:
        raise CompileError(f"a kernel needs tensors of known dtype, found `{info}`")
    return te.placeholder(substitute(info.dims, tir_var_map), info.dtype, name)


@dataclass
class Arguments:
    """The conversion of a call's arguments: Relax expressions become what `te` works on."""

    inputs: list[Expr] = field(default_factory=list)
    placeholders: list[Any] = field(default_factory=list)
    vars: dict[TirVar, PrimExpr] = field(default_factory=dict)

    def _local(self, value: Any) -> Any:
        """`value` in terms of the kernel's own variables."""
        for var in symbolic_vars(value):
            if var not in self.vars:
                self.vars[var] = var.copy_with_name(var.name)
        return substitute(value, self.vars)

    def convert(self, value: Any) -> Any:
        """What the `te` function gets for `value`."""
        if isinstance(value, Expr):
            return self._expr(value)
        if isinstance(value, PrimExpr):
            return self._local(value)
        if isinstance(value, (list, tuple)):
            return type(value)(self.convert(v) for v in value)
        if isinstance(value, dict):
            return {key: self.convert(v) for key, v in value.items()}
        return value

    def _expr(self, value: Expr) -> Any:
        if isinstance(value, (StringImm, DataTypeImm)):
            return value.value
        if isinstance(value, PrimValue):
            return self._local(value.value)
        if isinstance(value, ExternFunc):
            return value
        return self._described(value, value.struct_info)

    def _described(self, value: Expr, info: StructInfo) -> Any:
        if isinstance(info, TensorStructInfo):
            return self._tensor(value, info)
        if isinstance(info, TupleStructInfo):
            items = value.items if isinstance(value, Tuple) else None
            return [
                self._described(items[i] if items else TupleGetItem(value, i), item)
                for i, item in enumerate(info.items)
            ]
        if isinstance(info, ShapeStructInfo) and info.values is not None:
            return list(self._local(info.values))
        if isinstance(info, PrimStructInfo) and info.value is not None:
            return self._local(info.value)
        raise CompileError(f"a kernel cannot be written for an argument that is `{info}`")

    def _tensor(self, value: Expr, info: TensorStructInfo) -> Any:
        for var in symbolic_vars(info.dims or ()):
            if var not in self.vars:
                self.vars[var] = var.copy_with_name(var.name)
        name = getattr(value, "name_hint", "") or ("const" if isinstance(value, Constant) else "x")
        made = placeholder_of(info, self.vars, "".join(c if c.isalnum() else "_" for c in name))
        self.inputs.append(value)
        self.placeholders.append(made)
        return made

    def unbound(self) -> list[TirVar]:
        """The variables that no input's shape gives: the kernel takes them as scalars."""
        given = {d for p in self.placeholders for d in p.shape if isinstance(d, TirVar)}
        return [var for var, own in self.vars.items() if own not in given]

    def outer(self, value: Any) -> Any:
        """`value`, written by `te`, in terms of the caller's variables."""
        return substitute(value, {own: var for var, own in self.vars.items()})  # type: ignore[misc]


def _outputs(made: Any, name: str) -> list[Any]:
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    for out in outputs:
        if not isinstance(out, te.Tensor):
            raise ArgumentError(f"`{name}` must return tensors, found {type(out).__name__}")
    return outputs


def _own(outputs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Outputs that are inputs, or given twice, become copies: a kernel writes what it returns."""
    seen = set(map(id, inputs))
    own = []
    for out in outputs:
        if id(out) in seen:
            out = te.compute(out.shape, lambda *i, out=out: out(*i), name=f"{out.name}_copy")
        seen.add(id(out))
        own.append(out)
    return own


@dataclass
class TirCall:
    """What `call_tir` needs: the kernel, its tensors, the result's struct info, its scalars."""

    func: PrimFunc
    args: list[Expr]
    out_sinfo: list[TensorStructInfo]
    tir_vars: list[TirVar]


def kernel_of(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    attrs: dict[str, Any] | None = None,
) -> TirCall:
    """The kernel that `func`, a function of `te` tensors, describes for these Relax arguments."""
    arguments = Arguments()
    te_args = [arguments.convert(a) for a in args]
    te_kwargs = {key: arguments.convert(v) for key, v in kwargs.items()}
    name = name_of_function(func)
    outputs = _own(_outputs(func(*te_args, **te_kwargs), name), arguments.placeholders)
    scalars = arguments.unbound()
    params = [*arguments.placeholders, *outputs, *(arguments.vars[v] for v in scalars)]
    prim_func = te.create_prim_func(params).without_attr("global_symbol")
    if attrs:
        prim_func = prim_func.with_attrs(attrs)
    vdevice = next(
        (i.struct_info.vdevice for i in arguments.inputs if i.struct_info.vdevice is not None), None
    )
    infos = [
        TensorStructInfo(ShapeExpr(arguments.outer(tuple(o.shape))), o.dtype, vdevice)
        for o in outputs
    ]
    return TirCall(prim_func, arguments.inputs, infos, scalars)


def name_of_function(func: Any) -> str:
    """A name for the kernel made of `func`."""
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", type(func).__name__)
    return name if name.isidentifier() else "te_func"
