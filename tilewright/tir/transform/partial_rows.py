"""Loops over blocks of a few vectors whose last block is incomplete, by number of elements."""

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
    if others or not _counts_along(analyzer, condition, (loop, vectors, lanes), (count, width)):
        return None
    first, last = lanes.min, O.add(lanes.min, IntImm(lanes.loop_var.dtype, width - 1))
    whole = renew_defs(lanes.replace(body=branch.then_case))
    some = IfThenElse(substitute(condition, {lanes.loop_var: first}), lanes, None)
    each = IfThenElse(substitute(condition, {lanes.loop_var: last}), whole, some)
    return vectors.replace(body=each)


def _counts_along(
    analyzer: Analyzer, one: PrimExpr, loops: tuple[For, For, For], sizes: tuple[int, int]
) -> bool:
    """True if `one` says of the elements of a row, counted by three loops, which there are."""
    if not isinstance(one, (LT, LE, GT, GE)) or one.a.dtype not in INDEX_TYPES:
        return False
    if reads_memory(one):
        return False
    engine = analyzer.engine
    slack = engine._slack(type(one), engine.sum(one.a), engine.sum(one.b))
    variables = [loop.loop_var for loop in loops]
    made = linear_coefficients(engine.terms, slack, variables)
    if made is None:
        return False
    count, width = sizes
    steps = (-count * width, -width, -1)
    return all(
        not made[0][var].terms and made[0][var].const == step
        for var, step in zip(variables, steps, strict=True)
    )
