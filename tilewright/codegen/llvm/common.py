"""What the parts of a row have in common is computed before them: once, instead of in each.

for i in range(n): a[i] = f(r // 3); for i in range(n, m): a[i] = g(r // 3)
->  q = r // 3, and then both loops
"""

from __future__ import annotations

from collections.abc import Iterable

from tilewright.ir.expr import FloatImm, IntImm, PrimExpr
from tilewright.ir.node import Node, children
from tilewright.support.dtypes import dtype_of
from tilewright.tir.expr import BinaryOpExpr, BufferLoad, Cast, Not, Select, Var
from tilewright.tir.stmt import BufferStore, Stmt

from .emitter import FunctionEmitter

_PURE = (BinaryOpExpr, Cast, Not, Select)


def compute_common(e: FunctionEmitter, parts: Iterable[Stmt]) -> None:
    """Emits each scalar, made of variables that have their values here, that several of `parts`
    compute."""
    steady = _Steady(e)
    known: dict[int, list[PrimExpr]] = {}
    repeated: dict[int, None] = {}
    for part in parts:
        found: dict[int, list[PrimExpr]] = {}
        steady.collect(part, False, found)
        for number, nodes in found.items():
            if number in known:
                repeated[number] = None
            known.setdefault(number, []).extend(nodes)
    for number in repeated:
        first, *others = known[number]
        value = e.index(first) if number in steady.indices else e.expr(first)
        for other in others:
            e.share(other, value)


class _Steady:
    """Numbers scalars without effects that are made of variables that have their values: equal
    ones have one number."""

    def __init__(self, e: FunctionEmitter) -> None:
        self.e = e
        self.indices: set[int] = set()
        """The numbers of those that indices are made of."""
        self._numbers: dict[tuple[object, ...], int] = {}
        self._known: dict[int, int | None] = {}

    def collect(self, node: Node, in_index: bool, found: dict[int, list[PrimExpr]]) -> None:
        """Adds the scalars within `node` to `found`, by number."""
        if isinstance(node, (BufferLoad, BufferStore)):
            for index in node.indices:
                self.collect(index, True, found)
            for other in (node.predicate, getattr(node, "value", None)):
                if other is not None:
                    self.collect(other, False, found)
            return
        number = self.number(node) if isinstance(node, _PURE) else None
        if number is not None and isinstance(node, PrimExpr):
            nodes = found.setdefault(number, [])
            if any(n is node for n in nodes):
                return
            nodes.append(node)
            if in_index:
                self.indices.add(number)
        for child in children(node):
            self.collect(child, in_index, found)

    def number(self, node: Node) -> int | None:
        """The number of a scalar; None for what is none, or may change."""
        key: tuple[object, ...]
        if isinstance(node, (IntImm, FloatImm)):
            key = (type(node), node.dtype, repr(node.value))
        elif isinstance(node, Var):
            if not self.e.is_bound(node):
                return None
            key = (Var, id(node))
        elif id(node) in self._known:
            return self._known[id(node)]
        else:
            self._known[id(node)] = None
            if not isinstance(node, _PURE) or dtype_of(node.dtype).lanes != 1:
                return None
            parts = [self.number(child) for child in children(node)]
            if None in parts:
                return None
            key = (type(node), node.dtype, *parts)
        number = self._numbers.setdefault(key, len(self._numbers))
        if key[0] is not Var:
            self._known[id(node)] = number
        return number
