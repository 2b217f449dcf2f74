"""Reductions taken apart: buffer, value and operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...ir.expr import PrimExpr
from ...ir.structural import structural_equal
from .. import expr as E
from .. import op as T
from ..buffer import Buffer
from ..expr import BufferLoad
from ..stmt import BufferStore
from .refusal import refuse
from .sref import StmtSRef

OPERATIONS: dict[type[PrimExpr], Callable[[Any, Any], PrimExpr]] = {
    E.Add: T.add,
    E.Mul: T.multiply,
    E.Min: T.min,
    E.Max: T.max,
}
"""The commutative operations that a reduction may be."""


@dataclass(frozen=True)
class Factored:
    """`store.buffer[store.indices] = operation(itself, value)`, from `identity` on."""

    store: BufferStore
    operation: type[PrimExpr]
    value: PrimExpr
    identity: PrimExpr

    @property
    def buffer(self) -> Buffer:
        """The buffer that is reduced to."""
        return self.store.buffer


def reduction_of(block: StmtSRef) -> Factored:
    """The parts of the reduction that the block is. Refuses other forms."""
    stmt = block.block
    body, init = stmt.body, stmt.init
    if not isinstance(body, BufferStore) or not isinstance(init, BufferStore):
        refuse("the reduction is not a single store", block)
    value = body.value
    if type(value) not in OPERATIONS or not isinstance(value, (E.BinaryOpExpr)):
        refuse("the reduction is not a sum, product, minimum or maximum", block)
    for own, other in ((value.a, value.b), (value.b, value.a)):
        if (
            isinstance(own, BufferLoad)
            and own.buffer is body.buffer
            and structural_equal(own.indices, body.indices)
        ):
            return Factored(body, type(value), other, init.value)
    refuse("the reduction does not update what it stores to", block)


def combine(reduction: Factored, a: PrimExpr, b: PrimExpr) -> PrimExpr:
    """The operation of the reduction on two values."""
    return OPERATIONS[reduction.operation](a, b)
