"""Facts on what elements of buffers hold, and writes that end them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.functor import post_order_visit
from ...ir.structural import structural_equal
from .. import op as O
from ..arith.canonical import INDEX_TYPES, reads_memory
from ..buffer import Buffer
from ..expr import Broadcast, Call, Ramp, Var
from ..stmt import BufferStore, Stmt
from ..stmt_functor import substitute
from .clauses import ALWAYS, Clauses, replaced
from .effects import has_effects

Binder = tuple[Var, Any, Any]
"""A variable, and where its values begin and end; None if that is not known."""


@dataclass(frozen=True, eq=False)
class Fact:
    """The elements of `buffer` in `where` hold `value`, which reads no memory. Both are written
    with the axes of the buffer and with variables in scope. `origin` is what first told of it."""

    buffer: Buffer
    where: Clauses
    value: PrimExpr
    origin: object = field(default_factory=object)


@dataclass(frozen=True, eq=False)
class Write:
    """A store, which writes to `where` at most, for the values of `binders`; None as buffer: to
    any memory. `pieces` are the values that are known, and under which conditions."""

    buffer: Buffer | None
    where: Clauses = ALWAYS
    indices: tuple[PrimExpr, ...] = ()
    pieces: tuple[tuple[Clauses, PrimExpr], ...] = ()
    binders: tuple[Binder, ...] = ()

    def renamed(self, old: Var, low: PrimExpr, end: PrimExpr, new: Var) -> Write:
        """The same for the iterations from `low` to before `end` of the loop of `old`."""
        at = {old: new}
        return Write(
            self.buffer,
            replaced(self.where, at),
            tuple(substitute(index, at) for index in self.indices),
            tuple((replaced(c, at), substitute(v, at)) for c, v in self.pieces),
            (*((v, substitute(a, at), substitute(b, at)) for v, a, b in self.binders),
             (new, low, end)),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at a place: of memory, and which conditions hold."""

    facts: tuple[Fact, ...] = ()
    given: tuple[Clauses, ...] = ()


def by_lane(buffer: Buffer, indices: tuple[PrimExpr, ...], value: PrimExpr) -> Any:
    """Indices and value of one lane of a store, and the variable of the lane; None as indices or
    value if they have no such form."""
    if not indices or not isinstance(indices[-1], Ramp):
        return indices, value if value.dtype == buffer.dtype else None, ()
    ramp = indices[-1]
    lane = Var("lane", ramp.base.dtype)
    index = O.add(ramp.base, O.multiply(lane, ramp.stride))
    made: PrimExpr | None = None
    if isinstance(value, Broadcast):
        made = value.value
    elif isinstance(value, Ramp):
        made = O.add(value.base, O.multiply(O.cast(lane, value.base.dtype), value.stride))
    is_counted = isinstance(ramp.lanes, int) and buffer.dtype == getattr(made, "dtype", None)
    binders = ((lane, IntImm(lane.dtype, 0), O.const(ramp.lanes, lane.dtype)),)
    return (*indices[:-1], index), made if is_counted else None, binders


def are_plain(indices: Sequence[PrimExpr]) -> bool:
    """True for indices of which one can tell where they are: integers that read no memory."""
    return all(index.dtype in INDEX_TYPES and not reads_memory(index) for index in indices)


def iterations(writes: list[Write], var: Var, low: PrimExpr, end: PrimExpr) -> list[Write]:
    """The writes of the iterations from `low` to before `end`."""
    return [write.renamed(var, low, end, var.copy_with_dtype(var.dtype)) for write in writes]


def wholes(writes: list[Write]) -> list[Write]:
    """Writes to all of the buffers that `writes` touch."""
    return [Write(write.buffer) for write in writes]


def all_writes(stmt: Stmt) -> list[Write]:
    """Writes to all of the memory that `stmt` may write to."""
    found: dict[Buffer | None, None] = {}

    def look(node: Any) -> None:
        if isinstance(node, BufferStore):
            found[node.buffer] = None
        elif isinstance(node, Call) and has_effects(node):
            found[None] = None

    post_order_visit(stmt, look)
    return [Write(buffer) for buffer in found]


def are_same(a: tuple[Fact, ...], b: tuple[Fact, ...]) -> bool:
    """True for the same facts of the same elements."""

    def is_same(one: Fact, other: Fact) -> bool:
        if one is other:
            return True
        return one.origin is other.origin and structural_equal(one.where, other.where)

    return len(a) == len(b) and all(map(is_same, a, b))
