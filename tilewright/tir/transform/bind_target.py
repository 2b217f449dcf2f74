"""Every function gets the target that its code is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import BaseFunc, GlobalVar
from ...ir.functor import Rewriter, Visitor, on
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...target import Target
from ..expr import Call
from ..function import PrimFunc
from ..stmt import AttrStmt, For, ForKind, Stmt
from ..stmt_functor import renew_defs

IS_HOST = "tir.is_host_func"


class _InThreads(Visitor):
    """Knows whether the place being looked at runs on the device."""

    in_threads = False

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop over threads is a launch."""
        self._within(loop.kind == ForKind.THREAD_BINDING, loop)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """So is a thread's extent."""
        self._within(node.attr_key in ("thread_extent", "device_scope"), node)

    def _within(self, launches: bool, node: Stmt) -> None:
        before, self.in_threads = self.in_threads, self.in_threads or launches
        self.visit_children(node)
        self.in_threads = before


@dataclass(eq=False)
class _Callers(_InThreads):
    """Which functions are called from the host, and which from the device."""

    host: set[GlobalVar] = field(default_factory=set)
    device: set[GlobalVar] = field(default_factory=set)

    @on(Call)
    def call(self, call: Call) -> None:
        """A call of a function of the module."""
        if isinstance(call.op, GlobalVar):
            (self.device if self.in_threads else self.host).add(call.op)
        self.visit(call.args)


class _CallHost(Rewriter):
    """Calls from the host go to the copies that are for the host."""

    def __init__(self, copies: dict[GlobalVar, GlobalVar]) -> None:
        self.copies = copies

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """What runs in threads stays."""
        return loop if loop.kind == ForKind.THREAD_BINDING else self.rewrite_children(loop)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """What runs in threads stays."""
        launches = node.attr_key in ("thread_extent", "device_scope")
        return node if launches else self.rewrite_children(node)

    @on(GlobalVar)
    def name(self, var: GlobalVar) -> GlobalVar:
        """f   ->   f_host"""
        return self.copies.get(var, var)


def _is_exposed(func: BaseFunc) -> bool:
    return "global_symbol" in func.attrs


def _callers(functions: Iterable[BaseFunc]) -> _Callers:
    found = _Callers()
    for func in functions:
        if isinstance(func, PrimFunc) and _is_exposed(func):
            found.walk(func.body)
    return found


def BindTarget(target: Any) -> Pass:
    """f   ->   f with the attribute `target`, unless it has one

    Public functions (those with a `global_symbol`) get the target with its host, functions marked
    `tir.is_host_func` its host, which is its own host. A private function gets the host if only
    the host calls it, else the target alone; where both call it, the host calls a copy `f_host`.
    """
    bound = Target(target)
    host = bound.host if bound.host is not None else _host_of(bound)

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        return _bound(mod, bound, host)

    return ModulePass(transform, PassInfo(0, "tir.BindTarget"))


def _host_of(target: Target) -> Target:
    return Target("llvm") if "gpu" in target.keys else target


def _bound(mod: IRModule, target: Target, host: Target) -> IRModule:
    callers = _callers(mod.functions.values())
    out: dict[GlobalVar, BaseFunc] = {}
    copies: dict[GlobalVar, GlobalVar] = {}
    for var, func in mod.items():
        if not isinstance(func, PrimFunc):
            out[var] = func
            continue
        out[var] = _with_target(func, var, target, host, callers)
        private = not _is_exposed(func) and "target" not in func.attrs
        if private and var in callers.host and var in callers.device:
            copies[var] = GlobalVar(f"{var.name_hint}_host")
            copies[var]._struct_info = var.struct_info_
            out[copies[var]] = renew_defs(func.with_attr("target", host.without_host()))
    if copies:
        rewriter = _CallHost(copies)
        for var, func in out.items():
            if isinstance(func, PrimFunc) and _is_exposed(func):
                out[var] = func.replace(body=rewriter.run(func.body))
    return mod.with_functions(out)


def _with_target(
    func: PrimFunc, var: GlobalVar, target: Target, host: Target, callers: _Callers
) -> BaseFunc:
    given = func.attrs.get("target")
    made: BaseFunc
    if given is not None:
        known = Target(given)
        if known.host is None and target.host is not None and _is_exposed(func):
            made = func.with_attr("target", known.with_host(target.host))
            return made
        return func
    if func.attrs.get(IS_HOST):
        made = func.without_attr(IS_HOST).with_attr("target", host.with_host(host))
    elif _is_exposed(func):
        made = func.with_attr("target", target)
    elif var in callers.host and var not in callers.device:
        made = func.with_attr("target", host.without_host())
    else:
        made = func.with_attr("target", target.without_host())
    return made
