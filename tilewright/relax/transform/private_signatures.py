"""RemoveUnusedOutputs and ExpandTupleArguments: signatures of private functions made exact."""

from __future__ import annotations

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.variables import bindings_of, uses_of
from ..base import Expr
from ..deduce import name_function
from ..expr import (
    Call,
    DataflowBlock,
    DataflowVar,
    Function,
    SeqExpr,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
)
from ..expr_functor import PyExprMutator
from ..struct_info import TupleStructInfo
from ..utils import replace_vars
from ._pass import module_level
from .private_functions import is_private


def _result(func: Function) -> Tuple | None:
    """The tuple that a function returns, where it is written out."""
    body = func.body.body
    if isinstance(body, Var):
        bound = {b.var: b.value for b in bindings_of(func) if isinstance(b, VarBinding)}
        body = bound.get(body, body)
    return body if isinstance(body, Tuple) else None


def _used_items(mod: IRModule) -> dict[str, set[int] | None]:
    """Which items of their results the private functions' callers use; None: the whole."""
    used: dict[str, set[int] | None] = {
        v.name_hint: set()
        for v, f in mod.items()
        if isinstance(f, Function) and is_private(f) and _result(f) is not None
    }
    for func in mod.functions.values():
        if not isinstance(func, Function):
            continue
        calls: dict[Var, str] = {}
        for binding in bindings_of(func):
            value = binding.value
            callee = value.op if isinstance(value, Call) else None
            if isinstance(callee, GlobalVar) and callee.name_hint in used:
                calls[binding.var] = callee.name_hint
            item = value if isinstance(value, TupleGetItem) else None
            for var in uses_of(value):
                if var not in calls:
                    continue
                found = used[calls[var]]
                if item is None or item.tuple_value is not var:
                    used[calls[var]] = None
                elif found is not None:
                    found.add(item.index)
        for var in uses_of(func.body.body):
            if var in calls:
                used[calls[var]] = None
    return used


class _UseFewer(PyExprMutator):
    def __init__(self, mod: IRModule, kept: dict[str, list[int]]) -> None:
        super().__init__(mod)
        self.kept = kept
        self.places: dict[Expr, list[int]] = {}

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """A call gives fewer items, or the only one itself."""
        value = binding.value
        if isinstance(value, Call) and isinstance(value.op, GlobalVar):
            places = self.kept.get(value.op.name_hint)
            if places is not None:
                call = self.visit_expr_post_order(value)
                assert isinstance(call, Call)
                made = self.builder_.emit(Call(call.op, call.args, span=call.span), "gv")
                self.places[binding.var] = places
                self.set_var_remap(binding.var, made)
                return
        super().visit_var_binding_(binding)

    def visit_tuple_getitem_(self, op: TupleGetItem) -> Expr:
        """An item at its new place."""
        places = self.places.get(op.tuple_value)
        if places is None:
            return op.replace(tuple_value=self.visit_expr(op.tuple_value))
        value = self.visit_expr(op.tuple_value)
        return value if len(places) == 1 else TupleGetItem(value, places.index(op.index))


def RemoveUnusedOutputs() -> Pass:
    """Private functions return only the items of their tuple that some caller uses; one alone is
    returned as it is."""

    def transform(mod: IRModule) -> IRModule:
        kept: dict[str, list[int]] = {}
        new = dict(mod.functions)
        used = _used_items(mod)
        for gvar, func in mod.items():
            items = used.get(gvar.name_hint)
            if not isinstance(func, Function) or not items:
                continue
            result = _result(func)
            if result is None or len(items) == len(result.items):
                continue
            places = kept[gvar.name_hint] = sorted(items)
            chosen = tuple(result.items[i] for i in places)
            body = func.body.replace(body=chosen[0] if len(chosen) == 1 else Tuple(chosen))
            new[gvar] = _visible(func.replace(body=body, ret_struct_info=None), chosen)
            name_function(gvar, new[gvar])
        return _UseFewer(mod.with_functions(new), kept).transform() if kept else mod

    return module_level("RemoveUnusedOutputs", transform)


def _visible(func: Function, items: tuple[Expr, ...]) -> Function:
    """The function with its results' variables seen outside of their dataflow block."""
    env: dict[Var, Expr] = {
        v: Var(v.name_hint, v.struct_info) for v in items if isinstance(v, DataflowVar)
    }
    if not env:
        return func
    made: Function = replace_vars(func, env)
    return made


class _Spread(PyExprMutator):
    def __init__(self, mod: IRModule, spread: dict[str, Function]) -> None:
        super().__init__(mod)
        self.spread = spread

    def visit_call_(self, op: Call) -> Expr:
        """A call passes the items of its tuples."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, GlobalVar):
            return call
        func = self.spread.get(call.op.name_hint)
        if func is None:
            return call
        args: list[Expr] = []
        for param, arg in zip(func.params, call.args, strict=True):
            args += self._items(arg, param)
        return call.replace(args=tuple(args))

    def _items(self, arg: Expr, param: Var) -> list[Expr]:
        info = param.struct_info
        if not isinstance(info, TupleStructInfo):
            return [arg]
        known = self.lookup_binding(arg) if isinstance(arg, Var) else arg
        if isinstance(known, Tuple):
            items = list(known.items)
        else:
            items = [TupleGetItem(arg, i) for i in range(len(info.items))]
        return [
            leaf
            for i, item in enumerate(items)
            for leaf in self._items(item, Var(f"{param.name_hint}_{i}", info.items[i]))
        ]


def _parts(param: Var) -> tuple[list[Var], list[VarBinding]]:
    """New parameters for the items of a tuple, and the bindings that put it together."""
    info = param.struct_info
    if not isinstance(info, TupleStructInfo):
        return [param], []
    params: list[Var] = []
    bindings: list[VarBinding] = []
    items: list[Expr] = []
    for index, item in enumerate(info.items):
        inner, before = _parts(Var(f"{param.name_hint}_{index}", item))
        params += inner
        bindings += before
        items.append(before[-1].var if before else inner[0])
    return params, [*bindings, VarBinding(param, Tuple(tuple(items)))]


def _expanded(func: Function) -> Function:
    params: list[Var] = []
    bindings: list[VarBinding] = []
    for param in func.params:
        inner, before = _parts(param)
        params += inner
        bindings += before
    body = SeqExpr((DataflowBlock(tuple(bindings)), *func.body.blocks), func.body.body)
    return func.replace(params=tuple(params), body=body)


def ExpandTupleArguments() -> Pass:
    """Private functions take the items of their tuple parameters, inner ones too, one by one."""

    def transform(mod: IRModule) -> IRModule:
        spread = {
            v.name_hint: f
            for v, f in mod.items()
            if isinstance(f, Function)
            and is_private(f)
            and any(isinstance(p.struct_info, TupleStructInfo) for p in f.params)
        }
        if not spread:
            return mod
        new = dict(mod.functions)
        for gvar in mod.get_global_vars():
            if gvar.name_hint in spread:
                new[gvar] = _expanded(spread[gvar.name_hint])
                name_function(gvar, new[gvar])
        return _Spread(mod.with_functions(new), spread).transform()

    return module_level("ExpandTupleArguments", transform)
