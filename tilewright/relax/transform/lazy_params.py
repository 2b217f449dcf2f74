"""LazyGetInput and LazySetOutput: weights are fetched when needed, results handed over at once."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.transform import Pass
from ..analysis.variables import bindings_of, uses_of
from ..base import Expr
from ..expr import (
    Binding,
    BindingBlock,
    Call,
    DataflowVar,
    Function,
    MatchCast,
    PrimValue,
    SeqExpr,
    StringImm,
    Tuple,
    Var,
    VarBinding,
)
from ..struct_info import FuncStructInfo, ObjectStructInfo, PrimStructInfo, TupleStructInfo
from ..utils import replace_vars
from ._pass import function_level


def _index(value: int) -> PrimValue:
    return PrimValue(IntImm("int64", value))


def plain_bindings(func: Function) -> list[Binding]:
    """The function's own bindings, none of them in a dataflow block: effects may stand between."""
    renamed: dict[Var, Expr] = {}
    found: list[Binding] = []
    for block in func.body.blocks:
        for binding in block.bindings:
            new = replace_vars(binding, renamed)
            if isinstance(binding.var, DataflowVar):
                renamed[binding.var] = Var(binding.var.name_hint, binding.var.struct_info)
                new = new.replace(var=renamed[binding.var])
            found.append(new)
    return found


def _get_input(func: Function) -> Function:
    if "num_input" not in func.attrs:
        return func
    count = int(func.attrs["num_input"])
    kinds = (PrimStructInfo("int64"), ObjectStructInfo())
    fetch = Var("fget_param", FuncStructInfo(kinds, ObjectStructInfo(), True))
    places = {p: i for i, p in enumerate(func.params[count:])}
    fetched: dict[Var, Var] = {}
    out: list[Binding] = []

    def need(value: object) -> None:
        for var in uses_of(value):
            if var in places and var not in fetched:
                got = Var(var.name_hint, ObjectStructInfo())
                call = Call(fetch, (_index(places[var]), StringImm(var.name_hint)))
                out.append(VarBinding(got, call))
                fetched[var] = Var(var.name_hint, var.struct_info)
                out.append(MatchCast(fetched[var], got, var.struct_info))  # type: ignore[arg-type]

    for binding in plain_bindings(func):
        need(binding.value)
        out.append(replace_vars(binding, fetched))
    need(func.body.body)
    body = SeqExpr((BindingBlock(tuple(out)),), replace_vars(func.body.body, fetched))
    return func.replace(params=(*func.params[:count], fetch), body=body)


def LazyGetInput() -> Pass:
    """`f(x, w)` with `num_input` inputs  ->  `f(x, fget_param)`, which calls `fget_param(i, name)`
    for weight `i` just before its first use."""
    return function_level("LazyGetInput", _get_input)


def _set_output(func: Function) -> Function:
    result = func.body.body
    bound = {b.var: b.value for b in bindings_of(func) if isinstance(b, VarBinding)}
    outputs = bound.get(result, result) if isinstance(result, Var) else result
    items = outputs.items if isinstance(outputs, Tuple) else (result,)
    kinds = (PrimStructInfo("int64"), ObjectStructInfo())
    put = Var("fset_output", FuncStructInfo(kinds, TupleStructInfo(()), False))
    waiting: dict[Expr, list[int]] = {}
    for index, item in enumerate(items):
        waiting.setdefault(item, []).append(index)
    renamed: dict[Var, Var] = {}
    out: list[Binding] = []

    def hand_over(old: Expr, new: Expr) -> None:
        for index in waiting.pop(old, ()):
            var = Var("_", TupleStructInfo(()))
            out.append(VarBinding(var, Call(put, (_index(index), new))))

    for param in func.params:
        hand_over(param, param)
    flat = plain_bindings(func)
    for old, new in zip((b for k in func.body.blocks for b in k.bindings), flat, strict=True):
        if old.var is result and isinstance(outputs, Tuple):
            continue
        renamed[old.var] = new.var
        out.append(new)
        hand_over(old.var, new.var)
    for item in list(waiting):
        hand_over(item, replace_vars(item, renamed))
    end = Var("output", TupleStructInfo(()))
    out.append(VarBinding(end, Tuple(())))
    attrs = dict(func.attrs)
    count = attrs.get("num_input")
    place = len(func.params) if count is None else int(count)
    if count is not None:
        attrs["num_input"] = int(count) + 1
    return Function(
        (*func.params[:place], put, *func.params[place:]),
        SeqExpr((BindingBlock(tuple(out)),), end),
        TupleStructInfo(()),
        False,
        attrs,
        span=func.span,
    )


def LazySetOutput() -> Pass:
    """`f(x) -> (a, b)`  ->  `f(x, fset_output)`, which calls `fset_output(i, value)` as soon as
    result `i` is there and returns an empty tuple."""
    return function_level("LazySetOutput", _set_output)
