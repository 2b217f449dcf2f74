"""DeadCodeElimination: bindings and functions that nothing uses go away."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.expr import GlobalVar
from ...ir.functor import Visitor, on
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...tir.expr import Call as TirCall
from ...tir.function import PrimFunc
from ..analysis.effects import remove_all_unused
from ..analysis.variables import all_global_vars
from ..expr import Function
from ._pass import module_level


class _TirCalls(Visitor):
    def __init__(self) -> None:
        self.found: set[str] = set()

    @on(TirCall)
    def call(self, call: TirCall) -> None:
        if isinstance(call.op, GlobalVar):
            self.found.add(call.op.name_hint)
        self.visit_children(call)


def _called(func: object) -> set[str]:
    if isinstance(func, Function):
        return {v.name_hint for v in all_global_vars(func)}
    visitor = _TirCalls()
    visitor.walk(func)
    return visitor.found


def remove_unused_functions(mod: IRModule, entries: set[str]) -> IRModule:
    """`mod` with only the functions that `entries` reach."""
    alive: set[str] = set()
    stack = [name for name in mod.names() if name in entries]
    while stack:
        name = stack.pop()
        if name in alive or name not in mod:
            continue
        alive.add(name)
        stack.extend(_called(mod[name]))
    kept = {var: func for var, func in mod.items() if var.name_hint in alive}
    return mod if len(kept) == len(mod) else mod.with_functions(kept)


def DeadCodeElimination(entry_functions: Sequence[str] | None = None) -> Pass:
    """Removes unused bindings, and functions that no entry reaches.

    Entries are `entry_functions` and all public functions (those with a `global_symbol`).
    """

    def transform(mod: IRModule) -> IRModule:
        public = {
            v.name_hint
            for v, f in mod.items()
            if "global_symbol" in f.attrs and isinstance(f, (Function, PrimFunc))
        }
        entries = public | set(entry_functions or ())
        if not entries:
            entries = {v.name_hint for v, f in mod.items() if isinstance(f, Function)}
        mod = remove_unused_functions(mod, entries)
        new = {v: remove_all_unused(f) if isinstance(f, Function) else f for v, f in mod.items()}
        mod = mod.with_functions(new)
        return remove_unused_functions(mod, entries)

    return module_level("DeadCodeElimination", transform, 1)
