"""What a later iteration reads is fetched in time."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.node import Node
from ...support.dtypes import dtype_of
from .. import op as O
from ..analysis import undefined_vars
from ..arith import Analyzer
from ..expr import BufferLoad, Var
from ..function import PrimFunc
from ..stmt import Evaluate, For, Stmt, stmt_seq
from ..stmt_functor import post_order_visit, substitute
from .base import factory

PREFETCH_AHEAD = "prefetch_ahead"
"""The annotation of a loop: so many iterations ahead the lines are fetched that are read element by
element."""

LINE = 64
"""Bytes of a line of the caches."""


class _Prefetch(Rewriter):
    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.around: list[tuple[For, int]] = []

    @on(For)
    def loop(self, loop: For) -> Stmt:
        ahead = loop.annotations.get(PREFETCH_AHEAD)
        if ahead is not None:
            self.around.append((loop, int(ahead)))
        made: Any = self.rewrite_children(loop)
        if ahead is not None:
            self.around.pop()
            notes = {k: v for k, v in made.annotations.items() if k != PREFETCH_AHEAD}
            made = made.replace(annotations=notes)
        elif self.around and not _holds_loops(loop.body):
            fetched = self._fetched(made, *self.around[-1])
            made = made.replace(body=stmt_seq(*fetched, made.body))
        return made  # type: ignore[no-any-return]

    def _fetched(self, inner: For, outer: For, ahead: int) -> list[Stmt]:
        last = outer.min + outer.extent - 1
        later = {outer.loop_var: O.min(outer.loop_var + ahead, last)}
        return [
            Evaluate(O.call_intrin("int32", "tir.prefetch", load, 0, 3, 1))
            for load in (substitute(l, later) for l in self._lines(inner, outer.loop_var))
        ]

    def _lines(self, inner: For, var: Var) -> list[BufferLoad]:
        """One load for each line that an iteration of `inner` reads element by element."""
        groups: dict[Any, list[tuple[int, BufferLoad]]] = {}
        for load in _scalar_loads(inner.body):
            if {var, inner.loop_var} <= set(undefined_vars(load.indices[0])):
                total = self.analyzer.sum(load.indices[0])
                group = groups.setdefault((load.buffer, frozenset(total.terms.items())), [])
                group.append((total.const, load))
        found: list[BufferLoad] = []
        for (buffer, _), loads in groups.items():
            size = LINE // dtype_of(buffer.dtype).bytes
            start: int | None = None
            for place, load in sorted(loads, key=lambda pair: pair[0]):
                if start is None or place >= start + size:
                    start = place
                    found.append(load)
        return found


def _holds_loops(body: Stmt) -> bool:
    found: list[For] = []
    post_order_visit(body, lambda node: found.append(node) if isinstance(node, For) else None)
    return bool(found)


def _scalar_loads(body: Stmt) -> list[BufferLoad]:
    found: list[BufferLoad] = []

    def look(node: Node) -> None:
        if isinstance(node, BufferLoad) and dtype_of(node.dtype).lanes == 1:
            found.append(node)

    post_order_visit(body, look)
    return [load for load in found if load.buffer.scope() == "global" and len(load.indices) == 1]


@factory
def PrefetchAhead(func: PrimFunc) -> PrimFunc:
    """for i in range(n, annotations={"prefetch_ahead": 2}): for k: f(a[i * 8 + k])
    ->   for i in range(n): for k: prefetch(a[min(i + 2, n - 1) * 8 + k]); f(a[i * 8 + k])

    Of neighbouring elements one a line is fetched. Fetching changes nothing but time.
    """
    return func.replace(body=_Prefetch().rewrite(func.body))


__all__ = ["PREFETCH_AHEAD", "PrefetchAhead"]
