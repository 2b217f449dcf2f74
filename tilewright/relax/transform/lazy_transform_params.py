"""LazyTransformParams: functions that prepare weights take and give them one by one."""

from __future__ import annotations

from typing import Any

from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.variables import uses_of
from ..base import Expr
from ..expr import (
    Binding,
    BindingBlock,
    Call,
    ExternFunc,
    Function,
    MatchCast,
    SeqExpr,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
    as_expr,
)
from ..op.vm import kill_object
from ..struct_info import ObjectStructInfo, TupleStructInfo
from ..utils import replace_vars
from ._pass import module_level
from .lazy_params import _index, plain_bindings

SUFFIX = "transform_params"


class _Lazy:
    """Writes one function anew."""

    def __init__(
        self, func: Function, fetch: str | None, put: str | None, more_fetch: Any, more_put: Any
    ) -> None:
        self.func = func
        self.fetch, self.put = fetch, put
        self.more_fetch = [as_expr(v) for v in more_fetch or ()]
        self.more_put = [as_expr(v) for v in more_put or ()]
        self.out: list[Binding] = []
        self.fetched: dict[Expr, Var] = {}
        self.last: dict[Var, int] = {}

    def _packed(self, name: str, *args: Expr, var: str = "_") -> Var:
        made = Var(var, ObjectStructInfo())
        call = Call(ExternFunc(name), args, sinfo_args=(ObjectStructInfo(),))
        self.out.append(VarBinding(made, call))
        return made

    def _kill(self, var: Var) -> None:
        self.out.append(VarBinding(Var("_", TupleStructInfo(())), kill_object(var)))

    def _fetched(self, item: TupleGetItem, var: Var) -> Var:
        """The weight, fetched."""
        assert self.fetch is not None
        got = self._packed(self.fetch, *self.more_fetch, _index(item.index), var=var.name_hint)
        made = Var(var.name_hint, var.struct_info)
        self.out.append(MatchCast(made, got, var.struct_info))  # type: ignore[arg-type]
        self._kill(got)
        return made

    def function(self) -> Function:
        """The function without its tuple of weights, or with nothing to return, or both."""
        func = self.func
        params = [p for p in func.params if isinstance(p.struct_info, TupleStructInfo)]
        weights = params[0] if params and self.fetch is not None else None
        flat = plain_bindings(func)
        result, outputs = self._outputs(flat)
        is_put = self.put is not None
        dropped = result if is_put and outputs != (result,) else None
        for index, binding in enumerate(flat):
            if binding.var is not dropped:
                self.last.update(dict.fromkeys(uses_of(binding.value), index))
        renamed: dict[Var, Expr] = {}
        waiting: dict[Expr, list[int]] = {}
        for place, item in enumerate(outputs):
            waiting.setdefault(item, []).append(place)
        owned: set[Var] = set()
        for index, binding in enumerate(flat):
            value = binding.value
            if binding.var is dropped:
                continue
            if isinstance(value, TupleGetItem) and value.tuple_value is weights:
                renamed[binding.var] = self._fetched(value, binding.var)
                owned.add(renamed[binding.var])  # type: ignore[arg-type]
            else:
                new = replace_vars(binding, renamed)
                self.out.append(new)
                if isinstance(new.value, Var) and new.value in owned:
                    renamed[binding.var] = new.value
            self._hand_over(binding.var, renamed, waiting)
            if is_put:
                self._forget(index, binding, renamed, waiting, owned)
        for item in list(waiting) if is_put else ():
            self._hand_over(item, renamed, waiting)
        return self._finished(weights, result, renamed)

    def _outputs(self, flat: list[Binding]) -> tuple[Expr, tuple[Expr, ...]]:
        body = self.func.body.body
        blocks = self.func.body.blocks
        old = [b.var for block in blocks for b in block.bindings]
        new = {o: n.var for o, n in zip(old, flat, strict=True)}
        result: Expr = replace_vars(body, new)
        bound = {b.var: b.value for b in flat if isinstance(b, VarBinding)}
        value = bound.get(result, result) if isinstance(result, Var) else result
        return result, value.items if isinstance(value, Tuple) else (result,)

    def _hand_over(
        self, item: Expr, renamed: dict[Var, Expr], waiting: dict[Expr, list[int]]
    ) -> None:
        if self.put is None:
            return
        for place in waiting.pop(item, ()):
            value = replace_vars(item, renamed)
            self._packed(self.put, *self.more_put, _index(place), value)

    def _forget(
        self,
        index: int,
        binding: Binding,
        renamed: dict[Var, Expr],
        waiting: dict[Expr, list[int]],
        owned: set[Var],
    ) -> None:
        """Frees the weights that are not used any more."""
        for var in [*uses_of(binding.value), binding.var]:
            new = renamed.get(var)
            if not isinstance(new, Var) or new not in owned or var in waiting:
                continue
            aliases = [v for v, n in renamed.items() if n is new]
            if all(self.last.get(v, -1) <= index and v not in waiting for v in aliases):
                owned.discard(new)
                self._kill(new)

    def _finished(self, weights: Var | None, result: Expr, renamed: dict[Var, Expr]) -> Function:
        func = self.func
        if self.put is not None:
            end: Expr = Var("output", TupleStructInfo(()))
            self.out.append(VarBinding(end, Tuple(())))  # type: ignore[arg-type]
            info: Any = TupleStructInfo(())
        else:
            end, info = replace_vars(result, renamed), func.ret_struct_info
        params = tuple(p for p in func.params if p is not weights)
        body = SeqExpr((BindingBlock(tuple(self.out)),), end)
        return Function(params, body, info, False, func.attrs, span=func.span)


def LazyTransformParams(
    fget_item: str | None = "get_item",
    fset_item: str | None = "set_item",
    extra_get_item_params: Any = None,
    extra_set_item_params: Any = None,
) -> Pass:
    """Functions whose names end in `transform_params` fetch each weight by the packed function
    `fget_item(i)` and hand each result over by `fset_item(i, value)`, weights freed after their
    last use, instead of taking and returning tuples. None keeps the tuple."""

    def transform(mod: IRModule) -> IRModule:
        new = dict(mod.functions)
        for gvar, func in mod.items():
            if isinstance(func, Function) and gvar.name_hint.endswith(SUFFIX):
                lazy = _Lazy(
                    func, fget_item, fset_item, extra_get_item_params, extra_set_item_params
                )
                new[gvar] = lazy.function()
        return mod.with_functions(new)

    return module_level("LazyTransformParams", transform)
