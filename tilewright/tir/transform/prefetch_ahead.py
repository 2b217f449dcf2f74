"""What a later iteration reads is fetched in time."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...support.dtypes import dtype_of
from .. import op as O
from ..analysis import undefined_vars
from ..arith import Analyzer
from ..expr import BufferLoad, Ramp, Var
from ..function import PrimFunc
from ..stmt import BufferStore, Evaluate, For, Stmt, stmt_seq
from ..stmt_functor import substitute
from .base import factory

PREFETCH_AHEAD = "prefetch_ahead"
"""The annotation of a loop: so many iterations ahead the lines are fetched that its innermost loops
read and write."""

LINE = 64
"""Bytes of a line of the caches."""


class _Prefetch(Rewriter):
    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.around: list[tuple[For, int]] = []

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Fetches in the innermost loops of one that is annotated."""
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

    @on(BufferStore, Evaluate)
    def leaf(self, stmt: Stmt) -> Stmt:
        """What holds no loops stays."""
        return stmt

    def _fetched(self, inner: For, outer: For, ahead: int) -> list[Stmt]:
        last = outer.min + outer.extent - 1
        later = {outer.loop_var: O.min(outer.loop_var + ahead, last)}
        return [
            Evaluate(O.call_intrin("int32", "tir.prefetch", substitute(place, later), write, 3, 1))
            for place, write in self._lines(inner, outer.loop_var)
        ]

    def _lines(self, inner: For, var: Var) -> list[tuple[BufferLoad, int]]:
        """A place in each line that an iteration of `inner` reads (0) or writes (1)."""
        groups: dict[Any, list[tuple[int, BufferLoad]]] = {}
        for place, write in _places(inner.body):
            if {var, inner.loop_var} <= set(undefined_vars(place.indices[0])):
                total = self.analyzer.sum(place.indices[0])
                key = (write, place.buffer, frozenset(total.terms.items()))
                groups.setdefault(key, []).append((total.const, place))
        found: list[tuple[BufferLoad, int]] = []
        for (write, buffer, _), places in groups.items():
            size = LINE // dtype_of(buffer.dtype).bytes
            start: int | None = None
            for at, place in sorted(places, key=lambda pair: pair[0]):
                if start is None or at >= start + size:
                    start = at
                    found.append((place, write))
        return found


def _holds_loops(body: Stmt) -> bool:
    found: list[For] = []
    post_order_visit(body, lambda node: found.append(node) if isinstance(node, For) else None)
    return bool(found)


def _places(body: Stmt) -> list[tuple[BufferLoad, int]]:
    """The first elements of what is read (0) and written (1), element by element or in vectors."""
    found: list[tuple[BufferLoad, int]] = []

    def look(node: Node) -> None:
        if not isinstance(node, (BufferLoad, BufferStore)) or node.buffer.scope() != "global":
            return
        (first, *rest) = node.indices
        if not rest and isinstance(first, Ramp) and O.is_const_int(first.stride, 1):
            first = first.base
        if not rest and dtype_of(first.dtype).lanes == 1:
            found.append((BufferLoad(node.buffer, (first,)), int(isinstance(node, BufferStore))))

    post_order_visit(body, look)
    return found


@factory
def PrefetchAhead(func: PrimFunc) -> PrimFunc:
    """for i in range(n, annotations={"prefetch_ahead": 2}): for k: f(a[i * 8 + k])
    ->   for i in range(n): for k: prefetch(a[min(i + 2, n - 1) * 8 + k]); f(a[i * 8 + k])

    So for the lines of `a` that are written. Of neighbouring elements one a line is fetched, of
    vectors the first line. Fetching changes nothing but time.
    """
    return func.replace(body=_Prefetch().rewrite(func.body))


__all__ = ["PREFETCH_AHEAD", "PrefetchAhead"]
