"""MergeCompositeFunctions: neighbouring pieces for one external compiler become one function."""

from __future__ import annotations

from typing import Any

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.variables import all_global_vars, uses_of
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
from ..utils import copy_with_new_vars, replace_vars
from ._pass import module_level


class _Groups:
    """The bindings of a block by group; composites of one compiler that may run together share.

    A group may take a binding if none of the groups that the binding needs, directly or through
    others, needs the group itself: no circles between groups arise.
    """

    def __init__(self, block: DataflowBlock, target_of: Any) -> None:
        self.members: dict[int, list[VarBinding]] = {}
        self.group: dict[Var, int] = {}
        self.target: dict[int, str] = {}
        self.needs: dict[int, set[int]] = {}
        for binding in block.bindings:
            self._place(binding, target_of(binding.value))

    def _place(self, binding: Any, target: str) -> None:
        sources = {self.group[v] for v in uses_of(binding.value) if v in self.group}
        chosen = None
        for candidate in sorted(sources) if target else ():
            others = sources - {candidate}
            if self.target.get(candidate) == target and not any(
                candidate in self._reach(o) for o in others
            ):
                chosen = candidate
                break
        if chosen is None:
            chosen = len(self.members)
            self.members[chosen] = []
            self.needs[chosen] = set()
            self.target[chosen] = target
        self.members[chosen].append(binding)
        self.group[binding.var] = chosen
        self.needs[chosen] |= sources - {chosen}
        for other in sources - {chosen}:
            if target and self.target[other] == target and self._may_join(other, chosen):
                self._join(other, chosen)

    def _reach(self, start: int) -> set[int]:
        seen: set[int] = set()
        stack = [start]
        while stack:
            place = stack.pop()
            if place not in seen:
                seen.add(place)
                stack.extend(self.needs[place])
        return seen

    def _may_join(self, old: int, into: int) -> bool:
        """True if no path leads from one to the other through a third group."""
        between = self.needs[into] - {old}
        return not any(old in self._reach(b) for b in between)

    def _join(self, old: int, into: int) -> None:
        self.members[into] = self.members[old] + self.members[into]
        for binding in self.members.pop(old):
            self.group[binding.var] = into
        self.needs[into] = (self.needs[into] | self.needs.pop(old)) - {old, into}
        for needed in self.needs.values():
            if old in needed:
                needed.discard(old)
                needed.add(into)


