"""Deduction: the struct info of every kind of expression, from its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.expr import OPERATORS, BaseFunc, GlobalVar, IntImm
from ..ir.op import Op
from ..ir.type import PrimType
from ..support.dtypes import dtype_name
from ..support.errors import CompileError, TVMError
from ..tir.analysis import is_pure_function
from ..tir.expr import Var as TirVar
from ..tir.function import PrimFunc
from .analysis.relations import apply_function, erase_vars, is_base_of, struct_info_lca
from .base import HOOKS, Expr, ShapeExpr, StructInfo
from .dims import symbolic_vars
from .expr import (
    Call,
    Constant,
    DataTypeImm,
    ExternFunc,
    Function,
    If,
    MatchCast,
    PrimValue,
    SeqExpr,
    StringImm,
    Tuple,
    TupleGetItem,
    name_of,
)
from .struct_info import (
    FuncStructInfo,
    ObjectStructInfo,
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
    infos_of,
)


def deduce(expr: Expr) -> StructInfo:
    """What is known of the value of `expr`. Raises `CompileError` with its span if it is ill."""
    rule = next((DEDUCE[k] for k in type(expr).__mro__ if k in DEDUCE), None)
    if rule is None:
        raise CompileError(f"`{name_of(expr)}` has no struct info yet", expr.span)
    made: StructInfo = rule(expr)
    return made


def _item(expr: TupleGetItem) -> StructInfo:
    info = expr.tuple_value.struct_info
    if isinstance(info, ObjectStructInfo):
        return info
    if not isinstance(info, TupleStructInfo):
        raise CompileError(
            f"only tuples have items, found `{info}`", expr.span,
            hint="parts of tensors are R.strided_slice(x, ...) and R.take(x, ...)",
        )  # fmt: skip
    if not 0 <= expr.index < len(info.items):
        raise CompileError(f"item {expr.index} of a tuple of {len(info.items)}", expr.span)
    return info.items[expr.index]


def _call(call: Call) -> StructInfo:
    try:
        if isinstance(call.op, Op):
            return _operator_call(call)
        if isinstance(call.op, ExternFunc):
            return _extern_call(call)
        return _function_call(call)
    except TVMError as error:
        if error.span is None and call.span is not None:
            raise type(error)(error.message, call.span, note=error.note, hint=error.hint) from error
        raise


def _operator_call(call: Call) -> StructInfo:
    infer: Callable[[Call], StructInfo] | None = call.op.get_attr("infer")  # type: ignore[attr-defined]
    if infer is None:
        raise CompileError(f"operator {name_of(call.op)} declares no struct info", call.span)
    return infer(call)


def packed_info(call: Call) -> StructInfo:
    """What `sinfo_args` says: one struct info, a tuple of several, any object if there is none."""
    if len(call.sinfo_args) == 1:
        return call.sinfo_args[0]
    return TupleStructInfo(call.sinfo_args) if call.sinfo_args else ObjectStructInfo()


def _extern_call(call: Call) -> StructInfo:
    known = call.op.struct_info
    if isinstance(known, FuncStructInfo) and known.derive_func is not None:
        derived: StructInfo = known.derive_func(call, None)
        return derived
    return packed_info(call) if call.sinfo_args or known.params is None else _function_call(call)


def _function_call(call: Call) -> StructInfo:
    func = call.op.struct_info
    what = f"`{name_of(call.op)}`"
    if isinstance(func, ObjectStructInfo):
        return packed_info(call)
    if not isinstance(func, FuncStructInfo):
        raise CompileError(f"{what} is called but is no function: `{func}`", call.span)
    if func.derive_func is not None:
        derived: StructInfo = func.derive_func(call, None)
        return derived
    if func.params is None and call.sinfo_args:
        return packed_info(call)
    return apply_function(func, infos_of(call.args), what)


def _kernel(func: PrimFunc) -> StructInfo:
    """Arrays are tensors (of unknown dimensions if these are no `int64`), scalars are primitives,
    other handles objects; pure if nothing that is given is written to."""
    ret = func.ret_type
    return FuncStructInfo(
        tuple([_parameter(func, param) for param in func.params]),
        PrimStructInfo(ret.dtype) if isinstance(ret, PrimType) else TupleStructInfo(()),
        is_pure_function(func),
    )


def _parameter(func: PrimFunc, param: TirVar) -> StructInfo:
    buffer = func.buffer_map.get(param)
    if buffer is not None:
        if all(isinstance(d, IntImm) or d.dtype == "int64" for d in buffer.shape):
            return TensorStructInfo(ShapeExpr(buffer.shape), buffer.dtype)
        return TensorStructInfo(dtype=buffer.dtype, ndim=buffer.ndim)
    return ObjectStructInfo() if param.dtype == "handle" else PrimStructInfo(param.dtype)


def _sequence(seq: SeqExpr) -> StructInfo:
    return _outside(seq, ())


def _outside(seq: SeqExpr, params: tuple[StructInfo, ...]) -> StructInfo:
    """What the sequence gives, without symbolic variables that only its casts bind."""
    outer: StructInfo = seq.body.struct_info
    local: set[TirVar] = set()
    for binding in seq.bindings():
        if isinstance(binding, MatchCast):
            local |= set(symbolic_vars(binding.struct_info)) - set(
                symbolic_vars(binding.value.struct_info)
            )
    local -= set(symbolic_vars(params)) if local else set()
    return erase_vars(outer, local.__contains__) if local else outer


def return_info(func: Function) -> StructInfo:
    """The result's struct info in terms of the parameters' symbolic variables and outer ones.

    What is told stays unless the body gives the same or says more.
    """
    told: StructInfo | None = func.ret_struct_info
    try:
        found = _outside(func.body, infos_of(func.params))
    except TVMError:
        if told is None:
            raise
        return told
    return found if told is None or is_base_of(told, found) else told


DEDUCE: dict[type[Expr], Callable[[Any], StructInfo]] = {
    Constant: lambda c: TensorStructInfo(ShapeExpr(c.array.shape), dtype_name(c.array.dtype)),
    ShapeExpr: lambda s: ShapeStructInfo(s.values),
    PrimValue: lambda p: PrimStructInfo(value=p.value),
    StringImm: lambda s: ObjectStructInfo(),
    DataTypeImm: lambda d: ObjectStructInfo(),
    Tuple: lambda t: TupleStructInfo(infos_of(t.items)),
    TupleGetItem: _item,
    Call: _call,
    SeqExpr: _sequence,
    If: lambda e: struct_info_lca(e.true_branch.struct_info, e.false_branch.struct_info),
    Function: lambda f: FuncStructInfo(infos_of(f.params), f.ret_struct_info, f.is_pure),
    ExternFunc: lambda f: f.annotation or FuncStructInfo.opaque_func(),
    Op: lambda op: FuncStructInfo.opaque_func(),
    PrimFunc: _kernel,
    BaseFunc: lambda f: FuncStructInfo.opaque_func(ret=TupleStructInfo(())),
}
OPERATORS["struct_info"] = deduce
HOOKS["return_info"] = return_info


def name_function(gvar: GlobalVar, func: BaseFunc) -> GlobalVar:
    """`gvar`, knowing the struct info of the function that it names."""
    gvar._struct_info = func.struct_info
    return gvar
