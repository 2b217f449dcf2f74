"""Every variable defined once."""

from __future__ import annotations

from typing import Any

from ...ir.expr import BaseFunc, GlobalVar
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.module import IRModule
from ...ir.node import Node
from ...ir.transform import PassContext
from ..analysis.verify import verify_ssa
from ..expr import IterVar, Let, Var
from ..function import PrimFunc
from ..stmt import Allocate, AllocateConst, AttrStmt, For, LetStmt
from ..stmt_functor import renew_defs, substitute
from .base import module_factory

_FIELDS: dict[type[Any], str] = {
    For: "loop_var", LetStmt: "var", Let: "var", Allocate: "buffer_var",
    AllocateConst: "buffer_var",
}  # fmt: skip


class _Ssa(Rewriter):
    def __init__(self) -> None:
        self.seen: set[Var] = set()

    @on(*_FIELDS)
    def definition(self, node: Any) -> Node:
        """A variable defined before gets another object here."""
        name = _FIELDS[type(node)]
        var = getattr(node, name)
        if var in self.seen:
            fresh = var.copy_with_name(var.name)
            body = substitute(node.body, {var: fresh})
            node = node.replace(**{name: fresh, "body": body})
            var = fresh
        self.seen.add(var)
        made: Node = self.rewrite_children(node)
        return made


def _defined(func: PrimFunc) -> tuple[set[Var], set[Var]]:
    """The variables that a function defines, and those of its threads."""
    found: set[Var] = {*func.params, *(b.data for b in func.buffer_map.values())}
    threads: set[Var] = set()

    def look(node: Any) -> None:
        name = _FIELDS.get(type(node))
        if name is not None:
            found.add(getattr(node, name))
        elif isinstance(node, AttrStmt) and isinstance(node.node, IterVar):
            threads.add(node.node.var)

    post_order_visit(func.body, look)
    return found, threads


@module_factory
def ConvertSSA(mod: IRModule, ctx: PassContext) -> IRModule:
    """for i: A; for i: B   ->   for i: A; for i_1: B

    Also across the functions of a module: none shares a variable with another. The index of a
    thread is one variable of a function, wherever it is launched.
    """
    seen: set[Var] = set()
    out: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        out[var] = _converted(func, seen) if isinstance(func, PrimFunc) else func
    same = all(out[var] is func for var, func in mod.items())
    return mod if same else mod.with_functions(out)


def _converted(func: PrimFunc, seen: set[Var]) -> PrimFunc:
    if not verify_ssa(func):
        func = func.replace(body=_Ssa().run(func.body))
    found, threads = _defined(func)
    if (found | threads) & seen:
        fresh = {var: var.copy_with_name(var.name) for var in threads & seen}
        func = renew_defs(substitute(func, fresh))
        found, threads = _defined(func)
    seen |= found | threads
    return func
