"""Private functions put where they are called."""

from __future__ import annotations

from typing import Any

from ...ir.expr import BaseFunc, GlobalVar
from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...ir.module import IRModule
from ...ir.node import children
from ...ir.transform import PassContext
from ..buffer import Buffer
from ..expr import BufferLoad, Call, Var
from ..function import PrimFunc
from ..stmt import BufferStore, Evaluate, LetStmt, Stmt
from ..stmt_functor import renew_defs, substitute
from .base import module_factory


class _Calls(Visitor):
    """The functions called, and those called otherwise than as a statement."""

    def __init__(self) -> None:
        self.called: dict[GlobalVar, None] = {}
        self.as_values: set[GlobalVar] = set()

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> None:
        """f(x) as a statement."""
        call = stmt.value
        if isinstance(call, Call) and isinstance(call.op, GlobalVar):
            self.called[call.op] = None
            self.visit(call.args)
        else:
            self.visit(stmt.value)

    @on(GlobalVar)
    def value(self, var: GlobalVar) -> None:
        """f within an expression."""
        self.called[var] = None
        self.as_values.add(var)


def _calls(func: BaseFunc) -> _Calls:
    found = _Calls()
    if isinstance(func, PrimFunc):
        found.walk(func.body)
    return found


def _is_recursive(var: GlobalVar, called: dict[GlobalVar, dict[GlobalVar, None]]) -> bool:
    seen: set[GlobalVar] = set()
    pending = list(called.get(var, ()))
    while pending:
        one = pending.pop()
        if one is var:
            return True
        if one not in seen:
            seen.add(one)
            pending += called.get(one, ())
    return False


def _returns(func: PrimFunc) -> bool:
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.ret":
            found.append(node)

    post_order_visit(func.body, look)
    return bool(found)


class _Inline(Rewriter):
    def __init__(self, functions: dict[GlobalVar, PrimFunc]) -> None:
        self.functions = functions

    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> Stmt:
        """f(x)   ->   the body of f with x in place of its parameter"""
        call = stmt.value
        if not isinstance(call, Call) or call.op not in self.functions:
            return self.rewrite_children(stmt)
        func: PrimFunc = renew_defs(self.functions[call.op])
        return self._body(func, call.args)

    def _body(self, func: PrimFunc, args: tuple[Any, ...]) -> Stmt:
        given: dict[Any, Any] = dict(zip(func.params, args, strict=True))
        memory = _memory_of(func.body)
        replaced = {v: a for v, a in given.items() if v in memory or not _parts_of(a)}
        body: Stmt = self.rewrite(substitute(func.body, replaced))
        for var, arg in reversed(list(given.items())):
            if var not in replaced:
                body = LetStmt(var, arg, body)
        return body


def _parts_of(expr: Any) -> list[Any]:
    """What an expression is made of; nothing for a variable or constant."""
    return [] if isinstance(expr, Var) else list(children(expr))


def _memory_of(body: Stmt) -> set[Var]:
    """The addresses of buffers that are accessed: a variable must stand there."""
    found: set[Var] = set()

    def look(node: Any) -> None:
        if isinstance(node, Buffer):
            found.add(node.data)
        elif isinstance(node, (BufferLoad, BufferStore)):
            found.add(node.buffer.data)

    post_order_visit(body, look)
    return found


@module_factory
def InlinePrivateFunctions(mod: IRModule, ctx: PassContext) -> IRModule:
    """def f(x): g(x); main: f(1)   ->   main: g(1)

    Functions without `global_symbol` and without arrays among their parameters, called as
    statements, never by themselves, and that return nothing. Those that nobody calls any more go.
    """
    calls = {var: _calls(func) for var, func in mod.items()}
    called = {var: found.called for var, found in calls.items()}
    as_values = {var for found in calls.values() for var in found.as_values}
    chosen = {
        var: func for var, func in mod.items()
        if isinstance(func, PrimFunc) and "global_symbol" not in func.attrs
        and not func.buffer_map and not _is_recursive(var, called) and not _returns(func)
        and any(var in names for names in called.values())
    }  # fmt: skip
    if not chosen:
        return mod
    inline = _Inline(chosen)
    out: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        if var in chosen and var not in as_values:
            continue
        out[var] = func.replace(body=inline.run(func.body)) if isinstance(func, PrimFunc) else func
    return mod.with_functions(out)
