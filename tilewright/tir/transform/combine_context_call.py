"""Contexts of threads asked for once."""

from __future__ import annotations

from ...ir.expr import PrimExpr
from ...ir.functor import Rewriter, on
from ...ir.op import register_op
from ...ir.structural import structural_equal
from ..expr import Call, CallEffectKind, Var
from ..function import PrimFunc
from ..stmt import AttrStmt, For, ForKind, LetStmt, Stmt
from .base import factory

CONTEXT = register_op("tir.tvm_thread_context", effect=CallEffectKind.ReadState)
"""`tvm_thread_context(x)`: `x`, the same for all that one thread does."""


class _Combine(Rewriter):
    def __init__(self) -> None:
        self.names: list[tuple[Var, PrimExpr]] = []

    @on(Call)
    def call(self, call: Call) -> PrimExpr:
        """tvm_thread_context(x)   ->   ctx, one name for equal ones"""
        if call.op is not CONTEXT:
            return self.rewrite_children(call)
        context = call.args[0]
        assert isinstance(context, PrimExpr)
        for var, known in self.names:
            if structural_equal(known, context):
                return var
        var = Var("ctx_", context.dtype)
        self.names.append((var, context))
        return var

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """Threads of a device, and coprocessors, ask for themselves."""
        if node.attr_key in ("thread_extent", "coproc_uop_scope"):
            return node.replace(body=self.within(node.body))
        return self.rewrite_children(node)

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """So does each task of a parallel loop."""
        if loop.kind == ForKind.PARALLEL:
            return loop.replace(body=self.within(loop.body))
        return self.rewrite_children(loop)

    def within(self, body: Stmt) -> Stmt:
        """`body` with its contexts named before it."""
        before, self.names = self.names, []
        made: Stmt = self.rewrite(body)
        for var, value in reversed(self.names):
            made = LetStmt(var, value, made)
        self.names = before
        return made


@factory
def CombineContextCall(func: PrimFunc) -> PrimFunc:
    """f(tvm_thread_context(x)); g(tvm_thread_context(x))   ->   ctx_ = x; f(ctx_); g(ctx_)

    In functions for a host: those with a target that has none of its own. Others are for devices,
    or not bound to a target yet, and stay.
    """
    if "target" not in func.attrs:
        return func
    return func.replace(body=_Combine().within(func.body))
