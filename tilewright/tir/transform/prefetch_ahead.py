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
from ..stmt import Allocate, BufferStore, DeclBuffer, Evaluate, For, SeqStmt, Stmt, stmt_seq
from ..stmt_functor import substitute
from .base import factory

PREFETCH_AHEAD = "prefetch_ahead"
"""The annotation of a loop: so many iterations ahead the lines are fetched that its innermost loops
read and write."""

PREFETCH_FIRST = "prefetch_first"
"""The annotation of a loop: so many iterations ahead the lines are fetched, into the second cache,
that it, or a loop in it, reads after its own inner loops."""

OWN = {PREFETCH_AHEAD, PREFETCH_FIRST}

LINE = 64
"""Bytes of a line of the caches."""


class _Prefetch(Rewriter):
    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.around: list[tuple[For, int]] = []
        self.first: list[tuple[For, int]] = []

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Fetches in the innermost loops of one that is annotated."""
        ahead = loop.annotations.get(PREFETCH_AHEAD)
        first = loop.annotations.get(PREFETCH_FIRST)
        if ahead is not None:
            self.around.append((loop, int(ahead)))
        if first is not None:
            self.first.append((loop, int(first)))
        made: Any = self.rewrite_children(loop)
        if ahead is not None:
            self.around.pop()
        elif self.around and not _holds_loops(loop.body):
            outer, distance = self.around[-1]
            moving = {outer.loop_var, made.loop_var}
            fetched = self._fetched(made.body, moving, outer, distance)
            made = made.replace(body=stmt_seq(*fetched, made.body))
        if self.first:
            made = made.replace(body=self._with_first(made.body, made.loop_var, *self.first[-1]))
        if first is not None:
            self.first.pop()
        if loop.annotations.keys() & OWN:
            notes = {k: v for k, v in made.annotations.items() if k not in OWN}
            made = made.replace(annotations=notes)
        return made  # type: ignore[no-any-return]

    def _with_first(self, body: Stmt, var: Var, outer: For, ahead: int) -> Stmt:
        """`body`, of the loop over `var`; before its loops it fetches what it reads after them."""
        if isinstance(body, (Allocate, DeclBuffer)):
            return body.replace(body=self._with_first(body.body, var, outer, ahead))
        parts = body.seq if isinstance(body, SeqStmt) else ()
        last = max((k for k, part in enumerate(parts) if isinstance(part, For)), default=None)
        if last is None:
            return body
        rest = stmt_seq(*parts[last + 1 :])
        fetched = self._fetched(rest, {outer.loop_var, var}, outer, ahead, reads_far=True)
        return stmt_seq(*fetched, body)

    @on(BufferStore, Evaluate)
    def leaf(self, stmt: Stmt) -> Stmt:
        """What holds no loops stays."""
        return stmt

    def _fetched(
        self, body: Stmt, moving: set[Var], outer: For, ahead: int, *, reads_far: bool = False
    ) -> list[Stmt]:
        """The fetches of what `body` reads and writes; `reads_far`: of what it reads alone, into
        the second cache."""
        near = 2 if reads_far else 3
        last = outer.min + outer.extent - 1
        later = {outer.loop_var: O.min(outer.loop_var + ahead, last)}
        return [
            Evaluate(
                O.call_intrin("int32", "tir.prefetch", substitute(place, later), write, near, 1)
            )
            for place, write in self._lines(body, moving)
            if not (write and reads_far)
        ]

    def _lines(self, body: Stmt, moving: set[Var]) -> list[tuple[BufferLoad, int]]:
        """A place in each line that `body` reads (0) or writes (1), known before `body` and changed
        by all of `moving`."""
        groups: dict[Any, list[tuple[int, BufferLoad]]] = {}
        known = set(undefined_vars(body))
        for place, write in _places(body):
            if moving <= set(undefined_vars(place.indices[0])) <= known:
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


__all__ = ["PREFETCH_AHEAD", "PREFETCH_FIRST", "PrefetchAhead"]
