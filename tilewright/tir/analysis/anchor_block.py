"""The block that decides how a function is scheduled."""

from __future__ import annotations

from ...ir.functor import Visitor, on
from ...ir.module import IRModule
from ...support.errors import ArgumentError
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For
from .arguments import looks_at
from .memory_size import estimate_tir_flops


class _Reductions(Visitor):
    """Blocks with an initial value, with the arithmetic of their loops."""

    def __init__(self) -> None:
        self.loops: list[For] = []
        self.found: list[tuple[float, Block]] = []

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop around a block."""
        self.loops.append(loop)
        self.visit(loop.body)
        self.loops.pop()

    @on(BlockRealize)
    def realize(self, realize: BlockRealize) -> None:
        """A reduction, weighed; blocks within blocks too."""
        block = realize.block
        if block.init is not None:
            self.found.append((self._work(block), block))
        self.visit(block.body)

    def _work(self, block: Block) -> float:
        nest = block.body
        for loop in reversed(self.loops):
            nest = loop.replace(body=nest)
        try:
            return estimate_tir_flops(nest)
        except ArgumentError:  # sizes that are known at run time only
            return float("inf")


@looks_at(IRModule)
def find_anchor_block(mod: IRModule) -> Block | None:
    """The reduction with the most arithmetic in the one function of `mod` (of several, in the one
    marked `tir.is_entry_func`, or named `main`); None if it has no reduction.

    Raises `ArgumentError` if it cannot be told which function is meant.
    """
    finder = _Reductions()
    finder.walk(_entry(mod).body)
    if not finder.found:
        return None
    return max(finder.found, key=lambda entry: entry[0])[1]


def _entry(mod: IRModule) -> PrimFunc:
    funcs = {v.name_hint: f for v, f in mod.items() if isinstance(f, PrimFunc)}
    marked = [f for f in funcs.values() if f.attrs.get("tir.is_entry_func")]
    named = [funcs["main"]] if "main" in funcs else []
    for found in (list(funcs.values()), marked, named):
        if len(found) == 1:
            return found[0]
    raise ArgumentError(
        f"find_anchor_block needs one loop program, or one named `main`; found {sorted(funcs)}"
    )
