"""Conditions moved out of the loops that they do not depend on."""

from __future__ import annotations

from enum import IntFlag

from ...ir.functor import Rewriter, on
from ...ir.transform import CONFIG, Pass, PassContext, register_config
from ..arith.canonical import reads_memory
from ..arith.int_set import mentions
from ..function import PrimFunc
from ..stmt import For, ForKind, IfThenElse, LetStmt, Stmt
from ..stmt_functor import renew_defs
from .base import factory, prim_func_pass

_MOVABLE = (ForKind.SERIAL, ForKind.UNROLLED, ForKind.VECTORIZED)

for _name in ("tir.HoistIfThenElse", "tir.HoistExpression"):
    if _name not in CONFIG:
        register_config(_name, None, "what may be moved out of loops")


class HoistedConditionals(IntFlag):
    """Which conditions may be moved out of loops."""

    Never = 0
    IfElseStmt = 1
    IfElseExpr = 2
    BooleanExpression = 4
    UsingBlockVar = 8
    All = 15


class HoistedLetBindings(IntFlag):
    """Which names may be moved out of loops."""

    Never = 0
    RequiredByConditional = 1
    LetStmt = 2
    LetExpr = 4
    All = 7


class _Hoist(Rewriter):
    def __init__(self, conditions: bool, names: bool) -> None:
        self.conditions, self.names = conditions, names

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """for i: if c: f   ->   if c: for i: f, where c does not depend on i"""
        new: For = self.rewrite_children(loop)
        body = new.body
        if new.kind not in _MOVABLE:
            return new
        if self.names and isinstance(body, LetStmt) and self._is_free(body.value, new):
            return body.replace(body=self._again(new.replace(body=body.body)))
        if not self.conditions or not isinstance(body, IfThenElse):
            return new
        if not self._is_free(body.condition, new):
            return new
        then_case = self._again(new.replace(body=body.then_case))
        else_case = None
        if body.else_case is not None:
            else_case = self._again(renew_defs(new.replace(body=body.else_case)))
        return IfThenElse(body.condition, then_case, else_case)

    def _again(self, loop: For) -> Stmt:
        """Another condition may lie below the one taken away."""
        if isinstance(loop.body, (IfThenElse, LetStmt)):
            made: Stmt = self.loop(loop)
            return made
        return loop

    def _is_free(self, value: object, loop: For) -> bool:
        return not mentions(value, {loop.loop_var}) and not reads_memory(value)  # type: ignore[arg-type]


@factory
def HoistIfThenElse(func: PrimFunc) -> PrimFunc:
    """for i: if c: f(i)   ->   if c: for i: f(i)"""
    return func.replace(body=_Hoist(True, False).run(func.body))


def HoistExpression(variant: str | None = None) -> Pass:
    """for i: let x = e; if c: f(i)   ->   let x = e; if c: for i: f(i)"""
    del variant

    def transform(func: PrimFunc, mod: object, ctx: PassContext) -> PrimFunc:
        return func.replace(body=_Hoist(True, True).run(func.body))

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.HoistExpression")
    return made
