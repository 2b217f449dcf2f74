"""Blocks without axes."""

from __future__ import annotations

from ...ir.functor import Rewriter, on, post_order_visit
from ...support.errors import CompileError
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
        if block.init is not None:
            raise CompileError(
                f"block `{block.name_hint}` has an `init`, whose steps its axes tell",
                block.span, hint="run LowerInitBlock before ConvertBlocksToOpaque",
            )  # fmt: skip
        if block.iter_vars:
            axes = {axis.var for axis in block.iter_vars}
            post_order_visit(realize.predicate, lambda n: _refuse(n, axes, block))
            values: dict[Var, object] = {
                axis.var: value
                for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)
            }
            bare: Block = substitute(block.replace(iter_vars=()), values)
            realize = BlockRealize((), realize.predicate, bare, span=realize.span)
        return self.rewrite_children(realize)


def _refuse(node: object, axes: set[Var], block: Block) -> None:
    if isinstance(node, Var) and node in axes:
        raise CompileError(
            f"the predicate of block `{block.name_hint}` reads its own axis `{node.name}`",
            block.span, hint="write it with the loops\' variables, which the axis is bound to",
        )  # fmt: skip


@factory
def ConvertBlocksToOpaque(func: PrimFunc) -> PrimFunc:
    """vi = axis(i): A[vi] = 0   ->   A[i] = 0

    Raises `CompileError` where a block has an `init`, or a predicate that reads the block's own
    axes.
    """
    return func.replace(body=_ToOpaque().run(func.body))
