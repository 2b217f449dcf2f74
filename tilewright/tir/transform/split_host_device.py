"""Regions of the device become functions of their own."""

from __future__ import annotations

from typing import Any

from ...ir.expr import BaseFunc, GlobalVar, IntImm
from ...ir.functor import Rewriter, Visitor, on
from ...ir.module import IRModule
from ...ir.transform import PassContext
from ...ir.type import PrimType
from ...target import Target
from .. import op as O
from ..analysis.undefined_vars import undefined_vars
from ..buffer import Buffer
from ..expr import Call, StringImm, Var
from ..function import PrimFunc
from ..stmt import AssertStmt, AttrStmt, DeclBuffer, Evaluate, LetStmt, Stmt, stmt_seq
from ..stmt_functor import renew_defs
from .base import module_factory

_RETURNS_ERRORS = frozenset(("llvm", "c", "hexagon", "ext_dev"))


class _Buffers(Visitor):
    """The buffers that a region uses and does not declare."""

    def __init__(self) -> None:
        self.used: dict[Buffer, None] = {}
        self.declared: set[Buffer] = set()

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A declaration inside."""
        self.declared.add(node.buffer)
        self.visit(node.body)

    @on(Buffer)
    def use(self, buffer: Buffer) -> None:
        """A use."""
        self.used[buffer] = None


class _Split(Rewriter):
    def __init__(self, name: str, names: set[str]) -> None:
        self.name, self.names = name, names
        self.kernels: dict[GlobalVar, BaseFunc] = {}

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """attr(target): f   ->   kernel(x), with def kernel(x): f"""
        if node.attr_key == "target" and isinstance(node.node, Target):
            return self._kernel(node.body, node.node)
        return self.rewrite_children(node)

    def _kernel(self, body: Stmt, target: Target) -> Stmt:
        params = sorted(undefined_vars(body), key=lambda v: (v.dtype != "handle", v.name))
        var = GlobalVar(self._unique(f"{self.name}_kernel"))
        reports = target.kind.name in _RETURNS_ERRORS
        inner = _declared(body, params)
        if reports:
            inner = stmt_seq(inner, Evaluate(O.ret(IntImm("int32", 0))))
        attrs = {"target": target, "tir.noalias": True, "tir.is_global_func": True}
        kind = PrimType("int32") if reports else None
        func: Any = PrimFunc(tuple(params), inner, kind, attrs=attrs)  # type: ignore[arg-type]
        self.kernels[var] = _own_params(func)
        if not reports:
            return Evaluate(Call("void", var, tuple(params)))
        code = Var("kernel_error_code", "int32")
        text = StringImm("Error executing compute kernel")
        checked = AssertStmt(O.equal(code, 0), text, Evaluate(IntImm("int32", 0)))
        return LetStmt(code, Call("int32", var, tuple(params)), checked)

    def _unique(self, name: str) -> str:
        made, count = name, 0
        while made in self.names:
            count += 1
            made = f"{name}_{count}"
        self.names.add(made)
        return made


def _own_params(func: PrimFunc) -> PrimFunc:
    """The kernel with variables of its own, not those of its caller."""
    made: PrimFunc = renew_defs(func)
    return made


def _declared(body: Stmt, params: list[Var]) -> Stmt:
    """`body` within declarations of its buffers, in the order of their addresses."""
    finder = _Buffers()
    finder.walk(body)
    place = {param: index for index, param in enumerate(params)}
    given = [b for b in finder.used if b not in finder.declared and b.data in place]
    for buffer in sorted(given, key=lambda b: place[b.data], reverse=True):
        body = DeclBuffer(buffer, body)
    return body


@module_factory
def SplitHostDevice(mod: IRModule, ctx: PassContext) -> IRModule:
    """main: attr(target): f(x)   ->   main: main_kernel(x), def main_kernel(x): f(x)

    A kernel for a CPU returns an error code, which its caller checks.
    """
    names = {var.name_hint for var, _ in mod.items()}
    out: dict[GlobalVar, BaseFunc] = {}
    kernels: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        out[var] = func
        if isinstance(func, PrimFunc):
            split = _Split(str(func.attrs.get("global_symbol", var.name_hint)), names)
            out[var] = func.replace(body=split.run(func.body))
            kernels.update(split.kernels)
    return mod.with_functions({**out, **kernels}) if kernels else mod
