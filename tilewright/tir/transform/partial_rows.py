"""Rows whose number of elements is known at run time only, by blocks of a few vectors: the last
block, which is incomplete, and what adds up the lanes, of which not all count."""

from __future__ import annotations

from ...ir.expr import IntImm, PrimExpr
from .. import op as O
from ..arith import Analyzer
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..arith.conditions import conjuncts
from ..arith.linear import linear_coefficients
from ..expr import GE, GT, LE, LT
from ..stmt import For, ForKind, IfThenElse, SeqStmt, Stmt, stmt_seq
from ..stmt_functor import renew_defs, substitute
from .partial_tiles import MOST_ROWS
from .vectorize_loop import VECTOR_REDUCE


def partial_rows(analyzer: Analyzer, loop: For) -> Stmt | None:
    """The body of `loop` where its last block is incomplete; None if the loop does anything else
    than going along a row by blocks of a few vectors.

    Whole vectors have no condition then, and what lies behind the end costs nothing:

        for v in unrolled(4): for l in vectorized(16): if 64 * i + 16 * v + l < n: f(v, l)
        ->  for v in unrolled(4):
                if 64 * i + 16 * v + 15 < n: for l in vectorized(16): f(v, l)
                else: if 64 * i + 16 * v < n: for l in vectorized(16): if ..: f(v, l)
    """
    nests = loop.body.seq if isinstance(loop.body, SeqStmt) else (loop.body,)
    made = [_by_vector(analyzer, loop, nest) for nest in nests]
    return stmt_seq(*[one for one in made if one is not None]) if None not in made else None


def partial_sum(analyzer: Analyzer, loop: For) -> Stmt | None:
    """The reduction of the first elements of a few vectors, from as few of them as hold all that
    count; None if they all do, or anything else decides which ones.

        for i in range(32): if i < n: f(i)
        ->  if n > 16:
                if n >= 32: for i in range(32): f(i)
                else: for i in range(32): if i < n: f(i)
            else:
                if n == 16: for i in range(16): f(i)
                else: for i in range(16): if i < n: f(i)
    """
    count, branch = O.const_value(loop.extent), loop.body
    given = loop.annotations.get(VECTOR_REDUCE, 1)
    lanes = given.value if isinstance(given, IntImm) else given
    if not isinstance(lanes, int) or lanes < 2:
        return None
    if not isinstance(count, int) or not O.is_const_int(loop.min, 0):
        return None
    if not isinstance(branch, IfThenElse) or branch.else_case is not None:
        return None
    (condition, *others) = conjuncts(branch.condition, opens_likely=True)
    if others or not _counts_along(analyzer, condition, (loop,), (1,)):
        return None

    loop = loop.replace(annotations={**loop.annotations, VECTOR_REDUCE: 1})

    def has(element: int) -> PrimExpr:
        at = IntImm(loop.loop_var.dtype, element)
        asked: PrimExpr = substitute(condition, {loop.loop_var: at})
        return asked

    def of(size: int) -> Stmt:
        some = loop.replace(extent=IntImm(loop.loop_var.dtype, size))
        whole = some.replace(body=branch.then_case)
        return IfThenElse(has(size - 1), renew_defs(whole), renew_defs(some))

    made = of(count)
    sizes = [lanes << k for k in range(count.bit_length()) if lanes << k < count]
    for size in reversed(sizes):
        made = IfThenElse(has(size), made, of(size))
    return made


def _by_vector(analyzer: Analyzer, loop: For, vectors: Stmt) -> Stmt | None:
    """One nest of a block."""
    if not isinstance(vectors, For) or vectors.kind != ForKind.UNROLLED:
        return None
    lanes = vectors.body
    if not isinstance(lanes, For) or lanes.kind != ForKind.VECTORIZED:
        return None
    count, width, branch = O.const_value(vectors.extent), O.const_value(lanes.extent), lanes.body
    if not isinstance(count, int) or not isinstance(width, int) or count > MOST_ROWS:
        return None
    if not isinstance(branch, IfThenElse) or branch.else_case is not None:
        return None
    (condition, *others) = conjuncts(branch.condition, opens_likely=True)
    steps = (count * width, width, 1)
    if others or not _counts_along(analyzer, condition, (loop, vectors, lanes), steps):
        return None
    first, last = lanes.min, O.add(lanes.min, IntImm(lanes.loop_var.dtype, width - 1))
    whole = renew_defs(lanes.replace(body=branch.then_case))
    some = IfThenElse(substitute(condition, {lanes.loop_var: first}), lanes, None)
    each = IfThenElse(substitute(condition, {lanes.loop_var: last}), whole, some)
    return vectors.replace(body=each)


def _counts_along(
    analyzer: Analyzer, one: PrimExpr, loops: tuple[For, ...], steps: tuple[int, ...]
) -> bool:
    """True if `one` says of the elements of a row which there are; an iteration of each of the
    loops goes on by some `steps` of them."""
    if not isinstance(one, (LT, LE, GT, GE)) or one.a.dtype not in INDEX_TYPES:
        return False
    if reads_memory(one):
        return False
    engine = analyzer.engine
    slack = engine._slack(type(one), engine.sum(one.a), engine.sum(one.b))
    variables = [loop.loop_var for loop in loops]
    made = linear_coefficients(engine.terms, slack, variables)
    if made is None or made[1].constant is not None:
        return False
    return all(
        not made[0][var].terms and made[0][var].const == -step
        for var, step in zip(variables, steps, strict=True)
    )
