"""Blocks without axes."""

from __future__ import annotations

from ...ir.functor import Rewriter, on
from ..expr import Var
from ..function import PrimFunc
from ..stmt import Block, BlockRealize
from ..stmt_functor import substitute
from .base import factory


class _ToOpaque(Rewriter):
    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> BlockRealize:
        """Replaces the axes of the block by the values that they are realized with."""
        block = realize.block
        if block.iter_vars:
            values: dict[Var, object] = {
                axis.var: value
                for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)
            }
            bare: Block = substitute(block.replace(iter_vars=()), values)
            realize = BlockRealize((), realize.predicate, bare, span=realize.span)
        return self.rewrite_children(realize)


@factory
def ConvertBlocksToOpaque(func: PrimFunc) -> PrimFunc:
    """vi = axis(i): A[vi] = 0   ->   A[i] = 0"""
    return func.replace(body=_ToOpaque().run(func.body))
