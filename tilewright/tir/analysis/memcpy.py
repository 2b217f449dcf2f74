"""Which loops copy one contiguous piece of memory to another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.expr import IntImm, PrimExpr, Range
from ...ir.functor import post_order_visit
from .. import op as O
from ..arith import Analyzer
from ..arith.int_set import Ends, Evaluator, as_domain, as_set
from ..arith.iter_expr import IterMapLevel
from ..arith.iter_map import detect_iter_map
from ..expr import BufferLoad, StringImm, Var
from ..stmt import BufferRegion, BufferStore, For, Stmt
from .arguments import looks_at


class _NoCopy(Exception):
    """Why a loop is no copy. Never leaves this module."""


@looks_at(Stmt)
def identify_memcpy(loop: For) -> tuple[BufferRegion, BufferRegion] | StringImm:
    """The regions between which `loop`, with the loops within, copies contiguous memory: source and
    destination. Otherwise the reason why it does not."""
    try:
        return _copied(loop)
    except _NoCopy as reason:
        return StringImm(str(reason))


def identify_memcpys(stmt: Stmt) -> list[tuple[BufferRegion, BufferRegion] | StringImm]:
    """`identify_memcpy` of each loop in `stmt`, the outer ones first."""
    loops: list[For] = []
    post_order_visit(stmt, lambda node: loops.append(node) if isinstance(node, For) else None)
    return [identify_memcpy(loop) for loop in reversed(loops)]


def _copied(loop: For) -> tuple[BufferRegion, BufferRegion]:
    store, loops = _innermost(loop)
    load = store.value
    if not isinstance(load, BufferLoad):
        raise _NoCopy(f"what is stored is no element of a buffer: {load}")
    source, target = (_place(access.buffer.shape, access.indices) for access in (load, store))
    places = [
        detect_iter_map([at], loops, check_level=IterMapLevel.Bijective).indices
        for at in (source, target)
    ]
    if not all(places):
        raise _NoCopy("the loops do not number what they read and write one by one")
    analyzer = Analyzer()
    for var, range_ in loops.items():
        analyzer.bind(var, range_)
    moved = _span(analyzer, O.subtract(source, target), loops)
    if moved is None or not O.is_const_int(moved, 1):
        raise _NoCopy(f"elements change their order: from {source} to {target}")
    count = math.prod((r.extent for r in loops.values()), start=O.const(1))
    for at, what in ((source, "read"), (target, "written")):
        span = _span(analyzer, at, loops)
        if span is None or not analyzer.can_prove_equal(span, count):
            raise _NoCopy(f"{analyzer.simplify(count)} elements are {what} with gaps between them")
    return _region(analyzer, load, loops), _region(analyzer, store, loops)


def _innermost(loop: For) -> tuple[BufferStore, dict[Var, Range]]:
    loops: dict[Var, Range] = {}
    stmt: Stmt = loop
    while isinstance(stmt, For):
        loops[stmt.loop_var] = Range(stmt.min, stmt.extent)
        stmt = stmt.body
    if not isinstance(stmt, BufferStore):
        raise _NoCopy(f"the innermost loop does more than one store: {type(stmt).__name__}")
    return stmt, loops


def _place(shape: Sequence[PrimExpr], indices: Sequence[PrimExpr]) -> PrimExpr:
    """The row-major position of an element."""
    place: PrimExpr = IntImm(indices[0].dtype if indices else "int32", 0)
    for extent, index in zip(shape, indices, strict=True):
        place = place * extent + index
    return place


def _span(analyzer: Analyzer, place: PrimExpr, loops: dict[Var, Range]) -> PrimExpr | None:
    """How far apart the ends are of what `place` runs through."""
    found = as_set(_ends(analyzer, place, loops)).range()
    return None if found is None else found.extent


def _ends(analyzer: Analyzer, expr: PrimExpr, loops: dict[Var, Range]) -> Ends:
    return Evaluator(analyzer, as_domain(analyzer, loops)).of(analyzer.sum(expr))


def _region(
    analyzer: Analyzer, access: BufferLoad | BufferStore, loops: dict[Var, Range]
) -> BufferRegion:
    """The box around what an access touches."""
    ranges = [as_set(_ends(analyzer, index, loops)).range() for index in access.indices]
    whole = [Range.from_min_extent(0, extent) for extent in access.buffer.shape]
    return BufferRegion(
        access.buffer, tuple(w if r is None else r for r, w in zip(ranges, whole, strict=True))
    )
