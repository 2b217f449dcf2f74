"""What a later iteration reads is fetched in time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.node import Node
from ...support.dtypes import dtype_of
from ...support.errors import CompileError
from .. import op as O
from ..analysis import undefined_vars
from ..arith import Analyzer
from ..arith.canonical import is_movable
from ..expr import BufferLoad, FloorDiv, Ramp, Var
from ..function import PrimFunc
from ..stmt import Allocate, BufferStore, DeclBuffer, Evaluate, For, SeqStmt, Stmt, stmt_seq
from ..stmt_functor import substitute
from .base import factory

PREFETCH_AHEAD = "prefetch_ahead"
"""The annotation of a loop: so many iterations ahead the lines are fetched that its innermost loops
read and write."""

PREFETCH_FIRST = "prefetch_first"
"""The annotation of a loop: so many iterations ahead the lines are fetched that it, or a loop in
it, reads after its own inner loops; those fetch them, a part in each iteration."""

PREFETCH_NEXT = "prefetch_next"
"""The annotation of a loop: the vectors that it reads, and that so many iterations of the loops
around it read alike, are fetched for the iteration that reads others next, each of those that share
them fetching its part. The number says what is expected, 0 that it is not known."""

OWN = {PREFETCH_AHEAD, PREFETCH_FIRST, PREFETCH_NEXT}

USUAL_TILES = 4
"""Iterations that share what they read, where it is not known how many they are."""

MOST_RUNS = 8
"""Of how many rows lines may be, each fetched by itself."""

LINE = 64
"""Bytes of a line of the caches."""


class _Prefetch(Rewriter):
    def __init__(self) -> None:
        self.analyzer = Analyzer()
        self.around: list[tuple[For, int]] = []
        self.first: list[tuple[For, int]] = []
        self.loops: list[For] = []
        self.shared: list[tuple[int, int]] = []

    @on(For)
    def loop(self, loop: For) -> Stmt:
        """Fetches in the innermost loops of one that is annotated."""
        tiles = _number(loop, PREFETCH_NEXT)
        if tiles is not None:
            self.shared.append((len(self.loops), tiles))
        self.loops.append(loop)
        made: Any = self._loop(loop)
        if self.shared and not _holds_loops(loop.body):
            made = made.replace(body=stmt_seq(*self._next(loop.body), made.body))
        self.loops.pop()
        if tiles is not None:
            self.shared.pop()
        if loop.annotations.keys() & OWN:
            notes = {k: v for k, v in made.annotations.items() if k not in OWN}
            made = made.replace(annotations=notes)
        return made  # type: ignore[no-any-return]

    def _loop(self, loop: For) -> Stmt:
        ahead = _number(loop, PREFETCH_AHEAD)
        first = _number(loop, PREFETCH_FIRST)
        if ahead is not None:
            self.around.append((loop, ahead))
        if first is not None:
            self.first.append((loop, first))
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
        for places in groups.values():
            turn = self._turn(places[0][1].indices[0])
            if turn is not None:
                found += _part(_one_a_line(places), turn)
        return found

    def _turn(self, index: PrimExpr) -> _Turn | None:
        """Whose turn it is to fetch, and what changes in `index` then; None of what the annotated
        loop reads again and again, and in the one iteration that a loop leaves for its end."""
        (start, expected), used = self.shared[-1], set(undefined_vars(index))
        around = self.loops[:start]
        at = max((k for k, loop in enumerate(around) if loop.loop_var in used), default=None)
        if at is None or not any(loop.loop_var in used for loop in self.loops[start:]):
            return None
        outer, inner = around[at], around[at + 1 :]
        alike = self._alike(index, outer.loop_var)
        number, tiles = O.floormod(outer.loop_var, alike), alike
        for loop in inner:
            number = number * loop.extent + (loop.loop_var - loop.min)
            tiles *= loop.extent.value if isinstance(loop.extent, IntImm) else 0
        if tiles == 1 < expected:
            return None
        last = outer.min + outer.extent - 1
        return _Turn(number, tiles, {outer.loop_var: O.min(outer.loop_var + alike, last)})

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
            if rest not in set(undefined_vars(made)):
                return count
        return 1

    # ---- what comes a number of iterations later --------------------------------------------

    def _with_first(self, body: Stmt, var: Var, outer: For, ahead: int) -> Stmt:
        """`body`, of the loop over `var`; in its last loops, or before them if it is not known how
        long those are, it fetches what it reads after them."""
        if isinstance(body, (Allocate, DeclBuffer)):
            return body.replace(body=self._with_first(body.body, var, outer, ahead))
        parts = body.seq if isinstance(body, SeqStmt) else ()
        at = max((k for k, part in enumerate(parts) if isinstance(part, For)), default=None)
        if at is None:
            return body
        last = outer.min + outer.extent - 1
        later = {outer.loop_var: O.min(outer.loop_var + ahead, last)}
        groups = self._lines(stmt_seq(*parts[at + 1 :]), {outer.loop_var, var})
        read = [places for write, places in groups if not write]
        spread = _spread(parts[at], read, later)
        if spread is not None:
            return stmt_seq(*parts[:at], spread, *parts[at + 1 :])
        return stmt_seq(*(_fetch(substitute(p, later)) for run in read for _, p in run), body)

    @on(BufferStore, Evaluate)
    def leaf(self, stmt: Stmt) -> Stmt:
        """What holds no loops stays."""
        return stmt

    def _fetched(self, body: Stmt, moving: set[Var], outer: For, ahead: int) -> list[Stmt]:
        """The fetches of what `body` reads and writes."""
        last = outer.min + outer.extent - 1
        later = {outer.loop_var: O.min(outer.loop_var + ahead, last)}
        return [
            _fetch(substitute(place, later), write)
            for write, places in self._lines(body, moving)
            for _, place in places
        ]

    def _lines(self, body: Stmt, moving: set[Var]) -> list[tuple[int, Places]]:
        """A place in each line that `body` reads (0) or writes (1), known before `body` and changed
        by all of `moving`; those that are constants apart together."""
        groups: dict[Any, Places] = {}
        known = set(undefined_vars(body))
        for place, write in _places(body):
            if moving <= set(undefined_vars(place.indices[0])) <= known:
                total = self.analyzer.sum(place.indices[0])
                key = (write, place.buffer, frozenset(total.terms.items()))
                groups.setdefault(key, []).append((total.const, place))
        return [(write, _one_a_line(places)) for (write, *_), places in groups.items()]


Places = list[tuple[int, BufferLoad]]
"""Places of one buffer with what they are apart, in elements."""


class _Turn(NamedTuple):
    """Which of `tiles` iterations this is (0: of how many is not known), and the variable that is
    another in the next ones."""

    number: PrimExpr
    tiles: int
    later: dict[Var, PrimExpr]

    def each(self, lines: int) -> int:
        """How many of so many lines fall to an iteration."""
        return -(-lines // (self.tiles or USUAL_TILES))

    def first(self, lines: int) -> PrimExpr:
        """The first of them."""
        if self.tiles:
            return O.floordiv(self.number * lines, self.tiles)
        each = self.each(lines)
        return O.min(self.number * each, lines - each)


def _one_a_line(places: Places) -> Places:
    """The first of the places in each line, in order."""
    found: Places = []
    size = LINE // dtype_of(places[0][1].buffer.dtype).bytes
    for at, place in sorted(places, key=lambda pair: pair[0]):
        if not found or at >= found[-1][0] + size:
            found.append((at, place))
    return found


def _spread(nest: Stmt, groups: list[Places], later: dict[Var, PrimExpr]) -> Stmt | None:
    """The loops `nest` with the fetches of `groups`, a part in each iteration; None if it is not
    known how many they are."""
    loops: list[Any] = []
    body = nest
    while isinstance(body, For):
        loops.append(body)
        body = body.body
    if _holds_loops(body) or not all(isinstance(loop.extent, IntImm) for loop in loops):
        return None
    turn = _Turn(*_position(loops), later)
    made = stmt_seq(*(fetch for places in groups for fetch in _part(places, turn)), body)
    for loop in reversed(loops):
        made = loop.replace(body=made)
    return made


def _position(loops: Sequence[Any]) -> tuple[PrimExpr, int]:
    """Which iteration of nested loops this is, and how many they have."""
    number: PrimExpr = IntImm(loops[0].loop_var.dtype, 0)
    for loop in loops:
        number = number * loop.extent + (loop.loop_var - loop.min)
    return number, math.prod(loop.extent.value for loop in loops)


def _part(places: Places, turn: _Turn) -> list[Stmt]:
    """The fetches of those of `places` whose turn it is."""
    ways = [
        [places[k::rows] for k in range(rows)]
        for rows in range(1, len(places))
        if rows <= MOST_RUNS
    ]
    found: list[list[Places]] = [way for way in ways if all(map(_is_even, way))]
    found.append(_runs(places))
    runs = min(found, key=lambda way: sum(turn.each(len(run)) for run in way))
    return [fetch for run in runs for fetch in _part_of_run(run, turn)]


def _is_even(run: Places) -> bool:
    """True if the places are equally far apart."""
    return len({b - a for (a, _), (b, _) in itertools.pairwise(run)}) <= 1


def _runs(places: Places) -> list[Places]:
    """The places, neighbours together, in runs that are equally far apart."""
    found: list[Places] = []
    for pair in places:
        if found and _is_even([*found[-1], pair]):
            found[-1].append(pair)
        elif found and len(found[-1]) == 2:  # what belongs together lies close together
            found[-1:] = [found[-1][:1], [found[-1][1], pair]]
        else:
            found.append([pair])
    return found


def _part_of_run(run: Places, turn: _Turn) -> list[Stmt]:
    """The fetches of the lines of `run` whose turn it is."""
    (_, first), lines = run[0], len(run)
    apart = run[1][0] - run[0][0] if lines > 1 else 0
    start = substitute(first, turn.later)
    line = turn.first(lines)
    return [
        _fetch(BufferLoad(first.buffer, (start.indices[0] + (line + k) * apart,)))
        for k in range(turn.each(lines))
    ]


def _fetch(place: BufferLoad, write: int = 0) -> Stmt:
    return Evaluate(O.call_intrin("int32", "tir.prefetch", place, write, 3, 1))


def _number(loop: For, name: str) -> int | None:
    """The value of an annotation; None without it. Raises `CompileError` for no natural number."""
    if name not in loop.annotations:
        return None
    given = loop.annotations[name]
    value = given.value if isinstance(given, IntImm) else given
    if type(value) is not int or value < 0:
        raise CompileError(
            f"the annotation {name!r} of loop `{loop.loop_var.name}` is a number of iterations, "
            f"found {given!r}",
            loop.span,
            hint="write an integer that is not negative",
        )
    return value


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
        if dtype_of(first.dtype).lanes == 1 and is_movable(first):  # it is computed before guards
            found.append((BufferLoad(node.buffer, (first,)), int(isinstance(node, BufferStore))))

    post_order_visit(body, look)
    return found


@factory
def PrefetchAhead(func: PrimFunc) -> PrimFunc:
    """for i in range(n, annotations={"prefetch_ahead": 2}): for k: f(a[i * 8 + k])
    ->   for i in range(n): for k: prefetch(a[min(i + 2, n - 1) * 8 + k]); f(a[i * 8 + k])

    So for the lines of `a` that are written. Of neighbouring elements one a line is fetched, of
    vectors the first line. Fetching changes nothing but time.

    for i in range(n): for j in range(4): for k in T.serial(m, annotations={"prefetch_next": 4}):
        f(a[i * m + k])
    ->   .. the lines of `a[min(i + 1, n - 1) * m + k]`, a quarter of them in each iteration of `j`
    """
    return func.replace(body=_Prefetch().rewrite(func.body))


__all__ = ["PREFETCH_AHEAD", "PREFETCH_FIRST", "PREFETCH_NEXT", "PrefetchAhead"]
