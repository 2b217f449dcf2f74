"""Private functions put where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...ir.expr import BaseFunc, GlobalVar, PrimExpr
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.module import IRModule
from ...ir.node import children
from ...ir.transform import PassContext
from ...target import Target
from ..arith.int_set import mentions
from ..expr import Call, Var
from ..function import PrimFunc
from ..stmt import DeclBuffer, Evaluate, LetStmt, Stmt
from ..stmt_functor import renew_defs, substitute
from .base import module_factory

Called = Mapping[GlobalVar, set[GlobalVar]]
"""The functions that each function calls itself."""


def _called(func: BaseFunc) -> set[GlobalVar]:
    found: set[GlobalVar] = set()
    post_order_visit(func, lambda n: found.add(n) if isinstance(n, GlobalVar) else None)
    return found


def _reached(starts: Iterable[GlobalVar], called: Called) -> set[GlobalVar]:
    """All functions that run when those of `starts` do, which are among them only if called."""
    seen: set[GlobalVar] = set()
    pending = [one for start in starts for one in called[start]]
    while pending:
        one = pending.pop()
        if one not in seen:
            seen.add(one)
            pending += called.get(one, ())
    return seen


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
        replaced = {v: a for v, a in given.items() if not _parts_of(a)}
        body: Stmt = self.rewrite(substitute(func.body, replaced))
        numbers_first = sorted(given.items(), key=lambda pair: pair[0].dtype == "handle")
        for var, arg in reversed(numbers_first):
            if var not in replaced:
                body = _named(var, arg, body)
        return body


def _named(var: Var, value: PrimExpr, body: Stmt) -> Stmt:
    """`body` with `var` standing for `value`; an address stands right before it is declared."""
    is_address = var.dtype == "handle"
    if is_address and isinstance(body, DeclBuffer) and not mentions(body.buffer, {var}):
        return body.replace(body=_named(var, value, body.body))
    return LetStmt(var, value, body)


def _parts_of(expr: Any) -> list[Any]:
    """What an expression is made of; nothing for a variable or constant."""
    return [] if isinstance(expr, Var) else list(children(expr))


def _target(func: BaseFunc) -> Target | None:
    given = func.attrs.get("target") if isinstance(func, PrimFunc) else None
    return None if given is None else Target(given)


@module_factory
def InlinePrivateFunctions(mod: IRModule, ctx: PassContext) -> IRModule:
    """def f(x): g(x); main: f(1)   ->   main: g(1)

    Functions without `global_symbol` and without arrays among their parameters, called as
    statements by functions of the same target, never by themselves, and that return nothing.
    Those that nobody calls any more go.
    """
    called = {var: _called(func) for var, func in mod.items()}
    chosen = {
        var: func for var, func in mod.items()
        if isinstance(func, PrimFunc) and "global_symbol" not in func.attrs
        and not func.buffer_map and var not in _reached([var], called) and not _returns(func)
        and any(var in names for names in called.values())
    }  # fmt: skip
    if not chosen:
        return mod
    out: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        near = {v: f for v, f in chosen.items() if _target(f) == _target(func)}
        made = isinstance(func, PrimFunc) and func.replace(body=_Inline(near).run(func.body))
        out[var] = made or func
    kept = [var for var in out if var not in chosen]
    used = _reached(kept, {var: _called(func) for var, func in out.items()}).union(kept)
    return mod.with_functions({var: func for var, func in out.items() if var in used})
