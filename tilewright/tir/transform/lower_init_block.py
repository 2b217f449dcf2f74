"""The initial value of a reduction, as a condition in the block's body."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import Rewriter, on
from .. import op as O
from ..expr import IterVarType
from ..function import PrimFunc
from ..stmt import Block, IfThenElse, stmt_seq
from .base import factory


class _LowerInit(Rewriter):
    @on(Block)
    def block(self, block: Block) -> Block:
        """init + body -> if all reduction axes are first: init; body"""
        new: Block = self.rewrite_children(block)
        if new.init is None:
            return new
        first: PrimExpr = IntImm("bool", 1)
        for axis in new.iter_vars:
            if axis.iter_type == IterVarType.CommReduce and axis.dom is not None:
                first = O.logical_and(first, O.equal(axis.var, axis.dom.min))
        init = new.init if O.is_const_int(first, 1) else IfThenElse(first, new.init)
        return new.replace(init=None, body=stmt_seq(init, new.body))


@factory
def LowerInitBlock(func: PrimFunc) -> PrimFunc:
    """with init: C = 0   ->   if k == 0: C = 0"""
    return func.replace(body=_LowerInit().run(func.body))
