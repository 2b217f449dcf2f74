"""From Relax values to tensors of `te`, and from `te` functions to kernels that Relax calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import te
from ..ir.expr import PrimExpr
from ..ir.functor import Visitor, on
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, CompileError
from ..tir import op as tir_op
from ..tir.expr import IterVar, Let
from ..tir.expr import Var as TirVar
from ..tir.function import PrimFunc
from ..tir.stmt import For, LetStmt
from .base import HOOKS, Expr, ShapeExpr
from .dims import simplify, substitute
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


HOOKS["placeholder"] = placeholder_of


@dataclass
class Arguments:
    """The conversion of a call's arguments: Relax expressions become what `te` works on."""

    inputs: list[Expr] = field(default_factory=list)
    placeholders: list[Any] = field(default_factory=list)

    def convert(self, value: Any) -> Any:
        """What the `te` function gets for `value`."""
        if isinstance(value, Expr):
            return self._expr(value)
        if isinstance(value, PrimExpr):
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(self.convert(v) for v in value)
        if isinstance(value, dict):
            return {key: self.convert(v) for key, v in value.items()}
        return value

    def _expr(self, value: Expr) -> Any:
        if isinstance(value, (StringImm, DataTypeImm)):
            return value.value
        if isinstance(value, PrimValue):
            return value.value
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
            return list(info.values)
        if isinstance(info, PrimStructInfo) and info.value is not None:
            return info.value
        raise CompileError(f"a kernel cannot be written for an argument that is `{info}`")

    def _tensor(self, value: Expr, info: TensorStructInfo) -> Any:
        name = getattr(value, "name_hint", "") or ("const" if isinstance(value, Constant) else "x")
        made = placeholder_of(info, {}, "".join(c if c.isalnum() else "_" for c in name))
        self.inputs.append(value)
        self.placeholders.append(made)
        return made

    def bound(self) -> set[TirVar]:
        """The variables that the inputs' shapes give."""
        return {d for p in self.placeholders for d in p.shape if isinstance(d, TirVar)}


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
    prim_func = te.create_prim_func([*arguments.placeholders, *outputs])
    prim_func = prim_func.without_attr("global_symbol")
    free = free_vars(prim_func)
    scalars = [var for var in free if var not in arguments.bound()]
    prim_func = prim_func.replace(params=(*prim_func.params, *scalars))
    if free:
        prim_func = substitute(prim_func, {v: v.copy_with_name(v.name) for v in free})
    if attrs:
        prim_func = prim_func.with_attrs(attrs)
    vdevice = next(
        (i.struct_info.vdevice for i in arguments.inputs if i.struct_info.vdevice is not None), None
    )
    infos = [
        TensorStructInfo(ShapeExpr(tuple(as_int64(d) for d in o.shape)), o.dtype, vdevice)
        for o in outputs
    ]
    return TirCall(prim_func, arguments.inputs, infos, scalars)


def as_int64(dim: PrimExpr) -> PrimExpr:
    """A dimension that `te` computed as one of Relax."""
    return simplify(dim if dim.dtype == "int64" else tir_op.cast(dim, "int64"))


class _FreeVars(Visitor):
    """Index variables that a kernel uses and does not define."""

    def __init__(self) -> None:
        self.used: dict[TirVar, None] = {}
        self.defined: set[TirVar] = set()

    @on(TirVar)
    def var(self, var: TirVar) -> None:
        self.used.setdefault(var)

    @on(For)
    def loop(self, loop: For) -> None:
        self.defined.add(loop.loop_var)
        self.visit_children(loop)

    @on(IterVar)
    def axis(self, axis: IterVar) -> None:
        self.defined.add(axis.var)
        self.visit_children(axis)

    @on(LetStmt, Let)
    def let(self, let: LetStmt) -> None:
        self.defined.add(let.var)
        self.visit_children(let)


def free_vars(func: PrimFunc) -> list[TirVar]:
    """The symbolic dimensions and other scalars that a kernel uses, scalar parameters left out."""
    visitor = _FreeVars()
    visitor.walk((tuple(func.buffer_map.values()), func.body))
    visitor.defined.update(func.params)
    return [v for v in visitor.used if v not in visitor.defined and not dtype_of(v.dtype).is_handle]


def name_of_function(func: Any) -> str:
    """A name for the kernel made of `func`."""
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", type(func).__name__)
    return name if name.isidentifier() else "te_func"
