"""Weights whose layout changes ahead of time, not when the function runs."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.transform import Pass, PassContext
from ..buffer import Buffer
from ..expr import BufferLoad
from ..function import PrimFunc
from ..stmt import Block, BufferStore
from ..stmt_functor import substitute
from .base import prim_func_pass
from .simplify import NOTHING

MARK = "meta_schedule.layout_rewrite_preproc"


class _Empty(Rewriter):
    """Blocks that only change a layout do nothing; what they wrote is a parameter already."""

    def __init__(self, moved: dict[Buffer, Buffer]) -> None:
        self.moved = moved

    @on(Block)
    def block(self, block: Block) -> Block:
        """B_[...] = B[...]   ->   nothing"""
        if block.annotations.get(MARK):
            return block.replace(body=NOTHING, init=None, reads=(), writes=())
        made: Block = self.rewrite_children(block)
        kept = tuple(b for b in made.alloc_buffers if b not in self.moved)
        return made if len(kept) == len(made.alloc_buffers) else made.replace(alloc_buffers=kept)


def _copies(func: PrimFunc) -> dict[Buffer, Buffer]:
    """What the marked blocks write, and the parameters that it is copied from."""
    found: dict[Buffer, Buffer] = {}
    parameters = set(func.buffers())

    def look(node: Any) -> None:
        if isinstance(node, Block) and node.annotations.get(MARK):
            store = node.body
            copies = isinstance(store, BufferStore) and isinstance(store.value, BufferLoad)
            if copies and store.value.buffer in parameters:  # type: ignore[attr-defined]
                found[store.buffer] = store.value.buffer  # type: ignore[attr-defined]

    post_order_visit(func.body, look)
    return found


def RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite: bool = False) -> Pass:
    """def f(B: Buffer((4, 4))): {B_[i // 2, j, i % 2] = B[i, j]; use B_}
    ->   def f(B: Buffer((2, 4, 2))): use B

    A pass that empties the blocks that change the layout of weights: callers give the weights in
    the layout in which they are used.
    """
    del skip_tensor_rewrite

    def transform(func: PrimFunc, mod: Any, ctx: PassContext) -> PrimFunc:
        copies = _copies(func)
        body = _Empty(copies).run(func.body)
        given: dict[Any, Any] = {}
        shaped: dict[Buffer, Buffer] = {}
        for written, source in copies.items():
            shaped[source] = written.replace(name=source.name, data=source.data)
            given.update({written: shaped[source], written.data: source.data})
        buffers = {param: shaped.get(b, b) for param, b in func.buffer_map.items()}
        return func.replace(body=substitute(body, given), buffer_map=buffers)

    made: Pass = prim_func_pass(transform, opt_level=0, name="tir.RemoveWeightLayoutRewriteBlock")
    return made
