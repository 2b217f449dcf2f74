"""FuseOpsByPattern: pieces of programs that patterns describe become functions of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.module import IRModule
from ...ir.transform import Pass
from ..analysis.variables import uses_of
from ..base import Expr
from ..dpl.pattern import DFPattern, Matches, match, require_pattern
from ..expr import (
    Call,
    DataflowBlock,
    DataflowVar,
    Function,
    Tuple,
    TupleGetItem,
    Var,
    VarBinding,
    name_of,
)
from ..expr_functor import PyExprMutator
from ._pass import module_level
from .fuse_ops import make_group_call


@dataclass
class PatternCheckContext:
    """What a pattern's check sees: the matched value, what the annotation patterns matched, the
    bindings that would be fused, where variables are used, and what they are bound to."""

    matched_expr: Expr
    annotated_expr: Mapping[str, Expr]
    matched_bindings: Mapping[Var, Expr]
    var_usages: Mapping[Var, Sequence[Var]]
    value_to_bound_var: Mapping[Expr, Var]


@dataclass
class FusionPattern:
    """A pattern called `name`; `check` decides on each match."""

    name: str
    pattern: DFPattern
    annotation_patterns: Mapping[str, DFPattern] = field(default_factory=dict)
    check: Callable[[PatternCheckContext], bool] | None = None
    attrs_getter: Callable[[Mapping[str, Expr]], Mapping[str, Any]] | None = None


def _as_pattern(given: Any) -> FusionPattern:
    made = given if isinstance(given, FusionPattern) else FusionPattern(*given)
    require_pattern(made.pattern)
    return made


class _Partitioner(PyExprMutator):
    def __init__(
        self,
        mod: IRModule,
        patterns: Sequence[FusionPattern],
        codegen: bool,
        bind_constants: bool = True,
    ) -> None:
        super().__init__(mod)
        self.patterns = patterns
        self.bind_constants = bind_constants
        self.codegen = codegen

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """A block: matches are taken from its end, larger patterns (earlier in the list) first."""
        groups = self._groups(block)
        last = {members[-1].var: (members, pattern) for members, pattern in groups}
        inner = {b.var for members, _ in groups for b in members[:-1]}
        self.builder_._begin_dataflow_block()
        for binding in block.bindings:
            if binding.var in last:
                self._emit(*last[binding.var])
            elif binding.var not in inner:
                self.visit_binding(binding)
        self.builder_._end_block()

    def _groups(self, block: DataflowBlock) -> list[tuple[list[VarBinding], FusionPattern]]:
        values = {b.var: b.value for b in block.bindings if isinstance(b, VarBinding)}
        users: dict[Var, list[Var]] = {}
        for binding in block.bindings:
            for var in uses_of(binding.value):
                users.setdefault(var, []).append(binding.var)
        taken: set[Var] = set()
        groups: list[tuple[list[VarBinding], FusionPattern]] = []
        for pattern in self.patterns:
            for binding in reversed(block.bindings):
                if not isinstance(binding, VarBinding) or binding.var in taken:
                    continue
                found = match(pattern.pattern, binding.value, values.get)
                if found is None:
                    continue
                chosen = self._members(binding, found, values)
                if self._is_closed(binding.var, chosen, users, taken) and self._is_wanted(
                    pattern, binding, found, chosen, values, users
                ):
                    taken |= chosen
                    members = [b for b in block.bindings if b.var in chosen]
                    groups.append((members, pattern))  # type: ignore[arg-type]
        return groups

    @staticmethod
    def _members(binding: VarBinding, found: Matches, values: Mapping[Var, Expr]) -> set[Var]:
        """The variables whose values the pattern describes further than `wildcard` does."""
        chosen = {binding.var}
        for pattern, expr in found.items():
            kind = type(pattern).__name__
            described = kind in ("CallPattern", "TupleGetItemPattern", "TuplePattern")
            if described and isinstance(expr, Var) and expr in values:
                chosen.add(expr)
        return chosen

    @staticmethod
    def _is_closed(
        root: Var, chosen: set[Var], users: Mapping[Var, list[Var]], taken: set[Var]
    ) -> bool:
        """True if nothing outside uses the inner values, and no other group has them."""
        if chosen & taken:
            return False
        return all(
            isinstance(v, DataflowVar) and all(u in chosen for u in users.get(v, ()))
            for v in chosen
            if v is not root
        )

    @staticmethod
    def _is_wanted(
        pattern: FusionPattern,
        binding: VarBinding,
        found: Matches,
        chosen: set[Var],
        values: Mapping[Var, Expr],
        users: Mapping[Var, list[Var]],
    ) -> bool:
        if pattern.check is None:
            return True
        annotated = {n: found[p] for n, p in pattern.annotation_patterns.items() if p in found}
        bound = {v: values[v] for v in chosen}
        context = PatternCheckContext(
            binding.value, annotated, bound, users, {e: v for v, e in values.items()}
        )
        return bool(pattern.check(context))

    def _emit(self, members: list[VarBinding], pattern: FusionPattern) -> None:
        bindings = [
            b if (v := self.visit_expr(b.value)) is b.value else b.replace(value=v) for b in members
        ]
        attrs: dict[str, Any] = {"Primitive": True, "Composite": pattern.name}
        if self.codegen:
            attrs["Codegen"] = pattern.name.split(".")[0]
        call = make_group_call(
            self.builder_, bindings, _name(bindings), attrs, not self.bind_constants
        )
        last = bindings[-1]
        self.builder_.emit_normalized(VarBinding(last.var, call, span=last.span))


def _name(bindings: list[VarBinding]) -> str:
    parts = []
    for binding in bindings:
        value = binding.value
        if isinstance(value, Call):
            op = value.args[0] if getattr(value.op, "name", "") == "relax.call_tir" else value.op
            parts.append(name_of(op).removeprefix("relax.").replace(".", "_"))
        elif isinstance(value, (Tuple, TupleGetItem)):
            parts.append("tuple")
    return "fused_" + "_".join(parts)[:80]


def FuseOpsByPattern(
    patterns: Sequence[Any],
    bind_constants: bool = True,
    annotate_codegen: bool = False,
    entry_functions: Sequence[str] | None = None,
) -> Pass:
    """Makes private functions with the attribute `Composite` of what patterns match.

    `patterns` are `FusionPattern`s or tuples `(name, pattern, annotation_patterns, check)`; earlier
    ones win. Inner values must not be used outside of the match. Constants stay in the function if
    `bind_constants`, else they become parameters.
    """
    rows = [_as_pattern(p) for p in patterns]
    entries = set(entry_functions or ())

    def transform(mod: IRModule) -> IRModule:
        partitioner = _Partitioner(mod, rows, annotate_codegen, bind_constants)
        for gvar, func in mod.items():
            wanted = not entries or gvar.name_hint in entries
            if isinstance(func, Function) and wanted and "Composite" not in func.attrs:
                new = partitioner.visit_expr(func)
                if new is not func:
                    partitioner.builder_.update_func(gvar, new)
        return partitioner.builder_.get()

    return module_level("FuseOpsByPattern", transform)