class _Merger(PyExprMutator):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.mod = mod

    def composite(self, value: Any) -> Function | None:
        """The composite function that a call calls."""
        if not isinstance(value, Call) or not isinstance(value.op, GlobalVar):
            return None
        func: Any = self.mod.functions.get(value.op)
        found = isinstance(func, Function) and "Composite" in func.attrs
        return func if found else None

    def target(self, value: Any) -> str:
        """The compiler that a composite's name begins with."""
        func = self.composite(value)
        return "" if func is None else str(func.attrs["Composite"]).split(".")[0]

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A block: each group is called where its last member stands."""
        groups = _Groups(block, self.target)
        order = self._order(block, groups)
        self.builder_._begin_dataflow_block()
        for group in order:
            if groups.target[group]:
                self._emit(groups.members[group], block, groups.target[group])
            else:
                for binding in groups.members[group]:
                    self.visit_binding(binding)
        self.builder_._end_block()

    @staticmethod
    def _order(block: DataflowBlock, groups: _Groups) -> list[int]:
        order: list[int] = []
        place = {b.var: i for i, b in enumerate(block.bindings)}
        last = {g: max(place[b.var] for b in m) for g, m in groups.members.items()}

        def visit(group: int) -> None:
            for needed in sorted(groups.needs[group], key=lambda g: last[g]):
                visit(needed)
            if group not in order:
                order.append(group)

        for group in sorted(groups.members, key=lambda g: last[g]):
            visit(group)
        return order

    def _emit(self, members: list[VarBinding], block: DataflowBlock, target: str) -> None:
        own = {b.var for b in members}
        used_outside = {
            v for b in block.bindings if b.var not in own for v in uses_of(b.value) if v in own
        }
        outputs = [b.var for b in members if b.var in used_outside or type(b.var) is Var]
        outer = [self.get_var_remap(v) for b in members for v in _inputs(b) if v not in own]
        inputs = list(dict.fromkeys(outer))
        params = [Var(getattr(v, "name_hint", "x"), v.struct_info) for v in inputs]
        env: dict[Any, Any] = {}
        for binding in members:
            for var in _inputs(binding):
                if var not in own:
                    env[var] = params[inputs.index(self.get_var_remap(var))]
        locals_: list[VarBinding] = []
        inner: list[VarBinding] = []
        for binding in members:
            self._copy(binding, env, locals_, inner, binding.var in outputs)
        results = tuple(env[v] for v in outputs)
        blocks = (DataflowBlock((*locals_, *inner)),)
        body = SeqExpr(blocks, results[0] if len(results) == 1 else Tuple(results))
        name = "_".join(["fused", *(getattr(b.value.op, "name_hint", "") for b in members)])  # type: ignore[attr-defined]
        func = Function(tuple(params), body, attrs={"Codegen": target})
        gvar = self._add(func, name)
        made = Call(gvar, tuple(inputs), span=members[-1].span)
        if len(outputs) == 1:
            self.builder_.emit_normalized(VarBinding(outputs[0], made))
            return
        whole = self.builder_.emit(made)
        for index, var in enumerate(outputs):
            self.builder_.emit_normalized(VarBinding(var, TupleGetItem(whole, index)))

    def _add(self, func: Function, name: str) -> GlobalVar:
        gvar = self.builder_.add_func(func, name[:80])
        public = func.with_attr("global_symbol", gvar.name_hint)
        self.builder_.update_func(gvar, public)
        return gvar

    def _copy(
        self,
        binding: VarBinding,
        env: dict[Any, Any],
        locals_: list[VarBinding],
        inner: list[VarBinding],
        is_output: bool,
    ) -> None:
        """The composite as a local function, and its call."""
        func = self.composite(binding.value)
        assert func is not None
        own = copy_with_new_vars(func).without_attr("global_symbol")
        own = own.without_attr("Codegen") if "Codegen" in own.attrs else own
        local = DataflowVar(f"lv_{len(locals_)}", own.struct_info)
        locals_.append(VarBinding(local, own))
        kind = Var if is_output else DataflowVar
        var = kind(binding.var.name_hint, binding.var.struct_info)
        call = binding.value
        args = tuple(replace_vars(a, env) for a in call.args)  # type: ignore[attr-defined]
        inner.append(VarBinding(var, Call(local, args, span=call.span)))
        env[binding.var] = var


def _inputs(binding: VarBinding) -> list[Var]:
    return uses_of(tuple(binding.value.args))  # type: ignore[attr-defined]


def MergeCompositeFunctions() -> Pass:
    """Calls of composite functions of one compiler (the first part of their `Composite` names) that
    feed each other become calls of one function with the attribute `Codegen`, in which the
    composites are local functions. Groups never wait for each other in a circle."""

    def transform(mod: IRModule) -> IRModule:
        merger = _Merger(mod)
        for gvar, func in mod.items():
            if isinstance(func, Function) and "Composite" not in func.attrs:
                new = merger.visit_expr(func)
                if new is not func:
                    merger.builder_.update_func(gvar, new)
        made = merger.builder_.get()
        used = _called(made)
        return made.with_functions({v: f for v, f in made.items() if _stays(v, f, used)})

    return module_level("MergeCompositeFunctions", transform)


def _called(mod: IRModule) -> set[str]:
    return {
        g.name_hint
        for f in mod.functions.values()
        if isinstance(f, Function)
        for g in all_global_vars(f)
    }


def _stays(gvar: GlobalVar, func: Any, used: set[str]) -> bool:
    composite = isinstance(func, Function) and "Composite" in func.attrs
    return not composite or gvar.name_hint in used
