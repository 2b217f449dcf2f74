"""What a later iteration reads is fetched in time."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...support.dtypes import dtype_of
from .. import op as O
from ..analysis import undefined_vars
from ..arith import Analyzer
from ..expr import BufferLoad, FloorDiv, Ramp, Var
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

PREFETCH_NEXT = "prefetch_next"
"""The annotation of a loop: the vectors that it reads, and that several iterations of the loops
around it read alike, are fetched for the iteration that reads others next, each of those that share
them fetching its part."""

OWN = {PREFETCH_AHEAD, PREFETCH_FIRST, PREFETCH_NEXT}

LINE = 64
"""Bytes of a line of the caches."""


class _Prefetch(Rewriter):
    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.around: list[tuple[For, int]] = []
        self.first: list[tuple[For, int]] = []
        self.loops: list[For] = []
        self.shared: list[int] = []

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Fetches in the innermost loops of one that is annotated."""
        is_shared = PREFETCH_NEXT in loop.annotations
        if is_shared:
            self.shared.append(len(self.loops))
        self.loops.append(loop)
        made: Any = self._loop(loop)
        if self.shared and not _holds_loops(loop.body):
            made = made.replace(body=stmt_seq(*self._next(loop.body), made.body))
        self.loops.pop()
        if is_shared:
            self.shared.pop()
        if loop.annotations.keys() & OWN:
            notes = {k: v for k, v in made.annotations.items() if k not in OWN}
            made = made.replace(annotations=notes)
        return made  # type: ignore[no-any-return]

    def _loop(self, loop: For) -> Stmt:
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
        return made  # type: ignore[no-any-return]

    # ---- what comes next --------------------------------------------------------------------

    def _next(self, body: Stmt) -> list[Stmt]:
        """The fetches of this iteration's part of the vectors that come after those of `body`."""
        groups: dict[Any, Places] = {}
        known = set(undefined_vars(body))
        for place, write in _places(body, vectors=True):
            if not write and set(undefined_vars(place.indices[0])) <= known:
                total = self.analyzer.sum(place.indices[0])
                key = (place.buffer, frozenset(total.terms.items()))
                groups.setdefault(key, []).append((total.const, place))
        found: list[Stmt] = []
        for (buffer, _), places in groups.items():
            turn = self._turn(places[0][1].indices[0])
            if turn is not None:
                size = LINE // dtype_of(buffer.dtype).bytes
                for run in _runs(_one_a_line(places, size)):
                    found += _part(run, turn)
        return found

    def _turn(self, index: PrimExpr) -> _Turn | None:
        """Whose turn it is to fetch, and what changes in `index` then; None of what the annotated
        loop reads again and again, and where it is not known how many iterations share it."""
        start, used = self.shared[-1], set(undefined_vars(index))
        around = self.loops[:start]
        at = max((k for k, loop in enumerate(around) if loop.loop_var in used), default=None)
        if at is None or not any(loop.loop_var in used for loop in self.loops[start:]):
            return None
        outer = around[at]
        alike = self._alike(index, outer.loop_var)
        number, count = O.floormod(outer.loop_var, alike), alike
        for inner in around[at + 1 :]:
            if not isinstance(inner.extent, IntImm):
                return None
            number = number * inner.extent + (inner.loop_var - inner.min)
            count *= inner.extent.value
        last = outer.min + outer.extent - 1
        return _Turn(number, count, {outer.loop_var: O.min(outer.loop_var + alike, last)})

    def _alike(self, index: PrimExpr, var: Var) -> int:
        """For how many values of `var` in a row, counted from a multiple of them, `index` stays."""
        divisors = {1}

        def look(node: Node) -> None:
            if isinstance(node, FloorDiv) and isinstance(node.b, IntImm) and node.b.value > 1:
                divisors.add(node.b.value)

        post_order_visit(index, look)
        for count in sorted(divisors, reverse=True):
            multiple, rest = Var("multiple", var.dtype), Var("rest", var.dtype)
            analyzer = Analyzer()
            analyzer.bind(rest, Range(IntImm(var.dtype, 0), IntImm(var.dtype, count)))
            made = analyzer.simplify(substitute(index, {var: multiple * count + rest}))
            if rest not in undefined_vars(made):
                return count
        return 1

    # ---- what comes a number of iterations later --------------------------------------------

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
            _fetch(substitute(place, later), write, near)
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
        return [
            (place, write)
            for (write, buffer, _), places in groups.items()
            for _, place in _one_a_line(places, LINE // dtype_of(buffer.dtype).bytes)
        ]


class _Turn(NamedTuple):
    """Which of `tiles` iterations this is, and the variable that is another in the next ones."""

    number: PrimExpr
    tiles: int
    later: dict[Var, PrimExpr]


Places = list[tuple[int, BufferLoad]]
"""Places of one buffer with what they are apart, in elements."""


def _one_a_line(places: Places, size: int) -> Places:
    """The first of the places in each `size` elements, in order."""
    found: Places = []
    for at, place in sorted(places, key=lambda pair: pair[0]):
        if not found or at >= found[-1][0] + size:
            found.append((at, place))
    return found


def _runs(places: Places) -> list[Places]:
    """The places in runs that are equally far apart."""
    found: list[Places] = []
    for at, place in places:
        run = found[-1] if found else []
        if len(run) > 1 and at - run[-1][0] != run[1][0] - run[0][0]:
            if len(run) == 2:  # what belongs together lies close together
                found[-1:] = [run[:1], run[1:]]
                run = found[-1]
            else:
                run = []
        if run:
            run.append((at, place))
        else:
            found.append([(at, place)])
    return found


def _part(run: Places, turn: _Turn) -> list[Stmt]:
    """The fetches of the lines of `run` whose turn it is."""
    (_, first), lines = run[0], len(run)
    apart = run[1][0] - run[0][0] if lines > 1 else 0
    start = substitute(first, turn.later)
    line = O.floordiv(turn.number * lines, turn.tiles)
    return [
        _fetch(BufferLoad(first.buffer, (start.indices[0] + (line + k) * apart,)))
        for k in range(-(-lines // turn.tiles))
    ]


def _fetch(place: BufferLoad, write: int = 0, near: int = 3) -> Stmt:
    return Evaluate(O.call_intrin("int32", "tir.prefetch", place, write, near, 1))


def _holds_loops(body: Stmt) -> bool:
    found: list[For] = []
    post_order_visit(body, lambda node: found.append(node) if isinstance(node, For) else None)
    return bool(found)


def _places(body: Stmt, *, vectors: bool = False) -> list[tuple[BufferLoad, int]]:
    """The first elements of what is read (0) and written (1), element by element or in vectors;
    with `vectors` those of vectors alone."""
    found: list[tuple[BufferLoad, int]] = []

    def look(node: Node) -> None:
        if not isinstance(node, (BufferLoad, BufferStore)) or node.buffer.scope() != "global":
            return
        (first, *rest) = node.indices
        if rest:
            return
        if isinstance(first, Ramp) and O.is_const_int(first.stride, 1):
            first = first.base
        elif vectors:
            return
        if dtype_of(first.dtype).lanes == 1:
            found.append((BufferLoad(node.buffer, (first,)), int(isinstance(node, BufferStore))))

    post_order_visit(body, look)
    return found


@factory
def PrefetchAhead(func: PrimFunc) -> PrimFunc:
    """for i in range(n, annotations={"prefetch_ahead": 2}): for k: f(a[i * 8 + k])
    ->   for i in range(n): for k: prefetch(a[min(i + 2, n - 1) * 8 + k]); f(a[i * 8 + k])

    So for the lines of `a` that are written. Of neighbouring elements one a line is fetched, of
    vectors the first line. Fetching changes nothing but time.

    for i in range(n): for j in range(4): for k in T.serial(m, annotations={"prefetch_next": True}):
        f(a[i * m + k])
    ->   .. the lines of `a[min(i + 1, n - 1) * m + k]`, a quarter of them in each iteration of `j`
    """
    return func.replace(body=_Prefetch().rewrite(func.body))


__all__ = ["PREFETCH_AHEAD", "PREFETCH_FIRST", "PrefetchAhead"]
