"""Passes of a few lines: attributes of functions, filters, marks that have served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import BaseFunc, GlobalVar
from ...ir.functor import Rewriter, on
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...support.errors import CompileError
from ..analysis.effects import has_effects, is_left_early
from ..analysis.verify import host_accesses
from ..expr import Call
from ..function import PrimFunc
from ..stmt import AssertStmt, Evaluate, For, IfThenElse, SeqStmt, Stmt, stmt_seq
from .base import context_factory, factory, prim_func_pass
from .config import DISABLE_ASSERT
from .simplify import NOTHING


def Apply(ftransform: Callable[[PrimFunc], PrimFunc]) -> Pass:
    """A pass that applies `ftransform` to every PrimFunc."""

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        return ftransform(func)

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.Apply")
    return made


def Filter(fcond: Callable[[PrimFunc], bool]) -> Pass:
    """A pass that keeps the PrimFuncs for which `fcond` holds."""

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        kept: dict[GlobalVar, BaseFunc] = {}
        for var, func in mod.items():
            if not isinstance(func, PrimFunc) or fcond(func):
                kept[var] = func
        return mod.with_functions(kept)

    return ModulePass(transform, PassInfo(0, "tir.Filter"))


def AnnotateEntryFunc() -> Pass:
    """A pass that marks the only PrimFunc of a module, or the one called `main`, as its entry."""

    def transform(mod: IRModule, ctx: PassContext) -> IRModule:
        kernels = [v for v, f in mod.items() if isinstance(f, PrimFunc)]
        entry = [v for v in kernels if len(kernels) == 1 or v.name_hint == "main"]
        functions: dict[GlobalVar, BaseFunc] = {}
        for var, func in mod.items():
            functions[var] = func.with_attr("tir.is_entry_func", True) if var in entry else func
        return mod.with_functions(functions)

    return ModulePass(transform, PassInfo(0, "tir.AnnotateEntryFunc"))


class _RemoveAssume(Rewriter):
    @on(Evaluate)
    def evaluate(self, stmt: Evaluate) -> Stmt:
        """assume(c) -> nothing"""
        value = stmt.value
        is_assume = isinstance(value, Call) and getattr(value.op, "name", "") == "tir.assume"
        return NOTHING if is_assume else stmt

    @on(SeqStmt)
    def sequence(self, node: SeqStmt) -> Stmt:
        """What is left of the statements."""
        return stmt_seq([stmt for stmt in self.rewrite(node.seq) if stmt is not NOTHING])

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """A loop around nothing goes."""
        new: For = self.rewrite_children(loop)
        return NOTHING if new.body is NOTHING else new

    @on(IfThenElse)
    def branch(self, branch: IfThenElse) -> Stmt:
        """A condition of nothing goes."""
        new: IfThenElse = self.rewrite_children(branch)
        if new.then_case is NOTHING and new.else_case is None and not has_effects(new.condition):
            return NOTHING
        return new


@factory
def RemoveAssume(func: PrimFunc) -> PrimFunc:
    """assume(c); f   ->   f"""
    return func.replace(body=_RemoveAssume().run(func.body))


class _AnnotateIrregular(Rewriter):
    @on(For)
    def loop(self, loop: For) -> For:
        """A mark on the loop if its iterations may end early."""
        new: For = self.rewrite_children(loop)
        if not is_left_early(loop.body):
            return new
        return new.replace(annotations={**loop.annotations, "irregular_loop_mark": 1})


@factory
def AnnotateIrregularLoop(func: PrimFunc) -> PrimFunc:
    """for i in range(n): if c: break   ->   the same, annotated with `irregular_loop_mark`"""
    return func.replace(body=_AnnotateIrregular().run(func.body))


class _SkipAssert(Rewriter):
    @on(AssertStmt)
    def assertion(self, node: AssertStmt) -> Stmt:
        """What stands after the assertion."""
        body: Stmt = self.rewrite(node.body)
        return body


def _without_asserts(func: PrimFunc) -> PrimFunc:
    return func.replace(body=_SkipAssert().run(func.body))


@factory
def SkipAssert(func: PrimFunc) -> PrimFunc:
    """assert c; f   ->   f"""
    return _without_asserts(func)


@context_factory
def DisableAssert(func: PrimFunc, ctx: PassContext) -> PrimFunc:
    """SkipAssert where the option `tir.disable_assert` is set."""
    return _without_asserts(func) if ctx.config.get(DISABLE_ASSERT) else func


@factory
def VerifyMemory(func: PrimFunc) -> PrimFunc:
    """f   ->   f

    Raises `CompileError` if a function for a GPU accesses arrays outside of threads.
    """
    found = host_accesses(func)
    if found:
        names = ", ".join(f"`{buffer.name}`" for buffer in found)
        raise CompileError(
            f"{names} is accessed by the host: Memory verification failed",
            func.span, hint="bind the loops around it to threads. Did you forget to bind?",
        )  # fmt: skip
    return func
