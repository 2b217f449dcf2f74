"""Which layout the convolutions that follow a value ask for: blocks of channels or the plain one.

A convolution in groups that do not fill blocks stays plain. What lies between such convolutions,
depthwise ones, pooling, concatenation, had better stay plain too than change to and fro.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...ir.op import Op
from ..analysis.variables import uses_of
from ..expr import Call, DataflowBlock, Var, VarBinding

Wish = Callable[[Call], "bool | None"]


class LayoutDemand:
    """The wishes of a block's convolutions, followed back to what they read.

    `wish` of a call: True if it wants blocks, False if it wants the plain layout, None if it goes
    along with what its own readers want; operators in none of `along` have no wish.
    """

    def __init__(self, block: DataflowBlock, wish: Wish, along: Iterable[str]) -> None:
        self.wish = wish
        self.along = frozenset(along)
        self.readers: dict[Var, list[VarBinding]] = {}
        self.known: dict[Var, frozenset[bool]] = {}
        self.only_blocks: dict[Var, bool] = {}
        for binding in block.bindings:
            if isinstance(binding, VarBinding):
                for var in uses_of(binding.value):
                    self.readers.setdefault(var, []).append(binding)
        for binding in reversed(block.bindings):
            self.known[binding.var] = self._wishes(binding.var)

    def prefers_plain(self, var: Var) -> bool:
        """True if some of the convolutions after `var` want the plain layout, and none blocks."""
        return self.known.get(var, frozenset()) == {False}

    def wants_blocks(self, var: Var) -> bool:
        """True if all that reads `var` is or leads to convolutions that want blocks."""
        if var not in self.only_blocks:
            readers = self.readers.get(var, ())
            wanted = bool(readers) and all(self._leads_to_blocks(binding) for binding in readers)
            self.only_blocks[var] = wanted
        return self.only_blocks[var]

    def _leads_to_blocks(self, binding: VarBinding) -> bool:
        value = binding.value
        if _name(value) not in self.along or not isinstance(value, Call):
            return False
        own = self.wish(value)
        return self.wants_blocks(binding.var) if own is None else own

    def _wishes(self, var: Var) -> frozenset[bool]:
        found: set[bool] = set()
        for binding in self.readers.get(var, ()):
            found |= self._of(binding.value, binding.var)
        return frozenset(found)

    def _of(self, value: Any, var: Var) -> frozenset[bool]:
        name = _name(value)
        if name not in self.along:
            return frozenset()
        own = self.wish(value)
        return self.known.get(var, frozenset()) if own is None else frozenset({own})


def _name(value: Any) -> str:
    known = isinstance(value, Call) and isinstance(value.op, Op)
    return value.op.name if known else ""
